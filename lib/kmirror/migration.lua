--- migration: has the mirrors of a fleet file come into being with as few requests as can be: one list a cluster, then
--- migration: has the mirrors of a fleet file come into being with as few requests as can be: one list a cluster, then
---
--- What exists already is adopted: nothing is created twice.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local creation = require("kmirror.fleet.creation")
local health = require("kmirror.health")
local limits = require("kmirror.limits")
local live = require("kmirror.fleet.live")
local overlaps = require("kmirror.fleet.overlaps")
local task = require("task")
local wait = require("kmirror.wait")
local wanted = require("kmirror.fleet.wanted")

local M = {}

local under_way = 64 -- creates at once; the account's rate spaces them
local rounds = 4 -- in which each is tried: a bad minute must not leave half a migration behind

---@class kmirror.migration.item
---@field wanted kmirror.fleet.wanted
---@field place string file and line
---@field id? string of the mirror
---@field adopted? boolean it was there
---@field spec? mirrors.Spec what to create otherwise
---@field since? number task.now() when it was created
---@field retuned? boolean
---@field problem? string why it is not well

---@class kmirror.migration.settings
---@field api mirrors.Api
---@field steps kmirror.steps
---@field batches (integer|string)[]
---@field max_failures integer|string
---@field wait number seconds that a batch has to come up
---@field stall number seconds without progress after which it is given up
---@field replace_failed boolean delete adopted mirrors that are FAILED, and create them anew

-- ---- what there is ----------------------------------------------------------------------------------------

