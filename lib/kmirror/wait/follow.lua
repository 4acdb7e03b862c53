--- wait.follow: looks at mirrors again and again, each in a task of its own, inside the account's rate.
---
--- After each look a mirror is left alone for as long as the look took, at least a second, and for so long that all of
--- them take about half of the account's rate: the rest is left to others. No more than 64 looks are under way at once,
--- so that a change that is asked for meanwhile has its turn soon. New mirrors come up after about the same time: so
--- the oldest, the youngest and one between are watched, and each of the others is looked at when it is likely to be
--- up. That makes about one request a mirror. Those that are late are looked at the more often the fewer they are.

local health = require("kmirror.health")
local problems = require("kmirror.problem")
local progress = require("kmirror.progress")
local task = require("task")

local M = {}

local shortest, longest = 1, 30 -- seconds between two looks
local slice = 0.25 -- seconds after which one that sleeps finds out what became of the others, at the earliest
local wakings = 2000 -- in a second, of all that sleep together
local under_way = 64 -- looks at once: enough for the account's rate when an answer takes a second or two
local most_scouts = 3
local first_age, growth = 0.5, 0.25 -- a new mirror is looked at again after so long, or such a part of its age
local again_a_second = 16 -- looks at those that are left: about half of the account's rate

---@class kmirror.wait.place what is waited for
---@field id string
---@field cluster? string UUID of its Kafka Connect cluster; the api's own by default
---@field since? number task.now() when it was created

---@class kmirror.wait.item
---@field place kmirror.wait.place
---@field mirror? table as last seen
---@field problem? any why it could not be seen the last time
---@field state? "ready"|"failed" nil while it is waited for
---@field looks integer
---@field took number seconds that the last look took
---@field waited? boolean it was seen before it was ready
---@field lag? integer the lowest seen so far, ms
---@field scout? boolean
---@field task task.Task that looks at it

---@class kmirror.wait.round
---@field items kmirror.wait.item[]
---@field look fun(item: kmirror.wait.item): "ready"|"failed"|nil
---@field seconds number how long at most, from when the last items were added
---@field deadline number
---@field stall number seconds without progress that end the wait
---@field moved number when there was progress last
---@field slowest number seconds that the slowest look took
---@field left integer items that are waited for
---@field takes? number seconds in which a new mirror comes up
---@field sure boolean takes was measured; until then it is the age of the youngest that was up at the first look
---@field scouts integer that are not up yet
---@field title string
---@field total integer
---@field bar? kmirror.progress
---@field stalled? boolean
---@field looks task.Group
---@field group task.Group
local Round = {}
Round.__index = Round

-- Whether it is worth a look before its time: to learn how long such mirrors take.
local function could_teach(round, item, now)
    local since = item.place.since
    return since and not round.sure and not (round.takes and now - since > round.takes / 2)
end

