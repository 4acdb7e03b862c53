--- Looking at both regions, and refusing unless all is in order.

local accept = require("kmirror.failover.accept")
local apart = require("kmirror.failover.apart")
local approval = require("kmirror.failover.approval")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local health = require("kmirror.health")
local log = require("kmirror.log")
local missing = require("kmirror.failover.missing")
local parts = require("kmirror.failover.parts")
local try = require("kmirror.problem").try
local recopy = require("kmirror.failover.recopy")
local regions = require("kmirror.failover.regions")
local report = require("kmirror.failover.report")
local reversal = require("kmirror.failover.reversal")
local saved = require("kmirror.failover.saved")
local selection = require("kmirror.selection")
local task = require("task")
local text = require("kmirror.text")
local usage = require("kmirror.usage")

local M = {}

local answer_wait = 20 -- seconds that a region in trouble has to answer, when it may be in trouble

-- The mirrors the other way; in a disaster their cluster need not answer.
local function look_opposite(run)
    if not run.reverse then
        return {}
    elseif not run.given.disaster then
        return regions.between(run.reverse, run.to, run.from)
    end
    local answered, found = try(task.timeout, answer_wait, regions.between, run.reverse, run.to, run.from)
    if answered then return found end
    run.unreachable = tostring(found)
    log.warn("%s does not answer, its mirrors come later: %s", run.from.alias, run.unreachable)
    return {}
end

-- Which of the mirrors FROM -> TO the run is about: those that it knows, and those that the options mean.
local function is_meant_by(run)
    local known, given = {}, run.given
    for _, mirror in ipairs(run.state and run.state.mirrors or {}) do known[mirror.id] = true end
    local by_list, in_status = selection.filter(given), selection.in_status(given)
    return function(mirror, is_in_full)
        if known[mirror.id] then return true end
        return by_list(mirror) and (not run.only_topics or run.only_topics[mirror.topicsRegex] == true)
            and (not is_in_full or in_status(mirror))
    end
end

