local json = require("kmirror.json")
local reference = require("spec.support.reference")
local support = require("spec.support")

-- ---- what the annotations say of each public function ----

-- The parameters of `fun(file: file*, plan: kmirror.fleet.plan, options?: x)`.
local function parameters_of_type(shape)
    local found = {}
    for name, mark, kind in (shape:match("^fun(%b())") or "()"):sub(2, -2):gmatch("([%w_]+)(%??): ([^,]+)") do
        found[#found + 1] = { name = name, type = kind, optional = mark == "?" }
    end
    return found
end

local function parameters_of(item)
    local found = {}
    for _, tag in ipairs(item.doc.tags) do
        if tag.tag == "type" then return parameters_of_type(tag.rest) end
        local name, mark, kind = tag.rest:match("^([%w_.]+)(%??)%s+(.+)$")
        if tag.tag == "param" then
            found[#found + 1] = { name = name, optional = mark == "?", type = kind:match("^fun%b()") or
                kind:match("^%b()%[%]") or kind:match("^table%b<>") or kind:match("^%b{}") or kind:match("^%S+") }
        end
    end
    return found
end

local function functions()
    local found = {}
    for _, module in ipairs(reference.modules) do
        for _, item in ipairs(reference.read(module).items) do
            found[#found + 1] = {
                module = module, class = item.class, name = item.name, label = reference.label(module, item),
                parameters = parameters_of(item),
            }
        end
    end
    return found
end

-- The fields of the options that a function takes, by their class.
local function options()
    local found = {}
    local modules = table.move({ "fleet.plan", "fleet.apply" }, 1, 2, #reference.modules + 1,
        table.move(reference.modules, 1, #reference.modules, 1, {}))
    for _, module in ipairs(modules) do
        for _, class in ipairs(reference.read(module).classes) do
            local name = class.tags[1].rest:match("^[%w_.]+")
            if name:find("options$") then
                found[name] = {}
                for _, tag in ipairs(class.tags) do
                    local field, kind = tag.rest:match("^([%w_]+)%?%s+(%S+)")
                    if tag.tag == "field" then
                        found[name][field] = kind:find("^fun%(") and "fun()" or kind
                    end
                end
            end
        end
    end
    return found
end

-- ---- the walk ----

local walk = [[
local json, mirrors = require "kmirror.json", require "mirrors"
local plan = json.decode(io.open(...):read("a"))
local api = mirrors.connect {}
local steps, results, wait = require "kmirror.steps", require "kmirror.bulk.result", require "kmirror.wait"
local objects = {
    Steps = steps.new(), Hooks = require "kmirror.hooks".new({}, {}), Draft = require "kmirror.file".draft((...)),
    Result = results.new({}, {}, 1, 0, {}), Watch = wait.watch(api, print),
    Answer = require "kmirror.http".get(require "kmirror.profile".current().endpoint .. "/sandbox/producers"),
}

-- What only a function of the library makes, by the parameters' names.
local change = { operation = "delete", cluster = "c", id = "i" }
local plan_made = { create = {}, retune = {}, delete = {}, blocked = {} }
local made = {
    given = { clusters = {}, sources = {}, only = {}, except = {}, regexes = {}, topics = {}, ids = {}, statuses = {} },
    fleet = { document = {}, mirrors = {} }, plan = plan_made, made = plan_made,
    result = { created = {}, retuned = {}, deleted = {}, failed = {}, skipped = {} },
    change = change, row = change, parser = { option = print, group = print },
}
local makers = { fleet = true, changes = true, selection = true }

-- By pattern of a type, the first that fits: a value of it, and others.
local types = {
    { "^any$", 1 },
    { "^T$", {}, 5, "x" },
    { "^fun%(", print, 5, "x", {}, true },
    { "^mirrors%.Api$", api, 5, "x", {}, true, print },
    { "^mirrors%.Api|", api, 5, "x", true, print },
    { "%[%]$", {}, 5, "x", true, print, { x = 1 } },
    { "^string%[%]|kmirror%.regex%.known$", {}, 5, "x", true, print, { x = 1 } },
    { "^%(.*%)%[%]$", {}, 5, "x", true, print, { x = 1 } },
    { '^"', nil, 5, "no such word", {}, true, print },
    { "^integer|string$", 1, true, {}, print, -1, "x" },
    { "^string|number$", "x", true, {}, print },
    { "^string|mirrors%.Secret$", "x", true, 5, {}, print },
    { "^string|table$", "x", true, 5, print },
    { "^string|nil$", "x", true, 5, {}, print },
    { "^string|kmirror.wait.place$", "x", 5, true, print },
    { "^string|table|mirrors.Secret$", "x", 5, true, print },
    { "^string$", "x", 5, true, {}, print },
    { "^integer$", 1, "1", 1.5, true, {}, print },
    { "^number$", 1, "1", true, {}, print, 0 / 0 },
    { "^boolean|string$", true, 5, {}, print },
    { "^boolean$", true, "true", 1, {}, print },
    { "^file%*$", io.stderr, 5, "x", true, print, {} },
    { "^[%w_.]+$", {}, 5, "x", true, print },
    { "^table<", {}, 5, "x", true, print },
    { "^{", {}, 5, "x", true, print },
}

local function samples(kind)
    for _, each in ipairs(types) do
        if kind:find(each[1]) then
            local good = each[2]
            if each[1] == '^"' then good = kind:match('"(.-)"') end
            return good, table.move(each, 3, 10, 1, {})
        end
    end
    error("what is a " .. kind .. "? Tell this spec of it")
end

local function refused(each, fn, arguments, ...)
    local ok, problem = pcall(fn, table.unpack(arguments, 1, arguments.n))
    local kind = type(problem) == "table" and problem.kind
    if ok or kind ~= "invalid" then
        print(each.label, "takes a wrong", ..., tostring(problem))
        return
    end
    local message = tostring(problem)
    for _, part in ipairs { each.label .. ": ", ... } do
        if not message:find(part, 1, true) then print(message, "does not say", part) end
    end
end

local function with(arguments, at, value)
    local changed = table.move(arguments, 1, at, 1, { n = at })
    changed[at] = value
    return changed
end

local function try_options(each, fn, arguments, at, known)
    for name, kind in pairs(known) do
        refused(each, fn, with(arguments, at, { [name .. "z"] = 1 }), "'" .. name .. "z'", "Did you mean")
        local _, wrong = samples(kind)
        for _, value in pairs(wrong) do refused(each, fn, with(arguments, at, { [name] = value }), name) end
    end
end

local count = 0
for _, each in ipairs(plan.functions) do
    local module = require("kmirror." .. each.module)
    local arguments, at, object = { n = 0 }, 0, each.class and objects[each.class]
    if each.class and not object then print("no object of class " .. each.class .. ": tell this spec of it") end
    local fn = object and object[each.name] or each.name and module[each.name] or module
    if object then
        for _, value in ipairs { 5, "x", {} } do refused(each, fn, { value, n = 1 }, "colon") end
        arguments, at = { object, n = 1 }, 1
    end
    for _, parameter in ipairs(each.parameters) do
        at = at + 1
        local good, wrong = samples(parameter.type)
        local name = parameter.name == "..." and "argument" or parameter.name
        if makers[each.module] and made[name] then
            good = made[name]
            wrong[#wrong + 1] = {}
        end
        for _, value in pairs(wrong) do refused(each, fn, with(arguments, at, value), name) end
        local may_miss = parameter.optional or name == "argument" or parameter.type:find("^any") or
            parameter.type:find("|nil$")
        if not may_miss then
            refused(each, fn, with(arguments, at, nil), name)
        end
        local known = plan.options[parameter.type]
        if known then try_options(each, fn, arguments, at, known) end
        arguments[at], arguments.n = good, at
        count = count + 1
    end
end
print(count > 100 and "walked" or count .. " parameters: too few")
]]

describe("every public function of the library", function()
    it("refuses arguments of a wrong type, and options that it does not know, by name", function()
        local plan = support.temporary("plan.json", json.encode { functions = functions(), options = options() })
        local result = support.run { "--sandbox", "run", "-", plan, stdin = walk }
        assert.are.equal("walked\n", result.stdout .. (result.status ~= 0 and result.stderr or ""))
    end)
end)

describe("every public function of the native modules", function()
    it("refuses arguments of a wrong type, too", function()
        local result = support.run { "--sandbox", "run", "-", stdin = [[
            local mirrors, task = require "mirrors", require "task"
            local api, group, one = mirrors.connect {}, task.group(), task.spawn(function() end)
            one:join()
            local calls = {
                connect = { mirrors.connect, 5 }, defaults = { mirrors.defaults, 5 }, error = { mirrors.error, 5 },
                trace = { mirrors.trace, 5 }, intercept = { mirrors.intercept, 5 }, observe = { mirrors.observe, 5 },
                is_private = { mirrors.is_private, 5 }, printable = { mirrors.printable, {} }, on = { api.on, 5 },
                can = { api.can, api, 5 }, get = { api.get, api, {} }, list = { api.list },
                create = { api.create, api },
                delete = { api.delete, api, 5 },
                update_target_latency = { api.update_target_latency, api, "x", "5" },
                group = { task.group, 5 }, sleep = { task.sleep, "x" }, spawn = { task.spawn, 5 },
                timeout = { task.timeout, "x", print }, ["timeout "] = { task.timeout, 1, 5 },
                ["group:spawn"] = { group.spawn, print }, ["group:wait"] = { group.wait, 5 },
                ["group:cancel"] = { group.cancel, 5 }, ["task:join"] = { one.join, 5 },
                ["task:cancel"] = { one.cancel, 5 }, ["task:status"] = { one.status },
            }
            for name, call in pairs(calls) do
                local ok, problem = pcall(table.unpack(call))
                if ok or type(problem) ~= "table" or problem.kind ~= "invalid" then print(name, tostring(problem)) end
            end
        ]] }
        assert.are.equal("", result.stdout .. (result.status ~= 0 and result.stderr or ""))
    end)
end)
