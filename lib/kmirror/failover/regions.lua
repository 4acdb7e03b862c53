--- The mirrors between two regions: finding them, and what speaks against turning them round.

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local log = require("kmirror.log")
local order = require("kmirror.order")
local problems = require("kmirror.problem")
local selection = require("kmirror.selection")
local text = require("kmirror.text")

local M = {}

-- What is known of a mirror that cannot be read, and why. A key that may not read any is another matter.
local function unread(listed, problem)
    if problems.is(problem, "forbidden") then error(problem, 0) end
    return {
        id = listed.id, connectorName = listed.connectorName, topicsRegex = listed.topicsRegex,
        unread = tostring(problem),
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

--- The same in full, by topics.
---@param api mirrors.Api
---@param source kmirror.cluster
---@param target kmirror.cluster
---@return table[] mirrors
function M.between(api, source, target)
    local found, all, others = {}, M.listed(api, source, target)
    for _, other in ipairs(others) do
        log.warn("mirror %s of '%s' is left alone: it comes from another Kafka cluster that is called '%s', %s",
            other.id, text.short(other.topicsRegex), source.alias, other.kafkaSource)
    end
    bulk.map(all, function(listed)
        local mirror = M.read(api, listed) -- before the place is chosen: others go on meanwhile
        found[#found + 1] = mirror
    end, bulk.reads)
    table.sort(found, order.by("topicsRegex", "id"))
    return found
end

---@class kmirror.failover.problem
---@field [1] table the mirror
---@field [2] string what is wrong with it, to follow "mirror ID of 'REGEX' "

--- What speaks against deleting these mirrors: not healthy, not readable, or two of the same topics.
---@param live table[]
---@return kmirror.failover.problem[]
function M.problems(live)
    local found, first = {}, {}
    for _, mirror in ipairs(live) do
        local twin = first[mirror.topicsRegex]
        local problem = mirror.unread and "cannot be read: " .. mirror.unread
            or health.problem(mirror)
            or twin and ("is of the same topics as mirror %s; delete one of them"):format(twin)
        if problem then
            found[#found + 1] = { mirror, problem }
        end
        first[mirror.topicsRegex] = mirror.id
    end
    return found
end

--- What speaks against adopting the mirrors that run the other way already: of other topics, or they do not work.
---@param opposite table[]
---@param wanted table[] mirrors to turn round
---@param way string "us-east -> us-west"
---@return kmirror.failover.problem[]
function M.obstacles(opposite, wanted, way)
    local found, expected = {}, {}
    for _, mirror in ipairs(wanted) do
        expected[mirror.topicsRegex] = true
    end
    for _, mirror in ipairs(opposite) do
        local problem = mirror.unread and "and cannot be read: " .. mirror.unread
            or not expected[mirror.topicsRegex] and "and none to reverse has the same topics"
            or not (health.works(mirror) or mirror.status == "CREATING") and "and is " .. mirror.status
        if problem then
            found[#found + 1] = { mirror, ("runs %s already, %s"):format(way, problem) }
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
        for _, topic in ipairs(mirror.topicStatuses or {}) do
            if (topic.averageRate or 0) == 0 then
                names[#names + 1] = topic.name
            end
        end
    end
    return names
end

return M
