--- The mirrors between two regions: finding them, and what speaks against turning them round.

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local log = require("kmirror.log")
local order = require("kmirror.order")
local problems = require("kmirror.problem")
local selection = require("kmirror.selection")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

-- What is known of a mirror that cannot be read, and why. A key that may not read any is another matter.
local function unread(listed, problem)
    if problems.is(problem, "forbidden") then error(problem, 0) end
    return {
        id = listed.id, connectorName = listed.connectorName, topicsRegex = listed.topicsRegex,
        unread = tostring(problem) .. (problems.passes(problem) and "; that may pass by itself: run it again" or ""),
    }
end

--- Reads a mirror. One that is gone is nil; one that cannot be read comes with what is known of it, and why.
---@param api mirrors.Api
---@param listed { id: string, connectorName: string|nil, topicsRegex: string|nil }
---@return table|nil mirror with `unread` when it cannot be read
function M.read(api, listed)
    return bulk.read(api, listed, unread)
end

--- The mirrors from one region to another, as the list has them.
---@param api mirrors.Api on the target's Kafka Connect cluster
---@param source kmirror.cluster
---@param target kmirror.cluster
---@return table[] listed
---@return table[] others called so, too, but of another Kafka cluster, where the API tells
function M.listed(api, source, target)
    local found, others = {}, {}
    local is_between = selection.between(source.alias, target.alias, source.kafka, function(listed)
        others[#others + 1] = listed
    end)
    for _, mirror in ipairs(api:list()) do
        found[#found + 1] = is_between(mirror) and mirror or nil
    end
    return found, others
end

local function warn_of_others(others, source)
    for _, other in ipairs(others) do
        log.warn("mirror %s of '%s' is left alone: it comes from another Kafka cluster that is called '%s', %s",
            other.id, text.short(other.topicsRegex), source.alias, other.kafkaSource)
    end
end

--- The same in full, by topics: those that are meant.
---@param api mirrors.Api
---@param source kmirror.cluster
---@param target kmirror.cluster
---@param is_meant? fun(mirror: table, is_in_full: boolean): boolean asked of each as it is listed, and then in full
---@return table[] mirrors
---@return table[] staying the others, as they are listed
---@return table[] listed all of them
function M.between(api, source, target, is_meant)
    is_meant = is_meant or function() return true end
    local found, staying, meant, all, others = {}, {}, {}, M.listed(api, source, target)
    warn_of_others(others, source)
    for _, listed in ipairs(all) do
        table.insert(is_meant(listed, false) and meant or staying, listed)
    end
    bulk.map(meant, function(listed)
        local mirror = M.read(api, listed) -- before the place is chosen: others go on meanwhile
        if mirror then table.insert(is_meant(mirror, true) and found or staying, mirror) end
    end, bulk.reads)
    table.sort(found, order.by("topicsRegex", "id"))
    return found, staying, all
end

local hides_connectors = { failed = true, creating = true, connector = true }

-- All that is wrong with a mirror that can be accepted by itself.
local function problems_of(mirror, twin)
    if mirror.unread then
        return { { mirror, "cannot be read: " .. mirror.unread, kind = "unreadable" } }
    end
    local problem, kind = health.problem(mirror)
    local found = { problem and { mirror, problem, kind = kind } }
    local runs = mirror.mirrorStatus == "RUNNING" and mirror.checkpointStatus == "RUNNING"
    if problem and not runs and not hides_connectors[kind] then
        found[#found + 1] = { mirror, ("has its mirror connector %s, its checkpoint connector %s"):format(
            mirror.mirrorStatus, mirror.checkpointStatus), kind = "connector" }
    end
    if twin then
        found[#found + 1] = { mirror, ("is of the same topics as mirror %s; delete one of them"):format(twin),
            kind = "duplicate" }
    end
    return found
end

--- What speaks against deleting these mirrors: not healthy, not readable, or two of the same topics.
---@param live table[]
---@return kmirror.failover.problem[]
function M.problems(live)
    local found, first = {}, {}
    for _, mirror in ipairs(live) do
        local its = problems_of(mirror, first[mirror.topicsRegex])
        table.move(its, 1, #its, #found + 1, found)
        first[mirror.topicsRegex] = mirror.id
    end
    return found
end

--- Whether the fence can be proved of a mirror: what cannot be read, or does not run, tells nothing, and a topic that
--- gets no records is later and later.
---@param mirror table
---@return boolean
function M.can_be_watched(mirror)
    local is_lost = mirror.unread or wait.has_failed(mirror)
    return not is_lost and mirror.mirrorStatus == "RUNNING" and mirror.checkpointStatus == "RUNNING"
end

---@class kmirror.failover.opposites what may run the other way
---@field way string "us-east -> us-west"
---@field none_back? boolean none of the same topics
---@field others? boolean those of other topics
---@field known table<string, boolean> ids of those that an earlier run has created

--- What speaks against the mirrors that run the other way already: of other topics, or they do not work, or they must
--- be gone.
---@param opposite table[]
---@param wanted table[] mirrors to turn round
---@param allowed kmirror.failover.opposites
---@return kmirror.failover.problem[]
function M.obstacles(opposite, wanted, allowed)
    local found, expected = {}, {}
    for _, mirror in ipairs(wanted) do expected[mirror.topicsRegex] = true end
    for _, mirror in ipairs(opposite) do
        local problem, kind = nil, "opposite"
        if mirror.unread then
            problem, kind = ", and cannot be read: " .. mirror.unread, "unreadable"
        elseif not expected[mirror.topicsRegex] then
            problem = not (allowed.others or allowed.known[mirror.id])
                and ", and none to reverse has the same topics" or nil
        elseif allowed.none_back then
            problem, kind = ": records would go round in a loop with what comes back; delete it", nil
        elseif not (health.works(mirror) or mirror.status == "CREATING") then
            problem = ", and " .. health.problem(mirror)
        end
        if problem then
            found[#found + 1] = { mirror, ("runs %s already%s"):format(allowed.way, problem), kind = kind }
        end
    end
    return found
end

--- Names of the topics on which nothing flows: nothing shows that these are caught up.
---@param mirrors table[]
---@return string[]
function M.idle(mirrors)
    local names = {}
    for _, mirror in ipairs(mirrors) do
        for _, topic in ipairs(health.topics(mirror)) do
            if (topic.averageRate or 0) == 0 then names[#names + 1] = topic.name end
        end
    end
    return names
end

return M
