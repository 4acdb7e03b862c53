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

local most_digits <const> = 10 ^ 15 -- up to which a whole number is written the same either way
local most_written <const> = 5000

-- How texts and whole numbers are written in digests: most of a row is as it was when it was written last, or as in
-- other rows.
local written, count = {}, 0

local function keep(value, text)
    if count >= most_written then written, count = {}, 0 end
    written[value], count = text, count + 1
    return value, text
end

-- A value as the database gives it back, and as it is in a digest. Numbers are not told apart by type, and text ends at
-- a NUL.
local function write(value)
    local kind = type(value)
    if kind == "string" then
        value = value:find("\0", 1, true) and value:match("^[^\0]*") or value
        return keep(value, ("%q"):format(value))
    elseif kind == "boolean" then
        return write(value and 1 or 0)
    elseif math.type(value) == "integer" and value >= 0 and value < most_digits then
        return keep(value, ("%d"):format(value))
    end
    return value, ("%.17g"):format(value)
end

local parts = {} -- of the row that is being read

-- The digest of a row, whose values are put into a list, as the database gives them back.
local function read(name, row, values)
    local columns, first = M.columns[name], first_columns[name]
    local last = first + 1
    parts[1] = name
    for i, column in ipairs(columns) do
        local value, text = row[column], nil
        if value ~= nil then
            text = written[value]
            if not text then value, text = write(value) end
            if i > first then
                last = last + 1
                parts[last] = column .. "=" .. text
            end
        end
        if i <= first then parts[i + 1] = text or "-" end
        values[i] = value
    end
    return host.hmac_sha256("kmirror row", table.concat(parts, "\n", 1, last))
end

---@param name string of the table
---@param row table<string, any>
---@return string
function M.digest(name, row)
    return read(name, row, {})
end

--- The values to bind for a row, its digest the last.
---@param name string of the table
---@param row table<string, any>
---@return table values with n
function M.values(name, row)
    local values = { n = #M.columns[name] + 1 }
    values[values.n] = read(name, row, values)
    return values
end

local times = { created = true, started = true, ended = true, sent = true, answered = true }
local numbers = { number = true, status = true, position = true, run = true, asked = true, pid = true }

--- The type of a column, as SQL calls it.
---@param column string
---@return string
function M.type_of(column)
    return times[column] and "double precision" or numbers[column] and "bigint" or "text"
end

local function has_types(name, row)
    for _, column in ipairs(M.columns[name]) do
        local value = row[column]
        if value ~= nil and type(value) ~= (M.type_of(column) == "text" and "string" or "number") then
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
    if row.digest == nil then return has_types(name, row) end
    return row.digest == M.digest(name, row)
end

return M
