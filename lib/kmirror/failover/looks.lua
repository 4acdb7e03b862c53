--- Looks at mirrors until all are as they must be, with no look that can tell nothing new: while the worst few are not
--- as wanted, the others are not asked; and one that has been seen to be as wanted is left alone.

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local is_heartbeats = require("mirrors").is_heartbeats
local progress = require("kmirror.progress")
local regions = require("kmirror.failover.regions")
local text = require("kmirror.text")
local task = require("task")

local M = {}

local few = 3 -- mirrors that are looked at for all
local pause = 1 -- seconds between two looks at these
local between_shows = 0.25 -- seconds, for each so many mirrors
local mirrors_a_show = 500

---@class kmirror.failover.watched a mirror, and how it was at the last look
---@field first table as first seen
---@field topics integer
---@field busy { name: string, rate: number }[] topics on which something flows
---@field rate number records a second, all topics together
---@field lag integer ms, the highest
---@field asked number when that look began
---@field quiet? number since when nothing flowed, at every look
---@field drained? number since when nothing flowed and the lag was low, at every look

---@class kmirror.failover.looks
---@field api mirrors.Api
---@field all kmirror.failover.watched[] the busiest at first come first
---@field low integer ms of lag that are taken for nothing
---@field holds boolean nothing may flow any more
local Looks = {}
Looks.__index = Looks

-- ---- one look ----------------------------------------------------------------------------------------------

local function complain(mirror, problem)
    error(("mirror %s of '%s' %s; no mirror was deleted"):format(mirror.id, text.short(mirror.topicsRegex), problem), 0)
end

-- A mirror as it is now; raises when what it says cannot be trusted.
local function read(api, first)
    local mirror = regions.read(api, first)
    if not mirror then
        complain(first, "has disappeared: somebody else is deleting mirrors")
    elseif mirror.unread then
        complain(first, "cannot be read: " .. mirror.unread)
    elseif mirror.status == "FAILED" or mirror.mirrorStatus ~= "RUNNING" or mirror.checkpointStatus ~= "RUNNING" then
        complain(first, ("is %s, its mirror connector %s, its checkpoint connector %s"):format(mirror.status,
            mirror.mirrorStatus, mirror.checkpointStatus))
    end
    local listed = {}
    for _, topic in ipairs(mirror.topicStatuses or {}) do listed[topic.name] = true end
    for _, topic in ipairs(health.topics(first)) do
        if not listed[topic.name] then
            complain(first, ("does not list the topic '%s' any more"):format(topic.name))
        end
    end
    return mirror
end

-- The highest lag. MirrorMaker's heartbeats go on coming, each as late as it is: that tells nothing as long as it is no
-- later than it may be.
local function lag_of(mirror)
    local highest = 0
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        local lag, flows = topic.averageLatency or 0, (topic.averageRate or 0) > 0
        local goes_on = flows and lag <= (mirror.targetLatency or 0) and health.is_heartbeats(mirror, topic)
        highest = goes_on and highest or math.max(highest, lag)
    end
    return highest
end

