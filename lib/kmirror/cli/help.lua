local usage = require("kmirror.usage")

return {
    name = "help",
    arguments = "[COMMAND]",
    summary = "About kmirror, or one of its commands.",
    details = "",
    sets = {},

    define = function(parser)
        parser:argument("topic", "A command."):args("?"):argname("COMMAND")
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
