--- migration: has the mirrors of a fleet file come into being with as few requests as can be: one list a cluster, then
--- one create, one update of the target latency and about one look a mirror.
---
--- What exists already is adopted: nothing is created twice.

local batches = require("kmirror.bulk.batches")
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
local first_latency = 30000 -- ms, of a new mirror
local rounds = 4 -- in which each is tried: a bad minute must not leave half a migration behind

---@class kmirror.migration.item
---@field wanted kmirror.fleet.wanted
---@field place string file and line
---@field id? string of the mirror
---@field adopted? boolean it was there
---@field spec? mirrors.Spec what to create; when it was adopted, in its place
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

--- Has adopted mirrors deleted and created anew when their batch comes.
---@param api mirrors.Api
---@param fleet kmirror.fleet
---@param items kmirror.migration.item[] those that are to be replaced
---Raises usage for what the file has too little of to create a mirror.
function M.replace(api, fleet, items)
    for _, item in ipairs(items) do
        item.spec = creation.spec(fleet.document, api, item.wanted)
    end
    fleet.document:finish()
end

-- ---- one batch --------------------------------------------------------------------------------------------

local function api_of(run, item)
    return run.api:on(item.wanted.cluster)
end

-- Sets the target latency at once: the look that finds the mirror up shows whether the API took it.
local function create(run, item)
    if item.problem then
        error(item.problem, 0)
    elseif item.spec then
        local api, latency = api_of(run, item), item.wanted.targetLatency
        if item.adopted then
            api:delete(item.id)
            item.id, item.adopted = nil, nil
        end
        item.id = api:create(item.spec)
        item.since = task.now()
        item.retuned = latency and latency ~= first_latency and not changes.planned()
            and pcall(api.update_target_latency, api, item.id, latency)
    end
end

local function note(problems, said)
    for _, outcome in ipairs(problems) do
        outcome.item.problem = said .. tostring(outcome.problem)
    end
end

-- Waits until those that are watched are up. Notes the problems of those that do not come up; returns the others.
local function settle(watch, items)
    local by_id, up = {}, {}
    for _, item in ipairs(items) do
        by_id[item.id or ""] = item
    end
    local outcome = watch:outcome()
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
    note(result.failed, "has another target latency: ")
end

-- Creates what is missing of a batch; begins to watch what is there when the last create has begun. Before that the
-- creates need the quota; after that it would lie idle, as the last of them may take long to be decided.
local function create_all(run, items, watch, may_fail)
    local begun, there = 0, {}
    local function watch_these()
        if not changes.planned() then
            watch:add(there)
        end
        there = {}
    end
    local result = bulk.each(items, function(item)
        begun = begun + 1
        create(run, item)
        there[#there + 1] = { id = item.id, cluster = item.wanted.cluster, since = item.since }
        if begun >= #items then
            watch_these()
        end
    end, {
        max_failures = may_fail, concurrency = under_way, rounds = rounds, progress = bulk.tell("create mirrors"),
    })
    note(result.failed, "")
    watch_these()
    return result
end

local function count(items, field)
    return #bulk.filter(items, function(item)
        return item[field]
    end)
end

-- What a batch came to, in words; how many of it were begun, how many are not well.
local function do_batch(run, items, may_fail)
    local watch <close> = wait.watch(run.api, health.works, { seconds = run.wait, stall = run.stall })
    local result = create_all(run, items, watch, may_fail)
    local begun = #items - #result.untouched
    if changes.planned() then
        return ("%d would be there"):format(#result.done), begun, #result.failed
    end
    local up = settle(watch, items)
    retune(run, up)
    local bad = count(items, "problem")
    return ("%d up, %d not well, %d target latencies set"):format(#up, bad, count(items, "retuned")), begun, bad
end

--- Does what there is to do: creates what is missing, waits until all is up, sets target latencies. Notes with each
--- item what is wrong with it.
---@param run kmirror.migration.settings
---@param items kmirror.migration.item[]
---@return string|nil stopped why not all was begun
---Raises what ends the run as a whole: `unauthorized`, `read_only`, `cancelled`.
function M.run(run, items)
    local failures, began = 0, 0
    local result = bulk.each(batches.cut(#items, run.batches), function(span, number)
        local batch = table.move(items, span.first, span.last, 1, {})
        local may_fail = limits.most(run.max_failures, failures, #batch)
        run.steps:run(("batch %d: %d mirrors"):format(number, #batch), function()
            local said, begun, bad = do_batch(run, batch, math.floor(may_fail - failures))
            failures, began = failures + bad, began + begun
            return said
        end)
        if failures > may_fail and began < #items then
            error(("%d of %d mirrors are not well, with --max-failures %s"):format(failures, began,
                run.max_failures), 0)
        end
    end, { concurrency = 1, on_error = "stop" })
    return result.failed[1] and tostring(result.failed[1].problem)
end

return M
