local options = require("kmirror.options")
local sandbox = require("kmirror.sandbox")
local sets = require("kmirror.cli.sets")
local shell = require("kmirror.shell")
local refuse = require("kmirror.usage")

-- Where a client on this machine finds one that listens on any address.
local nearby = { ["0.0.0.0"] = "127.0.0.1", ["::"] = "::1" }

-- What a shell has to export for its commands to find the sandbox that these options start.
local function print_environment(given)
    if given.port == 0 then
        refuse("--env has to know the port: give --port N, and the same to the sandbox that serves")
    end
    local read = sandbox.read({ port = given.port, listen = given.listen })
    local host = nearby[read.listen] or read.listen
    host = host:find(":", 1, true) and "[" .. host .. "]" or host
    for _, variable in ipairs({
        { "KMIRROR_ENDPOINT", ("http://%s:%d"):format(host, read.port) },
        { "KMIRROR_USERNAME", sandbox.username },
        { "KMIRROR_API_KEY", sandbox.api_key },
        { "KMIRROR_CLUSTER", sandbox.clusters[sandbox.runbooks.failover.to].connect },
    }) do
        io.stdout:write(("export %s=%s\n"):format(variable[1], shell.quote(variable[2])))
    end
    return 0
end

---@type kmirror.command
return {
    name = "sandbox",
    summary = "Serve a simulated API on this machine.",
    details = [[
Prints its address, and serves until it is stopped, as by Ctrl-C. The user name
is sandbox, the key sandbox-full-key or sandbox-read-only-key. There are two
Kafka Connect clusters, and mirrors from us-west to us-east on the second:
  us-west  5a9b1c52-0000-4000-8000-0000000000c1
  us-east  5a9b1c52-0000-4000-8000-0000000000c2

With --env it serves nothing, and prints what a shell has to export so that its
commands find a sandbox that serves at that port:
  kmirror sandbox &
  eval "$(kmirror sandbox --env)"

With --sandbox, other commands take the options under World, too.

With --metrics-window 60 --refresh 20 --heartbeats 1 --stale-empty 120 it is
much like a real one. Heartbeats: MirrorMaker has each mirror carry that topic,
whatever its regex says, and writes to it for ever, whether producers run or
not. A task that fails (--fail-tasks-every) leaves its connector RUNNING: the
mirror's status is FAILED; topics of that task have latency and rate 0.]],
    sets = { "limit", "world" },

    define = function(parser)
        parser:option("--port", "Default: 8642; 0: any that is free."):argname("N")
            :convert(options.integer("--port", "a port, from 0 to 65535", 0, 65535))
        parser:option("--listen", "Address to listen on; default: 127.0.0.1."):argname("ADDRESS")
        parser:flag("--env", "Only print the exports for a shell; see above."):target("print_env")
    end,

    run = function(given)
        if given.print_env then return print_environment(given) end
        local world = sets.world_given(given)
        world.port, world.listen, world.rate = given.port, given.listen, given.rate
        return sandbox.serve(world)
    end,
}
