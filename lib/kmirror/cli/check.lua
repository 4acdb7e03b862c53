local json = require("kmirror.json")
local log = require("kmirror.log")
local text = require("kmirror.text")

local function show(found)
    for _, each in ipairs(found) do
        local place = ("%s:%d:%d: "):format(each.file, each.line, each.column)
        io.stdout:write(text.clean(place .. each.message), "\n")
    end
end

---@type kmirror.command
return {
    name = "check",
    summary = "Find mistakes in runbooks without running them.",
    details = [[
Needs no network and no configuration. It finds syntax errors, globals that are
nowhere defined, modules that are not there, unknown fields and methods of
mirrors, task, kmirror.*, of an api, a mirror and what else the library gives,
options and arguments that the library would refuse, and calls that wait where
nothing can: in a function that string.gsub, table.sort or the garbage collector
calls. What it cannot tell, such as the type of a function's own parameters
when nobody calls it, it does not complain of.

A comment "-- luacheck: ignore" at the end of a line has it say nothing of
globals there.

One line a mistake: FILE:LINE:COLUMN: MESSAGE. FILE may be -, for standard
input; a _spec.lua has the names of kmirror test.
With --json: [{"file", "line", "column", "message"}, ...].
Exit status: 0 when there is none, 1 when there is any.]],
    sets = { "results", "messages" },

    define = function(parser)
        parser:argument("FILE", "A runbook, or a module of one."):args("+"):argname("FILE"):target("files")
    end,

    run = function(options)
        local check, found = require("kmirror.check"), {} -- large: help and completion do without
        for _, path in ipairs(options.files) do
            local its = check.file(path)
            table.move(its, 1, #its, #found + 1, found)
        end
        if options.json then
            io.stdout:write(json.encode(json.array(found), true), "\n")
        else
            show(found)
        end
        if #found == 0 and not options.json then
            log.info(#options.files == 1 and "no mistakes found" or "no mistakes found in %d files", #options.files)
        end
        return #found == 0 and 0 or 1
    end,
}
