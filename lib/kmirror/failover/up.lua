--- Bringing up the mirrors that replace the deleted ones: one look at each, and more only at those on which that one
--- does not tell enough.

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local lifecycle = require("kmirror.lifecycle")
local problems = require("kmirror.problem")
local task = require("task")
local wait = require("kmirror.wait")

local M = {}

local until_topics = 120 -- seconds that a new mirror may take to list the first of its topics

-- An API on which a mirror that has vanished is one whose status says so, so that waiting for the others goes on.
local function tolerant(api, wanted)
    local topics = {}
    for _, mirror in ipairs(wanted) do topics[mirror.reverse] = mirror.topicsRegex end
    return { get = function(_, id)
        local there, mirror = pcall(api.get, api, id)
        if there then
            return mirror
        elseif not problems.is_gone(mirror) then
            error(mirror, 0)
        end
        return { id = id, status = "GONE", topicsRegex = topics[id], topicStatuses = {} }
    end }
end

local function is_up(mirror)
    return mirror.status ~= "CREATING"
end

local function has_caught_up(mirror)
    return is_up(mirror) and mirror.status ~= "OUT_OF_SYNC"
end

-- Whether a look at it tells all there is to know: it does not work, or it has caught up on topics that it lists.
local function tells_all(mirror)
    return has_caught_up(mirror) and (not health.works(mirror) or #health.topics(mirror) > 0)
end

-- Looks at those on which `seen` does not tell enough, until they are as wanted or the time is up; puts into `seen`
-- what they are then. Returns how many are not as wanted.
local function look_on(api, seen, enough, seconds, wanted)
    local ids, places = {}, {}
    for i, mirror in ipairs(seen) do
        if not enough(mirror) then ids[#ids + 1], places[#places + 1] = mirror.id, i end
    end
    local now, left = wait.all(api, ids, seconds, wanted)
    for i, mirror in ipairs(now) do seen[places[i]] = mirror end
    return left
end

--- The target latency that the mirror is to have that replaces another.
---@param run kmirror.failover.run
---@param before table the one that is replaced
---@return integer|nil ms
function M.latency(run, before)
    return run.given.target_latency or before.restore or before.targetLatency
end

-- Gives the ids of those that were set.
local function set_latencies(run, up)
    local set, count = {}, 0
    bulk.map(up, function(mirror, i)
        local before = run.state.mirrors[i]
        local latency = M.latency(run, before)
        if mirror.targetLatency and lifecycle.retune(run.reverse, mirror, latency) then -- one that is gone has none
            set[mirror.id], count = true, count + 1
        end
    end)
    return ("%d set, %d right already"):format(count, #up - count), set
end

-- Waits until records flow where some flowed before the fence.
local function wait_for_records(run, api)
    run:step("wait for records", function()
        local before, missing = {}, 0
        for i, mirror in ipairs(run.after) do before[mirror.id] = run.state.mirrors[i] end
        local function flows(mirror)
            return not health.works(mirror) or health.rate(before[mirror.id]) == 0 or health.rate(mirror) > 0
        end
        look_on(api, run.after, flows, run.given.throughput_wait, flows)
        for _, mirror in ipairs(run.after) do
            mirror.dry = not flows(mirror) or nil
            missing = missing + (mirror.dry and 1 or 0)
        end
        return ("%d carry records or never did, %d do not"):format(#run.after - missing, missing)
    end)
end

local function wait_until_up(run, api)
    return run:step("wait until they are up", function()
        local places = {}
        for i, wanted in ipairs(run.state.mirrors) do
            places[i] = { id = wanted.reverse, since = run.born[wanted.reverse] }
        end
        local up, left = wait.all(api, places, run.given.wait, is_up)
        return ("%d are up, %d still CREATING"):format(#up - left, left), up
    end)
end

-- What tells of a mirror whether it lists no topic, though the one that it replaces did: then it carries nothing.
local function empties(run)
    local expected = {}
    for _, before in ipairs(run.state.mirrors) do
        expected[before.reverse or ""] = #health.topics(before) > 0
    end
    return function(mirror)
        return expected[mirror.id] and health.works(mirror) and #health.topics(mirror) == 0
    end
end

--- Waits until the mirrors TO -> FROM are up, sets their target latencies, and waits until they have caught up.
---@param run kmirror.failover.run
function M.bring(run)
    local api, since, is_empty = tolerant(run.reverse, run.state.mirrors), task.now(), empties(run)
    run.after = wait_until_up(run, api)
    local set = run:step("set their target latencies", function()
        return set_latencies(run, run.after)
    end)
    run:step("wait until they have caught up", function()
        local seconds = math.max(0, run.given.wait - (task.now() - since))
        local left = look_on(api, run.after, function(mirror)
            return tells_all(mirror) and not set[mirror.id]
        end, seconds, function(mirror)
            return has_caught_up(mirror) and not (is_empty(mirror) and task.now() - since < until_topics)
        end)
        return ("%d have, %d still behind"):format(#run.after - left, left)
    end)
    for _, mirror in ipairs(run.after) do mirror.empty = is_empty(mirror) or nil end
    if run.given.throughput_wait then wait_for_records(run, api) end
end

return M
