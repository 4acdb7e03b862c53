--- Looking at both regions, and refusing unless all is in order.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local ends = require("kmirror.ends")
local health = require("kmirror.health")
local left = require("kmirror.failover.left")
local log = require("kmirror.log")
local try = require("kmirror.problem").try
local recopy = require("kmirror.failover.recopy")
local regions = require("kmirror.failover.regions")
local report = require("kmirror.failover.report")
local reversal = require("kmirror.failover.reversal")
local saved = require("kmirror.failover.saved")
local text = require("kmirror.text")
local task = require("task")

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
    if answered then
        return found
    end
    run.unreachable = tostring(found)
    log.warn("%s does not answer, its mirrors come later: %s", run.from.alias, run.unreachable)
    return {}
end

--- Looks at both regions.
---@param run kmirror.failover.run
function M.look(run)
    run:step("look at both regions", function()
        run.looked = task.now()
        run.live = regions.between(run.forward, run.from, run.to)
        run.opposite = look_opposite(run)
        return ("%s, %d the other way"):format(text.count(#run.live, "mirror"), #run.opposite)
    end)
    health.show(io.stderr, run.live)
end

-- An earlier run has begun to delete: what is there must be what it knew.
local function check_known(run)
    local known = {}
    for _, mirror in ipairs(run.state.mirrors) do
        known[mirror.id] = true
    end
    for _, mirror in ipairs(run.live) do
        if not known[mirror.id] then
            error(("mirror %s of '%s' is not in %s; nothing was changed in this run. If what that file is about is "
                .. "over, move it away; if not, delete the mirror"):format(mirror.id, text.short(mirror.topicsRegex),
                run.path), 0)
        end
    end
    return ("continuing with the %s of %s, in %s"):format(text.count(#run.state.mirrors, "mirror"),
        run.state.saved, run.path)
end

-- Raises when something speaks against it: all or nothing. In a disaster what is wrong with the mirrors to delete
-- is no reason to keep them.
local function refuse(run, problems, obstacles)
    if #run.live == 0 then
        error(("refused: there are no mirrors %s, and %d %s; nothing was changed"):format(run.way, #run.opposite,
            run.back), 0)
    end
    for _, problem in ipairs(problems) do
        local say = run.given.disaster and log.warn or log.error
        say("mirror %s of '%s' %s", problem[1].id, text.short(problem[1].topicsRegex), problem[2])
    end
    for _, problem in ipairs(obstacles) do
        log.error("mirror %s of '%s' %s", problem[1].id, text.short(problem[1].topicsRegex), problem[2])
    end
    local count = #obstacles + (run.given.disaster and 0 or #problems)
    if count > 0 then
        error(("refused: %s with the mirrors between %s and %s; nothing was changed"):format(
            text.count(count, "problem"), run.from.alias, run.to.alias), 0)
    end
end

-- What speaks against it, beside the mirrors to delete themselves.
local function find_obstacles(run, expected)
    local obstacles = regions.obstacles(run.opposite, expected.none_back and {} or run.live, run.back)
    local there = {}
    for _, mirror in ipairs(run.live) do
        there[mirror.topicsRegex] = mirror
    end
    for _, before in ipairs(expected.mirrors or {}) do
        local mirror = there[before.topicsRegex]
        if mirror then
            mirror.restore, mirror.original = before.targetLatency, reversal.noted(before)
        else
            obstacles[#obstacles + 1] = { before, ("was reversed, and there is none %s"):format(run.way) }
        end
    end
    return obstacles
end

-- What each mirror has not copied of what its topics held when that was last seen; the time of the oldest look.
local function count_from_known_ends(run)
    local known, sum, oldest = ends.known(run.forward.cluster), 0, nil
    local missing = bulk.map(run.live, function(mirror)
        local seen = known[mirror.id]
        local told, offsets = false, nil
        if seen then told, offsets = try(run.forward.offsets, run.forward, mirror.id) end
        return told and ends.missing(seen, offsets) or false
    end, bulk.reads)
    for i, records in ipairs(missing) do
        if not records then return nil end
        sum, oldest = sum + records, math.min(oldest or math.huge, known[run.live[i].id].time)
    end
    return sum, oldest
end

-- In a disaster FROM's Kafka cluster may still answer: then what has not arrived can be counted. Else it can be told
-- from where its topics ended when somebody last looked.
local function count_missing(run)
    local counted, counter, why = pcall(task.timeout, answer_wait, left.new, run.forward, run.live)
    if not counted and (type(counter) ~= "table" or counter.kind == "cancelled") then
        error(counter, 0)
    elseif counted and not why then
        run.state.missing = counter and counter.remaining
        return
    end
    log.warn("how many records have not arrived cannot be counted: %s", tostring(why or counter))
    local sum, oldest = count_from_known_ends(run)
    run.state.missing, run.state.ends_seen = sum, oldest
    if not sum then
        log.warn("nor is it known where the topics ended: `kmirror lag` and `watch` note that down when they run")
    end
end

local function check_all(run, expected)
    run:step("check", function()
        local problems = regions.problems(run.live)
        refuse(run, problems, find_obstacles(run, expected))
        return #problems == 0 and "all are healthy" or ("%d of %d are not healthy"):format(#problems, #run.live)
    end)
    run.state = saved.new(run.runbook, run.given, run.live)
    run.state.steps = run.noted
    if run.given.disaster and run.forward:can("lag") then count_missing(run) end
    if not changes.harmless() then
        saved.put_aside(run.path)
        log.info("the previous state is saved in %s", run.path)
    end
end

---@class kmirror.failover.expected
---@field none_back? boolean there must be no mirror TO -> FROM; otherwise those of the same topics are adopted
---@field mirrors? table[] there must be one FROM -> TO of the topics of each of these; their target latencies come back

--- Checks everything, and refuses unless all of it is in order; what there is is then saved.
---@param run kmirror.failover.run
---@param expected? kmirror.failover.expected
function M.check(run, expected)
    if run.went_on then
        run:step("check", function()
            return check_known(run)
        end)
    else
        check_all(run, expected or {})
    end
    run.state.runs = (run.state.runs or 0) + 1
    run.saving = true
    run:save()
end

--- Has the operator confirm it, then runs the hook `check`.
---@param run kmirror.failover.run
function M.confirm(run)
    local count, loss = #run.live, run.given.disaster and report.loss(run.state)
    reversal.warn(run)
    recopy.warn(run)
    local reverse = run.given.no_reverse and "create none the other way"
        or ("create %d the other way"):format(#run.state.mirrors)
    confirm.typed(("%s%s: delete %s %s, and %s%s"):format(run.runbook,
        run.given.disaster and " (disaster)" or "", text.count(count, "mirror"), run.way, reverse,
        loss and "; may be lost: " .. loss or ""), run.from.alias)
    if not run.went_on then
        run:hook("check")
    end
end

return M
