--- repl.columns: which fields of records make the columns of a table, and which are left out where there is no room.

local health = require("kmirror.health")
local literal = require("kmirror.literal")
local tables = require("kmirror.table")
local text = require("kmirror.text")

local M = {}

-- Fields that are shown first, in this order; the others follow by name.
local order = { "id", "name", "connectorName", "topicsRegex", "status", "mirrorStatus", "checkpointStatus",
    "targetLatency", "averageLatency", "averageRate" }
local rank = {}
for i, name in ipairs(order) do rank[name] = i end

-- Left out first, in this order: how a mirror was made, before how it is; then what comes last. The first column always
-- stays.
local spare = {}
for i, name in ipairs { "sourceConnectionProperties", "sourceKafka", "kafkaSource", "sourceType", "usePrivateIps",
    "useRenaming", "maxTasks", "checkpointStatus", "mirrorStatus", "connectorName", "targetLatency" } do
    spare[name] = i
end

local enough = 12 -- columns in which a value can still be recognized
local gap = 2

--- The names of all fields of the records, in the order in which they are shown.
---@param rows table[]
---@return string[]
function M.names(rows)
    local seen, names = {}, {}
    for _, row in ipairs(rows) do
        for name in pairs(row) do
            if not seen[name] then names[#names + 1] = name end
            seen[name] = true
        end
    end
    table.sort(names, function(a, b)
        local left, right = rank[a] or #order + 1, rank[b] or #order + 1
        if left ~= right then return left < right end
        return a < b
    end)
    return names
end

--- Does the field hold a status, which has a colour?
---@param name string
---@return boolean
function M.is_status(name)
    return name:find("[sS]tatus$") ~= nil
end

local function column_of(name, rows)
    if name == "topicStatuses" then return { "lag ms", health.lag, align = "right" } end
    local numbers = true
    for _, row in ipairs(rows) do
        numbers = numbers and (row[name] == nil or type(row[name]) == "number")
    end
    return {
        name,
        function(row)
            local value = row[name]
            return type(value) == "table" and literal.short(value) or value
        end,
        align = numbers and "right" or nil,
        whole = name == "id",
        paint = M.is_status(name) and tables.status_color or nil,
    }
end

-- How wide a column has to be at least.
local function least(column, rows)
    local widest = text.width(column[1])
    for _, row in ipairs(rows) do
        widest = math.max(widest, text.width(text.clean(tostring(column[2](row)))))
    end
    return (column.whole and widest or math.min(widest, enough)) + gap
end

-- The place of the column that is missed least.
local function most_spare(columns)
    local found = #columns
    for i = #columns, 2, -1 do
        local this, best = spare[columns[i][1]], spare[columns[found][1]]
        if this and (not best or this < best) then found = i end
    end
    return found
end

--- The columns of a table of records, as many as can be read in that width.
---@param rows table[]
---@param width integer|nil nil when there is no end to it
---@return kmirror.column[] columns
---@return string[] left_out their titles
---@return boolean fits not even a table of two columns does, else
function M.of(rows, width)
    local columns, left_out, needed = {}, {}, -gap
    for i, name in ipairs(M.names(rows)) do
        columns[i] = column_of(name, rows)
        needed = needed + least(columns[i], rows)
    end
    while width and needed > width and #columns > 2 do
        local column = table.remove(columns, most_spare(columns))
        needed = needed - least(column, rows)
        table.insert(left_out, 1, column[1])
    end
    return columns, left_out, not width or needed <= width
end

return M
