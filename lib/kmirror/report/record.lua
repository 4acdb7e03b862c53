--- report.record: the record of a run, made from its events; for --report and --metrics. Times are seconds since the
--- run began.

local changes = require("kmirror.changes")
local events = require("kmirror.events")
local figures = require("kmirror.report.figures")
local json = require("kmirror.json")
local learned = require("kmirror.report.mirrors")
local mirrors = require("mirrors")
local order = require("kmirror.order")
local task = require("task")

local M = {}

M.buckets = { 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 } -- seconds; of answers, for --metrics

---@class kmirror.report.attempt
---@field operation string a create looks at the list, too
---@field granted? number when the quota let it go
---@field sent? number when it went out
---@field ended number
---@field error? string kind; nil when it was answered well
---@field message? string

---@class kmirror.report.call
---@field number integer
---@field operation string
---@field cluster string
---@field id? string
---@field topicsRegex? string
---@field asked number
---@field ended? number nil while it goes on
---@field outcome string in words; see fields.lua
---@field message? string
---@field attempts kmirror.report.attempt[]
---@field waits { from: number, to: number, reason: string }[] before its retries

---@class kmirror.report.change
---@field call integer
---@field operation string
---@field cluster string
---@field id? string
---@field topicsRegex? string
---@field at number when it was answered
---@field before? table
---@field after? table
---@field outcome string
---@field message? string

---@class kmirror.report.mirror
---@field id string
---@field cluster string
---@field topicsRegex? string
---@field connectorName? string
---@field target? integer ms
---@field reads? integer how many times it was read
---@field points table[] { seconds, lag in ms or false, status }, the latest is the last

---@class kmirror.report.record of one run
---@field clock number task.now() when it began
---@field steps table[] { title, started, ended, outcome, error }
---@field calls kmirror.report.call[]
---@field left_out integer calls that went well at once and are only counted, as there are too many
---@field changes kmirror.report.change[]
---@field mirrors table<string, kmirror.report.mirror>
---@field deleted table<string, boolean> ids of mirrors that should be gone
---@field sent table<integer, integer> requests by tenth of a second
---@field ended table<string, table<integer, integer>> calls that have ended, by operation and second
---@field totals table<string, table> by operation
---@field open table<table, table> what has not ended, by its event
---@field rate? number requests in any one second that are allowed, as things stand; 0: no limit
local Collector = {}
Collector.__index = Collector

local most_calls = 20000 -- kept one by one

--- A record of nothing yet.
---@return kmirror.report.record
function M.new()
    return setmetatable({
        clock = task.now(), steps = json.array({}), calls = json.array({}), left_out = 0, changes = json.array({}),
        mirrors = {}, deleted = {}, sent = {}, ended = {}, totals = {}, open = {}, next = 0,
    }, Collector)
end

--- Seconds from when it began to a moment.
---@param clock number on task.now()'s clock
---@return number
function Collector:at(clock)
    return math.floor((clock - self.clock) * 1000 + 0.5) / 1000
end

--- Seconds since it began.
---@return number
function Collector:seconds()
    return self:at(task.now())
end

-- ---- attempts, and what calls waited for: the quota, retries, a lost answer -------------------------------

-- The figures of an operation.
local function totals_of(record, operation)
    local totals = record.totals[operation] or {
        requests = 0, calls = 0, retries = 0, quota = 0, wire = 0, backoff = 0, outcomes = {},
        errors = {}, buckets = json.array({ 0, 0, 0, 0, 0, 0, 0, 0, 0 }), seconds = 0,
    }
    record.totals[operation] = totals
    return totals
end

-- A problem as its kind and in words.
local function words_of(problem)
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
    local totals = totals_of(record, event.operation)
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
    if not call then return end
    local now = record:at(task.now())
    local attempt = {
        operation = event.operation, granted = moment(record, event.granted), sent = moment(record, event.sent),
        ended = moment(record, event.ended) or now,
    }
    if event.error then attempt.error, attempt.message = words_of(event.error) end
    local totals = totals_of(record, event.operation)
    totals.quota = totals.quota + math.max(0, (attempt.granted or now) - call.free)
    call.free = attempt.ended
    table.insert(call.attempts, attempt)
end

