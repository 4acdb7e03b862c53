--- failover: what the runbooks failover and failback do, step by step; the runbooks say in which order.
---
--- A run turns the mirrors FROM -> TO round: those on TO's Kafka Connect cluster go, and mirrors TO -> FROM of the same
--- topics are created on FROM's. All is saved before anything is deleted, and noted down as it is done; a run that did
--- not end goes on from there.

local again = require("kmirror.again")
local changes = require("kmirror.changes")
local check = require("kmirror.failover.check")
local gate = require("kmirror.failover.gate")
local halt = require("kmirror.failover.halt")
local host = require("host")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local open = require("kmirror.failover.open")
local options = require("kmirror.failover.options")
local problems = require("kmirror.problem")
local producers = require("kmirror.failover.producers")
local recopy = require("kmirror.failover.recopy")
local report = require("kmirror.failover.report")
local memory = require("kmirror.memory")
local saved = require("kmirror.failover.saved")
local steps = require("kmirror.steps")
local text = require("kmirror.text")
local turn = require("kmirror.failover.turn")
local refuse = require("kmirror.usage")
local task = require("task")

local M = { options = options.read }

---@class kmirror.failover.run
---@field runbook "failover"|"failback"
---@field given table the options
---@field from kmirror.cluster
---@field to kmirror.cluster
---@field forward mirrors.Api on TO's Kafka Connect cluster
---@field reverse mirrors.Api|nil on FROM's; nil where there is none
---@field live table[] the mirrors FROM -> TO, as first seen in this run
---@field looked number task.now() when that was
---@field opposite table[] the mirrors TO -> FROM, as first seen in this run
---@field unreachable string|nil why FROM's Kafka Connect cluster does not answer; in a disaster only
---@field state table what is saved
---@field path string where
---@field begun number task.now() when it was
---@field went_on boolean an earlier run has begun to delete
---@field staying table[] mirrors FROM -> TO that the options do not mean
---@field only_topics table<string, boolean>|nil the topics regexes that it is about, when a failback undoes a part
---@field before table|nil what a finished run the same way has saved
---@field earlier table[] the mirrors that such runs have reversed, as far as they are there
---@field known table<string, boolean> ids of what has replaced those
---@field accepted table[] findings that the operator takes responsibility for
---@field parts kmirror.failover.part[] once it has been checked
---@field current kmirror.failover.part|nil the one at work
---@field stopped string|nil at which gate, and why
---@field gate string|nil the batch that waits at a gate at this moment
---@field label string|nil of a part: "batch 2 of 3 (payments)"
---@field halting boolean|nil its mirrors FROM -> TO were told to stand still, in this run
---@field born table<string, number> task.now() when a new mirror was created, by id
---@field after table[] the new mirrors as last seen
---@field exact boolean|nil whether the new mirrors can be told where to begin, once that was asked
local Run = {}
Run.__index = Run

--- Begins a run. Keep it in a <close> variable: when the runbook fails, that says how to go on.
---@param runbook "failover"|"failback"
---@param given table from M.options()
---@param undone? kmirror.failover.undone what a failback is to undo
---@return kmirror.failover.run
function M.begin(runbook, given, undone)
    local forward = mirrors.connect({ cluster = given.to.connect })
    local path = given.state or memory.path(runbook, given.from, given.to)
    memory.check(path)
    memory.hold(path)
    local state, before = saved.unfinished(path, given)
    if state then open.check_same(runbook, given, state, path) end
    return setmetatable({
        runbook = runbook,
        given = given,
        from = given.from,
        to = given.to,
        way = ("%s -> %s"):format(given.from.alias, given.to.alias),
        back = ("%s -> %s"):format(given.to.alias, given.from.alias),
        forward = forward,
        reverse = given.from.connect and forward:on(given.from.connect),
        steps = steps.new(),
        begun = task.now(),
        path = path,
        state = state,
        went_on = state ~= nil,
        noted = state and state.steps or {},
        before = before,
        accepted = state and state.accepted or {},
        only_topics = undone and undone.only_topics,
        parts = {},
    }, Run)
