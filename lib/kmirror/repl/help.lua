--- repl.help: :help, from the annotations in the sources.

local annotations = require("kmirror.repl.annotations")
local describe = require("kmirror.repl.describe")
local host = require("host")
local layout = require("kmirror.repl.layout")
local order = require("kmirror.order")
local session_modules = require("kmirror.repl.session").modules
local suggest = require("mirrors").fields.nearest
local refuse = require("kmirror.usage")

local M = {}

local introduction = {
    "Type Lua. An expression shows its value, which is `_` from then on; api is connected to the cluster that the",
    "prompt names.",
}

local examples = {
    { "api:list()", "the mirrors, as a table" },
    { 'api:get("<Tab>', "after a list: the ids" },
    { "_.targetLatency", "a field of what the last one came to" },
    { "t = task.spawn(function() ... end)", "continues while you type" },
}

local keys = {
    "Enter continues on another line while something is missing; what is pasted waits for it. Ctrl-C gives up what was",
    "typed or cancels the call that runs, Ctrl-D ends the session. Up and Down go through what begins like the line,",
    "Ctrl-R searches. Tab completes.",
}

-- ---- what there is -----------------------------------------------------------------------------------------

local function label_of(command)
    return (":" .. command.name .. " " .. command.arguments):gsub(" $", "")
end

local function overview(commands)
    local entries, modules = {}, order.keys(session_modules)
    for i, command in ipairs(commands) do entries[i] = { label_of(command), command.summary } end
    return table.concat({
        layout.prose(introduction), layout.entries(examples, "    "), layout.prose(keys), layout.entries(entries, ""),
        layout.prose({
            "There by name: api, " .. table.concat(modules, ", ") .. ".",
            ":help NAME describes one, such as :help api:get, :help bulk or :help watch.",
        }),
    }, "\n")
end

local function of_command(command)
    return label_of(command) .. "\n\n" .. layout.prose(command.details or { command.summary })
end

-- ---- what a name stands for --------------------------------------------------------------------------------

-- Where the source of a module may be.
local function home_of(module)
    local path = module:gsub("%.", "/")
    for _, place in ipairs({ "lib/" .. path .. ".lua", "runtime/" .. path .. ".lua" }) do
        if host.source(place) then return place end
    end
end

local function field(value, name)
    if type(value) ~= "table" then return nil end
    local found = rawget(value, name)
    local meta = getmetatable(value)
    if found == nil and type(meta) == "table" and type(meta.__index) == "table" then
        found = meta.__index[name]
    end
    return found
end

-- The value, the last part of its name, and the source of the module that it is in.
local function resolve(env, name)
    local first, rest = name:match("^([%a_][%w_]*)(.*)$")
    if not first then return nil end
    local value, last = env[first], first
    local home = home_of(session_modules[first] or first)
    if first == "api" then home = "runtime/mirrors.lua" end
    for part in rest:gmatch("[.:]([%a_][%w_]*)") do value, last = field(value, part), part end
    return value, last, home
end

-- What is written in C does not say what it takes; its description does.
local function signature_of(fn, method, comment)
    local signature = describe.signature(fn, method)
    if signature ~= "(…)" or not comment then return signature end
    local names = {}
    for i, parameter in ipairs(annotations.parse(comment).parameters) do names[i] = parameter[1] end
    return "(" .. table.concat(names, ", ") .. ")"
end

-- The name as it is called: a method with a colon.
local function called(name, fn, comment)
    local method = describe.is_method(fn)
    if method then name = name:gsub("%.([%w_]+)$", ":%1") end
    return name .. signature_of(fn, method, comment)
end

-- The fields of classes: from where the function is described, from its module, or from where options are.
local function classes(types, source, home)
    local parts = {}
    for _, name in ipairs(types) do
        local fields = annotations.fields(source, name)
            or home and annotations.fields(describe.source(home), name)
            or annotations.fields(describe.source("runtime/options.lua"), name)
        if fields then parts[#parts + 1] = name .. ":\n" .. layout.entries(fields, "  ") end
    end
    return parts
end

local function of_function(name, fn, last, home)
    local comment, source = describe.comment(fn, last, home)
    local found = annotations.parse(comment or { "There is no description of it." })
    local entries = found.parameters
    for _, returned in ipairs(found.returns) do entries[#entries + 1] = { "returns", returned } end
    local parts = { called(name, fn, comment) .. "\n",
        layout.prose(found.text) .. layout.entries(entries, "  ") .. layout.prose(found.more) }
    local shown = classes(found.types, source, home)
    table.move(shown, 1, #shown, #parts + 1, parts)
    return table.concat(parts, "\n")
end

local function functions_of(value, name, home)
    local lines = {}
    for key, each in pairs(value) do
        if type(each) == "function" and type(key) == "string" and not key:find("^_") then
            lines[#lines + 1] = "  " .. called(name .. "." .. key, each, describe.comment(each, key, home)) .. "\n"
        end
    end
    table.sort(lines)
    return table.concat(lines)
end

local function of_table(name, value, home)
    local meta = getmetatable(value)
    local methods = type(meta) == "table" and type(meta.__index) == "table" and meta.__index or {}
    local head = name == "api" and { "The mirrors of a cluster." } or home and describe.module_comment(home) or {}
    local functions = functions_of(value, name, home) .. functions_of(methods, name, home)
    return layout.prose(head) .. (#head > 0 and functions ~= "" and "\n" or "") .. functions
end

-- Somebody who asks for `list` means api:list.
local function no_help_on(session, name)
    local known = { api = true }
    for module in pairs(session_modules) do known[module] = true end
    local meant = field(session.env.api, name) and "api:" .. name or suggest(name, known)
    refuse("there is no help on '%s'%s", name, meant and ("; did you mean %s?"):format(meant) or "; see :help")
end

--- What is known of a name; without one, of the prompt itself.
---@param session kmirror.repl.session
---@param name string
---@param commands kmirror.repl.command[]
---@return string lines
function M.about(session, name, commands)
    if name == "" then return overview(commands) end
    name = name:gsub("%(.*$", "")
    local value, last, home = resolve(session.env, name)
    if type(value) == "function" then return of_function(name, value, last, home) end
    if type(value) == "table" then return of_table(name, value, home) end
    for _, command in ipairs(commands) do
        if name:gsub("^:", "") == command.name then return of_command(command) end
    end
    no_help_on(session, name)
end

return M
