--- report.attempts: takes note of attempts, and of what calls waited for: the quota, retries, a lost answer.

local events = require("kmirror.events")
local json = require("kmirror.json")
local task = require("task")

local M = {}

M.buckets = { 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 } -- seconds

--- The figures of an operation.
---@param record kmirror.report.record
---@param operation string
---@return table
function M.totals(record, operation)
    local totals = record.totals[operation] or {
        requests = 0, calls = 0, retries = 0, quota = 0, wire = 0, backoff = 0, outcomes = {},
        errors = {}, buckets = json.array({ 0, 0, 0, 0, 0, 0, 0, 0, 0 }), seconds = 0,
    }
    record.totals[operation] = totals
    return totals
end

--- A problem as its kind and in words.
---@param problem any
---@return string kind
---@return string message
function M.words(problem)
    if type(problem) == "table" then
        return problem.kind or "failed", problem.message or tostring(problem)
    end
    return "failed", tostring(problem)
end

-- The call that an event is told from; nil when nobody saw it begin.
local function open_call(record)
    local call = events.current_call()
    return call and record.open[call]
end

local function count(record, event)
    local totals = M.totals(record, event.operation)
    if event.sent > 0 then
        totals.requests = totals.requests + 1
        local tenth = math.floor((event.sent - record.clock) * 10)
        record.sent[tenth] = (record.sent[tenth] or 0) + 1
        local seconds = math.max(0, event.ended - event.sent)
        totals.wire = totals.wire + seconds
        for i, limit in ipairs(M.buckets) do
            totals.buckets[i] = totals.buckets[i] + (seconds <= limit and 1 or 0)
        end
    end
    local kind = event.error and event.error.kind or "done"
    totals.errors[kind] = (totals.errors[kind] or 0) + 1
end

-- A moment of an attempt, which is 0 when it did not come to it.
local function moment(record, clock)
    return clock > 0 and record:at(clock) or nil
end

local function note_attempt(record, event)
    count(record, event)
    local call = open_call(record)
    if not call then
        return
    end
    local now = record:at(task.now())
    local attempt = {
        operation = event.operation, granted = moment(record, event.granted), sent = moment(record, event.sent),
        ended = moment(record, event.ended) or now,
    }
    if event.error then
        attempt.error, attempt.message = M.words(event.error)
    end
    local totals = M.totals(record, event.operation)
    totals.quota = totals.quota + math.max(0, (attempt.granted or now) - call.free)
    call.free = attempt.ended
    table.insert(call.attempts, attempt)
end

local function note_wait(record, operation, seconds, reason)
    local totals, call, now = M.totals(record, operation), open_call(record), task.now()
    totals.backoff = totals.backoff + seconds
    if call then
        call.free = record:at(now + seconds)
        table.insert(call.waits, { from = record:at(now), to = call.free, reason = reason })
    end
end

local function note_retry(record, event)
    local totals = M.totals(record, event.operation)
    totals.retries = totals.retries + 1
    note_wait(record, event.operation, event.wait, event.error.kind)
end

-- A create whose answer was lost waits until the list tells what became of it.
local function note_lost(record, event)
    if event.wait and open_call(record) then
        note_wait(record, "create", event.wait, "lost")
    end
end

local notes = { attempt = note_attempt, retry = note_retry, lost = note_lost }

--- Takes note of an event, if it is one of these.
---@param record kmirror.report.record
---@param event table
function M.take(record, event)
    if notes[event.what] then
        notes[event.what](record, event)
    end
end

return M
