local connect = require("kmirror.connect")
local csv = require("kmirror.csv")
local health = require("kmirror.health")
local json = require("kmirror.json")
local log = require("kmirror.log")
local order = require("kmirror.order")
local selection = require("kmirror.selection")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")

local columns = {
    { "ID", "id", whole = true },
    { "CONNECTOR", "connectorName" },
    { "TOPICS", "topicsRegex", key = true },
}

-- What each mirror says of itself: --wide.
local wide_columns = {
    { "ID", "id", whole = true },
    { "CONNECTOR", "connectorName" },
    { "TOPICS", "topicsRegex", key = true },
    { "STATUS", "status" },
    { "LAG ms", health.lag, align = "right" },
    { "TARGET ms", "targetLatency", align = "right" },
}
local names = { "id", "connectorName", "topicsRegex" }
local wide_names = { "id", "connectorName", "topicsRegex", "status", "lag", "targetLatency" }

-- On Kafka Connect of one's own others may have made some: for people that is one more column.
local function with_maker(those, found)
    local foreign = false
    for _, mirror in ipairs(found) do foreign = foreign or mirror.foreign end
    if not (foreign and terminal.of(io.stdout).terminal) then return those end
    local all = table.move(those, 1, #those, 1, {})
    all[#all + 1] = { "MADE BY", function(mirror) return mirror.foreign and "others" or "kmirror" end }
    return all
end

-- The fields that are shown of each.
local function shown(found, fields)
    local rows = {}
    for i, mirror in ipairs(found) do
        rows[i] = {}
        for _, name in ipairs(fields) do rows[i][name] = mirror[name] end
        if fields == wide_names then rows[i].lag = health.lag(mirror) end
    end
    return rows
end

-- The mirrors that are meant, and what of the options none has.
local function find(given)
    local api = connect()
    given.clusters = {} -- the sandbox has an option of that name
    selection.complete(given)
    if given.wide or #given.statuses > 0 then return selection.details(given, { api }) end
    local listed, found, is_meant = api:list(), {}, selection.filter(given)
    for _, each in ipairs(listed) do
        each.cluster = api.cluster
        if is_meant(each) then found[#found + 1] = each end
    end
    local missing = selection.missing(given, listed)
    for _, each in ipairs(listed) do each.cluster = nil end -- as the API has it
    return found, missing
end

---@type kmirror.command
return {
    name = "list",
    summary = "All mirrors of a cluster, or some.",
    details = [[
Sorted by connector name. In a pipe: id, connector name and topics with a tab
between, without titles; with --wide also status, lag and target latency.

With --wide or --status each mirror is read in full: a request for each.

With --json: [{"id", "connectorName", "topicsRegex"}, ...], with --wide also
"status", "lag" and "targetLatency"; --output csv has the same names for titles.
Exit status: 0; 1 when no mirror has what an option asks for, as --source or
--id; none in a --status is fine.]],
    sets = { "connection", "results", "tables", "messages" },

    define = function(parser)
        parser:flag("--wide", "Status, lag and target latency, too.")
        selection.define(parser, { "--in" })
    end,

    run = function(options)
        local found, missing = find(options)
        local fields = options.wide and wide_names or names
        table.sort(found, order.by("connectorName", "id"))
        if options.json then
            local in_full = options.wide or #options.statuses > 0
            io.stdout:write(json.encode(json.array(in_full and shown(found, fields) or found), true), "\n")
        elseif options.output == "csv" then
            io.stdout:write(csv.shown(io.stdout, csv.rows(fields, shown(found, fields))))
        elseif #found > 0 then
            tables.write(io.stdout, with_maker(options.wide and wide_columns or columns, found), found)
        elseif #missing == 0 then
            log.info(not selection.is_whole(options) and "no mirror on this cluster is so"
                or "there are no mirrors on this cluster")
        end
        for _, each in ipairs(missing) do log.error("%s", each.message) end
        return #missing > 0 and 1 or 0
    end,
}
