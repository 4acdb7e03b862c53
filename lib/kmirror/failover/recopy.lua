--- What the new mirrors copy once more, and the ways out of it.
---
--- Kafka Connect keeps the offsets of a mirror under its connector's name, and a new mirror has a new name: it starts
--- from the beginning of its topics. With names kept, the mirrors TO -> FROM append all that TO's topics hold to FROM's
--- topics of the same names, behind the originals.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local health = require("kmirror.health")
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local reversal = require("kmirror.failover.reversal")
local memory = require("kmirror.memory")
local saved = require("kmirror.failover.saved")
local text = require("kmirror.text")

local M = {}

local most_bytes = 65536 -- of names in an environment variable

-- ---- where it need not be ----------------------------------------------------------------------------------

local function can_be_exact(run)
    if not (run.reverse and run.reverse:can("set_offsets") and run.forward:can("target_ends") and run.live[1]) then
        return false
    end
    local known, problem = problems.try(run.forward.target_ends, run.forward, run.live[1].id)
    if not known then
        log.warn("where %s's topics end cannot be told: %s", run.to.alias, tostring(problem))
    end
    return known
end

--- Whether the new mirrors can be told to begin where TO's topics end, so that they copy nothing twice.
---@param run kmirror.failover.run
---@return boolean
function M.is_exact(run)
    if saved.is_exact(run.state) then return true end
    if run.exact == nil then run.exact = can_be_exact(run) end
    return run.exact
end

--- Notes down where TO's topics end, while nobody writes to them but the mirrors FROM -> TO, and these are still there.
---@param run kmirror.failover.run
function M.note_ends(run)
    local is_late = run.state.ends or run.state.halted -- clients may write there already
    if is_late or run.given.no_reverse or changes.harmless() or not M.is_exact(run) then return end
    local ends = {}
    for i, offsets in ipairs(bulk.map(run.state.mirrors, function(mirror)
        return run.forward:target_ends(mirror.id)
    end, bulk.reads)) do
        ends[run.state.mirrors[i].id] = offsets
    end
    run:set({ ends = ends })
end

--- Where the mirror that replaces another has to begin; nil where it begins with its topics.
---@param run kmirror.failover.run
---@param mirror table
---@return mirrors.Offset[]|nil
function M.begins_at(run, mirror)
    local offsets = run.state.ends and run.state.ends[mirror.id]
    return offsets and #offsets > 0 and not reversal.renames(run, mirror) and offsets or nil
end

-- ---- where it is -------------------------------------------------------------------------------------------

-- Those whose successors keep the topics' names.
local function that_keep_names(run)
    local list = {}
    for _, mirror in ipairs(run.state.mirrors) do
        list[#list + 1] = not reversal.renames(run, mirror) and mirror or nil
    end
    return list
end

--- The topics that mirrors list, in order.
---@param mirrors table[] in full
---@return string[]
function M.topics_of(mirrors)
    local names, seen = {}, {}
    for _, mirror in ipairs(mirrors) do
        for _, topic in ipairs(health.topics(mirror)) do
            if not seen[topic.name] then
                seen[topic.name] = true
                names[#names + 1] = topic.name
            end
        end
    end
    table.sort(names)
    return names
end

--- The topics that the new mirrors append to, as they keep their names.
---@param run kmirror.failover.run
---@return string[]
function M.topics(run)
    return M.topics_of(that_keep_names(run))
end

--- Topics for a hook: with commas between; nothing when they are too many for an environment.
---@param names string[]
---@return string
function M.list(names)
    local list = table.concat(names, ",")
    return #list <= most_bytes and list or ""
end

-- Nothing is appended when topics get another name, when no mirror is created, or when there is nothing to append to.
local function is_avoided(run)
    return #that_keep_names(run) == 0 or run.given.no_reverse or run.given.hooks:has("empty") or M.is_exact(run)
end

local function some(names)
    local shown = table.concat(names, ", ", 1, math.min(3, #names))
    return #names > 3 and ("%s and %d more"):format(shown, #names - 3) or shown
end

--- What is to be said of it; nil when there is nothing.
---@param run kmirror.failover.run
---@return string|nil
function M.words(run)
    if is_avoided(run) then return nil end
    local topics = M.topics(run)
    local concerned = #topics > 0 and ("%s: %s"):format(text.count(#topics, "topic"), some(topics))
        or "topics that are not known"
    return ("The new mirrors %s start from the beginning: they append all that %s's topics hold to %s's topics of the "
        .. "same names, behind what is there (%s). To avoid it: --use-renaming, --no-reverse, or --hook empty=COMMAND, "
        .. "which empties %s's topics first."):format(run.back, run.to.alias, run.from.alias, concerned, run.from.alias)
end

--- Tells the operator, before anything is confirmed.
---@param run kmirror.failover.run
function M.warn(run)
    local words = M.words(run)
    if words then log.warn("%s", words) end
end

-- Topics that a mirror writes to already must not be emptied: what it has copied would be lost.
local function obstacle(run)
    local there = #run.opposite
    for _, mirror in ipairs(run.state.mirrors) do there = there + (mirror.reverse and 1 or 0) end
    return there > 0 and there or nil
end

--- Has FROM's topics emptied by the hook `empty`, once, before the first mirror writes to them.
---@param run kmirror.failover.run
function M.empty(run)
    if not run.given.hooks:has("empty") or run.state.emptied then return end
    local count = obstacle(run)
    if count then
        log.warn("the hook empty was not run: %s %s already %s, and write to these topics",
            text.count(count, "mirror"), run.back, count == 1 and "exists" or "exist")
        return
    end
    run:hook("empty", { KMIRROR_TOPICS = M.list(M.topics(run)) })
    if not changes.harmless() then run:set({ emptied = memory.time() }) end
end

return M
