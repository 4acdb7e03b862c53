--- report.figures: numbers that sum a record up.

local mirrors = require("mirrors")

local M = {}

-- The value below which that part of the sorted numbers lies.
local function quantile(sorted, part)
    return sorted[math.max(1, math.ceil(part * #sorted))]
end

--- Requests in the second that ends at each tenth of a second: what the quota counts.
---@param record kmirror.report.record
---@return number[] counts the first is of the tenth 0
---@return integer highest
function M.rate(record)
    local last, window, highest, counts = 0, 0, 0, {}
    for tenth in pairs(record.sent) do
        last = math.max(last, tenth)
    end
    for tenth = 0, last do
        window = window + (record.sent[tenth] or 0) - (record.sent[tenth - 10] or 0)
        counts[tenth + 1] = window
        highest = math.max(highest, window)
    end
    return counts, highest
end

---@class kmirror.report.timing of one operation
---@field operation string
---@field calls integer
---@field requests integer
---@field retries integer
---@field quota number seconds waited for the quota, all calls together
---@field wire number seconds until the answers came
---@field backoff number seconds waited before retries
---@field median number seconds of one call
---@field slow number 95 % are faster
---@field slowest number

--- How long calls took, by operation.
---@param record kmirror.report.record
---@return kmirror.report.timing[]
function M.timings(record)
    local seconds, found = {}, {}
    for _, call in ipairs(record.calls) do
        local list = seconds[call.operation] or {}
        seconds[call.operation] = list
        list[#list + 1] = call.ended - call.asked
    end
    for _, operation in ipairs(mirrors.operations) do
        local totals, list = record.totals[operation.name], seconds[operation.name] or { 0 }
        table.sort(list)
        found[#found + 1] = totals and {
            operation = operation.name, calls = totals.calls, requests = totals.requests, retries = totals.retries,
            quota = totals.quota, wire = totals.wire, backoff = totals.backoff, median = quantile(list, 0.5),
            slow = quantile(list, 0.95), slowest = list[#list],
        } or nil
    end
    return found
end

--- One field of the totals, of all operations together.
---@param record kmirror.report.record
---@param field string
---@return number
function M.total(record, field)
    local sum = 0
    for _, totals in pairs(record.totals) do
        sum = sum + totals[field]
    end
    return sum
end

--- How many attempts ended with that kind of error.
---@param record kmirror.report.record
---@param kind string
---@return integer
function M.errors(record, kind)
    local sum = 0
    for _, totals in pairs(record.totals) do
        sum = sum + (totals.errors[kind] or 0)
    end
    return sum
end

return M
