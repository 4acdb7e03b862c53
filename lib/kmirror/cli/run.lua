local bulk = require("kmirror.bulk")
local host = require("host")
local meant = require("mirrors").fields.meant
local modules = require("kmirror.modules")
local problems = require("kmirror.problem")
local textfile = require("kmirror.textfile")
local usage = require("kmirror.usage")

local function is_path(script)
    return script:find("/", 1, true) or script:find("%.lua$")
end

local function exists(path)
    local file <close> = io.open(path, "rb")
    return file ~= nil and file:read(0) ~= nil
end

-- A runbook that starts with a line for the kernel (#!) is fine, as it is for lua itself.
local function compile(source, name, globals)
    local chunk, problem = load(source:gsub("^#[^\n]*", ""), name, "t", globals)
    if not chunk then
        error(problem, 0)
    end
    return chunk
end

local function read(path)
    return textfile.read_code(path, "a runbook")
end

-- A file that was written for this run: it has Lua's globals, and the modules beside it.
local function load_file(script)
    local source = read(script)
    modules.runbook, require("kmirror.options").runbook = script, script
    modules.beside(script)
    return compile(source, "@" .. script, _G)
end

-- A file, standard input, or the name of a shipped runbook. That name wins: what lies in the current folder is run only
-- when it is asked for, as ./NAME.
local function load_runbook(script)
    if script == "-" then
        return compile(read("-"), "=stdin", _G)
    elseif is_path(script) then
        return load_file(script)
    end
    local source, name = host.script(script)
    if not source and exists(script) then
        return load_file(script)
    elseif not source then
        local shipped = {}
        for _, each in ipairs(host.scripts()) do shipped[each] = true end
        usage("no runbook '%s': expected a file, or one of those that ship with kmirror: %s%s", script,
            table.concat(host.scripts(), ", "), meant(script, shipped))
    end
    return compile(source, name, _ENV) -- kmirror's own
end

-- What a runbook returns: nothing, an exit status, or nil and why it failed.
local function status_of(script, value, why)
    if not value and why ~= nil then
        error(type(why) == "table" and why or ("%s: %s"):format(script, tostring(why)), 0)
    elseif value == nil then
        return 0
    elseif math.type(value) == "integer" and value >= 0 and value <= 255 then
        return value
    end
    local expected = "expected nothing, or an exit status from 0 to 255"
    error(("%s returned %s: %s"):format(script, tostring(value), expected), 0)
end

local own_sets = { "connection", "safety", "job", "results", "report", "messages", "world" }

local function of_kmirror(name)
    for _, option in ipairs(require("kmirror.cli.definitions").of_sets(own_sets)) do
        for _, known in ipairs(option.names) do
            if known == name then
                return option.placeholder and name .. " " .. option.placeholder or name
            end
        end
    end
end

-- However the runbook ends, failures that it did not look at are told.
local told_at_the_end = setmetatable({}, { __close = function()
    bulk.finish(0)
end })

-- Tasks that a runbook has left are part of it: a job and a report are not over before they are.
local waits_for_tasks = setmetatable({}, { __close = function(_, problem)
    local left = host.left()
    if left > 0 and not problems.is(problem, "cancelled") then
        require("kmirror.log").info("the runbook has ended, but %s still; waiting for %s",
            left == 1 and "a task of it runs" or left .. " tasks of it run", left == 1 and "it" or "them")
    end
    host.rest(problem == nil)
end })

---@type kmirror.command
return {
    name = "run",
    arguments = "SCRIPT [ARG...]",
    summary = "Run a runbook: a file, or the name of a shipped one.",
    details = [[
SCRIPT is a file, - for standard input, or the name of a shipped runbook. What
follows it belongs to the runbook, which has it as `...`; options for kmirror
come before it. The exit status is what the runbook returns, or gives os.exit();
0 when it returns nothing, 1 when it returns nil and why it failed.

With --sandbox it takes the options of the sandbox's world, too; see
kmirror help sandbox.]],
    sets = { "connection", "safety", "job", "messages" },

    -- `end_here` makes kmirror's own arguments end: the rest belongs to the runbook.
    define = function(parser, end_here)
        local script = parser:argument("SCRIPT", "The runbook."):argname("SCRIPT"):target("script")
        script:action(function(result, target, value)
            result[target] = value
            end_here()
        end)
    end,

    run = function(options)
        require("kmirror.options").of_kmirror = of_kmirror
        local runbook = load_runbook(options.script)
        local _ <close> = told_at_the_end
        local _ <close> = waits_for_tasks
        return bulk.finish(status_of(options.script, runbook(table.unpack(options.rest))))
    end,
}
