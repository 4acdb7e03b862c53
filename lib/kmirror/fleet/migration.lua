--- fleet.migration: has the mirrors of a fleet file come into being with as few requests as can be: one list a cluster,
--- then one create, one update of the target latency and about one look a mirror.
---
--- What exists already is adopted: nothing is created twice.

local batches = require("kmirror.batches")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local creation = require("kmirror.fleet.creation")
local drift = require("kmirror.fleet.drift")
local events = require("kmirror.events")
local health = require("kmirror.health")
local joint = require("kmirror.joint")
local limits = require("kmirror.limits")
local live = require("kmirror.live")
local loops = require("kmirror.loops")
local matching = require("kmirror.fleet.matching")
local mirrors = require("mirrors")
local task = require("task")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

-- Creates at once. The account's rate spaces them; but one whose answer was lost takes its place for ten seconds more,
-- and in a bad hour that is every third.
local creating = 192
local tuning = 32 -- target latencies at once
local idle_pause, few = 0.2, 16 -- seconds between two looks whether the quota is idle; mirrors that are followed then
local first_latency = 30000 -- ms, of a new mirror
local rounds, pause = 12, 1 -- in which each is tried, seconds: a bad minute must not leave half a migration behind

---@class kmirror.migration.item
---@field wanted kmirror.fleet.wanted
---@field place string file and line
---@field id? string of the mirror
---@field adopted? boolean it was there
---@field spec? mirrors.Spec what to create; when it was adopted, in its place
---@field since? number task.now() when it was created
---@field retuned? boolean
---@field is_empty? boolean it is up and lists no topic
---@field problem? string why it is not well

---@class kmirror.migration.settings
---@field api mirrors.Api
---@field steps kmirror.steps
---@field batches (integer|string)[]
---@field max_failures integer|string
---@field wait number seconds that a batch has to come up
---@field stall number seconds without progress after which it is given up

-- ---- what there is ----------------------------------------------------------------------------------------

local function ids_of(list)
    local ids = {}
    for i, each in ipairs(list) do ids[i] = each.id end
    return table.concat(ids, ", ")
end

-- One that is there is adopted, unless it copies other records, or to elsewhere; it is told what else is not as wanted.
local function adopt(item, fleet, found, warnings)
    local differences = drift.of(item.wanted, found, fleet.document.directory)
    local others = drift.of_records(differences)
    if #others > 0 then
        item.problem = ("is there as %s, but has %s: delete it, or change the file"):format(found.id,
            drift.words(others))
        return
    elseif #differences > 0 then
        table.insert(warnings, { line = item.wanted.line, message = ("'%s' from %s is there, but has %s"):format(
            text.short(item.wanted.topicsRegex), item.wanted.sourceAlias, drift.words(differences)) })
    end
    item.id, item.adopted = found.id, true
end

local function item_for(fleet, api, mirror, found, alike_of, warnings)
    local item = { wanted = mirror, place = fleet.document:at(mirror.line) }
    local other = #found == 0 and alike_of(mirror)[1]
    if #found == 1 then
        adopt(item, fleet, found[1], warnings)
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

