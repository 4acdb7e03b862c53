local changes = require("kmirror.changes")
local connect = require("kmirror.connect")
local items = require("kmirror.cli.items")
local json = require("kmirror.json")
local log = require("kmirror.log")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local name_of = textfile.name

local function read(path)
    return textfile.read(path, "a file of what to create, or - for standard input; nothing was created")
end

local function evaluate(path, source)
    local ok, value = textfile.evaluate(source, path, {})
    if not ok then refuse("%s; expected a Lua file that only returns a table", tostring(value)) end
    return value
end

local function parse(path, source)
    if path:find("%.lua$") then return evaluate(path, source) end
    local value, problem = json.decode(source)
    if problem then refuse("%s is not JSON: %s; nothing was created", name_of(path), problem) end
    return value
end

-- The mirrors in a file, and whether it holds a single one that is not in an array.
local function read_specs(path)
    local value = parse(path, read(path))
    if type(value) ~= "table" then
        refuse("%s: expected an object or an array of them, not a %s; nothing was created", name_of(path),
            type(value))
    end
    local single = next(value) ~= nil and value[1] == nil
    return single and { value } or value, single
end

-- All or nothing, as far as it can be known before the first request.
local function check(api, path, specs)
    for i, spec in ipairs(specs) do
        local ok, problem = pcall(changes.rehearse, function()
            api:create(spec)
        end)
        if not ok then
            local place = #specs > 1 and (", mirror %d of %d"):format(i, #specs) or ""
            refuse("%s%s: %s; nothing was created", name_of(path), place,
                type(problem) == "table" and problem.message or tostring(problem))
        end
    end
end

-- Mirrors that keep names may feed themselves. Reads nothing when none does.
local function check_loops(api, path, specs)
    for _, spec in ipairs(specs) do
        if not spec.useRenaming then
            local loops = require("kmirror.loops")
            for _, warning in ipairs(loops.check_specs(api, specs, name_of(path))) do
                log.warn("%s", warning.message)
            end
            return
        end
    end
end

---@type kmirror.command
return {
    name = "create",
    summary = "Create mirrors from a JSON or Lua file.",
    details = [[
The file holds a JSON object with the API's field names, or an array of them;
a file whose name ends in .lua returns such a table. All are checked before
the first is created. Prints the new ids. When only some could be created the
exit status is 3.

With --json: {"mirrorId"}; for an array an array of them, in the same order,
where one that failed is
{"sourceAlias", "topicsRegex", "error": {"kind", "message", ...}}.]],
    sets = { "connection", "safety", "results", "messages" },

    define = function(parser)
        parser:argument("FILE", "What to create; - is JSON on standard input.")
            :argname("FILE|-"):target("file")
    end,

    run = function(options)
        local api = connect()
        local specs, single = read_specs(options.file)
        check(api, options.file, specs)
        check_loops(api, options.file, specs)
        if #specs == 0 then
            log.warn("%s has no mirror in it; nothing was created", name_of(options.file))
        end
        local planned = changes.planned()
        return items.each(specs, {
            json = options.json,
            single = single,
            run = function(spec)
                return api:create(spec)
            end,
            text = function(id)
                return planned and "" or id .. "\n"
            end,
            shape = function(id, spec)
                return planned and { dryRun = true, create = changes.shown(spec) } or { mirrorId = id }
            end,
            name = function(spec)
                return { topicsRegex = spec.topicsRegex, sourceAlias = spec.sourceAlias }
            end,
        })
    end,
}
