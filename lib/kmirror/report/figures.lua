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
    for tenth in pairs(record.sent) do last = math.max(last, tenth) end
    for tenth = 0, last do
        window = window + (record.sent[tenth] or 0) - (record.sent[tenth - 10] or 0)
        counts[tenth + 1] = window
        highest = math.max(highest, window)
    end
    return counts, highest
end

--- Counts a call that has ended, in its second. Of all calls, also of those that are not kept.
---@param record kmirror.report.record
---@param call kmirror.report.call
function M.count_ended(record, call)
    local seconds, second = record.ended[call.operation] or {}, math.floor(call.ended)
    record.ended[call.operation] = seconds
    seconds[second] = (seconds[second] or 0) + 1
end

local most_slots = 400

--- How many calls have ended, over time: for each operation a list of counts, one for each so many seconds.
---@param record kmirror.report.record
---@param seconds number how long the run took
---@return integer every seconds
---@return table<string, integer[]> counts
function M.over_time(record, seconds)
    local every, counts = math.max(1, math.ceil(seconds / most_slots)), {}
    for operation, by_second in pairs(record.ended) do
        local slots = {}
        for slot = 1, math.floor(seconds / every) + 1 do slots[slot] = 0 end
        for second, count in pairs(by_second) do
            local slot = math.min(#slots, second // every + 1)
            slots[slot] = slots[slot] + count
        end
        counts[operation] = slots
    end
    return every, counts
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
    for _, totals in pairs(record.totals) do sum = sum + totals[field] end
    return sum
end

--- How many attempts ended with that kind of error.
---@param record kmirror.report.record
---@param kind string
---@return integer
function M.errors(record, kind)
    local sum = 0
    for _, totals in pairs(record.totals) do sum = sum + (totals.errors[kind] or 0) end
    return sum
end

return M
