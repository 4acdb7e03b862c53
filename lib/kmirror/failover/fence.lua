--- The fence: proof, as far as the API gives it, that nothing is written any more and that all has arrived.
---
--- A zero alone is not trusted. Rates must fall to zero, stay there for a while and over several looks; the connectors
--- must run all the while; and every topic that was there at first must still be listed.

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local log = require("kmirror.log")
local progress = require("kmirror.progress")
local regions = require("kmirror.failover.regions")
local task = require("task")

local M = {}

local fewest_looks = 3 -- at which nothing may flow

---@class kmirror.failover.look
---@field rate number records a second, all topics together
---@field lag integer ms, the highest
---@field lags integer[] ms, the highest of each mirror
---@field topics integer
---@field busy { name: string, rate: number }[] topics on which something flows, the busiest first

local function complain(mirror, problem)
    error(("mirror %s of '%s' %s; no mirror was deleted"):format(mirror.id, mirror.topicsRegex, problem), 0)
end

-- A mirror as it is now; raises when what it says cannot be trusted.
local function read(api, saved)
    local mirror = regions.read(api, saved)
    if not mirror then
        complain(saved, "has vanished: somebody else deletes mirrors")
    elseif mirror.unread then
        complain(saved, "cannot be read: " .. mirror.unread)
    elseif mirror.status == "FAILED" or mirror.mirrorStatus ~= "RUNNING" or mirror.checkpointStatus ~= "RUNNING" then
        complain(saved, ("is %s, its mirror connector %s, its checkpoint connector %s"):format(mirror.status,
            mirror.mirrorStatus, mirror.checkpointStatus))
    end
    local listed = {}
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        listed[topic.name] = true
    end
    for _, topic in ipairs(saved.topicStatuses or {}) do
        if not listed[topic.name] then
            complain(saved, ("does not list the topic '%s' any more"):format(topic.name))
        end
    end
    return mirror
end

--- Looks at mirrors. Raises when one has vanished, does not run, or has lost a topic.
---@param api mirrors.Api
---@param saved table[] the mirrors as first seen
---@return kmirror.failover.look
function M.look(api, saved)
    local look = { rate = 0, lag = 0, lags = {}, topics = 0, busy = {} }
    bulk.map(saved, function(mirror)
        local seen = read(api, mirror)
        for _, topic in ipairs(seen.topicStatuses or {}) do
            local rate = topic.averageRate or 0
            look.topics = look.topics + 1
            look.rate = look.rate + rate
            look.busy[#look.busy + 1] = rate > 0 and { name = topic.name, rate = rate } or nil
        end
        local lag = health.lag(seen) or 0
        look.lag, look.lags[#look.lags + 1] = math.max(look.lag, lag), lag
    end)
    table.sort(look.busy, function(a, b)
        return a.rate > b.rate
    end)
    return look
end

--- The busiest topics of a look, in words: "orders.created 120/s, … and 4 more".
---@param look kmirror.failover.look
---@return string
function M.busiest(look)
    local words = {}
    for i = 1, math.min(3, #look.busy) do
        words[i] = ("%s %.1f/s"):format(look.busy[i].name, look.busy[i].rate)
    end
    local more = #look.busy - #words
    return table.concat(words, ", ") .. (more > 0 and (" and %d more"):format(more) or "")
end

-- Looks again and again until `enough` says so, and shows how far it is; raises what `late` says when that takes too
-- long.
local function watch(api, saved, shown, pause, enough, late)
    local started, bar <close> = task.now(), progress.part(shown)
    while true do
        local look = M.look(api, saved)
        if enough(look, bar) then
            return look
        elseif late and task.now() - started >= shown.limit then
            error(late(look), 0)
        end
        task.sleep(pause)
    end
end

-- Shows how many mirrors lag no more than that.
local function show_lags(bar, look, limit)
    local low = 0
    for _, lag in ipairs(look.lags) do
        low = low + (lag <= limit and 1 or 0)
    end
    bar:set(low, 0, #look.lags)
    bar:note(("lag %d ms"):format(look.lag))
end

-- Shows on how many topics nothing flows, and for how long there has been none on which something does.
local function show_rates(bar, look, since, still)
    bar:set(look.topics - #look.busy, 0, look.topics)
    bar:note(since and ("quiet for %.0f of %g s"):format(task.now() - since, still)
        or ("%.1f records/s"):format(look.rate))
end

local function pause_for(still)
    return math.max(0.05, math.min(2, still / fewest_looks))
end

--- Waits until no lag is higher than `max_lag`, or than each mirror's own target latency.
---@param api mirrors.Api
---@param saved table[]
---@param seconds number how long at most
---@param max_lag integer|nil ms
---@return kmirror.failover.look
function M.caught_up(api, saved, seconds, max_lag)
    local limit = max_lag or 0
    for _, mirror in ipairs(max_lag and {} or saved) do
        limit = math.max(limit, mirror.targetLatency or 0)
    end
    return watch(api, saved, { limit = seconds }, 1, function(look, bar)
        show_lags(bar, look, limit)
        return look.lag <= limit
    end, function(look)
        return ("the lag does not fall: %d ms after %g seconds, more than %d; nothing was changed"):format(look.lag,
            seconds, limit)
    end)
end

--- Waits until the rates have fallen to zero and stayed there.
---@param api mirrors.Api
---@param saved table[]
---@param seconds number how long at most
---@param still number seconds for which they must stay at zero
---@return number seconds for which they have been
function M.still(api, saved, seconds, still)
    local since, looks
    watch(api, saved, { limit = seconds }, pause_for(still), function(look, bar)
        if look.rate > 0 and since then
            log.warn("the rates came back: %s", M.busiest(look))
        end
        since, looks = look.rate == 0 and (since or task.now()) or nil, since and looks + 1 or 1
        show_rates(bar, look, since, still)
        return since and looks >= fewest_looks and task.now() - since >= still
    end, function(look)
        local what = look.rate > 0 and "something is still written: " .. M.busiest(look)
            or "the rates were not at zero for long enough"
        return ("the fence cannot be confirmed after %g seconds: %s; no mirror was deleted"):format(seconds, what)
    end)
    return task.now() - since
end

local function must_hold(look)
    if look.rate > 0 then
        error(("the fence does not hold: %s; no mirror was deleted"):format(M.busiest(look)), 0)
    end
end

--- Waits until what is under way has arrived. Raises when something is written meanwhile.
---@param api mirrors.Api
---@param saved table[]
---@param seconds number how long at most
---@param lag integer ms that is taken for nothing
---@return kmirror.failover.look
function M.drained(api, saved, seconds, lag)
    return watch(api, saved, { limit = seconds }, 1, function(look, bar)
        must_hold(look)
        show_lags(bar, look, lag)
        return look.lag <= lag
    end, function(look)
        return ("not drained after %g seconds: the highest lag is %d ms, more than %d; no mirror was deleted"):format(
            seconds, look.lag, lag)
    end)
end

--- Waits that long, and has at least two looks. Raises when something is written meanwhile.
---@param api mirrors.Api
---@param saved table[]
---@param seconds number
---@return kmirror.failover.look
function M.hold(api, saved, seconds)
    local started, looks = task.now(), 0
    return watch(api, saved, { seconds = seconds }, pause_for(seconds), function(look)
        must_hold(look)
        looks = looks + 1
        return looks >= 2 and task.now() - started >= seconds
    end)
end

return M
