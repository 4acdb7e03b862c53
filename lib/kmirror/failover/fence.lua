--- The fence: proof, as far as the API gives it, that nothing is written any more and that all has arrived.
---
--- A zero alone is not trusted. Each mirror must be seen at least twice with all rates at zero and a low lag, the last
--- time when the sync of group offsets is over; the busiest few are looked at all the while. At each look the
--- connectors must run, and every topic that was there at first must still be listed.

local bulk = require("kmirror.bulk")
local log = require("kmirror.log")
local looks = require("kmirror.failover.looks")
local progress = require("kmirror.progress")
local task = require("task")

local M = {}

local fewest_looks = 3 -- at the busiest, while nothing may flow
local longest_pause = 5 -- seconds between two of these
local recent = 60 -- seconds for which a look at all of them tells enough of the lags, however long that look took
local again = 1 -- second after which to look again at one that turns out not to be drained

---@class kmirror.failover.fence
---@field looks kmirror.failover.looks
local Fence = {}
Fence.__index = Fence

--- For mirrors that have just been read.
---@param api mirrors.Api
---@param mirrors table[] in full
---@param looked number task.now() when all of them had been read
---@param drain_lag integer ms of lag that are taken for nothing
---@return kmirror.failover.fence
function M.new(api, mirrors, looked, drain_lag)
    return setmetatable({ looks = looks.new(api, mirrors, looked, drain_lag) }, Fence)
end

--- The highest lag at the last looks.
---@return integer milliseconds
function Fence:lag()
    return self.looks:highest("lag")
end

--- What flowed at the last looks.
---@return number records a second
function Fence:rate()
    return self.looks:rate()
end

-- Shows how many mirrors lag no more than that.
local function lags(limit)
    return function(all, bar)
        local late = all:not_yet(function(watched)
            return watched.lag <= limit
        end)
        bar:set(#all.all - #late, 0, #all.all)
        bar:note(("lag %d ms"):format(all:highest("lag")))
    end
end

-- Shows on how many topics nothing flows.
local function rates(all, bar)
    local topics, busy = 0, 0
    for _, watched in ipairs(all.all) do
        topics, busy = topics + watched.topics, busy + #watched.busy
    end
    bar:set(topics - busy, 0, topics)
    bar:note(("%.1f records/s"):format(all:rate()))
end

-- ---- before the producers are stopped ----------------------------------------------------------------------

--- Waits until no lag is higher than `max_lag`, or than the mirrors' own target latencies.
---@param seconds number how long at most
---@param max_lag integer|nil ms
function Fence:caught_up(seconds, max_lag)
    local limit, since = max_lag or 0, task.now() - recent
    for _, watched in ipairs(max_lag and {} or self.looks.all) do
        limit = math.max(limit, watched.first.targetLatency or 0)
    end
    self.looks:until_all(function(watched)
        return watched.asked >= since and watched.lag <= limit
    end, "lag", seconds, lags(limit), function()
        return ("the lag does not fall: %d ms after %g seconds, more than %d; nothing was changed"):format(self:lag(),
            seconds, limit)
    end)
end

-- ---- until nothing is written ------------------------------------------------------------------------------

local function pause_for(seconds)
    return math.max(0.05, math.min(longest_pause, seconds / fewest_looks))
end

local function is_quiet(watched)
    return watched.quiet
end

local function unconfirmed(seconds, why)
    return ("the fence cannot be confirmed after %g seconds: %s; no mirror was deleted"):format(seconds, why)
end

-- Waits until each mirror has been seen with all rates at zero.
local function falls_quiet(self, seconds, left)
    local began = task.now()
    self.looks:until_all(is_quiet, "rate", left, rates, function()
        local seen = {}
        for _, watched in ipairs(self.looks.all) do
            seen[#seen + 1] = watched.asked >= began and watched or nil
        end
        return unconfirmed(seconds, "something is still written: " .. looks.busiest(seen))
    end)
end

-- Looks at the busiest few until nothing has flowed for as long. Returns false when something does.
local function stays_quiet(self, seconds, deadline, still)
    local since, count = self.looks:highest("quiet"), 1
    local _ <close> = progress.part({ seconds = still })
    while count < fewest_looks or task.now() - since < still do
        if task.now() >= deadline then
            error(unconfirmed(seconds, "the rates were not at zero for long enough"), 0)
        end
        task.sleep(pause_for(still))
        local busiest = self.looks:at_busiest()
        count = count + 1
        if #self.looks:not_yet(is_quiet) > 0 then
            log.warn("the rates came back: %s", looks.busiest(busiest))
            return false
        end
    end
    return true
end

--- Waits until the rates have fallen to zero and stayed there. From then on each look raises when they have not.
---@param seconds number how long at most
---@param still number seconds for which they must stay at zero
---@return number seconds for which they have been
function Fence:still(seconds, still)
    local deadline, left = task.now() + seconds, seconds
    for _, watched in ipairs(self.looks.all) do
        watched.quiet, watched.drained = nil, nil -- what was seen before tells nothing
    end
    repeat
        falls_quiet(self, seconds, left)
        left = deadline - task.now()
    until stays_quiet(self, seconds, deadline, still)
    self.looks.holds = true
    return task.now() - self.looks:highest("quiet")
end

-- ---- until all has arrived ---------------------------------------------------------------------------------

local function not_drained(self, seconds)
    return ("not drained after %g seconds: the highest lag is %d ms, more than %d; no mirror was deleted"):format(
        seconds, self:lag(), self.looks.low)
end

--- Waits until what is under way has arrived. Raises when something is written meanwhile.
---@param seconds number how long at most
---@param since? number task.now() from which on each mirror must have been looked at
function Fence:drained(seconds, since)
    self.looks:until_all(function(watched)
        return watched.drained and watched.asked >= (since or 0)
    end, "lag", seconds, lags(self.looks.low), function()
        return not_drained(self, seconds)
    end)
end

-- When to look at a mirror for the last time.
local function due(watched, seconds)
    return watched.drained and watched.drained + seconds or watched.asked + again
end

-- Looks at each when it is due; at the busiest few until the first is.
local function look_when_due(self, left, seconds)
    table.sort(left, function(a, b)
        return due(a, seconds) < due(b, seconds)
    end)
    while left[1] and due(left[1], seconds) - task.now() > pause_for(seconds) do
        task.sleep(pause_for(seconds))
        self.looks:at_busiest()
    end
    bulk.map(left, function(watched)
        task.sleep(math.max(0, due(watched, seconds) - task.now()))
        self.looks:at(watched)
    end, bulk.reads)
end

--- Looks at each mirror again so long after it was first seen to be drained. Raises when something was written.
---@param seconds number
---@param limit number seconds that it may take longer, when one turns out not to be drained after all
function Fence:hold(seconds, limit)
    local started, _ <close> = task.now(), progress.part({ seconds = seconds })
    local function has_held(watched)
        return watched.drained and watched.asked >= started and watched.asked > watched.drained + seconds
    end
    local left = self.looks:not_yet(has_held)
    while #left > 0 do
        look_when_due(self, left, seconds)
        left = self.looks:not_yet(has_held)
        if #left > 0 and task.now() - started >= seconds + limit then
            error(not_drained(self, seconds + limit), 0)
        end
    end
end

return M
