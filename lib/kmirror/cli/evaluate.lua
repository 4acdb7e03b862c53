local outcome = require("kmirror.cli.outcome")

-- `kmirror -e CODE`: among the options in help, as it takes the place of a command.
---@type kmirror.command
return {
    name = "-e",
    summary = "Run a line of Lua.",
    details = "",
    sets = { "connection", "safety", "results", "messages", "world" },

    define = function() end,

    run = function(options)
        local code = table.concat(options.code, "\n")
        return require("kmirror.bulk").finish(outcome.status("-e", require("kmirror.repl").evaluate(options, code)))
    end,
}
