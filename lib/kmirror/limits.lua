--- limits: how much a runbook may do, and how much of it may fail, as its options say.

local batches = require("kmirror.batches")
local counted = require("kmirror.text").count
local fields = require("mirrors").fields
local refuse = require("kmirror.usage")

local M = {}

local function amount_of(text)
    if text:find("^%d+%.?%d*%%$") and tonumber(text:sub(1, -2)) <= 100 then return text end
    return text:find("^%d+$") and math.tointeger(tonumber(text)) or nil
end

--- A converter for argparse: a whole number, or a percentage.
---@param name string of the option, for the error
---@return fun(text: string): integer|string|nil, string|nil
function M.amount(name)
    return function(text)
        local value = amount_of(text)
        return value, not value and ("%s '%s': expected a whole number or a percentage such as 10%%"):format(name, text)
            or nil
    end
end

--- The sizes of batches, as bulk takes them, from "1,10%,100%".
---@param name string of the option, for the error
---@param text string
---@return (integer|string)[]
---Raises usage for what is none.
function M.batches(name, text)
    local sizes = {}
    for part in (text .. ","):gmatch("%s*([^,]*),") do
        sizes[#sizes + 1] = amount_of(part)
            or refuse("%s '%s': expected whole numbers and percentages, such as 1,10%%,100%%", name, text)
    end
    if not pcall(batches.cut, 1, sizes) then
        refuse("%s '%s': expected sizes of at least 1 or 1%%", name, text)
    end
    return sizes
end

--- How many items may have failed in all when a batch is done; see kmirror.bulk's max_failures.
---@param max_failures integer|string
---@param failed integer before this batch
---@param size integer of this batch
---@return number
function M.most(max_failures, failed, size)
    return batches.limit(max_failures, failed, size)
end

--- Refuses to delete more than was allowed: the guard against a filter that takes more than was meant.
---@param count integer how many would be deleted
---@param most integer --max-delete
---Raises usage when it is more.
function M.check_deletes(count, most)
    if count > most then
        refuse("refused: %s would be deleted, more than --max-delete %d; nothing was changed. If that is meant, "
            .. "give --max-delete %d", counted(count, "mirror"), most, count)
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("limits", M, {
    amount = { "name", fields.string },
    batches = { "name", fields.string, "text", fields.string },
    most = { "max_failures", fields.amount(0), "failed", fields.integer(0), "size", fields.integer(0) },
    check_deletes = { "count", fields.integer(0), "most", fields.integer(0) },
})