-- What is there and is none of the file's.
local function besides(found, items)
    local taken, left = {}, {}
    for _, item in ipairs(items) do
        if item.id then taken[item.id] = true end
    end
    for _, mirror in ipairs(found) do left[#left + 1] = not taken[mirror.id] and mirror or nil end
    return left
end

--- Compares a fleet file with what is there, by one list a cluster.
---@param api mirrors.Api
---@param fleet kmirror.fleet
---@return kmirror.migration.item[] in the order of the file
---@return kmirror.fleet.warning[]
---Raises what api:list() raises, and usage for what the file has too little of to create a mirror.
function M.look(api, fleet)
    local found = live.list(api, matching.targets(fleet, fleet.mirrors))
    local by_key, unclear = matching.index(found)
    local items, is_new, warnings, alike_of = {}, {}, {}, matching.look_alikes(unclear)
    local assigned = matching.assign(api, fleet.document, fleet.mirrors, by_key)
    for i, mirror in ipairs(fleet.mirrors) do
        items[i] = item_for(fleet, api, mirror, assigned[mirror], alike_of, warnings)
        is_new[mirror] = items[i].spec ~= nil
    end
    local of_loops = loops.check(api, fleet, fleet.mirrors, is_new, besides(found, items))
    table.move(of_loops, 1, #of_loops, #warnings + 1, warnings)
    fleet.document:finish()
    return items, warnings
end

local recovery = 5 -- seconds in which one that was restarted fails again, if it does

--- Restarts mirrors that have FAILED, where the backend can: one that is well after that need not be copied anew.
---@param api mirrors.Api
---@param items kmirror.migration.item[]
---@return kmirror.migration.item[] those that are still FAILED
function M.restart(api, items)
    local function api_for(item) return api:on(item.wanted.cluster) end
    local restarted = 0
    bulk.map(items, function(item)
        if api_for(item):can("restart") then
            api_for(item):restart(item.id)
            restarted = restarted + 1
        end
    end)
    if restarted == 0 or changes.planned() then return items end
    task.sleep(recovery)
    return bulk.filter(items, function(item)
        return health.has_failed(api_for(item):get(item.id))
    end)
end

--- Has adopted mirrors deleted and created anew when their batch comes.
---@param api mirrors.Api
---@param fleet kmirror.fleet
---@param items kmirror.migration.item[] those that are to be replaced
---Raises usage for what the file has too little of to create a mirror.
function M.replace(api, fleet, items)
    for _, item in ipairs(items) do item.spec = creation.spec(fleet.document, api, item.wanted) end
    fleet.document:finish()
end

-- ---- one mirror -------------------------------------------------------------------------------------------

local function api_of(run, item)
    return run.api:on(item.wanted.cluster)
end

-- When a task's create went out last: the age of a mirror counts from there, also when the answer was lost.
local sent = setmetatable({}, { __mode = "k" })

local function note_sending(event)
    if event.what == "attempt" and event.operation == "create" and event.sent > 0 then
        sent[coroutine.running()] = event.sent
    end
end

local function create(run, item)
    local api, began = api_of(run, item), task.now()
    if item.adopted then
        api:delete(item.id)
        item.id, item.adopted = nil, nil
    end
    item.id = api:create(item.spec)
    item.since = sent[coroutine.running()] or began
end

-- Tries again what fails of what is transient, one mirror apart from the others. Returns the problem if one is
-- left; raises what would befall the others, too.
local function persist(work, run, item)
    local result = bulk.each({ item }, function()
        work(run, item)
    end, { rounds = rounds, pause = pause })
    return result.failed[1] and result.failed[1].problem
end

local function set_latency(run, item)
    api_of(run, item):update_target_latency(item.id, item.wanted.targetLatency)
    item.retuned = true
end

-- That of a new mirror, before it is up: the look that finds it up shows whether the API took it.
local function set_early(run, item)
    local latency = item.wanted.targetLatency
    if latency and latency ~= (item.spec.targetLatency or first_latency) then
        pcall(set_latency, run, item)
    end
end

local function set_late(run, item)
    local problem = persist(set_latency, run, item)
    item.problem = problem and "has another target latency: " .. tostring(problem)
end

-- ---- one batch --------------------------------------------------------------------------------------------

---@class kmirror.migration.batch
---@field run kmirror.migration.settings
---@field items kmirror.migration.item[]
---@field by_id table<string, kmirror.migration.item>
---@field watch kmirror.wait.watch
---@field early task.Group new mirrors that get their target latency
---@field late task.Group those that were found up with another one

-- Whether a mirror is up. If it is, but with another target latency, it gets the right one meanwhile.
local function is_up(batch, mirror)
    if not health.works(mirror) then return false end
    local item = batch.by_id[mirror.id]
    item.is_empty = #health.topics(mirror) == 0
    local latency = item.wanted.targetLatency
    if latency and mirror.targetLatency ~= latency then
        item.retuned = nil
        batch.late:spawn(set_late, batch.run, item)
    end
    return true
end

-- From here on a mirror is watched.
local function follow(batch, item)
    local place = { id = item.id, cluster = item.wanted.cluster, since = item.since }
    batch.by_id[item.id] = item
    if not item.since then return batch.watch:add({ place }) end
    batch.early:spawn(function()
        set_early(batch.run, item)
        batch.watch:add({ place })
    end)
end

-- Creates what is missing of a batch. What is there is followed when the last create has begun: before that the creates
-- need the quota, as one whose answer is lost takes long to be decided. Only when all that are under way wait for that,
-- the quota is used for a few of the others.
local function create_all(batch, may_fail)
    local begun, all, there = 0, #batch.items, {}
    local function follow_some(most)
        for _ = 1, changes.planned() and 0 or math.min(most, #there) do
            follow(batch, table.remove(there))
        end
    end
    batch.early:spawn(function()
        while begun < all do
            task.sleep(idle_pause)
            follow_some(mirrors.under_way() == 0 and few or 0)
        end
        follow_some(#there)
    end)
    local result = bulk.each(batch.items, function(item)
        begun = begun + 1
        local problem = item.problem or item.spec and persist(create, batch.run, item)
        if problem then error(problem, 0) end
        there[#there + 1] = item
        follow_some(begun >= all and #there or 0)
    end, { max_failures = may_fail, concurrency = creating, progress = bulk.tell("create mirrors") })
    begun = all
    for _, outcome in ipairs(result.failed) do outcome.item.problem = tostring(outcome.problem) end
    follow_some(#there)
    return result
end

-- Waits until all that is there is up and has its target latency. Notes the problems of those that do not come up;
-- returns how many do.
local function settle(batch)
    batch.early:wait()
    local outcome = batch.watch:outcome()
    batch.late:wait()
    for _, list in ipairs({ outcome.failed, outcome.late }) do
        for _, left in ipairs(list) do
            batch.by_id[left.id].problem = ("mirror %s %s"):format(left.id, left.problem)
            batch.by_id[left.id].has_failed = left.mirror and health.has_failed(left.mirror)
        end
    end
    return #outcome.ready
end

local function count(items, field)
    local number = 0
    for _, item in ipairs(items) do number = number + (item[field] and 1 or 0) end
    return number
end

-- What a batch came to, in words; how many of it were begun, how many are not well.
local function do_batch(run, items, may_fail)
    local late <close> = task.group({ concurrency = tuning })
    local early <close> = task.group({ concurrency = tuning })
    local batch = { run = run, items = items, by_id = {}, late = late, early = early }
    local watch <close> = wait.watch(run.api, function(mirror)
        return is_up(batch, mirror)
    end, { seconds = run.wait, stall = run.stall, title = "wait until they are up", total = #items })
    batch.watch = watch
    local result = create_all(batch, may_fail)
    local begun = #items - #result.untouched
    if changes.planned() then
        return ("%d would be there"):format(#result.done), begun, #result.failed
    end
    local up = settle(batch)
    local bad = count(items, "problem")
    return ("%d up, %d not healthy, %s set"):format(up, bad,
        text.count(count(items, "retuned"), "target latency", "target latencies")), begun, bad
end

-- ---- with other runners -----------------------------------------------------------------------------------

-- Creates at once; enough for a share of the account's rate, and few enough to leave the others theirs.
local creating_of_many = 48

-- What makes a mirror of the file that one: wherever its file and its line are.
local function name_of(item)
    local wanted = item.wanted
    return table.concat({ wanted.cluster:lower(), wanted.sourceAlias, wanted.topicsRegex }, "\n")
end

-- One mirror: sees to it that it is there, up, and has its target latency. Returns what the other runners are to know.
local function do_one(run, watch, by_id, item)
    local problem = item.problem or item.spec and persist(create, run, item)
    joint.let_next()
    if problem then
        error(problem, 0)
    elseif item.since then
        set_early(run, item)
    end
    by_id[item.id] = item
    local left = watch:one({ id = item.id, cluster = item.wanted.cluster, since = item.since })
    if left then
        item.has_failed = left.mirror and health.has_failed(left.mirror)
        error(("mirror %s %s"):format(left.id, left.problem), 0)
    elseif item.late then
        set_late(run, item)
    end
    return { id = item.id, created = item.since ~= nil, adopted = item.adopted, retuned = item.retuned,
        is_empty = item.is_empty }
end

-- Whether a mirror is up; notes when it has another target latency than it is to have.
local function note_up(item, mirror)
    local latency = item.wanted.targetLatency
    item.late = latency ~= nil and mirror.targetLatency ~= latency
    item.is_empty = #health.topics(mirror) == 0
    return health.works(mirror)
end

-- What came of each, whoever did it.
local function take_in(result)
    for _, outcome in ipairs(result.failed) do
        outcome.item.problem = outcome.item.problem or tostring(outcome.problem)
    end
    for _, outcome in ipairs(result.done) do
        local item, made = outcome.item, outcome.value
        item.id, item.adopted, item.retuned, item.is_empty = made.id, made.adopted, made.retuned, made.is_empty
        item.since = made.created and (item.since or 0) or nil
    end
end

local function do_batch_together(run, items, may_fail)
    local by_id = {}
    local watch <close> = wait.watch(run.api, function(mirror)
        return note_up(by_id[mirror.id], mirror)
    end, { seconds = run.wait, stall = run.stall, title = "wait until they are up", total = #items })
    local result = bulk.each(items, function(item)
        return do_one(run, watch, by_id, item)
    end, { key = name_of, max_failures = may_fail, concurrency = creating_of_many, progress = bulk.tell("migrate") })
    take_in(result)
    return ("%s; %s set"):format(result:summary(), text.count(count(items, "retuned"), "target latency",
        "target latencies")), #items - #result.untouched, #result.failed
end

--- Does what there is to do: creates what is missing, waits until all is up, sets target latencies. Notes with each
--- item what is wrong with it.
---@param run kmirror.migration.settings
---@param items kmirror.migration.item[]
---@return string|nil stopped why not all was begun
---Raises what ends the run as a whole: `unauthorized`, `read_only`, `cancelled`.
function M.run(run, items)
    events.listen(note_sending)
    local failures, began = 0, 0
    local result = bulk.each(batches.cut(#items, run.batches), function(span, number)
        local batch = table.move(items, span.first, span.last, 1, {})
        local may_fail = limits.most(run.max_failures, failures, #batch)
        run.steps:run(("batch %d: %s"):format(number, text.count(#batch, "mirror")), function()
            local act = joint.here() and do_batch_together or do_batch
            local said, begun, bad = act(run, batch, math.floor(may_fail - failures))
            failures, began = failures + bad, began + begun
            return said
        end)
        if failures > may_fail and began < #items then
            error(("%d of %s not healthy, with --max-failures %s"):format(failures, text.count(began, "mirror"),
                run.max_failures), 0)
        end
    end, { concurrency = 1, on_error = "stop", shared = false })
    return result.failed[1] and tostring(result.failed[1].problem)
end

return M
