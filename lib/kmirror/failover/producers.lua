--- Stopping the producers of the region that clients leave, by a hook or by the operator, and proof that they have.

local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local fence = require("kmirror.failover.fence")
local host = require("host")
local log = require("kmirror.log")

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

local function confirm_fence(run)
    local given, live = run.given, run.live
    run:step("wait until nothing is written", function()
        local seconds = fence.still(run.forward, live, given.fence_wait, given.still)
        run.state.still_since = host.time() - seconds
        return ("no record for %.1f s"):format(seconds)
    end)
    run:step("drain", function()
        local look = fence.drained(run.forward, live, given.fence_wait, given.drain_lag)
        return ("highest lag %d ms"):format(look.lag)
    end)
    run:step("wait for a sync of group offsets", function()
        local look = fence.hold(run.forward, live, given.offset_sync)
        run.state.drained_lag = look.lag
        return ("%g s, nothing was written meanwhile"):format(given.offset_sync)
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
    run:step("wait for a low lag", function()
        local look = fence.caught_up(run.forward, run.live, run.given.fence_wait, run.given.max_lag)
        return ("highest lag %d ms, %.1f records/s"):format(look.lag, look.rate)
    end)
    stop_producers(run)
    confirm_fence(run)
    if run.given.hooks:has("drained") then
        run:hook("drained")
        run:step("look again", function() -- that may have taken its time
            fence.hold(run.forward, run.live, 0)
            return "nothing is written"
        end)
    end
end

return M
