--- The gate between two batches: the one before must be well, the next one in order, and the operator must want it.

local accept = require("kmirror.failover.accept")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local health = require("kmirror.health")
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local parts = require("kmirror.failover.parts")
local problems = require("kmirror.problem")
local regions = require("kmirror.failover.regions")
local task = require("task")
local text = require("kmirror.text")

local M = {}

--- The new mirrors of a part that do not work, or that list no topic, or carry no records, where they should.
---@param part kmirror.failover.part
---@return table[]
function M.broken(part)
    local found = {}
    for _, mirror in ipairs(part.after or {}) do
        found[#found + 1] = (not health.works(mirror) or mirror.dry or mirror.empty) and mirror or nil
    end
    return found
end

-- Why a part is not over; nil when the next one may begin.
local function left_of(part)
    if part.given.no_reverse or part.given.disaster and not part.after then return nil end
    local found = {}
    for _, mirror in ipairs(M.broken(part)) do
        local problem, kind = health.problem(mirror)
        found[#found + 1] = { mirror, problem or "carries no records", kind = problem and kind or "silent" }
    end
    local count = #accept.stopping(part, found)
    return count > 0 and ("%s of %s %s"):format(text.count(count, "new mirror"), part.called,
        count == 1 and "does not work" or "do not work") or nil
end

-- A batch that has waited for others is looked at anew. Returns why it cannot begin; nil when it can.
local function look_again(part)
    local problem
    part:step("look at its mirrors again", function()
        local known = part.state.mirrors
        local found, gone = bulk.map(known, function(mirror)
            return regions.read(part.forward, mirror) or false
        end, bulk.reads), 0
        part.looked = task.now()
        part.live = {}
        for i, mirror in ipairs(found) do
            gone = gone + (mirror and 0 or 1)
            for name, value in pairs(mirror or {}) do known[i][name] = value end
            part.live[#part.live + 1] = mirror and known[i] or nil
        end
        local wrong = part.given.disaster and {} or regions.problems(part.live)
        local count = #accept.stopping(part, wrong)
        problem = gone > 0 and ("%s of %s gone: somebody else deletes mirrors"):format(text.count(gone, "mirror"),
            part.called .. (gone == 1 and " is" or " are"))
            or count > 0 and ("%s with the mirrors of %s"):format(text.count(count, "problem"), part.called) or nil
        return problem or "all are in order"
    end)
    return problem
end

local function question_of(part)
    local back = part.given.no_reverse and "" or (", and create %d the other way"):format(#part.state.mirrors)
    return ("%s, %s: delete %s %s%s (another answer stops here, and it can be continued later)"):format(part.runbook,
        part.called, text.count(#part.live, "mirror"), part.way, back)
end

-- Why the next part does not begin; nil when it does.
local function why_not(before, part)
    local left = left_of(before)
    if left then return left end
    local ran, problem = pcall(part.hook, part, "gate")
    if not ran and problems.is(problem, "cancelled") then error(problem, 0) end
    if not ran then return tostring(problem) end
    if part.went_on then return nil end -- an earlier run has begun it: to stop in the middle helps nobody
    local reason = look_again(part)
    if reason then return reason end
    if not confirm.asks(question_of(part), tostring(part.index), "nothing of it was changed") then
        return "it was not confirmed"
    end
end

local function note_over(part)
    local works = part.after ~= nil and #M.broken(part) == 0
    if part.of > 1 and works and not changes.planned() then part:set({ over = memory.time() }) end
end

-- Whether the next part begins.
local function passes(run, before, part)
    run.gate = part.called
    local reason = not changes.harmless() and why_not(before, part)
    if reason then
        run.stopped = ("stopped at the gate before %s: %s"):format(part.called, reason)
        log.warn("%s; nothing of it was changed", run.stopped)
    end
    return not reason
end

--- The parts that are not over, each when it may begin: with the gate between. Ends early when one may not.
---@param run kmirror.failover.run
---@return fun(): kmirror.failover.part|nil
function M.each(run)
    local list, index = parts.left(run), 0
    return function()
        local before = list[index]
        if before then note_over(before) end
        index = index + 1
        local part = list[index]
        if not part or before and not passes(run, before, part) then return nil end
        run.current, run.gate = part, nil
        if part.label then
            log.info("%s: %s", part.called, text.count(#part.state.mirrors, "mirror"))
        end
        return part
    end
end

return M