-- An option that no mirror is meant by is spelled wrong; one that continues knows its mirrors.
local function check_selection(run, listed)
    local unknown = run.went_on and {} or selection.missing(run.given, listed)
    if unknown[1] then
        usage("%s; there are %s %s; nothing was changed", unknown[1].message, text.count(#listed, "mirror"), run.way)
    end
end

-- What finished runs before this one have reversed, and is still there.
local function note_earlier(run)
    local there = {}
    for _, mirror in ipairs(run.opposite) do there[mirror.id] = true end
    run.earlier, run.known = {}, {}
    for _, mirror in ipairs(saved.reversed(run.before)) do
        if there[mirror.reverse] then
            run.earlier[#run.earlier + 1], run.known[mirror.reverse] = mirror, true
        end
    end
end

--- Looks at both regions.
---@param run kmirror.failover.run
function M.look(run)
    run:step("look at both regions", function()
        local listed
        run.live, run.staying, listed = regions.between(run.forward, run.from, run.to, is_meant_by(run))
        run.looked = task.now()
        check_selection(run, listed)
        run.opposite = look_opposite(run)
        note_earlier(run)
        return ("%s, %d the other way%s"):format(text.count(#run.live, "mirror"), #run.opposite,
            #run.staying > 0 and (", %d not selected"):format(#run.staying) or "")
    end)
    health.show(io.stderr, run.live)
end

-- ---- a run that continues ------------------------------------------------------------------------------------

-- What there is must be what an earlier run knew.
local function check_known(run)
    local known = {}
    for _, mirror in ipairs(run.state.mirrors) do known[mirror.id] = mirror end
    for _, mirror in ipairs(run.live) do
        local before = known[mirror.id]
        if not before then
            error(("mirror %s of '%s' is not in %s; nothing was changed in this run. If what that file is about is "
                .. "over, move it away; if not, delete the mirror"):format(mirror.id, text.short(mirror.topicsRegex),
                run.path), 0)
        end
    end
end

-- Of batches that have not begun all must be there, as it was when it was saved, or as well.
local function look_at_rest(run)
    local seen, rest = {}, {}
    for _, mirror in ipairs(run.live) do seen[mirror.id] = mirror end
    for _, part in ipairs(run.parts) do
        for _, before in ipairs(part.went_on and {} or part.state.mirrors) do
            local now = seen[before.id]
            if not now then
                error(("mirror %s of '%s', of %s, is gone: somebody else has deleted it; nothing was changed in this "
                    .. "run. To close what is open: %s"):format(before.id, text.short(before.topicsRegex),
                    part.called or "the failover", run:closing()), 0)
            end
            for name, value in pairs(now) do before[name] = value end
            rest[#rest + 1] = before
        end
    end
    return rest
end

-- What an earlier run has begun must be as it left it; what it has not begun must be in order.
local function check_continued(run, expected)
    check_known(run)
    local rest = look_at_rest(run)
    local found = run.given.disaster and {} or regions.problems(rest)
    local obstacles = regions.obstacles(run.opposite, rest, {
        way = run.back, none_back = expected.none_back, others = true, known = {},
    })
    for _, more in ipairs({ apart.of_run(run, run.state.mirrors), obstacles }) do
        table.move(more, 1, #more, #found + 1, found)
    end
    accept.refuse_unless_accepted(run, found, "nothing was changed in this run")
    return ("continuing with the %s of %s, in %s"):format(text.count(#run.state.mirrors, "mirror"),
        run.state.saved, run.path)
end

-- ---- a run that begins -----------------------------------------------------------------------------------------

-- Raises when something speaks against it: all or nothing. In a disaster what is wrong with the mirrors to delete
-- is no reason to keep them.
local function refuse(run, problems, obstacles)
    if #run.live == 0 then
        error(("refused: there are no mirrors %s%s, and %d %s; nothing was changed"):format(run.way,
            #run.staying > 0 and (" that the options mean (%d others)"):format(#run.staying) or "", #run.opposite,
            run.back), 0)
    end
    for _, problem in ipairs(run.given.disaster and problems or {}) do
        log.warn("mirror %s of '%s' %s", problem[1].id, text.short(problem[1].topicsRegex), problem[2])
    end
    local found = run.given.disaster and {} or problems
    table.move(obstacles, 1, #obstacles, #found + 1, found)
    accept.refuse_unless_accepted(run, found, "nothing was changed")
end

-- Mirrors the other way that are left there, though of other topics.
local function beside_opposite(run)
    local others, is_same = {}, {}
    for _, mirror in ipairs(run.live) do is_same[mirror.topicsRegex] = true end
    for _, mirror in ipairs(run.opposite) do
        if not is_same[mirror.topicsRegex] and (run:is_partial() or run.known[mirror.id]) then
            others[#others + 1] = { mirror = mirror, what = ("runs %s already"):format(run.back), twice = true }
        end
    end
    return apart.problems(run, run.live, others)
end

-- Whether the options mean what replaced a mirror.
local function is_expected(run, before)
    return selection.filter(run.given)({ id = before.reverse or before.id, topicsRegex = before.topicsRegex })
end

-- What speaks against it, beside the mirrors to delete themselves.
local function find_obstacles(run, expected)
    local obstacles = regions.obstacles(run.opposite, run.live, {
        way = run.back, none_back = expected.none_back, others = run:is_partial(), known = run.known,
    })
    local there = {}
    for _, mirror in ipairs(run.live) do there[mirror.topicsRegex] = mirror end
    for _, before in ipairs(expected.mirrors or {}) do
        local mirror = there[before.topicsRegex]
        if mirror then
            mirror.restore, mirror.original = before.targetLatency, reversal.noted(before)
        elseif is_expected(run, before) then
            obstacles[#obstacles + 1] = { before, ("was reversed, and there is none %s"):format(run.way),
                kind = "missing" }
        end
    end
    for _, tangled in ipairs({ apart.of_run(run, run.live), beside_opposite(run) }) do
        table.move(tangled, 1, #tangled, #obstacles + 1, obstacles)
    end
    return obstacles
end

local function check_all(run, expected)
    local batches = #run.live > 0 and run.given.batches and parts.cut(run.live, run.given.batches) or nil
    run:step("check", function()
        local problems = regions.problems(run.live)
        local unhealthy = #problems
        refuse(run, problems, find_obstacles(run, expected))
        return unhealthy == 0 and "all are healthy" or ("%d of %d are not healthy"):format(unhealthy, #run.live)
    end)
    run.state = saved.new(run.runbook, run.given, run.live)
    run.state.batches, run.state.earlier = batches, run.earlier[1] and run.earlier or nil
    run.state.batches_text = batches and run.given.batches.text or nil
    run.state.partial = run:is_partial() or nil
    run.state.accepted, run.state.steps = run.accepted, run.noted
    if run.given.disaster and run.forward:can("lag") then missing.count(run) end
    if not changes.harmless() then
        saved.put_aside(run.path)
        log.info("the previous state is saved in %s", run.path)
    end
    run.parts = parts.of(run)
end

---@class kmirror.failover.expected
---@field none_back? boolean there must be no mirror TO -> FROM; otherwise those of the same topics are adopted
---@field mirrors? table[] there must be one FROM -> TO of the topics of each of these; their target latencies come back

--- Checks everything, and refuses unless all of it is in order; what there is is then saved.
---@param run kmirror.failover.run
---@param expected? kmirror.failover.expected
function M.check(run, expected)
    local before = #run.accepted
    if run.went_on then
        run.parts = parts.of(run)
        run:step("check", function()
            return check_continued(run, expected or {})
        end)
    else
        check_all(run, expected or {})
    end
    run.all_mirrors, run.state.accepted = run.state.mirrors, run.accepted
    run.state.runs = (run.state.runs or 0) + 1
    run.saving = true
    accept.tell(run, before)
    run:save()
end

-- ---- asking ----------------------------------------------------------------------------------------------------

local function count_in(list, of)
    local count = 0
    for _, part in ipairs(list) do count = count + #of(part) end
    return count
end

-- "failover (disaster), batches payments 20, orders 20: delete 40 mirrors us-west -> us-east, and create 40 the other
-- way".
local function question(run, list)
    local loss = run.given.disaster and report.loss(run.state)
    local deleted = count_in(list, function(part) return part.live end)
    local created = count_in(list, function(part) return part.state.mirrors end)
    local batches = #run.parts > 1 and (", %s (%s)"):format(#list < #run.parts and ("continuing with %d of %d batches")
        :format(#list, #run.parts) or ("in %d batches"):format(#list), parts.words(list)) or ""
    local reverse = run.given.no_reverse and "create none the other way"
        or ("create %d the other way"):format(created)
    return ("%s%s%s: delete %s %s, and %s%s"):format(run.runbook, run.given.disaster and " (disaster)" or "", batches,
        text.count(deleted, "mirror"), run.way, reverse, loss and "; may be lost: " .. loss or "")
end

--- Has the operator confirm it, then runs the hook `check`.
---@param run kmirror.failover.run
function M.confirm(run)
    reversal.warn(run)
    recopy.warn(run)
    if #run.staying > 0 then
        log.warn("%s %s %s not selected and %s: clients of their topics stay in %s", text.count(#run.staying, "mirror"),
            run.way, #run.staying == 1 and "is" or "are", #run.staying == 1 and "stays" or "stay", run.from.alias)
    end
    if not approval.ask(run) then confirm.typed(question(run, parts.left(run)), run.from.alias) end
    if not run.went_on then run:hook("check") end
end

return M
