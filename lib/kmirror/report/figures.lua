--- report.figures: numbers that sum a record up.

local mirrors = require("mirrors")

local M = {}

--- The value below which that part of the sorted numbers lies.
---@param sorted number[] not empty
---@param part number from 0 to 1
---@return number
function M.quantile(sorted, part)
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
            quota = totals.quota, wire = totals.wire, backoff = totals.backoff, median = M.quantile(list, 0.5),
            slow = M.quantile(list, 0.95), slowest = list[#list],
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

-- What of all fits so little into `most` that only the most telling is kept.
local function rank(call)
    local changes = mirrors.operations[call.operation].effect ~= "reads"
    local trouble = call.outcome ~= "done" or #call.attempts ~= 1
    return (trouble and 1e6 or 0) + (changes and 1e4 or 0) + ((call.ended or math.huge) - call.asked)
end

--- The calls to show one by one: all, or the most telling of them (failed, retried, changes, slow), in order.
---@param record kmirror.report.record
---@param under_way kmirror.report.call[]
---@param most integer
---@return kmirror.report.call[]
---@return integer left_out
function M.telling(record, under_way, most)
    local calls = table.move(record.calls, 1, #record.calls, 1, {})
    table.move(under_way, 1, #under_way, #calls + 1, calls)
    local left_out = record.left_out + math.max(0, #calls - most)
    if #calls > most then
        table.sort(calls, function(a, b)
            local left, right = rank(a), rank(b)
            return left > right or left == right and a.number < b.number
        end)
        calls = table.move(calls, 1, most, 1, {})
    end
    table.sort(calls, function(a, b)
        return a.number < b.number
    end)
    return calls, left_out
end

return M
