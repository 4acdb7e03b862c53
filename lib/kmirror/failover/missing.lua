--- missing: how many records TO lacks when FROM is lost: what mirrors have not copied of what FROM's topics hold, or
--- held when somebody last looked. It is noted with each mirror, as `missing`.

local bulk = require("kmirror.bulk")
local ends = require("kmirror.ends")
local left = require("kmirror.failover.left")
local log = require("kmirror.log")
local task = require("task")
local try = require("kmirror.problem").try

local M = {}

local answer_wait = 20 -- seconds that FROM's Kafka cluster has to answer, when it may be in trouble
local kafka_wait = 5 -- that it has when its Kafka Connect cluster does not answer

-- What each has not copied of what its topics held when that was last seen; nil when that is not known of one.
local function from_known_ends(api, mirrors)
    local known, is_whole, oldest = ends.known(api.cluster), true, nil
    local counts = bulk.map(mirrors, function(mirror)
        local seen = known[mirror.id]
        local told, offsets = false, nil
        if seen then told, offsets = try(api.offsets, api, mirror.id) end
        return told and ends.missing(seen, offsets) or false
    end, bulk.reads)
    for i, mirror in ipairs(mirrors) do
        is_whole = is_whole and counts[i] ~= false
        oldest = known[mirror.id] and math.min(oldest or math.huge, known[mirror.id].time)
    end
    return is_whole and counts or nil, oldest
end

--- How many are missing of all mirrors; nil when that is not known.
---@param state table
---@return integer|nil
function M.sum(state)
    local sum = #state.mirrors > 0 and 0 or nil
    for _, mirror in ipairs(state.mirrors) do
        sum = sum and mirror.missing and sum + mirror.missing
    end
    return sum
end

--- Counts, when a disaster begins: FROM's Kafka cluster may still answer. Where it does not, by the last known ends.
---@param run kmirror.failover.run
function M.count(run)
    local seconds = run.unreachable and kafka_wait or answer_wait
    local counted, counter, why = pcall(task.timeout, seconds, left.new, run.forward, run.live)
    if not counted and (type(counter) ~= "table" or counter.kind == "cancelled") then
        error(counter, 0)
    elseif counted and not why then
        for i, told in ipairs(counter and counter.told or {}) do
            run.live[i].missing = told.recordsLeft
        end
        return
    end
    log.warn("how many records have not arrived cannot be counted: %s", tostring(why or counter))
    local counts, oldest = from_known_ends(run.forward, run.live)
    for i, mirror in ipairs(counts and run.live or {}) do mirror.missing = counts[i] end
    run.state.ends_seen = counts and oldest
    if not counts then
        log.warn("nor is it known where the topics ended: `kmirror lag` and `watch` note that down when they run")
    end
end

--- Counts again, once the mirrors are stopped and all that they have copied is recorded: what was under way before is
--- not missing.
---@param run kmirror.failover.run
function M.count_again(run)
    local counts = from_known_ends(run.forward, run.live)
    if not counts then return end
    local by_id = {}
    for i, mirror in ipairs(run.live) do by_id[mirror.id] = counts[i] end
    for _, mirror in ipairs(run.state.mirrors) do
        mirror.missing = mirror.missing and (by_id[mirror.id] or mirror.missing)
    end
    run:note_down({ missing = by_id })
end

return M
