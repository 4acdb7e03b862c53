local usage = require("kmirror.usage")

---@type kmirror.command
return {
    name = "help",
    arguments = "[COMMAND]",
    summary = "About kmirror, or one of its commands.",
    details = "Runbooks have their own: kmirror run NAME --help.",
    sets = {},

    define = function(parser)
        parser:argument("COMMAND", "A command."):args("?"):argname("COMMAND"):target("topic")
    end,

    run = function(options)
        local help = require("kmirror.cli").help(options.topic)
        if not help then
            usage("no help for '%s': expected a command; see kmirror help", options.topic)
        end
        print(help)
        return 0
    end,
}
