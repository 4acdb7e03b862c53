--- Stopping the producers of the region that clients leave, by a hook or by the operator, and proof that they have.

local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local fence = require("kmirror.failover.fence")
local groups = require("kmirror.failover.groups")
local health = require("kmirror.health")
local host = require("host")
local left = require("kmirror.failover.left")
local log = require("kmirror.log")
local regions = require("kmirror.failover.regions")
local task = require("task")
local text = require("kmirror.text")

local M = {}

-- Has the producers stopped: by the hook, or by the operator.
local function stop_producers(run)
    run.fencing = true
    if run.given.hooks:has("fence") then
        run:hook("fence")
    elseif confirm.assumed() then
        log.info("there is no hook for it: stop the producers in %s now", run.from.alias)
    else
        run:step("stop the producers", function()
            confirm.typed("Stop the producers in " .. run.from.alias, "stopped", "no mirror was deleted")
            return "confirmed by the operator"
        end)
    end
end

local function confirm_fence(run, guard)
    local given = run.given
    run:step("wait until producers have stopped writing", function()
        local seconds = guard:still(given.fence_wait, given.still)
        run:set({ still_since = host.time() - seconds })
        return ("no record for %.1f s"):format(seconds)
    end)
    run:step("drain", function()
        guard:drained(given.fence_wait)
        return ("highest lag %d ms"):format(guard:lag())
    end)
    run:step("wait for a sync of group offsets", function()
        guard:hold(given.offset_sync, given.fence_wait)
        run:set({ drained_lag = guard:lag() })
        return ("%g s, nothing was written meanwhile"):format(given.offset_sync)
    end)
end

-- The same where records can be counted: nothing has to be deduced from averages.
local function count_to_zero(run, counter)
    local given = run.given
    run:step("wait until producers have stopped writing", function()
        local seconds = counter:still(given.fence_wait, given.said.still)
        run:set({ still_since = host.time() - seconds })
        return ("no record for %.1f s"):format(seconds)
    end)
    run:step("drain", function()
        counter:drained(given.fence_wait)
        return ("0 records left of %d"):format(counter.written)
    end)
    run:step("wait for consumer groups", function()
        local seen = groups.wait(run.forward, run.live, given.offset_sync, function()
            counter:drained(given.fence_wait)
        end)
        if not seen then counter:hold(given.offset_sync, given.fence_wait) end
        run:set({ drained_lag = 0, counted = counter.written, groups = seen and groups.words(seen) })
        return seen and groups.words(seen) or ("%g s, nothing was written meanwhile"):format(given.offset_sync)
    end)
end

-- The mirrors that tell whether something is written, and whether it has arrived. Others are here only when the
-- operator has taken responsibility for them.
local function watched_of(run)
    local watched = {}
    for _, mirror in ipairs(run.live) do
        watched[#watched + 1] = regions.can_be_watched(mirror) and mirror or nil
    end
    local blind = #run.live - #watched
    if blind > 0 then
        log.warn("of %s that %s accepted nothing shows that all has arrived", text.count(blind, "mirror"),
            blind == 1 and "was" or "were")
    end
    return watched
end

-- Says what goes on being written when producers stand still.
local function tell_heartbeats(mirrors)
    local names, seen = {}, {}
    for _, mirror in ipairs(mirrors) do
        for _, topic in ipairs(mirror.topicStatuses or {}) do
            if not seen[topic.name] and health.is_heartbeats(mirror, topic) then
                names[#names + 1], seen[topic.name] = topic.name, true
            end
        end
    end
    if names[1] then
        log.info("not waited for: %s, which MirrorMaker itself writes to, for ever", table.concat(names, ", "))
    end
end

-- How it is made sure that all has arrived.
local function counter_of(run, watched)
    local counter, why = left.new(run.forward, watched)
    if why then log.warn("records cannot be counted, so that latencies have to do: %s", why) end
    return counter
end

-- By latencies and rates that are not told nothing can be proved.
local function measured(mirrors)
    for _, mirror in ipairs(mirrors) do
        if not health.is_measured(mirror) then
            error(("refused: how late mirror %s of '%s' is, and whether anything is written, is not known, as neither "
                .. "records can be counted (librdkafka) nor are there metrics of the workers (metrics = URL in the "
                .. "profile); nothing was changed"):format(mirror.id, text.short(mirror.topicsRegex)), 0)
        end
    end
    return mirrors
end

local function highest_target(mirrors)
    local highest = 0
    for _, mirror in ipairs(mirrors) do highest = math.max(highest, mirror.targetLatency or 0) end
    return highest
end

-- So that clients stand still for a short time only.
local function wait_for_low_lag(run, counter, guard)
    local given = run.given
    run:step("wait for a low lag", function()
        if counter then
            local records, ms = counter:caught_up(given.fence_wait, given.max_lag or highest_target(run.live))
            return ("%s left, about %.0f ms of what comes in"):format(text.count(records, "record"), ms)
        end
        guard:caught_up(given.fence_wait, given.max_lag)
        return ("highest lag %d ms, %.1f records/s"):format(guard:lag(), guard:rate())
    end)
end

--- Stops the producers, and goes on only when nothing is written any more and all has arrived. Not needed by a run
--- that goes on, as its earlier one has done that; there is nothing to wait for when nothing will be changed.
---@param run kmirror.failover.run
function M.stop(run)
    if run.went_on then
        return
    elseif changes.harmless() then
        run:hook("fence")
        run:hook("drained")
        return
    end
    local watched = watched_of(run)
    if #watched == 0 then
        stop_producers(run)
        run:hook("drained")
        return
    end
    local counter = counter_of(run, watched)
    local guard = not counter and fence.new(run.forward, measured(watched), run.looked, run.given.drain_lag)
    tell_heartbeats(watched)
    wait_for_low_lag(run, counter, guard)
    stop_producers(run)
    if counter then
        count_to_zero(run, counter)
    else
        confirm_fence(run, guard)
    end
    if run.given.hooks:has("drained") then
        run:hook("drained")
        run:step("look again", function() -- that may have taken its time
            if counter then
                counter:drained(run.given.fence_wait)
            else
                guard:drained(run.given.fence_wait, task.now())
            end
            return "nothing is written"
        end)
    end
end

return M
