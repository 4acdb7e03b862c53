--- health: how a mirror is doing, from what api:get() says of it.

local fields = require("mirrors").fields
local tables = require("kmirror.table")

local M = {}

--- What the status of a mirror can be.
M.statuses = { "CREATING", "IN_SYNC", "OUT_OF_SYNC", "STALE_TOPIC", "FAILED" }

--- The highest latency among a mirror's topics.
---@param mirror mirrors.Mirror
---@return integer|nil milliseconds nil when it is not known: it lists no topic, or one without its latency
function M.lag(mirror)
    local highest
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        if not topic.averageLatency then return nil end
        highest = math.max(highest or 0, topic.averageLatency)
    end
    return highest
end

--- Whether latency and rate are known of all topics that a mirror lists. On Kafka Connect of one's own they are not
--- where the profile has no `metrics`.
---@param mirror mirrors.Mirror
---@return boolean
function M.is_measured(mirror)
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        if not (topic.averageLatency and topic.averageRate) then return false end
    end
    return true
end

--- Records a second that flow through a mirror, over all topics of which that is known; 0 when it is idle.
---@param mirror mirrors.Mirror
---@return number
function M.rate(mirror)
    local rate = 0
    for _, topic in ipairs(mirror.topicStatuses or {}) do rate = rate + (topic.averageRate or 0) end
    return rate
end

local kinds = { FAILED = "failed", STALE_TOPIC = "stale", CREATING = "creating" }

--- Why a mirror is not healthy: not in sync, a connector that does not run, no topic, or one that is late.
---@param mirror mirrors.Mirror
---@return string|nil problem nil when it is
---@return string|nil kind of the finding: failed, stale, creating, out_of_sync, connector, silent, late
function M.problem(mirror)
    local lag = M.lag(mirror)
    if mirror.status ~= "IN_SYNC" then
        return "is " .. tostring(mirror.status), kinds[mirror.status] or "out_of_sync"
    elseif mirror.mirrorStatus ~= "RUNNING" or mirror.checkpointStatus ~= "RUNNING" then
        return ("has its mirror connector %s, its checkpoint connector %s"):format(mirror.mirrorStatus,
            mirror.checkpointStatus), "connector"
    elseif #(mirror.topicStatuses or {}) == 0 then
        return "lists no topic", "silent"
    elseif mirror.targetLatency and lag and lag > mirror.targetLatency then
        return ("has a topic that is %d ms behind, more than %d"):format(lag, mirror.targetLatency), "late"
    end
end

--- True of one that mirrors, be it late or not.
---@param mirror mirrors.Mirror
---@return boolean
function M.works(mirror)
    return mirror.status == "IN_SYNC" or mirror.status == "OUT_OF_SYNC"
end

local columns = {
    { "CONNECTOR", "connectorName" },
    { "TOPICS", "topicsRegex", key = true },
    { "STATUS", "status", whole = true, paint = tables.status_color },
    { "LAG ms", M.lag, align = "right" },
    { "TARGET", "targetLatency", align = "right" },
}

--- Writes a table of mirrors, between blank lines; nothing when there are none. In a pipe the cells have a tab
--- between them, and no titles.
---@param file file*
---@param mirrors table[] in full
function M.show(file, mirrors)
    if #mirrors == 0 then return end
    file:write("\n")
    tables.write(file, columns, mirrors)
    file:write("\n")
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("health", M, {
    lag = { "mirror", fields.table },
    rate = { "mirror", fields.table },
    is_measured = { "mirror", fields.table },
    problem = { "mirror", fields.table },
    works = { "mirror", fields.table },
    show = { "file", fields.file, "mirrors", fields.list(fields.table) },
})