local function targets_of(fleet)
    local targets, by_cluster = {}, {}
    for _, mirror in ipairs(fleet.mirrors) do
        if not by_cluster[mirror.cluster] then
            by_cluster[mirror.cluster] = { cluster = mirror.cluster, name = mirror.to }
            targets[#targets + 1] = by_cluster[mirror.cluster]
        end
    end
    for _, each in pairs(fleet.clusters) do
        local target = by_cluster[each.connect]
        if target then
            target.alias = target.alias or each.alias_given and each.alias or nil
            target.perhaps = each.alias
        end
    end
    return targets
end

local function index(found)
    local by_key, unclear = {}, {}
    for _, mirror in ipairs(found) do
        local key = mirror.sourceAlias and wanted.key(mirror)
        if key then
            by_key[key] = by_key[key] or {}
            table.insert(by_key[key], mirror)
        else
            unclear[#unclear + 1] = mirror
        end
    end
    return by_key, unclear
end

local function may_be_it(mirror, unclear)
    for _, each in ipairs(unclear) do
        local prefix = mirror.sourceAlias .. "."
        if each.cluster == mirror.cluster and each.topicsRegex == mirror.topicsRegex
            and each.connectorName:sub(1, #prefix) == prefix then
            return each
        end
    end
end

local function ids_of(list)
    local ids = {}
    for i, each in ipairs(list) do
        ids[i] = each.id
    end
    return table.concat(ids, ", ")
end

local function item_for(fleet, api, mirror, by_key, unclear)
    local item = { wanted = mirror, place = fleet.document:at(mirror.line) }
    local found = by_key[wanted.key(mirror)] or {}
    local other = #found == 0 and may_be_it(mirror, unclear)
    if #found == 1 then
        item.id, item.adopted = found[1].id, true
    elseif #found > 1 then
        item.problem = ("is there %d times: %s; delete all but one"):format(#found, ids_of(found))
    elseif other then
        item.problem = ("may be %s, called %s: give the cluster's alias in the file"):format(other.id,
            other.connectorName)
    else
        item.spec = creation.spec(fleet.document, api, mirror)
    end
    return item
end

--- Compares a fleet file with what is there, by one list a cluster.
---@param api mirrors.Api
---@param fleet kmirror.fleet
---@return kmirror.migration.item[] in the order of the file
---Raises what api:list() raises, and usage for what the file has too little of to create a mirror.
function M.look(api, fleet)
    local by_key, unclear = index(live.list(api, targets_of(fleet)))
    local items, is_new = {}, {}
    for i, mirror in ipairs(fleet.mirrors) do
        items[i] = item_for(fleet, api, mirror, by_key, unclear)
        is_new[mirror] = items[i].spec ~= nil
    end
    overlaps.refuse_loops(fleet, fleet.mirrors, is_new)
    fleet.document:finish()
    return items
end

-- ---- one batch --------------------------------------------------------------------------------------------

local function api_of(run, item)
    return run.api:on(item.wanted.cluster)
end

local function create(run, item)
    if item.problem then
        error(item.problem, 0)
    elseif item.spec then
        item.since = task.now()
        item.id = api_of(run, item):create(item.spec)
        item.since = task.now()
    end
end

-- Waits until mirrors are up. Notes the problems of those that do not come up; returns the others.
local function settle(run, items)
    local places, by_id, up = {}, {}, {}
    for i, item in ipairs(items) do
        places[i] = { id = item.id, cluster = item.wanted.cluster, since = item.since }
        by_id[item.id] = item
    end
    local outcome = wait.settle(run.api, places, health.works, { seconds = run.wait, stall = run.stall })
    for _, list in ipairs({ outcome.failed, outcome.late }) do
        for _, left in ipairs(list) do
            by_id[left.id].problem = ("mirror %s %s"):format(left.id, left.problem)
            by_id[left.id].has_failed = left.mirror and left.mirror.status == "FAILED"
        end
    end
    for i, mirror in ipairs(outcome.ready) do
        up[i] = by_id[mirror.id]
        up[i].mirror = mirror
    end
    return up
end

-- Those that were found FAILED go, and are created anew.
local function replace(run, items)
    local failed = {}
    for _, item in ipairs(items) do
        failed[#failed + 1] = item.adopted and item.has_failed and item or nil
    end
    local result = bulk.each(failed, function(item)
        item.spec = creation.spec(run.fleet.document, run.api, item.wanted)
        run.fleet.document:finish()
        api_of(run, item):delete(item.id)
        item.problem, item.adopted = nil, nil
        create(run, item)
    end)
    for _, outcome in ipairs(result.failed) do
        outcome.item.problem = tostring(outcome.problem)
    end
    local again = {}
    for i, outcome in ipairs(result.done) do
        again[i] = outcome.item
    end
    return again
end

local function retune(run, up)
    local wrong = {}
    for _, item in ipairs(up) do
        local latency = item.wanted.targetLatency
        wrong[#wrong + 1] = latency and item.mirror.targetLatency ~= latency and item or nil
    end
    local result = bulk.each(wrong, function(item)
        api_of(run, item):update_target_latency(item.id, item.wanted.targetLatency)
        item.retuned = true
    end, { concurrency = under_way, rounds = rounds, progress = bulk.tell("set target latencies") })
    for _, outcome in ipairs(result.failed) do
        outcome.item.problem = "has another target latency: " .. tostring(outcome.problem)
    end
    return #result.done
end

-- What a batch came to, in words; how many of it are not well.
local function finish(run, batch)
    local created = {}
    for i, outcome in ipairs(batch.done) do
        created[i] = outcome.item
    end
    for _, outcome in ipairs(batch.failed) do
        outcome.item.problem = outcome.item.problem or tostring(outcome.problem)
    end
    if changes.planned() then
        return ("%d would be there"):format(#created), #batch.failed
    end
    local up = settle(run, created)
    if run.replace_failed then
        local again = settle(run, replace(run, created))
        table.move(again, 1, #again, #up + 1, up)
    end
    local retuned = retune(run, up)
    local bad = #batch.failed
    for _, item in ipairs(created) do
        bad = bad + (item.problem and 1 or 0)
    end
    return ("%d up, %d not well, %d target latencies set"):format(#up, bad, retuned), bad
end

--- Does what there is to do: creates what is missing, waits until all is up, sets target latencies. Notes with each
--- item what is wrong with it.
---@param settings kmirror.migration.settings
---@param fleet kmirror.fleet
---@param items kmirror.migration.item[]
---@return string|nil stopped why not all was begun
---Raises what ends the run as a whole: `unauthorized`, `read_only`, `cancelled`.
function M.run(settings, fleet, items)
    local run = setmetatable({ fleet = fleet }, { __index = settings })
    local failures, began = 0, 0
    local function gate(batch)
        local size, reason = #batch.done + #batch.failed, nil
        run.steps:run(("batch %d: wait for %d mirrors"):format(batch.number, size), function()
            local said, bad = finish(run, batch)
            local may_fail = limits.most(run.max_failures, failures, size)
            failures, began = failures + bad, began + size
            if failures > may_fail and began < #items then
                reason = ("%d of %d mirrors are not well, with --max-failures %s"):format(failures, began,
                    run.max_failures)
            end
            return said
        end)
        return reason == nil, reason
    end
    return bulk.each(items, function(item)
        create(run, item)
    end, {
        batches = run.batches, gate = gate, max_failures = run.max_failures, concurrency = under_way,
        rounds = rounds, progress = bulk.tell("create mirrors"),
    }).stopped
end

return M