-- The oldest, the youngest and one between, unless there are enough already.
local function choose_scouts(round, items)
    local new, now = {}, task.now()
    for _, item in ipairs(items) do
        new[#new + 1] = could_teach(round, item, now) and item or nil
    end
    table.sort(new, function(a, b)
        return a.place.since < b.place.since
    end)
    for _, i in ipairs({ 1, (#new + 1) // 2, #new }) do
        if new[i] and not new[i].scout and round.scouts < most_scouts then
            new[i].scout = true
            round.scouts = round.scouts + 1
        end
    end
end

-- When to look at a mirror next.
local function due(round, item, looked)
    local since, turn = item.place.since, math.max(shortest, round.left / again_a_second)
    if item.problem then
        return looked + shortest
    elseif not since then
        return item.looks == 0 and looked or looked + math.min(longest, math.max(turn, item.took))
    elseif item.looks > 0 then
        return looked + math.min(longest, turn, math.max(first_age, growth * (looked - since)))
    elseif item.scout then
        return math.max(looked, since + first_age)
    elseif round.takes and not round.sure then
        return math.min(since + round.takes, looked + turn)
    end
    return round.takes and since + round.takes or math.huge
end

local function sleep_until_due(round, item)
    local looked = task.now()
    while not round.stalled do
        local now = task.now()
        local left = math.min(due(round, item, looked), round.deadline) - now
        if left <= 0 then return end
        task.sleep(math.min(left, math.max(slice, round.left / wakings)))
        if task.now() - round.moved > math.max(round.stall, 2 * round.slowest) then
            round.stalled = true
        end
    end
end

-- Learns how long new mirrors take to come up.
local function learn(round, item, now)
    local age = item.place.since and now - item.place.since
    if item.scout then round.scouts = round.scouts - 1 end
    if not age then
        return
    elseif not round.takes or age < round.takes then
        round.takes = age
    elseif item.waited then
        round.takes = round.takes + (age - round.takes) / 10
    end
    round.sure = round.sure or item.waited or false
end

-- One less is waited for.
local function count_off(round)
    round.left = round.left - 1
    if round.bar then round.bar:step() end
end

local function look(round, item)
    local began = task.now()
    local ok, state = round.looks:spawn(pcall, round.look, item):join()
    local now = task.now()
    item.looks, item.took = item.looks + 1, now - began
    round.slowest = math.max(round.slowest, item.took)
    if not ok and not problems.passes(state) then -- what passes by itself does not end a wait before its time
        error(state, 0)
    end
    item.problem = not ok and state or nil
    item.state = ok and state or nil
    item.waited = item.waited or ok and not state
    if item.state then
        learn(round, item, now)
        count_off(round)
    end
end

-- Something that can be seen from outside has changed for the better, or at all.
local function has_moved(item, status)
    local lag = item.mirror and health.lag(item.mirror)
    local better = lag and lag < (item.lag or math.huge)
    item.lag = better and lag or item.lag
    return better or item.state or item.mirror and item.mirror.status ~= status
end

local function follow(round, item)
    repeat
        if item.looks > 0 or item.place.since then sleep_until_due(round, item) end
        if round.stalled and item.looks > 0 then return end
        local last = task.now() >= round.deadline
        local status = item.mirror and item.mirror.status
        look(round, item)
        if has_moved(item, status) then round.moved = task.now() end
    until item.state or last
end

--- Looks at what is added until it is ready or has failed, the time is up, or nothing moves any more.
---@param look_at fun(item: kmirror.wait.item): "ready"|"failed"|nil sets item.mirror
---@param seconds number how long at most after the last was added; each is looked at once in any case
---@param stall? number seconds without progress after which to give up
---@param title? string what a terminal shows
---@param total? integer how many will be added, where that is known
---@return kmirror.wait.round to be closed
function M.start(look_at, seconds, stall, title, total)
    return setmetatable({
        items = {}, look = look_at, seconds = seconds, deadline = math.huge, stall = stall or math.huge,
        moved = task.now(), slowest = 0, left = 0, scouts = 0, sure = false, title = title or "wait for mirrors",
        total = total or 0,
        group = task.group(), looks = task.group({ concurrency = under_way }),
    }, Round)
end

-- One mirror alone is not worth a line: there may be many waits of that kind at once.
local function show(round)
    local total = math.max(round.total, #round.items)
    if total > 1 then
        round.bar = round.bar or progress.part({ title = round.title, total = total })
        round.bar:set(#round.items - round.left, nil, total)
    end
end

--- Begins to look at more.
---@param places kmirror.wait.place[]
function Round:add(places)
    local now, items = task.now(), {}
    for i, place in ipairs(places) do items[i] = { place = place, looks = 0, took = 0 } end
    choose_scouts(self, items)
    self.deadline, self.moved = now + self.seconds, now
    for _, item in ipairs(items) do
        self.items[#self.items + 1] = item
        item.task = self.group:spawn(follow, self, item)
    end
    self.left = self.left + #items
    show(self)
end

--- Waits for all that were added.
---@return kmirror.wait.item[] in the order in which they were added
---@return boolean stalled
---Raises what a look raises, unless that passes by itself.
function Round:wait()
    self.group:wait()
    return self.items, self.stalled or false
end

function Round:__close(problem)
    local _ <close> = self.bar
    local _ <close> = self.looks
    local _ <close> = self.group -- ends first
    if problem ~= nil then error(problem, 0) end
end

--- The same for what is known from the start.
---@param places kmirror.wait.place[]
---@param look_at fun(item: kmirror.wait.item): "ready"|"failed"|nil
---@param seconds number
---@param stall? number
---@param title? string
---@return kmirror.wait.item[]
---@return boolean stalled
---Raises what a look raises, unless that passes by itself.
function M.all(places, look_at, seconds, stall, title)
    local round <close> = M.start(look_at, seconds, stall, title)
    round:add(places)
    return round:wait()
end

return M
