local modules = require("kmirror.modules")
local refuse = require("kmirror.usage")

-- busted ends the process; here it ends the command.
local function ended(run)
    local exit, finished = os.exit, {}
    os.exit = function(status) -- luacheck: ignore
        finished.status = (status == true or status == nil) and 0 or status == false and 1 or status
        error(finished, 0)
    end
    local ok, problem = pcall(run)
    os.exit = exit -- luacheck: ignore
    if not ok and problem ~= finished then error(problem, 0) end
    return finished.status and finished.status ~= 0 and 1 or 0
end

local function find_busted()
    local ok, runner = pcall(_G.require, "busted.runner")
    if ok then return runner end
    refuse("kmirror test runs specs with busted, which is not there (%s): apt install lua-busted",
        tostring(runner):match("^[^\n]*"))
end

local function check_places(places)
    for _, place in ipairs(places) do
        local file <close>, problem = io.open(place, "rb")
        if not file then refuse("cannot read %s; expected a spec, or a folder of them", problem) end
    end
end

-- Lua's own, so that busted is what it is elsewhere, too.
local function set_arguments(options)
    local output = options.tap and "TAP" or "plainTerminal"
    local arguments = { [0] = "kmirror test", "--output", output, "--pattern", "_spec" }
    if options.filter then
        table.move({ "--filter", options.filter }, 1, 2, #arguments + 1, arguments)
    end
    for _, place in ipairs(options.places[1] and options.places or { "." }) do
        arguments[#arguments + 1] = place
    end
    _G.arg = arguments
end

---@type kmirror.command
return {
    name = "test",
    summary = "Run the specs of runbooks, in the sandbox.",
    details = [[
Runs busted on a spec, or on all in a folder whose names end in _spec.lua; in
the current folder without any. A spec has describe, it and assert, and runs its
runbook by require("kmirror.test").run: against a world that a table describes,
with faults by name, where waits take no time. The guide says more. It needs
busted: apt install lua-busted.

Exit status: 0 when all succeed, 1 when one does not.]],
    sets = { "messages" },

    define = function(parser)
        parser:argument("PLACE", "A spec, or a folder of them."):args("*"):argname("FILE_spec.lua|DIR"):target("places")
        parser:option("--filter", "Only those whose names match a pattern of Lua's."):argname("PATTERN")
        parser:flag("--tap", "Results as TAP, for CI.")
    end,

    run = function(options)
        check_places(options.places)
        local runner = find_busted()
        modules.beside("./spec")
        set_arguments(options)
        return ended(function() runner({ standalone = false }) end)
    end,
}
