local host = require("host")
local meant = require("mirrors").fields.meant
local printable = require("mirrors").fields.printable
local modules = require("kmirror.modules")
local outcome = require("kmirror.cli.outcome")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local function is_path(script)
    return script:find("/", 1, true) or script:find("%.lua$")
end

-- A runbook that starts with a line for the kernel (#!) is fine, as it is for lua itself.
local function compile(source, name, globals)
    if source:sub(1, 1) == "\27" then
        refuse("%s is no text: it is compiled Lua, or begins with the character ESC; expected a runbook as text",
            name:sub(2))
    end
    local chunk, problem = load(source:gsub("^#[^\n]*", ""), name, "t", globals)
    if chunk then return chunk end
    problem = textfile.with_whole_name(problem, name:sub(2))
    local line = require("kmirror.uncaught").line(problem)
    refuse("%s", line and problem .. "\n" .. line or problem)
end

local function read(path)
    return textfile.read_code(path, "a runbook")
end

-- A file that was written for this run: it has Lua's globals, and the modules beside it.
local function load_file(script)
    local source = read(script)
    local shown = printable(script) -- Lua begins each message with it
    modules.runbook, require("kmirror.options").runbook = shown, script
    modules.beside(script)
    return compile(source, "@" .. shown, _G)
end

local function shelf()
    return require("kmirror.cli.shelf")
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
    if not source and require("kmirror.file").exists(script) then
        return load_file(script)
    elseif not source then
        local shipped = {}
        for _, each in ipairs(host.scripts()) do shipped[each] = true end
        if shelf().in_cookbook(script) then
            refuse("'%s' is in the cookbook, to be copied: kmirror show %s > %s.lua, then kmirror run %s.lua", script,
                script, script, script)
        end
        refuse("no runbook '%s': expected a file, or one of those that ship with kmirror: %s%s", script,
            table.concat(host.scripts(), ", "), meant(script, shipped))
    end
    return compile(source, name, _ENV) -- kmirror's own
end

local own_sets = { "connection", "safety", "job", "times", "hooks", "results", "report", "messages", "world" }

local function of_kmirror(name)
    for _, option in ipairs(require("kmirror.cli.definitions").of_sets(own_sets)) do
        for _, known in ipairs(option.names) do
            if known == name then
                return option.placeholder and name .. " " .. option.placeholder or name
            end
        end
    end
end

-- What bulk has to tell, where the runbook used it.
local function finish(status)
    local bulk = modules.loaded("kmirror.bulk")
    return bulk and bulk.finish(status) or status
end

-- However the runbook ends, failures that it did not look at are told.
local told_at_the_end = setmetatable({}, { __close = function()
    finish(0)
end })

-- Tasks that a runbook has left are part of it: a job and a report are not over before they are.
local waits_for_tasks = setmetatable({}, { __close = function(_, problem)
    local left = host.left()
    if left > 0 and not require("kmirror.problem").is(problem, "cancelled") then
        require("kmirror.log").info("the runbook has ended, but %s still; waiting for %s",
            left == 1 and "a task of it runs" or left .. " tasks of it run", left == 1 and "it" or "them")
    end
    host.rest(problem == nil)
end })

-- As lua has it: the script, and what follows.
local function set_arg(options)
    _G.arg = table.move(options.rest, 1, #options.rest, 1, { [0] = options.script })
end

---@type kmirror.command
return {
    name = "run",
    summary = "Run a runbook: a file, or the name of a shipped one.",
    details = [[
SCRIPT is a file, - for standard input, or the name of a shipped runbook. What
follows it belongs to the runbook, which has it as `...`; options for kmirror
come before it. The exit status is what the runbook returns, or gives os.exit();
0 when it returns nothing, 1 when it returns nil and why it failed.

It also has them as `arg`, with its own name as arg[0].

With -i, the prompt comes when the runbook has ended or failed, with the
variables that its main part had then. With --list, the runbooks that ship and
those of the cookbook are told, whether each may change anything, and what it
does; kmirror show NAME prints one. With --list --json:
[{"name", "kind", "changes", "summary"}, ...].

With --debug, the prompt comes when the runbook fails, where it failed: the
variables of the innermost function of it are there by name, :up and :down go to
those that called it. <close> variables have been closed by then. The exit
status is that of the failure.

With --join, several runners of one job, on whatever machines, share its work:
each item of a bulk.each, and each change outside of one, is one runner's. Those
of a runner that is gone are taken over, and each tells what all have done. It
needs a store that all reach (--store postgresql://HOST/DATABASE), and the same
runbook and arguments for all. Not for failover, failback, rollout and drain.

A --hook of the step start is run before the runbook, and stops it by failing;
one of done or failed when it has ended, failed also when it was interrupted.
They find KMIRROR_RUNBOOK, _ARGUMENTS, _JOB, _USER, _HOST, _ACCOUNT, _ENDPOINT
in their environment, at the end _STATUS, _STATE, _PROBLEM, _CHANGES, _SECONDS
and _REPORT, too. webhook:URL posts these as JSON, slack:env:NAME a line in the
format of Slack; env:NAME, file:PATH and command:COMMAND say where a URL is
kept that is secret. A job keeps its hooks; `hooks` in a profile are of every
run. Behind the name of a shipped runbook they are taken, too.

With --sandbox it takes the options of the sandbox's world, too; see
kmirror help sandbox.]],
    sets = { "connection", "safety", "job", "times", "hooks", "messages" },

    -- `end_here` makes kmirror's own arguments end: the rest belongs to the runbook.
    define = function(parser, end_here)
        local script = parser:argument("SCRIPT", "The runbook."):args("?"):argname("SCRIPT"):target("script")
        script:action(function(result, target, value)
            result[target] = value
            if value then end_here() end
        end)
        parser:flag("-i", "Then the prompt, with the runbook's variables."):target("then_talk")
        parser:flag("--debug", "When it fails: the prompt, where it failed, with the variables that it had there.")
            :target("talk_at_failure")
        parser:flag("--list", "Only tell which runbooks there are."):target("list_runbooks")
    end,

    run = function(options)
        require("kmirror.options").of_kmirror = of_kmirror
        local runbook = load_runbook(options.script)
        set_arg(options)
        local _ <close> = told_at_the_end
        local _ <close> = waits_for_tasks
        local function work()
            return finish(outcome.status(options.script, runbook(table.unpack(options.rest))))
        end
        if options.talk_at_failure then
            return require("kmirror.repl").where_it_fails(options, work)
        end
        return options.then_talk and require("kmirror.repl").after(options, runbook, work) or work()
    end,
}
