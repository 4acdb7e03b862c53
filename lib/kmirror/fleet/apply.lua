--- fleet.apply: does what a plan says, in an order that is safe: new mirrors first, and only when all of them work, the
--- old ones go.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local health = require("kmirror.health")
local lifecycle = require("kmirror.lifecycle")
local log = require("kmirror.log")
local stepping = require("kmirror.steps")
local task = require("task")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

local may_fail = 2 -- changes of a kind; after one more nothing new is begun
local settling = 30 -- seconds for a target latency to show
local pause = 1 -- seconds between two lists of a cluster

---@class kmirror.fleet.apply_options
---@field wait? number seconds for new mirrors to come up, and for the lists to show what was done; 600
---@field canary? integer so many are created first; the others only when these are up
---@field again? string how to continue, after "to continue, "; "run the same command again: …" by default

---@class kmirror.fleet.item a change
---@field change kmirror.fleet.create|kmirror.fleet.retune|kmirror.fleet.found
---@field what string in words, with its place in the file
---@field cluster string UUID of the Kafka Connect cluster
---@field id? string of the mirror
---@field latency? integer that is wanted, ms
---@field since? number when it was created, on task.now()'s clock
---@field is_done? boolean its request was answered
---@field problem? any what it failed of
---@field details? mirrors.Mirror

---@class kmirror.fleet.result in the order of the plan
---@field created kmirror.fleet.item[] and up
---@field retuned kmirror.fleet.item[]
---@field deleted kmirror.fleet.item[]
---@field failed kmirror.fleet.item[]
---@field skipped kmirror.fleet.item[] not begun, because others failed
---@field seconds number

---@class kmirror.fleet.run
---@field api mirrors.Api
---@field result kmirror.fleet.result
---@field steps kmirror.steps
---@field wait number
local Run = {}
Run.__index = Run

-- ---- changes ----------------------------------------------------------------------------------------------

local function item_of(plan, verb, change)
    local wanted, found = change.wanted, change.found
    if not wanted then found = change end
    local about = wanted or found
    local place = wanted and plan.fleet.document:at(wanted.line) .. ": " or ""
    return {
        change = change,
        what = ("%s%s '%s' from %s into %s"):format(place, verb, text.short(about.topicsRegex), about.sourceAlias,
            plan.names[about.cluster]),
        cluster = about.cluster,
        id = found and found.id,
        latency = wanted and wanted.targetLatency,
    }
end

-- The changes of a plan, by kind.
local function items_of(plan)
    local items = {}
    for _, verb in ipairs({ "create", "retune", "delete" }) do
        items[verb] = {}
        for i, change in ipairs(plan[verb]) do items[verb][i] = item_of(plan, verb, change) end
    end
    return items
end

-- ---- what the lists show ----------------------------------------------------------------------------------

