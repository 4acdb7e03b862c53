local connect = require("kmirror.connect")
local csv = require("kmirror.csv")
local json = require("kmirror.json")
local log = require("kmirror.log")
local tables = require("kmirror.table")

local columns = {
    { "ID", "id", whole = true },
    { "CONNECTOR", "connectorName" },
    { "TOPICS", "topicsRegex", key = true },
}

local function by_connector(a, b)
    local left, right = a.connectorName or "", b.connectorName or ""
    if left ~= right then
        return left < right
    end
    return tostring(a.id) < tostring(b.id)
end

---@type kmirror.command
return {
    name = "list",
    arguments = "",
    summary = "All mirrors of a cluster.",
    details = [[
Sorted by connector name. In a pipe: id, connector name and topics with a tab
between, without titles.

With --json: [{"id", "connectorName", "topicsRegex"}, ...]; --output csv has
the same names for titles.]],
    sets = { "connection", "results", "tables", "messages" },

    define = function() end,

    run = function(options)
        local found = connect():list()
        table.sort(found, by_connector)
        if options.json then
            io.stdout:write(json.encode(json.array(found), true), "\n")
        elseif options.output == "csv" then
            io.stdout:write(csv.shown(io.stdout, csv.rows({ "id", "connectorName", "topicsRegex" }, found)))
        elseif #found > 0 then
            tables.write(io.stdout, columns, found)
        else
            log.info("there are no mirrors on this cluster")
        end
        return 0
    end,
}
