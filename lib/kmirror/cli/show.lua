local meant = require("mirrors").fields.meant
local shelf = require("kmirror.cli.shelf")
local usage = require("kmirror.usage")

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
        parser:argument("NAME", "Of a shipped runbook, or of the cookbook."):argname("RUNBOOK"):target("runbook")
    end,

    run = function(options)
        local source = shelf.source(options.runbook)
        if not source then
            local known = {}
            for _, entry in ipairs(shelf.list()) do known[entry.name] = true end
            usage("no runbook '%s' ships with kmirror; kmirror run --list lists those that do%s", options.runbook,
                meant(options.runbook, known))
        end
        io.stdout:write(source)
        return 0
    end,
}
