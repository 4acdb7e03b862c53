local json = require("kmirror.json")
local shelf = require("kmirror.cli.shelf")
local tables = require("kmirror.table")

local columns = {
    { "NAME", "name", key = true }, { "KIND", "kind" },
    { "CHANGES", function(entry) return entry.changes and "yes" or "no" end }, { "WHAT IT DOES", "summary" },
}

-- `kmirror run --list`.
---@type kmirror.command
return {
    name = "run --list",
    summary = "The runbooks that ship, and the cookbook.",
    details = "",
    sets = { "results", "messages" },

    define = function() end,

    run = function(options)
        local entries = shelf.list()
        if options.json then
            io.stdout:write(json.encode(json.array(entries), true), "\n")
        else
            tables.write(io.stdout, columns, entries)
        end
        return 0
    end,
}
