--- repl.clusters: :clusters, those that have a name: as a table where that fits, as ids are no good when they are cut.

local order = require("kmirror.order")
local profile = require("kmirror.profile")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local function mark(row)
    return row.here and "*" or ""
end

local columns = {
    { "", mark }, { "NAME", "name" }, { "ALIAS", "alias" }, { "KAFKA CONNECT", "connect", whole = true },
    { "KAFKA", "kafka", whole = true },
}

local function rows_of(session)
    local rows, here = {}, session:cluster()
    for name, cluster in pairs(profile.current().clusters) do
        rows[#rows + 1] = {
            here = name == here or nil, name = name, alias = cluster.alias or name,
            connect = cluster.connect, kafka = cluster.kafka,
        }
    end
    table.sort(rows, order.by("name"))
    return rows
end

local function fits(rows, width)
    local widest = 0
    for line in tables.aligned(columns, rows):gmatch("[^\n]+") do
        widest = math.max(widest, text.width(line))
    end
    return widest <= width
end

---@param session kmirror.repl.session
return function(session)
    local rows, where = rows_of(session), terminal.of(io.stdout)
    if #rows == 0 then
        refuse("no cluster has a name here: they are named in the configuration file, by profile")
    end
    if where.width and not fits(rows, where.width) then
        return session:show(rows, { expanded = true })
    end
    tables.write(io.stdout, columns, rows)
end
