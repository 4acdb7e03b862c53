--- left: proof by counting that nothing is written any more, and that all has arrived: where the ends of topics are
--- known. It needs no averages: two looks at the ends tell whether anything was written between them.

local bulk = require("kmirror.bulk")
local ends = require("kmirror.ends")
local health = require("kmirror.health")
local looks = require("kmirror.failover.looks")
local problems = require("kmirror.problem")
local progress = require("kmirror.progress")
local task = require("task")
local text = require("kmirror.text")

local M = {}

local pause = 1 -- seconds between two looks
local still_by_default = 5 -- seconds without a record
local between_notes = 10 -- seconds

---@class kmirror.failover.left
---@field api mirrors.Api
---@field mirrors table[] in full
---@field written integer records, where the topics ended at the last look
---@field places table<string, kmirror.failover.place> topics at the last look, by name
---@field busy { name: string, rate: number }[] those to which something was written since the look before
---@field looked? number task.now() at the last look
---@field since? number task.now() from which on the producers have to stand still
---@field remaining integer|nil records left at the last look; nil while those of a mirror are not known
---@field told mirrors.Lag[] of each mirror, at the last look
local Left = {}
Left.__index = Left

---@class kmirror.failover.place a topic
---@field ending integer where it ended at the last look
---@field left integer records
---@field beats boolean it is a heartbeats topic, to which MirrorMaker writes whether producers run or not
---@field grew? number task.now() when it was last seen to have grown

--- For mirrors whose records can be counted; nil and why where they cannot.
---@param api mirrors.Api
---@param mirrors table[] in full
---@return kmirror.failover.left|nil
---@return string|nil why
function M.new(api, mirrors)
    if not api:can("lag") or not mirrors[1] then return nil end
    local self = setmetatable({ api = api, mirrors = mirrors, written = 0, places = {}, busy = {} }, Left)
    local counted, problem = problems.try(self.look, self)
    if counted then return self end
    return nil, tostring(problem)
end

local function end_of(topic)
    local sum = 0
    for _, partition in ipairs(topic.partitions) do sum = sum + (partition.endOffset or 0) end
    return sum
end

-- The topics of a mirror whose records count, and MirrorMaker's heartbeats.
local function split(mirror, told)
    local counting, beating = {}, {}
    for _, topic in ipairs(told.topics) do
        table.insert((topic.heartbeats or health.is_heartbeats(mirror, topic)) and beating or counting, topic)
    end
    return counting, beating
end

-- What several mirrors say of topics of the same name.
local function add_places(places, topics, beats)
    for _, topic in ipairs(topics) do
        local its = places[topic.name] or { ending = 0, left = 0, beats = beats }
        places[topic.name] = its
        its.ending = math.max(its.ending, end_of(topic))
        its.left = math.max(its.left, topic.recordsLeft or 0)
    end
end

-- Where topics end, and how many records are left of them; nil when that is not known.
local function sums_of(topics)
    local written, left = 0, 0
    for _, topic in ipairs(topics) do
        written = written + end_of(topic)
        left = left and topic.recordsLeft and left + topic.recordsLeft
    end
    return written, left
end

-- A heartbeats topic to which more is written than MirrorMaker does is somebody else's, and so is one to which nothing
-- was written since the producers have to stand still: these count like others.
local function judge(self, name, its, rate)
    local has_stopped = self.since and not (its.grew and its.grew >= self.since)
    return its.beats and health.only_beats(name, rate), its.beats and has_stopped and its.left or 0
end

