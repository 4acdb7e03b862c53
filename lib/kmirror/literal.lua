--- literal: tables as Lua writes them, cut where they are deep, long or go round in a circle.

local text = require("kmirror.text")

local M = {}

local deepest, longest = 5, 100

--- A string in quotes, on one line.
---@param value string
---@return string
function M.quoted(value)
    return '"' .. text.clean(value):gsub('"', '\\"') .. '"'
end

local function is_name(key)
    return type(key) == "string" and key:find("^[%a_][%w_]*$") ~= nil
end

local function sorted_keys(value)
    local keys = {}
    for key in pairs(value) do
        if not (math.type(key) == "integer" and key >= 1 and key <= #value) then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys, function(a, b)
        if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
        return tostring(a) < tostring(b)
    end)
    return keys
end

local function scalar(value)
    return type(value) == "string" and M.quoted(value) or text.clean(tostring(value))
end

--- Whether a table says itself what it is, as objects do and what does not show.
---@param value any
---@return boolean
function M.speaks(value)
    local meta = type(value) == "table" and getmetatable(value)
    if type(meta) ~= "table" then return type(meta) == "string" end
    return meta.__tostring ~= nil or type(meta.__name) == "string" and meta.__name ~= "array"
end

local function is_plain(value)
    return type(value) == "table" and not M.speaks(value)
end

--- Whether a table holds nothing, by its own account.
---@param value table
---@return boolean
function M.is_empty(value)
    local following, state, first = pairs(value)
    return following(state, first) == nil
end

local write

-- The members of a table, each as text.
local function members(value, above, separator)
    local parts = {}
    for _, item in ipairs(value) do parts[#parts + 1] = write(item, above, separator) end
    for _, key in ipairs(sorted_keys(value)) do
        local label = is_name(key) and key or "[" .. scalar(key) .. "]"
        parts[#parts + 1] = label .. " = " .. write(value[key], above, separator)
    end
    if #parts > longest then
        local more = ("… and %d more"):format(#parts - longest)
        parts = table.move(parts, 1, longest, 1, {})
        parts[#parts + 1] = more
    end
    return parts
end

function write(value, above)
    if not is_plain(value) then return scalar(value) end
    if M.is_empty(value) then return "{}" end
    if above[value] or above.depth >= deepest then return "{…}" end
    above[value], above.depth = true, above.depth + 1
    local line = "{ " .. table.concat(members(value, above), ", ") .. " }"
    above[value], above.depth = nil, above.depth - 1
    return line
end

--- A value on one line.
---@param value any
---@return string
function M.line(value)
    return write(value, { depth = 0 })
end

--- A table on one line when it fits, else with a line for each member.
---@param value table
---@param width integer
---@return string
function M.block(value, width)
    local line = M.line(value)
    if text.width(line) <= width then return line end
    local parts = members(value, { depth = 1, [value] = true })
    for i, part in ipairs(parts) do parts[i] = "    " .. part .. ",\n" end
    return "{\n" .. table.concat(parts) .. "}"
end

--- What stands for a table where there is no room: how many there are.
---@param value table
---@return string
function M.short(value)
    local line = M.line(value)
    return text.width(line) <= 30 and line or #value > 0 and ("{ %d … }"):format(#value) or "{ … }"
end

return M
