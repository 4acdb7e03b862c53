-- Halves the target latency of every mirror: one, then a tenth, then the rest. Behind each batch it checks whether they
-- stay in sync with that, and sets the last batch back when one does not.
--   kmirror run --sandbox scripts/cookbook/canary.lua

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local wait = require("kmirror.wait")
local api = require("mirrors").connect {}

local function halve(mirror)
    api:update_target_latency(mirror.id, mirror.targetLatency // 2)
end

local function stay_in_sync(batch)
    local ids = bulk.map(batch.done, function(outcome)
        return outcome.item.id
    end)
    local outcome = wait.settle(api, ids, function(mirror)
        return health.problem(mirror) == nil
    end, { seconds = 10 })
    if #outcome.ready < #ids then
        bulk.map(batch.done, function(done)
            api:update_target_latency(done.item.id, done.item.targetLatency)
        end)
        return false, wait.describe(outcome.late)
    end
end

local result = bulk.each(bulk.details(api), halve, { batches = { 1, "10%", "100%" }, gate = stay_in_sync })
print(result:summary(), result.stopped or "")
return result:status()