-- Compares topics with how they were before. Returns what was written to heartbeats topics that count, and what is left
-- of these.
function Left:compare(places)
    local now, written, left = task.now(), 0, 0
    self.busy = {}
    for name, its in pairs(places) do
        local before = self.places[name]
        local new = before and math.max(0, its.ending - before.ending) or 0
        its.grew = new > 0 and now or before and before.grew
        local rate = new / math.max(1, now - (self.looked or now))
        local only_beats, remain = judge(self, name, its, rate)
        self.busy[#self.busy + 1] = new > 0 and not only_beats and { name = name, rate = rate } or nil
        written = written + (its.beats and not only_beats and new or 0)
        left = left + remain
    end
    self.places, self.looked = places, now
    return written, left
end

-- For a disaster that comes meanwhile.
function Left:note(all)
    if not self.noted or task.now() - self.noted >= between_notes then
        ends.note(self.api.cluster, all)
        self.noted = task.now()
    end
end

--- Looks at all mirrors.
---@return integer new records since the look before
function Left:look()
    local written, left, places = 0, 0, {}
    local all = bulk.map(self.mirrors, function(mirror)
        return self.api:lag(mirror.id)
    end, bulk.reads)
    self.told = all
    self:note(all)
    for i, told in ipairs(all) do
        local counting, beating = split(self.mirrors[i], told)
        local its, remain = sums_of(counting)
        written = written + its
        left = left and told.topics[1] and remain and left + remain
        add_places(places, counting, false)
        add_places(places, beating, true)
    end
    local beaten, remain = self:compare(places)
    local new = written - self.written + beaten
    self.written, self.remaining = written, left and left + remain
    return new
end

local function unconfirmed(seconds, why)
    error(("the fence cannot be confirmed after %g seconds: %s; no mirror was deleted"):format(seconds, why), 0)
end

--- Waits until what is left was written within so many milliseconds, at the rate at which records come in.
---@param seconds number how long at most
---@param limit integer ms
---@return integer records that are left
---@return number ms
function Left:caught_up(seconds, limit)
    local began, bar <close> = task.now(), progress.part({ limit = seconds })
    self:look()
    local looked = task.now()
    while true do
        task.sleep(pause)
        local new = self:look()
        local now = task.now()
        local behind = self.remaining == 0 and 0 or (self.remaining or math.huge) * 1000 * (now - looked) / new
        if behind <= limit then return self.remaining, behind end
        local left = self.remaining and text.count(self.remaining, "record") .. " left" or "records left: not known"
        if now - began >= seconds then
            error(("the lag does not fall: %s after %g seconds; nothing was changed"):format(left, seconds), 0)
        end
        bar:note(left)
        looked = now
    end
end

--- Waits until nothing is written.
---@param seconds number how long at most
---@param still number|nil seconds without a record that are enough
---@return number seconds without a record
function Left:still(seconds, still)
    still = still or still_by_default
    local began, bar <close> = task.now(), progress.part({ limit = seconds })
    self.since = began
    self:look()
    local since, busy = task.now(), "nothing"
    while task.now() - since < still do
        if task.now() - began >= seconds then
            unconfirmed(seconds, "something is still written: " .. busy)
        end
        task.sleep(math.min(pause, still))
        local last = self:look()
        if last ~= 0 then since, busy = task.now(), looks.busiest({ self }) end
        bar:note(("%s written"):format(text.count(last, "record")))
    end
    return task.now() - since
end

-- What was written behind the fence is not waited for: somebody has to look first.
local function look_behind_fence(self)
    if self:look() ~= 0 then
        error(("the fence does not hold: %s; no mirror was deleted"):format(looks.busiest({ self })), 0)
    end
end

--- Waits until no record is left. Raises when something is written meanwhile.
---@param seconds number how long at most
function Left:drained(seconds)
    local began, bar <close> = task.now(), progress.part({ limit = seconds })
    look_behind_fence(self)
    while self.remaining ~= 0 do
        if task.now() - began >= seconds then
            error(("not drained after %g seconds: %s; no mirror was deleted"):format(seconds, self.remaining
                and text.count(self.remaining, "record") .. " left" or "how many records are left is not known"), 0)
        end
        task.sleep(pause)
        look_behind_fence(self)
        bar:note(self.remaining and text.count(self.remaining, "record") .. " left" or "")
    end
end

--- Waits for so long. Raises when something was written meanwhile, or has not arrived.
---@param seconds number
---@param limit number seconds that what has not arrived may take longer
function Left:hold(seconds, limit)
    local _ <close> = progress.part({ seconds = seconds })
    task.sleep(seconds)
    self:drained(limit)
end

return M
