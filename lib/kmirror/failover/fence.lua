--- The fence: proof, as far as the API gives it, that nothing is written any more and that all has arrived.
---
--- A zero alone is not trusted. Rates must fall to zero, stay there for a while and over several looks; the connectors
--- must run all the while; and every topic that was there at first must still be listed.

local bulk = require("kmirror.bulk")
local log = require("kmirror.log")
local regions = require("kmirror.failover.regions")
local task = require("task")

local M = {}

local fewest_looks = 3 -- at which nothing may flow
local tell_every = 10 -- seconds

---@class kmirror.failover.look
---@field rate number records a second, all topics together
---@field lag integer ms, the highest
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
    local look = { rate = 0, lag = 0, busy = {} }
    bulk.map(saved, function(mirror)
        for _, topic in ipairs(read(api, mirror).topicStatuses or {}) do
            local rate = topic.averageRate or 0
            look.lag = math.max(look.lag, topic.averageLatency or 0)
            look.rate = look.rate + rate
            look.busy[#look.busy + 1] = rate > 0 and { name = topic.name, rate = rate } or nil
        end
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

-- Looks again and again until `enough` says so; raises what `late` says when that takes too long.
local function watch(api, saved, seconds, pause, enough, late)
    local started, told = task.now(), task.now()
    while true do
        local look = M.look(api, saved)
        if enough(look) then
            return look
        elseif task.now() - started >= seconds then
            error(late(look), 0)
        elseif task.now() - told >= tell_every then
            told = task.now()
            log.info("%.1f records/s on %d topics, highest lag %d ms", look.rate, #look.busy, look.lag)
        end
        task.sleep(pause)
    end
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
    return watch(api, saved, seconds, 1, function(look)
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
    watch(api, saved, seconds, pause_for(still), function(look)
        if look.rate > 0 then
            if since then
                log.warn("the rates came back: %s", M.busiest(look))
            end
            since = nil
            return false
        end
        since, looks = since or task.now(), since and looks + 1 or 1
        return looks >= fewest_looks and task.now() - since >= still
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
    return watch(api, saved, seconds, 1, function(look)
        must_hold(look)
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
    return watch(api, saved, math.huge, pause_for(seconds), function(look)
        must_hold(look)
        looks = looks + 1
        return looks >= 2 and task.now() - started >= seconds
    end)
end

return M
