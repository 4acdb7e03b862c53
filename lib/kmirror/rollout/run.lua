--- rollout.run: puts new mirrors in the place of old ones, batch by batch, with a gate behind each.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local health = require("kmirror.health")
local lifecycle = require("kmirror.lifecycle")
local limits = require("kmirror.limits")
local log = require("kmirror.log")
local progress = require("kmirror.progress")
local task = require("task")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

---@class kmirror.rollout.settings
---@field api mirrors.Api of the cluster where the mirrors run
---@field spec fun(regex: string, old: table): mirrors.Spec what to create in the place of a mirror
---@field steps kmirror.steps
---@field strategy "create-first"|"delete-first"|"add"|"in-place"
---@field delete_old "batch"|"end" with create-first: when the old mirrors go
---@field batches (integer|string)[]
---@field max_failures integer|string how many may fail: of all, or in percent of a batch
---@field wait number seconds that a batch has to get healthy
---@field stall number seconds without progress after which it is given up
---@field soak number seconds that it has to stay healthy
---@field memory? kmirror.rollout.saved of the old mirrors

---@class kmirror.rollout.run: kmirror.rollout.settings
---@field passed kmirror.rollout.change[] whose new mirrors are well
---@field replaced kmirror.rollout.change[] whose old mirrors are gone, too
---@field taken_back kmirror.rollout.change[]
---@field failures integer
local Run = {}
Run.__index = Run

--- Nothing done yet.
---@param settings kmirror.rollout.settings
---@return kmirror.rollout.run
function M.new(settings)
    local self = { passed = {}, replaced = {}, taken_back = {}, failures = 0 }
    for name, value in pairs(settings) do self[name] = value end
    return setmetatable(self, Run)
end

local rounds = 3 -- in which a change is tried that fails of what is transient
local take_back_rounds, take_back_pause = 4, 2 -- seconds
local until_restarted = 3 -- seconds until a mirror that was changed in place does not tell how it was before

local function map(list, field)
    local values = {}
    for i, each in ipairs(list) do values[i] = each[field] end
    return values
end

-- ---- single changes ---------------------------------------------------------------------------------------

function Run:delete(id)
    lifecycle.remove(self.api, { id = id }, self.wait)
end

-- The successor that an earlier run has created is taken over.
function Run:begin(change)
    if self.strategy == "in-place" then
        self.api:set_topics(change.old.id, change.regex)
        change.id = change.old.id
        return
    elseif self.strategy == "delete-first" then
        self:delete(change.old.id)
    end
    change.since = not change.new and task.now() or nil
    change.id = change.new and change.new.id or self.api:create(self.spec(change.regex, change.old))
end

-- Creates an old mirror that has been deleted anew. Raises when that does not get well.
function Run:restore(change)
    change.restored = change.restored or self.api:create(self.spec(change.old.topicsRegex, change.old))
    if changes.planned() then return end
    local place = { id = change.restored, since = task.now() }
    local works, seen = pcall(wait.ready, self.api, { place }, health.works, { seconds = self.wait })
    if not works then
        self:delete(change.restored)
        change.restored = nil
        error(seen, 0)
    end
    lifecycle.retune(self.api, seen[1], change.old.targetLatency)
end

-- Neither is it open any more what becomes of a change, nor is its old mirror needed.
function Run:settled(change)
    if self.memory then self.memory:settle(change) end
end

-- Undoes a change: its new mirror goes, its old one comes back if it has gone.
function Run:take_back(change)
    if self.strategy == "in-place" then
        self.api:set_topics(change.old.id, change.old.topicsRegex)
    elseif change.id then
        self:delete(change.id)
    end
    if self.strategy == "delete-first" then self:restore(change) end
    table.insert(self.taken_back, change)
    self:settled(change)
end

