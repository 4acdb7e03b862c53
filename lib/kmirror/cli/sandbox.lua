local options = require("kmirror.options")
local sets = require("kmirror.cli.sets")

---@type kmirror.command
return {
    name = "sandbox",
    arguments = "",
    summary = "Serve a simulated API on this machine.",
    details = [[
Prints its address, and serves until it is stopped, as by Ctrl-C. The user name
is sandbox, the key sandbox-full-key or sandbox-read-only-key. There are two
Kafka Connect clusters, and mirrors from us-west to us-east on the second:
  us-west  5a9b1c52-0000-4000-8000-0000000000c1
  us-east  5a9b1c52-0000-4000-8000-0000000000c2

With --sandbox, other commands take the options under World, too.]],
    sets = { "limit", "world" },

    define = function(parser)
        parser:option("--port", "Default: 8642; 0: any that is free."):argname("N")
            :convert(options.integer("--port", "a port, from 0 to 65535", 0, 65535))
        parser:option("--listen", "Address to listen on; default: 127.0.0.1."):argname("ADDRESS")
    end,

    run = function(given)
        local world = sets.world_given(given)
        world.port, world.listen, world.rate = given.port, given.listen, given.rate
        return require("kmirror.sandbox.server").main(world)
    end,
}
