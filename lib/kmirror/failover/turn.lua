--- Turning mirrors round: deleting those one way, creating those the other way, and waiting until these work.

local apart = require("kmirror.failover.apart")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local lifecycle = require("kmirror.lifecycle")
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local recopy = require("kmirror.failover.recopy")
local regions = require("kmirror.failover.regions")
local reversal = require("kmirror.failover.reversal")
local memory = require("kmirror.memory")
local task = require("task")
local up = require("kmirror.failover.up")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

-- ---- delete ------------------------------------------------------------------------------------------------

-- All that were there are deleted, also by a run that goes on: what is gone already is no failure.
local function delete_all(run)
    local gone = 0
    bulk.map(run.state.mirrors, function(mirror)
        if lifecycle.delete(run.forward, { id = mirror.id }) then
            run.counts.deleted = run.counts.deleted + 1
        else
            gone = gone + 1
        end
    end)
    return gone
end

local function takes_the_same(run, listed)
    return #apart.problems(run, run.state.mirrors, { { mirror = listed, what = "is new" } }) > 0
end

-- Somebody may have made mirrors the same way meanwhile; with those, the new ones would loop.
local function check_none_is_new(run)
    local known = run:known_ids()
    for _, listed in ipairs(regions.listed(run.forward, run.from, run.to)) do
        local is_new = not known[listed.id] and (not run:is_partial() or takes_the_same(run, listed))
        if is_new and regions.read(run.forward, listed) then
            error(("mirror %s of '%s' %s has come up meanwhile: delete it, then continue"):format(listed.id,
                listed.topicsRegex, run.way), 0)
        end
    end
end

--- Deletes the mirrors FROM -> TO, and makes sure that they are gone.
---@param run kmirror.failover.run
function M.delete(run)
    recopy.note_ends(run)
    run:set({ acting = run.state.acting or memory.time() })
    run:step("delete " .. run.way, function()
        local gone = delete_all(run)
        local would = changes.planned() and "would be " or ""
        local before = gone > 0 and (", %d were gone"):format(gone) or ""
        return ("%d %sdeleted"):format(run.counts.deleted, would) .. before
    end)
    if changes.planned() then return end
    run:step("confirm that they are gone", function()
        local ids = {}
        for i, mirror in ipairs(run.state.mirrors) do ids[i] = mirror.id end
        wait.gone(run.forward, ids, run.given.wait)
        check_none_is_new(run)
        return "all are gone"
    end)
end

-- ---- create ------------------------------------------------------------------------------------------------

-- Forgets what an earlier run has created and somebody has deleted since: a mirror that FAILED, as a rule.
local function forget_what_is_gone(run)
    bulk.map(run.state.mirrors, function(wanted)
        if wanted.reverse and not regions.read(run.reverse, { id = wanted.reverse }) then
            log.warn("mirror %s of '%s' is gone; it is created again", wanted.reverse, text.short(wanted.topicsRegex))
            wanted.reverse = nil
        end
    end)
end

-- Takes over the mirrors that run the other way already: one for each that is wanted and has none.
local function adopt(run)
    local taken, free = {}, {}
    for _, wanted in ipairs(run.state.mirrors) do taken[wanted.reverse or ""] = true end
    for _, mirror in ipairs(run.opposite) do
        free[mirror.topicsRegex] = free[mirror.topicsRegex] or {}
        if not taken[mirror.id] then table.insert(free[mirror.topicsRegex], mirror.id) end
    end
    for _, wanted in ipairs(run.state.mirrors) do
        local ids = free[wanted.topicsRegex] or {}
        wanted.reverse = wanted.reverse or table.remove(ids)
    end
end

-- Seconds within which a mirror that was created shows in the list; see `settle` of mirrors.connect().
local until_listed = 10

-- A run that was killed amid its creates may have sent some that it could not note down, and that show in the list only
-- now. A journal knows of each.
local function look_again(run)
    local was_killed, lacks = run.state.creating and not changes.noted_down() and not changes.harmless(), false
    for _, wanted in ipairs(was_killed and run.state.mirrors or {}) do
        lacks = lacks or not wanted.reverse
    end
    if not lacks then return end
    local seconds = math.max(0, run.begun + until_listed - task.now())
    log.info("the run before was killed as it created mirrors: what it may have sent shows in the list in %.0f s",
        seconds)
    task.sleep(seconds)
    run.opposite = regions.between(run.reverse, run.to, run.from)
end

-- Noted down for as long as creates are under way: nobody who ends in any way but by being killed leaves any.
local function amid_creates(run)
    run:set({ creating = true })
    return setmetatable({}, { __close = function()
        run:set({ creating = false })
    end })
end

local at_work = { RUNNING = true, FAILED = true, PAUSED = true }

-- A mirror that is to begin where the topics of TO ended is made stopped, and told so before it copies anything. One
-- that an earlier run has made may have come so far, or not.
local function begin(run, wanted, id)
    local offsets = recopy.begins_at(run, wanted)
    if offsets and (run.born[id] or not at_work[run.reverse:get(id).mirrorStatus]) then
        run.reverse:set_offsets(id, offsets)
        run.reverse:resume(id)
    end
    return id
end

-- The mirror that replaces a deleted one, noted down at once.
local function turn_round(run, wanted)
    if wanted.reverse then return begin(run, wanted, wanted.reverse) end
    local spec = reversal.spec(run, wanted, up.latency(run, wanted))
    spec.initialState = recopy.begins_at(run, wanted) and "STOPPED" or nil
    local id = run.reverse:create(spec)
    run.counts.created = run.counts.created + 1
    if not changes.planned() then
        wanted.reverse, run.born[id] = id, task.now()
        run:note_down({ reverse = { of = wanted.id, id = id } })
        begin(run, wanted, id)
    end
    return id
end

local function create_all(run)
    local would = changes.planned() and "would be " or ""
    run.born = {}
    run:step("create " .. run.back, function()
        forget_what_is_gone(run)
        look_again(run)
        adopt(run)
        local _ <close> = amid_creates(run)
        local ids = bulk.map(run.state.mirrors, function(wanted)
            return turn_round(run, wanted)
        end)
        local created = run.counts.created
        return ("%d %screated, %d were there"):format(created, would, #ids - created)
    end)
end

-- In a disaster the other cluster may not answer. What it would have got is created by a later run.
local function answers(run)
    if not run.given.disaster then return true end
    local seconds = run.unreachable and 5 or 20
    local answered, problem = problems.try(task.timeout, seconds, run.reverse.list, run.reverse)
    run.unreachable = not answered and tostring(problem) or nil
    return answered
end

--- Creates the mirrors TO -> FROM, and waits until they work.
---@param run kmirror.failover.run
---@return boolean created false when their cluster does not answer; in a disaster only
function M.create(run)
    if not answers(run) then
        log.warn("%s does not answer, its mirrors come later: %s", run.from.alias, run.unreachable)
        return false
    end
    recopy.empty(run)
    create_all(run)
    if not changes.planned() then up.bring(run) end
    return true
end

return M
