--- failover: what the runbooks failover and failback do, step by step; the runbooks say in which order.
---
--- A run turns the mirrors FROM -> TO round: those on TO's Kafka Connect cluster go, and mirrors TO -> FROM of the same
--- topics are created on FROM's. All is saved before anything is deleted, and noted down as it is done; a run that did
--- not end goes on from there.

local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local fence = require("kmirror.failover.fence")
local health = require("kmirror.health")
local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.failover.options")
local profile = require("kmirror.profile")
local regions = require("kmirror.failover.regions")
local report = require("kmirror.failover.report")
local saved = require("kmirror.failover.saved")
local steps = require("kmirror.steps")
local task = require("task")
local turn = require("kmirror.failover.turn")
local usage = require("kmirror.usage")

local M = { options = options.read }

---@class kmirror.failover.run
---@field runbook "failover"|"failback"
---@field given table the options
---@field from kmirror.cluster
---@field to kmirror.cluster
---@field forward mirrors.Api on TO's Kafka Connect cluster
---@field reverse mirrors.Api on FROM's
---@field live table[] the mirrors FROM -> TO, as first seen in this run
---@field opposite table[] the mirrors TO -> FROM, as first seen in this run
---@field unreachable string|nil why FROM's Kafka Connect cluster does not answer; in a disaster only
---@field state table what is saved
---@field path string where
---@field went_on boolean an earlier run has begun to delete
---@field after table[] the new mirrors as last seen
local Run = {}
Run.__index = Run

--- Begins a run. Keep it in a <close> variable: when the runbook fails, that says how to go on.
---@param runbook "failover"|"failback"
---@param given table from M.options()
---@return kmirror.failover.run
function M.begin(runbook, given)
    local forward = mirrors.connect({ cluster = given.to.connect })
    local path = given.state or saved.default_path(runbook, given.from, given.to)
    local state = saved.unfinished(path, given)
    saved.check_writable(path)
    return setmetatable({
        runbook = runbook,
        given = given,
        from = given.from,
        to = given.to,
        way = ("%s -> %s"):format(given.from.alias, given.to.alias),
        back = ("%s -> %s"):format(given.to.alias, given.from.alias),
        forward = forward,
        reverse = forward:on(given.from.connect),
        steps = steps.new(),
        path = path,
        state = state,
        went_on = state ~= nil,
        noted = state and state.steps or {},
        counts = { deleted = 0, created = 0 },
    }, Run)
end

-- ---- steps and hooks ---------------------------------------------------------------------------------------

-- Writes down how far it has come; a run that changes nothing leaves nothing.
function Run:save()
    if self.saving and not changes.harmless() then
        json.write(self.path, self.state)
    end
end

