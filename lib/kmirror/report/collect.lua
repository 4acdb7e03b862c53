--- report.collect: makes the record of a run from its events. It is what --report FILE.json holds, and what the page
--- shows; times are seconds since the run began.

local changes = require("kmirror.changes")
local events = require("kmirror.events")
local health = require("kmirror.health")
local json = require("kmirror.json")
local task = require("task")

local M = {}

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
---@field asked number
---@field ended? number nil while it goes on
---@field outcome string "done", "under way", "planned", "recorded" (by an earlier run), or the error's kind
---@field message? string
---@field attempts kmirror.report.attempt[]
---@field waits { from: number, to: number, reason: string }[] before its retries

---@class kmirror.report.change
---@field call integer
---@field operation string
---@field cluster string
---@field id? string
---@field at number when it was answered
---@field before? table
---@field after? table
---@field outcome string

---@class kmirror.report.mirror
---@field id string
---@field cluster string
---@field topicsRegex? string
---@field connectorName? string
---@field target? integer ms
---@field points table[] { seconds, lag in ms or false, status }, the latest is the last

---@class kmirror.report.record of one run
---@field steps table[] { title, started, ended, outcome, error }
---@field calls kmirror.report.call[]
---@field left_out integer calls that went well at once and are only counted, as there are too many
---@field changes kmirror.report.change[]
---@field mirrors table<string, kmirror.report.mirror>
---@field sent table<integer, integer> requests by tenth of a second
---@field totals table<string, table> by operation
---@field rate? number requests in any one second that are allowed; 0: no limit
local Collector = {}
Collector.__index = Collector

local most_calls = 20000 -- kept one by one
local most_points = 240 -- kept of one mirror

--- A record of nothing yet.
---@return kmirror.report.record
function M.new()
    return setmetatable({
        clock = task.now(), steps = json.array({}), calls = json.array({}), left_out = 0, changes = json.array({}),
        mirrors = {}, sent = {}, totals = {}, open = {}, names = {}, next = 0,
    }, Collector)
end

function Collector:at(clock)
    return math.floor((clock - self.clock) * 1000 + 0.5) / 1000
end

-- A moment of an attempt, which is 0 when it did not come to it.
function Collector:moment(clock)
    return clock > 0 and self:at(clock) or nil
end

local buckets = { 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 } -- seconds

local function totals_of(self, operation)
    local totals = self.totals[operation] or {
        requests = 0, calls = 0, retries = 0, quota = 0, wire = 0, backoff = 0, outcomes = {},
        errors = {}, buckets = json.array({ 0, 0, 0, 0, 0, 0, 0, 0, 0 }), seconds = 0,
    }
    self.totals[operation] = totals
    return totals
end

M.buckets = buckets

local function words_of(problem)
    if type(problem) == "table" then
        return problem.kind or "failed", problem.message or tostring(problem)
    end
    return "failed", tostring(problem)
end

-- The call that an event is told from; nil when nobody saw it begin.
local function open_call(self)
    local call = events.current_call()
    return call and self.open[call]
end

-- ---- attempts and retries ---------------------------------------------------------------------------------

local function count_attempt(self, event)
    local totals = totals_of(self, event.operation)
    if event.sent > 0 then
        totals.requests = totals.requests + 1
        local tenth = math.floor((event.sent - self.clock) * 10)
        self.sent[tenth] = (self.sent[tenth] or 0) + 1
        local seconds = math.max(0, event.ended - event.sent)
        totals.wire = totals.wire + seconds
        for i, limit in ipairs(buckets) do
            totals.buckets[i] = totals.buckets[i] + (seconds <= limit and 1 or 0)
        end
    end
    local kind = event.error and event.error.kind or "done"
    totals.errors[kind] = (totals.errors[kind] or 0) + 1
end

local function note_attempt(self, event)
    count_attempt(self, event)
    local call = open_call(self)
    if not call then
        return
    end
    local now = self:at(task.now())
    local attempt = {
        operation = event.operation, granted = self:moment(event.granted), sent = self:moment(event.sent),
        ended = event.ended > 0 and self:at(event.ended) or now,
    }
    if event.error then
        attempt.error, attempt.message = words_of(event.error)
    end
    local totals = totals_of(self, event.operation)
    totals.quota = totals.quota + math.max(0, (attempt.granted or now) - call.free)
    call.free = attempt.ended
    table.insert(call.attempts, attempt)
end

local function note_retry(self, event)
    local totals = totals_of(self, event.operation)
    totals.retries, totals.backoff = totals.retries + 1, totals.backoff + event.wait
    local call = open_call(self)
    if call then
        local now = self:at(task.now())
        call.free = now + event.wait
        table.insert(call.waits, { from = now, to = self:at(task.now() + event.wait), reason = event.error.kind })
    end
end

-- A create whose answer was lost waits until the list tells what became of it.
local function note_lost(self, event)
    local call = open_call(self)
    if call and event.wait then
        local now, totals = task.now(), totals_of(self, call.operation)
        call.free = self:at(now + event.wait)
        totals.backoff = totals.backoff + event.wait
        table.insert(call.waits, { from = self:at(now), to = call.free, reason = "lost" })
    end
end

-- ---- calls ------------------------------------------------------------------------------------------------

-- What it waited for ends where it ends: it may have been cancelled.
local function tidy(call)
    for _, wait in ipairs(call.waits) do
        wait.to = math.min(wait.to, call.ended)
    end
    call.free = nil
end

