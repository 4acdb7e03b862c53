local meant = require("mirrors").fields.meant
local shelf = require("kmirror.cli.shelf")
local refuse = require("kmirror.usage")

---@type kmirror.command
return {
    name = "show",
    arguments = "RUNBOOK",
    summary = "Print a runbook that ships, or one of the cookbook.",
    details = [[
To read it, or to start from it: kmirror show lag > lag.lua. Which there are is
told by kmirror run --list.]],
    sets = { "messages" },

    define = function(parser)
        parser:argument("RUNBOOK", "Name of a shipped runbook, or of one of the cookbook."):target("runbook")
    end,

    run = function(options)
        local source = shelf.source(options.runbook)
        if not source then
            local known = {}
            for _, entry in ipairs(shelf.list()) do known[entry.name] = true end
            refuse("no runbook '%s' ships with kmirror; kmirror run --list lists those that do%s", options.runbook,
                meant(options.runbook, known))
        end
        io.stdout:write(source)
        return 0
    end,
}
