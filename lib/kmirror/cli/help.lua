local meant = require("kmirror.meant")
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
        local cli = require("kmirror.cli")
        local help = cli.help(options.topic)
        if not help then
            local commands = {}
            for _, name in ipairs(cli.names) do commands[name] = true end
            usage("no help for '%s': expected a command; see kmirror help%s", options.topic,
                meant(options.topic, commands))
        end
        print(help)
        return 0
    end,
}