local function begin_call(self, event)
    self.next = self.next + 1
    self.rate = event.options.rate
    self.open[event] = {
        number = self.next, operation = event.operation, cluster = event.cluster, id = event.id,
        asked = self:at(event.asked), outcome = "under way", attempts = json.array({}), waits = json.array({}),
        free = self:at(event.asked),
    }
end

local is_change = { create = true, delete = true, update_target_latency = true }

local function outcome_of(event, call)
    if not event.ok then
        return words_of(event.error)
    elseif not is_change[event.operation] or #call.attempts > 0 then
        return "done"
    end
    return changes.planned() and "planned" or "recorded"
end

local function mirror_of(self, cluster, id)
    local mirror = self.mirrors[id] or { id = id, cluster = cluster, points = json.array({}) }
    self.mirrors[id] = mirror
    return mirror
end

-- Many points make way for the newest: of the older ones each second one goes.
local function thin(points)
    for i = 1, #points // 2 do
        points[i] = points[2 * i]
    end
    for i = #points, #points // 2 + 1, -1 do
        points[i] = nil
    end
end

local function note_mirror(self, event, call)
    local answer, mirror = event.answer, mirror_of(self, event.cluster, event.id)
    mirror.topicsRegex, mirror.connectorName = answer.topicsRegex, answer.connectorName
    mirror.target, mirror.status = answer.targetLatency, answer.status
    if #mirror.points >= most_points then
        thin(mirror.points)
    end
    table.insert(mirror.points, { call.ended, health.lag(answer) or false, answer.status })
end

local function shown(mirror)
    return mirror and {
        topicsRegex = mirror.topicsRegex, connectorName = mirror.connectorName, targetLatency = mirror.target,
        status = mirror.status,
    }
end

local before_and_after = {
    create = function(_, event)
        return nil, changes.shown(event.argument)
    end,
    delete = function(known)
        return shown(known) or {}, nil
    end,
    update_target_latency = function(known, event)
        return { targetLatency = known and known.target }, { targetLatency = event.argument }
    end,
}

local function note_change(self, event, call)
    local id = event.operation == "create" and event.answer or event.id
    local known = id and self.mirrors[id]
    local before, after = before_and_after[event.operation](known, event)
    table.insert(self.changes, {
        call = call.number, operation = event.operation, cluster = event.cluster, id = id, at = call.ended,
        topicsRegex = known and known.topicsRegex or event.operation == "create" and event.argument.topicsRegex or nil,
        before = before, after = after, outcome = call.outcome, message = call.message,
    })
    if call.outcome ~= "done" then
        return
    elseif event.operation == "update_target_latency" and known then
        known.target = event.argument
    elseif event.operation == "create" then
        mirror_of(self, event.cluster, id).topicsRegex = event.argument.topicsRegex
    end
end

local learn = {
    list = function(self, event)
        for _, listed in ipairs(event.answer) do
            local mirror = mirror_of(self, event.cluster, listed.id)
            mirror.topicsRegex, mirror.connectorName = listed.topicsRegex, listed.connectorName
        end
    end,
    get = note_mirror,
}

local function is_plain(call)
    return call.outcome == "done" and #call.attempts == 1 and not is_change[call.operation]
end

local function keep(self, call)
    if #self.calls < most_calls or not is_plain(call) then
        table.insert(self.calls, call)
    else
        self.left_out = self.left_out + 1
    end
end

local function end_call(self, event)
    local call = self.open[event]
    self.open[event] = nil
    call.ended = self:at(event.ended)
    call.outcome, call.message = outcome_of(event, call)
    call.id = call.id or event.operation == "create" and event.answer or nil
    tidy(call)
    local totals = totals_of(self, call.operation)
    totals.calls, totals.seconds = totals.calls + 1, totals.seconds + call.ended - call.asked
    totals.outcomes[call.outcome] = (totals.outcomes[call.outcome] or 0) + 1
    if is_change[call.operation] and not (call.outcome == "invalid" and #call.attempts == 0) then
        note_change(self, event, call)
    elseif event.ok and learn[call.operation] then
        learn[call.operation](self, event, call)
    end
    local known = call.id and self.mirrors[call.id]
    call.topicsRegex = known and known.topicsRegex
        or event.operation == "create" and type(event.argument) == "table" and event.argument.topicsRegex or nil
    keep(self, call)
end

-- ---- steps ------------------------------------------------------------------------------------------------

local function note_step(self, event)
    local step = self.open[event]
    if not step then
        step = { title = event.title, started = self:at(event.started) }
        self.open[event] = step
        table.insert(self.steps, step)
        return
    end
    self.open[event] = nil
    step.ended, step.outcome = self:at(event.ended), event.outcome
    step.error = event.error ~= nil and tostring(event.error) or nil
end

--- Takes note of an event.
---@param event table
function Collector:take(event)
    if event.what == "attempt" then
        note_attempt(self, event)
    elseif event.what == "retry" then
        note_retry(self, event)
    elseif event.what == "step" then
        note_step(self, event)
    elseif event.what == "lost" then
        note_lost(self, event)
    elseif event.what == "call" and event.ended then
        end_call(self, event)
    elseif event.what == "call" then
        begin_call(self, event)
    end
end

--- Calls that have not ended.
---@return kmirror.report.call[]
function Collector:under_way()
    local found = {}
    for _, each in pairs(self.open) do
        found[#found + 1] = each.asked and each or nil
    end
    table.sort(found, function(a, b)
        return a.number < b.number
    end)
    return found
end

--- Seconds since it began.
---@return number
function Collector:seconds()
    return self:at(task.now())
end

return M