end

-- ---- steps and hooks ---------------------------------------------------------------------------------------

-- Writes down how far it has come; a run that changes nothing leaves nothing.
function Run:save()
    if self.saving and not changes.harmless() then memory.write(self.path, self.state) end
end

--- Notes down a fact behind what was saved.
---@param fact kmirror.failover.fact
function Run:note_down(fact)
    if self.saving and not changes.harmless() then memory.note(self.path, fact) end
end

--- Sets fields of the state, and notes that down.
---@param fields table<string, any>
function Run:set(fields)
    for name, value in pairs(fields) do self.state[name] = value end
    local whole = self.root and self.root.state
    if whole then whole.acting = whole.acting or fields.acting end
    self:note_down({ set = fields, batch = self.label and self.index or nil })
end

--- True when it is about some of the mirrors FROM -> TO alone.
---@return boolean
function Run:is_partial()
    return #self.given.selection.words > 0 or self.only_topics ~= nil
end

--- The mirrors FROM -> TO that may be there: those that it is about, and those that stay.
---@return table<string, boolean> by id
function Run:known_ids()
    local known = {}
    for _, list in ipairs({ self.all_mirrors, self.staying }) do
        for _, mirror in ipairs(list) do known[mirror.id] = true end
    end
    return known
end

-- Does a step, and notes it down for the report.
function Run:step(title, work)
    local began = host.time()
    title = self.label and ("%s, %s"):format(self.label, title) or title
    local result = self.steps:run(title, work)
    local done = self.steps.done[#self.steps.done]
    local noted = { title = title, began = began, seconds = done.seconds, outcome = done.outcome }
    self.noted[#self.noted + 1] = noted
    self:note_down({ step = noted, number = #self.noted })
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
        KMIRROR_TOPICS = recopy.list(recopy.topics_of(self.state.mirrors)),
        KMIRROR_BATCH = self.index or 1,
        KMIRROR_BATCHES = self.of or 1,
        KMIRROR_BATCH_NAME = self.name or "",
    }
end

--- Runs the hooks of a step, as a step of the run; does nothing when there are none.
---@param step string
---@param more? table<string, string> what they find in their environment, too
function Run:hook(step, more)
    if not self.given.hooks:has(step) then return end
    self:step("hook " .. step, function()
        local context = self:context()
        for name, value in pairs(more or {}) do context[name] = value end
        local count = self.given.hooks:run(step, context)
        return changes.harmless() and "not run" or ("%d done"):format(count)
    end)
end

-- ---- the steps that runbooks call --------------------------------------------------------------------------

--- Looks at both regions.
function Run:look()
    check.look(self)
end

--- Checks everything, and refuses unless all of it is in order; what there is is then saved.
---@param expected? kmirror.failover.expected
function Run:check(expected)
    check.check(self, expected)
end

--- Has the operator confirm it, then runs the hook `check`.
function Run:confirm()
    check.confirm(self)
end

--- The batches that are not over, one after the other, each when it may begin; without --batches there is one.
---@return fun(): kmirror.failover.part|nil
function Run:batches()
    return gate.each(self)
end

--- Stops the producers, and goes on only when nothing is written any more and all has arrived.
function Run:fence()
    producers.stop(self)
end

--- Has the mirrors FROM -> TO stand still, where the backend can: clients may move then.
---@return boolean done
function Run:halt()
    return halt.halt(self)
end

--- Deletes the mirrors FROM -> TO, and makes sure that they are gone.
function Run:delete()
    turn.delete(self)
end

--- Has the clients move, and tried out; once.
function Run:move_clients()
    if not self.state.moved then
        self:hook("clients")
        self:hook("canary")
        self:set({ moved = memory.time() })
    end
end

--- Creates the mirrors TO -> FROM, and waits until they work; does not with --no-reverse.
---@return boolean created false, too, when their cluster does not answer; in a disaster only
function Run:create()
    if self.given.no_reverse then return false end
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
        properties = self.given.source_properties,
        state = (self.state.acting or self.given.state) and self.path or nil,
        failover = self.given.failover,
        selection = self.given.selection.words,
        batches = self.given.batches and self.given.batches.text or self.state.batches_text,
        accept = self.given.accept,
    })
end

--- The command that closes this run without continuing it.
---@return string
function Run:closing()
    return options.closing(self.runbook, self.given, self.given.state)
end

--- What was done by this process so far.
---@return integer deleted
---@return integer created
function Run:counted()
    local deleted, created = 0, 0
    for _, part in ipairs(self.parts) do
        deleted, created = deleted + part.counts.deleted, created + part.counts.created
    end
    return deleted, created
end

-- The run ended between the fence and the first deletion: the producers stand still for nothing.
function Run:let_go_on(problem)
    log.error("the producers in %s may be stopped, and the mirrors %s are as they were", self.from.alias, self.way)
    local cancelled = problems.is(problem, "cancelled")
    if not self.given.hooks:has("unfence") or cancelled then
        log.error("let the producers resume%s, or run it again", cancelled and ": the hook unfence was not run" or "")
        return
    end
    local done, why = pcall(self.hook, self, "unfence")
    if not done then log.error("%s", tostring(why)) end
end

function Run:__close(problem)
    if not problem or changes.harmless() or not self.state then return end
    local part = self.current
    if part and part.fencing and not part.state.acting then part:let_go_on(problem) end
    if not self.state.acting then
        saved.forget(self.path) -- it is of something that did not come to pass
    end
    local deleted, created = self:counted()
    if part and (part.halting or part.state.halted) and part.counts.deleted == 0 then
        log.error("the mirrors %s stand still; to let them copy again, if this is not to be continued: %s", self.way,
            halt.way_back(self.to.connect, part.live))
    end
    local place = self.gate and " at the gate before " .. self.gate or part and part.label and " in " .. part.called
    log.error("stopped%s: %s deleted, %d created in this run", place or "",
        text.count(deleted, "mirror"), created)
    log.error("%s", again.line("to continue: ", self:again()))
end

---@class kmirror.failover.undone what a finished failover the other way has reversed, for a failback to bring back
---@field mirrors table[]|nil in full, as they were; nil when nothing is known of one
---@field is_exact boolean whether those that replaced them were told where to begin, and copied nothing twice
---@field only_topics table<string, boolean>|nil their topics regexes, when it has reversed a part of the mirrors alone

--- The mirrors that a finished failover the other way has turned round: those that a failback has to bring back.
---@param given table the options of the failback
---@return kmirror.failover.undone
function M.turned_round(given)
    local path = given.failover or memory.path("failover", given.to, given.from)
    local before = saved.read(path, given.to, given.from)
    if given.failover and not before then
        refuse("--failover %s: there is no such file", path)
    elseif not (before and before.acting) then
        return { is_exact = false } -- it has changed nothing
    elseif not before.finished then
        refuse("%s belongs to a failover that has not finished: continue that one first, or close it as it is: %s",
            path, options.closing("failover", { from_name = given.to_name, to_name = given.from_name }, given.failover))
    end
    local reversed, only_topics = saved.reversed(before), {}
    for _, mirror in ipairs(reversed) do only_topics[mirror.topicsRegex] = true end
    return {
        mirrors = reversed, is_exact = saved.is_exact(before), only_topics = before.partial and only_topics or nil,
    }
end

--- Notes in what that failover has saved what is undone; it is put aside when all of it is.
---@param run kmirror.failover.run the failback
function M.forget_turned_round(run)
    local given, regexes = run.given, {}
    local path = memory.path("failover", given.to, given.from)
    for _, mirror in ipairs(run.state.mirrors) do regexes[mirror.topicsRegex] = true end
    if not changes.harmless() and (given.failover or path) == path then
        saved.give_back(path, function(mirror) return regexes[mirror.topicsRegex] == true end)
    end
end

M.abandon = open.abandon

return M