local function note_wait(record, operation, seconds, reason)
    local totals, call, now = totals_of(record, operation), open_call(record), task.now()
    totals.backoff = totals.backoff + seconds
    if call then
        call.free = record:at(now + seconds)
        table.insert(call.waits, { from = record:at(now), to = call.free, reason = reason })
    end
end

local function note_retry(record, event)
    local totals = totals_of(record, event.operation)
    totals.retries = totals.retries + 1
    note_wait(record, event.operation, event.wait, event.error.kind)
end

-- A create whose answer was lost waits until the list tells what became of it.
local function note_lost(record, event)
    if event.wait and open_call(record) then note_wait(record, "create", event.wait, "lost") end
end

-- A call that has waited until the API answered again.
local function note_stood_by(record, event)
    local totals, call, now = totals_of(record, event.operation), open_call(record), task.now()
    totals.backoff = totals.backoff + event.wait
    if call then
        call.free = record:at(now)
        table.insert(call.waits, { from = record:at(now - event.wait), to = call.free, reason = "away" })
    end
end

local notes = { attempt = note_attempt, retry = note_retry, lost = note_lost, stood_by = note_stood_by }

-- ---- calls ------------------------------------------------------------------------------------------------

local function begin_call(self, event)
    self.next = self.next + 1
    self.rate = event.rate
    self.open[event] = {
        number = self.next, operation = event.operation, cluster = event.cluster, id = event.id,
        asked = self:at(event.asked), outcome = "under way", attempts = json.array({}), waits = json.array({}),
        free = self:at(event.asked),
    }
end

local function operation_of(event)
    return mirrors.operations[event.operation]
end

-- That a mirror is not found after it was deleted is what was wanted.
local function outcome_of(self, event, call)
    if not event.ok then
        local kind, message = words_of(event.error)
        if kind == "not_found" and operation_of(event).effect ~= "alters" and self.deleted[event.id] then
            return "gone"
        end
        return kind, message
    elseif not changes.is_change(event.operation) or #call.attempts > 0 then
        return "done"
    end
    return changes.planned() and "planned" or "recorded"
end

-- What it waited for ends where it ends: it may have been cancelled.
local function tidy(call)
    for _, wait in ipairs(call.waits) do wait.to = math.min(wait.to, call.ended) end
    call.free = nil
end

local function keep(self, call)
    local is_plain = (call.outcome == "done" or call.outcome == "gone") and #call.attempts == 1
        and not changes.is_change(call.operation)
    if #self.calls < most_calls or not is_plain then
        table.insert(self.calls, call)
    else
        self.left_out = self.left_out + 1
    end
end

local function end_call(self, event)
    local call, totals = self.open[event], totals_of(self, event.operation)
    self.open[event] = nil
    call.ended = self:at(event.ended)
    call.outcome, call.message = outcome_of(self, event, call)
    call.id = call.id or operation_of(event).effect == "makes" and event.answer or nil
    tidy(call)
    totals.calls, totals.seconds = totals.calls + 1, totals.seconds + call.ended - call.asked
    totals.outcomes[call.outcome] = (totals.outcomes[call.outcome] or 0) + 1
    figures.count_ended(self, call)
    learned.from(self, event, call)
    keep(self, call)
end

--- Calls that have not ended.
---@return kmirror.report.call[]
function Collector:under_way()
    local found = {}
    for _, each in pairs(self.open) do found[#found + 1] = each.asked and each or nil end
    table.sort(found, order.by("number"))
    return found
end

-- ---- steps ------------------------------------------------------------------------------------------------

local function begin_step(self, event)
    local step = { title = event.title, started = self:at(event.started) }
    self.open[event] = step
    table.insert(self.steps, step)
end

local function end_step(self, event)
    local step = self.open[event]
    self.open[event] = nil
    step.ended, step.outcome = self:at(event.ended), event.outcome
    step.error = event.error ~= nil and tostring(event.error) or nil
end

-- ---- all --------------------------------------------------------------------------------------------------

--- Takes note of an event. Of what had begun before the record, the end is left out.
---@param event table
function Collector:take(event)
    if notes[event.what] then
        notes[event.what](self, event)
    elseif event.what ~= "call" and event.what ~= "step" then
        return
    elseif not event.ended then
        (event.what == "call" and begin_call or begin_step)(self, event)
    elseif self.open[event] then
        (event.what == "call" and end_call or end_step)(self, event)
    end
end

return M
