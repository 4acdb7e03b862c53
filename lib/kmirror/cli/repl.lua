---@type kmirror.command
return {
    name = "repl",
    summary = "A prompt: type Lua, see the result.",
    details = [[
An expression shows its value; api is connected to the cluster, and all of
kmirror is there by name. :help in the session says more. Changes are refused
outside the sandbox until :readonly off.

From a pipe it reads the same inputs without a prompt, and ends with 1 when one
of them failed. With --json, values are shown as JSON.

With --sandbox it takes the options of the sandbox's world, too; see
kmirror help sandbox.]],
    sets = { "connection", "safety", "results", "messages" },

    define = function() end,

    run = function(options)
        return require("kmirror.repl").run(options)
    end,
}