local function by_cluster(items)
    local groups = {}
    for _, item in ipairs(items) do
        groups[item.cluster] = groups[item.cluster] or {}
        table.insert(groups[item.cluster], item)
    end
    local list = {}
    for cluster, group in pairs(groups) do
        list[#list + 1] = { cluster = cluster, items = group }
    end
    return list
end

-- Those that the list does not show as they are by now.
local function not_shown(api, items)
    local listed, left = {}, {}
    for _, mirror in ipairs(api:list()) do listed[mirror.id] = true end
    for _, item in ipairs(items) do
        local is_there = item.change.spec ~= nil
        left[#left + 1] = (listed[item.id] or false) ~= is_there and item or nil
    end
    return left
end

-- Waits until the lists of the clusters show what was done, no longer than so many seconds: they can run behind, and as
-- long as they do, another plan would take what was done for not done. Returns what they do not show.
local function wait_for_lists(api, items, seconds)
    local deadline, missing = task.now() + seconds, {}
    bulk.map(by_cluster(items), function(group)
        local there = api:on(group.cluster)
        local left = not_shown(there, group.items)
        while #left > 0 and task.now() < deadline do
            task.sleep(pause)
            left = not_shown(there, left)
        end
        table.move(left, 1, #left, #missing + 1, missing)
    end)
    return missing
end

-- ---- a run ------------------------------------------------------------------------------------------------

local function add(list, more)
    return table.move(more, 1, #more, #list + 1, list)
end

function Run:fail(item, problem)
    item.problem = problem
    table.insert(self.result.failed, item)
    log.error("%s: %s", item.what, tostring(problem))
end

-- Does the work on each item, and returns those that it was done on.
function Run:each(title, items, work)
    local came_of, done = bulk.each(items, function(item)
        work(item)
        item.is_done = true
    end, { max_failures = may_fail, progress = bulk.tell(title) }), {}
    for _, outcome in ipairs(came_of.failed) do self:fail(outcome.item, outcome.problem) end
    add(self.result.skipped, came_of.untouched)
    for i, outcome in ipairs(came_of.done) do done[i] = outcome.item end
    return done
end

-- Does a step on some items, if there are any; it ends with "3 of 4 are up".
function Run:step(title, items, what, work)
    if #items > 0 then
        self.steps:run(title, function()
            return ("%d of %d %s"):format(#work(), #items, (changes.planned() and "would be " or "are ") .. what)
        end)
    end
end

-- Waits until the mirrors are ready; each that is not has failed. Returns those that are.
function Run:settle(items, seconds, ready)
    local right, wrong = lifecycle.settle(self.api, items, ready, { seconds = seconds })
    for _, item in ipairs(right) do item.details = item.mirror end
    for _, item in ipairs(wrong) do
        local has_failed = not item.gone and wait.has_failed(item.mirror)
        self:fail(item, ("mirror %s %s%s"):format(item.id, item.problem,
            has_failed and "; delete it, so that it is created again" or ""))
    end
    return right
end

-- ---- the stages -------------------------------------------------------------------------------------------

-- Creates mirrors and waits until they are up.
function Run:create(title, items)
    local created
    self:step(title, items, "created", function()
        created = self:each(title, items, function(item)
            item.id = self.api:on(item.cluster):create(item.change.spec)
            item.since = task.now()
        end)
        return created
    end)
    if changes.planned() then
        add(self.result.created, created or {})
        return
    end
    self:step("wait until they are up", created or {}, "up", function()
        local up = self:settle(created, self.wait, health.works)
        add(self.result.created, up)
        return up
    end)
end

-- Creates the first few, and the others only when these work.
function Run:create_all(items, canary)
    local count = math.min(canary or 0, #items)
    self:create("create the canary", table.move(items, 1, count, 1, {}))
    local rest = table.move(items, count + 1, #items, 1, {})
    if #self.result.failed > 0 then
        add(self.result.skipped, rest)
    else
        self:create("create mirrors", rest)
    end
end

-- A new mirror begins with a target latency that the API chooses.
local function needs_latency(item)
    return item.latency ~= nil and item.details ~= nil and item.details.targetLatency ~= item.latency
end

local function with_new(retunes, created)
    local items = add({}, retunes)
    for _, item in ipairs(created) do items[#items + 1] = needs_latency(item) and item or nil end
    return items
end

function Run:retune(items)
    local wanted = {}
    for _, item in ipairs(items) do wanted[item.id] = item.latency end
    local set = self:each("set target latencies", items, function(item)
        self.api:on(item.cluster):update_target_latency(item.id, item.latency)
    end)
    local right = changes.planned() and set or self:settle(set, settling, function(mirror)
        return mirror.targetLatency == wanted[mirror.id]
    end)
    for _, item in ipairs(right) do
        table.insert(self.result.retuned, item.change.found and item or nil)
    end
    return right
end

function Run:delete(items)
    self.result.deleted = self:each("delete mirrors", items, function(item)
        lifecycle.delete(self.api, item)
    end)
    return self.result.deleted
end

function Run:confirm(items)
    local missing = wait_for_lists(self.api, items, self.wait)
    local is_missing, shown = {}, {}
    for _, item in ipairs(missing) do
        is_missing[item] = true
        self:fail(item, ("mirror %s: done, but the list of its cluster does not show it"):format(item.id))
    end
    for _, item in ipairs(items) do shown[#shown + 1] = not is_missing[item] and item or nil end
    return shown
end

-- ---- all of it --------------------------------------------------------------------------------------------

local function count_done(items)
    local count = 0
    for _, item in ipairs(items) do count = count + (item.is_done and 1 or 0) end
    return count
end

--- How to continue what a fleet file says.
M.again = "run the same command again: what is done is not done twice"

-- Says what was done, should the run end early.
local function watch(items, again)
    return setmetatable({}, { __close = function(_, problem)
        if problem and not changes.harmless() then
            log.error("stopped: %d created, %d retuned, %d deleted; to continue, %s", count_done(items.create),
                count_done(items.retune), count_done(items.delete), again)
        end
    end })
end

-- Of new mirrors, those that list no topic.
local function empty_of(items)
    local empty = {}
    for _, item in ipairs(items) do
        empty[#empty + 1] = item.mirror and #health.topics(item.mirror) == 0 and item.mirror or nil
    end
    return empty
end

function Run:all(items, canary)
    local result = self.result
    self:create_all(items.create, canary)
    local retunes = with_new(items.retune, result.created)
    self:step("set target latencies", retunes, "set", function()
        return self:retune(retunes)
    end)
    if #result.failed > 0 then
        add(result.skipped, items.delete)
    else
        self:step("delete mirrors", items.delete, "deleted", function()
            return self:delete(items.delete)
        end)
    end
    lifecycle.warn_of_empty(empty_of(result.created))
    local done = add(add({}, result.created), result.deleted)
    self:step("look at the lists", changes.planned() and {} or done, "as they should be", function()
        return self:confirm(done)
    end)
end

--- Does what a plan says. Failures of single changes are logged and returned; after three of a kind nothing new is
--- begun, and after any of them nothing is deleted. Raises what ends the run as a whole: `cancelled`, `read_only`,
--- `unauthorized`.
---@param api mirrors.Api
---@param plan kmirror.fleet.plan
---@param options? kmirror.fleet.apply_options
---@return kmirror.fleet.result
function M.run(api, plan, options)
    options = options or {}
    local result = { created = {}, retuned = {}, deleted = {}, failed = {}, skipped = {} }
    local run = setmetatable({
        api = api, result = result, steps = stepping.new(), wait = options.wait or 600,
    }, Run)
    local items = items_of(plan)
    local _ <close> = watch(items, options.again or M.again)
    run:all(items, options.canary)
    result.seconds = run.steps:seconds()
    return result
end

return M
