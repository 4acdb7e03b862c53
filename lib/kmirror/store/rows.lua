--- store.rows: rows of a store as they are kept: each with a digest over all of it, so that damage shows before
--- anything is concluded from it. A flipped bit in a change's key, say, would have that change made twice.

local host = require("host")

local M = {}

--- What a row is made of, by table.
M.columns = {
    jobs = { "name", "script", "target", "created" },
    runs = {
        "job", "number", "args", "directory", "settings", "started", "ended", "status",
        "user", "host", "pid", "version", "reason",
    },
    changes = {
        "job", "number", "position", "key", "operation", "cluster", "id", "arguments", "state", "problem", "run",
        "sent", "answered", "asked", "item",
    },
    seen = { "job", "cluster", "id", "position" },
}

-- How many columns a table had when digests came. Later ones are in a digest where they hold something: rows that were
-- written without them stay as they are.
local first_columns = { jobs = 4, runs = 8, changes = 14, seen = 4 }

-- As the database gives it back: numbers are not told apart by type, and text ends at a NUL.
local function stored(value)
    if type(value) == "boolean" then
        return value and 1 or 0
    end
    return type(value) == "string" and value:match("^[^\0]*") or value
end

local function written(value)
    if value == nil then
        return "-"
    end
    return type(value) == "number" and ("%.17g"):format(value) or ("%q"):format(value)
end

---@param name string of the table
---@param row table<string, any>
---@return string
function M.digest(name, row)
    local parts = { name }
    for i, column in ipairs(M.columns[name]) do
        local value = stored(row[column])
        if i <= first_columns[name] then
            parts[#parts + 1] = written(value)
        elseif value ~= nil then
            parts[#parts + 1] = column .. "=" .. written(value)
        end
    end
    return host.hmac_sha256("kmirror row", table.concat(parts, "\n"))
end

--- The values to bind for a row, its digest the last.
---@param name string of the table
---@param row table<string, any>
---@return table values with n
function M.values(name, row)
    local values = { n = #M.columns[name] + 1 }
    for i, column in ipairs(M.columns[name]) do
        values[i] = stored(row[column])
    end
    values[values.n] = M.digest(name, row)
    return values
end

local numbers = {
    created = true, number = true, started = true, ended = true, status = true, position = true, run = true,
    sent = true, answered = true, asked = true, pid = true,
}

local function has_types(name, row)
    for _, column in ipairs(M.columns[name]) do
        local value = row[column]
        if value ~= nil and type(value) ~= (numbers[column] and "number" or "string") then
            return false
        end
    end
    return true
end

--- Whether a row is as it was written. One without a digest is of a kmirror that did not write any.
---@param name string of the table
---@param row table<string, any>
---@return boolean
function M.intact(name, row)
    if row.digest == nil then
        return has_types(name, row)
    end
    return row.digest == M.digest(name, row)
end

return M
