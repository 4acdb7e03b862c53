local host = require("host")

---@type kmirror.command
return {
    name = "version",
    summary = "The version of kmirror.",
    details = [[
With --json: {"version"}.]],
    sets = { "results" },

    define = function() end,

    run = function(options)
        if options.json then
            io.stdout:write(require("kmirror.json").encode({ version = host.version }, true), "\n")
        else
            io.stdout:write("kmirror ", host.version, "\n")
        end
        return 0
    end,
}
