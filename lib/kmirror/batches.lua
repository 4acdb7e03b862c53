--- batches: how many items a batch has, and how many of them may fail.

local mirrors = require("mirrors")

local M = {}

local function refuse(what, value)
    error(mirrors.error("invalid", ("%s: expected a whole number or a percentage such as \"10%%\", got %s"):format(what,
        type(value) == "string" and "'" .. value .. "'" or tostring(value))), 0)
end

-- A number as it is, a percentage of `total`.
local function amount(value, total, what, low)
    local percent = type(value) == "string" and tonumber(value:match("^(%d+%.?%d*)%%$"))
    if percent and percent >= low and percent <= 100 then
        return total * percent / 100
    elseif math.type(value) == "integer" and value >= low then
        return value
    end
    refuse(what, value)
end

--- Cuts `count` items into batches: the sizes one after the other, the last one again until none is left. A percentage
--- is of all items, and at least one of them.
---@param count integer
---@param sizes (integer|string)[]
---@return { first: integer, last: integer }[]
---Raises `invalid` for a size that is neither a whole number from 1 up nor a percentage.
function M.cut(count, sizes)
    local spans, first, at = {}, 1, 1
    local wholes = {}
    for i, size in ipairs(sizes) do
        wholes[i] = math.max(1, math.floor(amount(size, count, "batches", 1)))
    end
    if #wholes == 0 then refuse("batches", nil) end
    while first <= count do
        local last = math.min(count, first + wholes[math.min(at, #wholes)] - 1)
        spans[at] = { first = first, last = last }
        first, at = last + 1, at + 1
    end
    return spans
end

--- How many items may have failed in all when a batch is done: a number is of all items, a percentage of the batch.
---@param max_failures integer|string|nil
---@param failed integer before this batch
---@param size integer of this batch
---@return number
---Raises `invalid` for what is neither a whole number nor a percentage.
function M.limit(max_failures, failed, size)
    if max_failures == nil then return math.huge end
    local most = amount(max_failures, size, "max_failures", 0)
    return math.type(most) == "integer" and most or failed + most
end

return M