local function note(watched, mirror, asked)
    watched.topics, watched.busy, watched.asked = 0, {}, asked
    watched.rate, watched.lag = health.rate(mirror), lag_of(mirror)
    for _, topic in ipairs(health.topics(mirror)) do
        local rate = topic.averageRate or 0
        watched.topics = watched.topics + 1
        watched.busy[#watched.busy + 1] = rate > 0 and { name = topic.name, rate = rate } or nil
    end
    return watched
end

-- A topic may be MirrorMaker's own of a cluster that nobody here knows.
local function doubt_of(topics)
    for _, topic in ipairs(topics) do
        local alias = topic.name ~= "heartbeats" and is_heartbeats(topic.name) and topic.name:match("^(.*)%.[^.]*$")
        if alias then
            return (" (%s is MirrorMaker's own where '%s' is a cluster: then the profile has to say aliases = {'%s'})")
                :format(topic.name, alias, alias)
        end
    end
    return ""
end

--- The busiest topics, in words: "orders.created 120/s, … and 4 more".
---@param all kmirror.failover.watched[]
---@return string
function M.busiest(all)
    local topics, words = {}, {}
    for _, watched in ipairs(all) do
        table.move(watched.busy, 1, #watched.busy, #topics + 1, topics)
    end
    table.sort(topics, function(a, b)
        return a.rate > b.rate
    end)
    for i = 1, math.min(3, #topics) do
        words[i] = ("%s %.1f/s"):format(topics[i].name, topics[i].rate)
    end
    local more = #topics - #words
    return table.concat(words, ", ") .. (more > 0 and (" and %d more"):format(more) or "") .. doubt_of(topics)
end

--- Looks at one. Raises when it has vanished, does not run, or has lost a topic, or when the fence does not hold.
---@param watched kmirror.failover.watched
function Looks:at(watched)
    local asked = task.now()
    note(watched, read(self.api, watched.first), asked)
    local now, low = task.now(), watched.lag <= self.low
    watched.quiet = watched.rate == 0 and (watched.quiet or now) or nil
    watched.drained = watched.quiet and low and (watched.drained or now) or nil
    if self.holds and not watched.quiet then
        error(("the fence does not hold: %s; no mirror was deleted"):format(M.busiest({ watched })), 0)
    end
end

-- ---- many --------------------------------------------------------------------------------------------------

--- For mirrors that have just been read.
---@param api mirrors.Api
---@param mirrors table[] in full
---@param looked number task.now() when all of them had been read
---@param low integer ms of lag that are taken for nothing
---@return kmirror.failover.looks
function M.new(api, mirrors, looked, low)
    local all = {}
    for i, mirror in ipairs(mirrors) do all[i] = note({ first = mirror }, mirror, looked) end
    table.sort(all, function(a, b)
        return a.rate > b.rate
    end)
    return setmetatable({ api = api, all = all, low = low, holds = false }, Looks)
end

--- The mirrors of which `wanted` is not true at the last look.
---@param wanted fun(watched: kmirror.failover.watched): any
---@return kmirror.failover.watched[]
function Looks:not_yet(wanted)
    local left = {}
    for _, watched in ipairs(self.all) do
        left[#left + 1] = not wanted(watched) and watched or nil
    end
    return left
end

--- The highest number of its kind at the last looks.
---@param field "lag"|"quiet"
---@return number
function Looks:highest(field)
    local most = 0
    for _, watched in ipairs(self.all) do most = math.max(most, watched[field]) end
    return most
end

--- What flowed at the last looks.
---@return number records a second
function Looks:rate()
    local rate = 0
    for _, watched in ipairs(self.all) do rate = rate + watched.rate end
    return rate
end

local function slice(all, first, last)
    return table.move(all, first, math.min(last, #all), 1, {})
end

--- Looks at the few that were the busiest at first.
---@return kmirror.failover.watched[]
function Looks:at_busiest()
    local busiest = slice(self.all, 1, few)
    bulk.map(busiest, function(watched)
        self:at(watched)
    end)
    return busiest
end

-- To say how all of them are, all are gone through: too much for each look at one, and the more seldom the more there
-- are.
local function now_and_then(count, show)
    local last, between = -math.huge, between_shows * math.max(1, count / mirrors_a_show)
    return function()
        if task.now() - last >= between then
            show()
            last = task.now()
        end
    end
end

-- The worst few first; the others only when these are as wanted.
local function round(self, left, wanted, show)
    local function look(watched)
        self:at(watched)
        show()
    end
    local worst = slice(left, 1, few)
    bulk.map(worst, look)
    for _, watched in ipairs(worst) do
        if not wanted(watched) then return end
    end
    bulk.map(slice(left, few + 1, #left), look, bulk.reads)
end

--- Looks at the mirrors that are not as wanted until all are.
---@param wanted fun(watched: kmirror.failover.watched): any
---@param worst "rate"|"lag" of which the worst have the most
---@param seconds number how long at most
---@param show fun(looks: kmirror.failover.looks, bar: kmirror.progress)
---@param late fun(): string what to raise when it takes too long
function Looks:until_all(wanted, worst, seconds, show, late)
    local started, bar <close> = task.now(), progress.part({ limit = seconds })
    local left = self:not_yet(wanted)
    while #left > 0 do
        table.sort(left, function(a, b)
            return a[worst] > b[worst]
        end)
        round(self, left, wanted, now_and_then(#self.all, function()
            show(self, bar)
        end))
        show(self, bar)
        left = self:not_yet(wanted)
        if #left > 0 and task.now() - started >= seconds then error(late(), 0) end
        task.sleep(#left > 0 and pause or 0)
    end
end

return M