-- Does a step, and notes it down for the report.
function Run:step(title, work)
    local began = host.time()
    local result = self.steps:run(title, work)
    local done = self.steps.done[#self.steps.done]
    self.noted[#self.noted + 1] = { title = title, began = began, seconds = done.seconds, outcome = done.outcome }
    self:save()
    return result
end

-- What hooks find in their environment.
function Run:context()
    return {
        KMIRROR_RUNBOOK = self.runbook,
        KMIRROR_MODE = self.given.disaster and "disaster" or "planned",
        KMIRROR_FROM = self.from.alias,
        KMIRROR_FROM_CONNECT = self.from.connect,
        KMIRROR_FROM_KAFKA = self.from.kafka,
        KMIRROR_TO = self.to.alias,
        KMIRROR_TO_CONNECT = self.to.connect,
        KMIRROR_TO_KAFKA = self.to.kafka,
        KMIRROR_ENDPOINT = self.state.endpoint,
        KMIRROR_STATE = self.path,
        KMIRROR_MIRRORS = #self.state.mirrors,
    }
end

--- Runs the hooks of a step, as a step of the run; does nothing when there are none.
---@param step string
function Run:hook(step)
    if not self.given.hooks:has(step) then
        return
    end
    self:step("hook " .. step, function()
        local count = self.given.hooks:run(step, self:context())
        return changes.harmless() and "not run" or ("%d done"):format(count)
    end)
end

-- ---- look and check ----------------------------------------------------------------------------------------

local answer_wait = 20 -- seconds that a region in trouble has to answer, when it may be in trouble

-- The mirrors the other way; in a disaster their cluster need not answer.
function Run:look_opposite()
    if not self.given.disaster then
        return regions.between(self.reverse, self.to, self.from)
    end
    local answered, found = pcall(task.timeout, answer_wait, regions.between, self.reverse, self.to, self.from)
    if answered then
        return found
    elseif type(found) ~= "table" or found.kind == "cancelled" then
        error(found, 0)
    end
    self.unreachable = tostring(found)
    log.warn("%s does not answer, its mirrors come later: %s", self.from.alias, self.unreachable)
    return {}
end

--- Looks at both regions.
function Run:look()
    self:step("look at both regions", function()
        self.live = regions.between(self.forward, self.from, self.to)
        self.opposite = self:look_opposite()
        return ("%d mirrors, %d the other way"):format(#self.live, #self.opposite)
    end)
    health.show(io.stderr, self.live)
end

-- An earlier run has begun to delete: what is there must be what it knew.
function Run:check_known()
    local known = {}
    for _, mirror in ipairs(self.state.mirrors) do
        known[mirror.id] = true
    end
    for _, mirror in ipairs(self.live) do
        if not known[mirror.id] then
            error(("mirror %s of '%s' is not in %s; nothing was changed in this run. If what that file is about is over, "
                .. "put it away; if not, delete the mirror"):format(mirror.id, mirror.topicsRegex, self.path), 0)
        end
    end
    return ("going on with the %d mirrors of %s, in %s"):format(#self.state.mirrors, self.state.saved, self.path)
end

-- Raises when something speaks against it: all or nothing. In a disaster what is wrong with the mirrors to delete
-- is no reason to keep them.
function Run:refuse(problems, obstacles)
    if #self.live == 0 then
        error(("refused: there are no mirrors %s, and %d %s; nothing was changed"):format(self.way, #self.opposite,
            self.back), 0)
    end
    for _, problem in ipairs(problems) do
        local say = self.given.disaster and log.warn or log.error
        say("mirror %s of '%s' %s", problem[1].id, problem[1].topicsRegex, problem[2])
    end
    for _, problem in ipairs(obstacles) do
        log.error("mirror %s of '%s' %s", problem[1].id, problem[1].topicsRegex, problem[2])
    end
    local count = #obstacles + (self.given.disaster and 0 or #problems)
    if count > 0 then
        error(("refused: %d problems with the mirrors between %s and %s; nothing was changed"):format(count,
            self.from.alias, self.to.alias), 0)
    end
end

-- What speaks against it, beside the mirrors to delete themselves.
function Run:obstacles(expected)
    local obstacles = regions.obstacles(self.opposite, expected.none_back and {} or self.live, self.back)
    local there = {}
    for _, mirror in ipairs(self.live) do
        there[mirror.topicsRegex] = mirror
    end
    for _, before in ipairs(expected.mirrors or {}) do
        local mirror = there[before.topicsRegex]
        if mirror then
            mirror.restore = before.targetLatency
        else
            obstacles[#obstacles + 1] = { before, ("was turned round, and there is none %s"):format(self.way) }
        end
    end
    return obstacles
end

function Run:check_all(expected)
    self:step("check", function()
        local problems = regions.problems(self.live)
        self:refuse(problems, self:obstacles(expected))
        return #problems == 0 and "all are healthy" or ("%d of %d are not healthy"):format(#problems, #self.live)
    end)
    self.state = saved.new(self.runbook, self.given, self.live)
    self.state.steps = self.noted
    if not changes.harmless() then
        saved.put_aside(self.path)
        log.info("what there was is saved in %s", self.path)
    end
end

---@class kmirror.failover.expected
---@field none_back? boolean there must be no mirror TO -> FROM; otherwise those of the same topics are adopted
---@field mirrors? table[] there must be one FROM -> TO of the topics of each of these; their target latencies come back

--- Checks everything, and refuses unless all of it is in order; what there is is then saved.
---@param expected? kmirror.failover.expected
function Run:check(expected)
    if self.went_on then
        self:step("check", function()
            return self:check_known()
        end)
    else
        self:check_all(expected or {})
    end
    self.state.runs = (self.state.runs or 0) + 1
    self.saving = true
    self:save()
end

--- Has the operator confirm it, then runs the hook `check`.
function Run:confirm()
    local count, loss = #self.live, self.given.disaster and report.loss(self.state.mirrors)
    confirm.typed(("%s%s: delete %d mirrors %s, and have %d the other way%s"):format(self.runbook,
        self.given.disaster and " (disaster)" or "", count, self.way, #self.state.mirrors,
        loss and "; may be lost: " .. loss or ""), self.from.alias)
    if not self.went_on then
        self:hook("check")
    end
end

-- ---- the fence ---------------------------------------------------------------------------------------------

-- Has the producers stopped: by the hook, or by the operator.
function Run:stop_producers()
    self.fencing = true
    if self.given.hooks:has("fence") then
        self:hook("fence")
    elseif confirm.assumed() then
        log.info("there is no hook for it: stop the producers in %s now", self.from.alias)
    else
        self:step("stop the producers", function()
            confirm.typed("Stop the producers in " .. self.from.alias, "stopped", "no mirror was deleted")
            return "confirmed by the operator"
        end)
    end
end

function Run:confirm_fence()
    local given, live = self.given, self.live
    self:step("wait until nothing is written", function()
        local seconds = fence.still(self.forward, live, given.fence_wait, given.still)
        self.state.still_since = host.time() - seconds
        return ("no record for %.1f s"):format(seconds)
    end)
    self:step("drain", function()
        local look = fence.drained(self.forward, live, given.fence_wait, given.drain_lag)
        return ("highest lag %d ms"):format(look.lag)
    end)
    self:step("wait for a sync of group offsets", function()
        local look = fence.hold(self.forward, live, given.offset_sync)
        self.state.drained_lag = look.lag
        return ("%g s, nothing was written meanwhile"):format(given.offset_sync)
    end)
end

--- Stops the producers, and goes on only when nothing is written any more and all has arrived. Not needed by a run
--- that goes on, as its earlier one has done that; there is nothing to wait for when nothing will be changed.
function Run:fence()
    if self.went_on then
        return
    elseif changes.harmless() then
        self:hook("fence")
        self:hook("drained")
        return
    end
    self:step("wait for a low lag", function()
        local look = fence.caught_up(self.forward, self.live, self.given.fence_wait, self.given.max_lag)
        return ("highest lag %d ms, %.1f records/s"):format(look.lag, look.rate)
    end)
    self:stop_producers()
    self:confirm_fence()
    self:hook("drained")
end

-- ---- turn round --------------------------------------------------------------------------------------------

--- Deletes the mirrors FROM -> TO, and makes sure that they are gone.
function Run:delete()
    turn.delete(self)
end

--- Has the clients move, and tried out.
function Run:move_clients()
    if not self.state.moved then
        self:hook("clients")
        self:hook("canary")
        self.state.moved = saved.time()
        self:save()
    end
end

--- Creates the mirrors TO -> FROM, and waits until they work.
---@return boolean created false when their cluster does not answer; in a disaster only
function Run:create()
    return turn.create(self)
end

--- Says what happened.
---@return integer exit status: 0, or 3 when a new mirror does not work
function Run:report()
    return report.finish(self)
end

-- ---- the end -----------------------------------------------------------------------------------------------

--- The command that goes on with this run.
---@return string
function Run:again()
    return options.command(self.runbook, self.given, {
        from = self.given.from_name,
        to = self.given.to_name,
        disaster = self.given.disaster,
        state = self.path,
        failover = self.given.failover,
    })
end

-- The run ended between the fence and the first deletion: the producers stand still for nothing.
function Run:let_go_on(problem)
    log.error("the producers in %s may be stopped, and the mirrors %s are as they were", self.from.alias, self.way)
    local cancelled = type(problem) == "table" and problem.kind == "cancelled"
    if not self.given.hooks:has("unfence") or cancelled then
        log.error("let the producers go on%s, or run it again", cancelled and ": the hook unfence was not run" or "")
        return
    end
    local done, why = pcall(self.hook, self, "unfence")
    if not done then
        log.error("%s", tostring(why))
    end
end

function Run:__close(problem)
    if not problem or changes.harmless() or not self.state then
        return
    end
    if self.fencing and not self.state.acting then
        self:let_go_on(problem)
    end
    log.error("stopped: %d mirrors deleted, %d created in this run", self.counts.deleted, self.counts.created)
    log.error(profile.current().sandbox and "this sandbox ends now" or "to go on: %s", self:again())
end

--- The mirrors that a finished failover the other way has turned round: those that a failback has to bring back.
---@param given table the options of the failback
---@return table[]|nil mirrors in full, as they were; nil when nothing is known of one
function M.turned_round(given)
    local path = given.failover or saved.default_path("failover", given.to, given.from)
    local before = saved.read(path, given.to, given.from)
    if given.failover and not before then
        usage("--failover %s: there is no such file", path)
    elseif before and not before.finished then
        usage("%s is of a failover that has not ended: go on with that first", path)
    end
    return before and before.mirrors
end

--- Puts aside what that failover has saved: it is undone.
---@param given table the options of the failback
function M.forget_turned_round(given)
    local path = saved.default_path("failover", given.to, given.from)
    if not changes.harmless() and (given.failover or path) == path then
        saved.put_aside(path)
    end
end

return M