-- What fails is tried again: a bad moment must not leave half a batch behind.
function Run:take_all_back(list)
    local left, result = list, nil
    for round = 1, take_back_rounds do
        if round > 1 then task.sleep(take_back_pause) end
        result = bulk.each(left, function(change)
            self:take_back(change)
        end, { progress = bulk.tell(self.strategy == "in-place" and "roll back" or "roll back new mirrors") })
        left = map(result.failed, "item")
        if #left == 0 then break end
    end
    for _, outcome in ipairs(result.failed) do
        log.error("'%s' could not be rolled back: %s", outcome.item.regex, tostring(outcome.problem))
    end
    return ("%d of %d rolled back"):format(#list - #left, #list)
end

-- Deletes the old mirrors of changes whose new ones are well.
function Run:retire(list)
    local result = bulk.each(list, function(change)
        self:delete(change.old.id)
    end, { rounds = rounds, progress = bulk.tell("delete old mirrors") })
    for _, outcome in ipairs(result.failed) do
        log.error("the old mirror %s of '%s' could not be deleted: %s", outcome.item.old.id,
            outcome.item.old.topicsRegex, tostring(outcome.problem))
    end
    for _, outcome in ipairs(result.done) do table.insert(self.replaced, outcome.item) end
    return ("%d of %d %sdeleted"):format(#result.done, #list, changes.planned() and "would be " or "")
end

-- ---- the gate ---------------------------------------------------------------------------------------------

local function is_healthy(mirror)
    return health.problem(mirror) == nil
end

-- Waits, and notes what is wrong with the mirrors that do not make it; returns the changes of the others.
function Run:settle(list, ready, deadline)
    local right, wrong = lifecycle.settle(self.api, list, ready, {
        seconds = math.max(0, deadline - task.now()), stall = self.stall,
        title = ready == health.works and "wait until they are up" or "wait until they are healthy",
    })
    for _, change in ipairs(wrong) do
        local mirror = change.mirror
        change.problem = mirror and mirror.status == "IN_SYNC" and health.problem(mirror) or change.problem
    end
    return right
end

-- Gives new mirrors the target latencies of the old ones, as health is judged by them. Returns the changes where that
-- went well.
function Run:retune(list)
    local result = bulk.each(list, function(change)
        lifecycle.retune(self.api, change.mirror, change.old.targetLatency)
    end, { rounds = rounds })
    for _, outcome in ipairs(result.failed) do
        outcome.item.problem = "did not get its target latency: " .. tostring(outcome.problem)
    end
    return map(result.done, "item")
end

-- A job that is resumed gets the id that it got before, also of a mirror that it has taken back since: then it asks for
-- another one.
function Run:create_again(list)
    local lost = {}
    for _, change in ipairs(list) do
        if change.gone and change.since then
            change.gone, change.problem = nil, nil
            change.id, change.since = self.api:create(self.spec(change.regex, change.old)), task.now()
            lost[#lost + 1] = change
        end
    end
    return lost
end

-- Lets time pass, and shows how much.
local function soak(seconds)
    local bar <close> = progress.start({ title = "soak, in seconds", total = math.ceil(seconds) })
    local ends = task.now() + seconds
    while task.now() < ends do
        task.sleep(math.min(1, ends - task.now()))
        bar:step()
    end
end

-- Notes the problem of each new mirror that does not get healthy, or does not stay so for the soak.
function Run:judge(list)
    local deadline = task.now() + self.wait
    if self.strategy == "in-place" then task.sleep(until_restarted) end
    local up = self:settle(list, health.works, deadline)
    local again = self:settle(self:create_again(list), health.works, deadline)
    table.move(again, 1, #again, #up + 1, up)
    for _, change in ipairs(up) do
        change.since = nil -- from here on it is a mirror like any other
    end
    local healthy = self:settle(self:retune(up), is_healthy, deadline)
    if self.soak > 0 then
        soak(self.soak)
        self:settle(healthy, is_healthy, task.now())
    end
end

-- The changes of a batch that went well, and those that did not, with their problems.
local function sort_out(batch)
    local good, bad = {}, {}
    for _, outcome in ipairs(batch.failed) do
        outcome.item.problem = "could not be made: " .. tostring(outcome.problem)
        bad[#bad + 1] = outcome.item
    end
    for _, change in ipairs(map(batch.done, "item")) do
        table.insert(change.problem and bad or good, change)
    end
    for _, change in ipairs(bad) do
        log.error("the mirror %sof '%s' %s", change.id and change.id .. " " or "", change.regex, change.problem)
    end
    return good, bad
end

-- What becomes of a batch, in words, and why nothing more may be begun, if that is so.
function Run:pass(batch)
    if not changes.planned() then self:judge(map(batch.done, "item")) end
    local good, bad = sort_out(batch)
    local size = #good + #bad
    local may_fail = limits.most(self.max_failures, self.failures, size)
    self.failures = self.failures + #bad
    if self.failures > may_fail then
        table.move(bad, 1, #bad, #good + 1, good)
        return ("%d not healthy; %s"):format(#bad, self:take_all_back(good)),
            ("%d of %s of batch %d not healthy, with --max-failures %s"):format(#bad,
                text.count(size, "mirror"), batch.number,
                self.max_failures)
    end
    for _, change in ipairs(good) do
        table.insert(self.passed, change)
        self:settled(change)
    end
    local would = self.strategy == "in-place" and "would be changed" or "would be created"
    local said = ("%d %s"):format(#good, changes.planned() and would or "healthy")
    if #bad > 0 then
        said = ("%s; %d %s not: %s"):format(said, #bad, #bad == 1 and "is" or "are", self:take_all_back(bad))
    end
    if self.strategy == "create-first" and self.delete_old == "batch" then
        said = said .. "; old: " .. self:retire(good)
    end
    return said
end

-- ---- all of it --------------------------------------------------------------------------------------------

--- Does the changes. Failures are logged and kept.
---@param list kmirror.rollout.change[]
---@return string|nil stopped why not all of them were begun
---Raises what ends the run as a whole: `unauthorized`, `read_only`, `cancelled`.
function Run:go(list)
    local bar <close> = progress.start({ title = self.strategy == "in-place" and "change mirrors"
        or "create new mirrors", total = #list })
    local result = bulk.each(list, function(change)
        self:begin(change)
    end, {
        batches = self.batches,
        progress = function(ended, failed)
            bar:set(ended, failed)
        end,
        rounds = rounds,
        gate = function(batch)
            local title = ("batch %d: %s"):format(batch.number, text.count(#batch.done + #batch.failed, "mirror"))
            local reason
            self.steps:run(title, function()
                local said
                said, reason = self:pass(batch)
                return said
            end)
            return reason == nil, reason
        end,
    })
    if self.strategy == "delete-first" or self.strategy == "in-place" then
        self.replaced = self.passed
    elseif self.strategy == "create-first" and self.delete_old == "end" and not result.stopped then
        self.steps:run("delete the old mirrors", function()
            return self:retire(self.passed)
        end)
    end
    return result.stopped
end

return M
