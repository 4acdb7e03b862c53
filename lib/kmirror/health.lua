--- health: how a mirror is doing, from what api:get() says of it.

local connector = require("kmirror.connector")
local fields = require("mirrors").fields
local is_heartbeats = require("mirrors").is_heartbeats
local profile = require("kmirror.profile")
local tables = require("kmirror.table")

local M = {}

--- What the status of a mirror can be.
M.statuses = { "CREATING", "IN_SYNC", "OUT_OF_SYNC", "STALE_TOPIC", "FAILED" }

-- ---- topics ------------------------------------------------------------------------------------------------

-- Records a second. MirrorMaker writes one for each mirror that a cluster has a heartbeat connector for: what gets more
-- is a user's topic that happens to have that name.
local most_heartbeats = 10

-- The aliases of clusters that are known.
local function aliases_of(mirror)
    local name, aliases = mirror.connectorName or "", {}
    local current = profile.current()
    for _, alias in ipairs(current.aliases or {}) do aliases[#aliases + 1] = alias end
    for _, cluster in pairs(current.clusters) do aliases[#aliases + 1] = cluster.alias end
    aliases[#aliases + 1] = mirror.sourceAlias or connector.likely_source(name)
    aliases[#aliases + 1] = connector.target(name)
    return aliases
end

local may_be = "heartbeats$"

--- Whether a heartbeats topic gets no more than MirrorMaker writes to it. One that comes from another cluster may get
--- the same record by several mirrors.
---@param name string
---@param rate number records a second
---@return boolean
function M.only_beats(name, rate)
    return name ~= "heartbeats" or rate <= most_heartbeats
end

-- Whether a mirror's regex takes a topic, under this name or without the alias of the source; true where that cannot be
-- told.
local function takes(mirror, name, aliases)
    local names = { name }
    for _, alias in ipairs(aliases) do
        names[#names + 1] = name:sub(1, #alias + 1) == alias .. "." and name:sub(#alias + 2) or nil
    end
    local told, taken = pcall(function() return require("kmirror.regex").select(mirror.topicsRegex, names) end)
    return not told or #taken > 0
end

--- Whether a topic that a mirror lists is one of MirrorMaker's heartbeats topics, to which something is written for
--- ever: `heartbeats`, behind any of the aliases of the mirror, of the profile and of its clusters, or behind anything
--- else where the mirror's regex does not take it, as then MirrorMaker alone has it carried.
---@param mirror mirrors.Mirror
---@param topic mirrors.Topic
---@return boolean
function M.is_heartbeats(mirror, topic)
    if not (topic.name:find(may_be) and is_heartbeats(topic.name)) then return false end
    local aliases = aliases_of(mirror)
    if not is_heartbeats(topic.name, aliases) then return not takes(mirror, topic.name, aliases) end
    return M.only_beats(topic.name, topic.averageRate or 0)
end

--- The topics that a mirror lists, without MirrorMaker's own heartbeats, which each mirror carries whatever its topics
--- regex says.
---@param mirror mirrors.Mirror
---@return mirrors.Topic[]
function M.topics(mirror)
    local all = mirror.topicStatuses or {}
    for _, topic in ipairs(all) do
        if topic.name:find(may_be) then
            local others = {}
            for _, each in ipairs(all) do
                others[#others + 1] = not M.is_heartbeats(mirror, each) and each or nil
            end
            return others
        end
    end
    return all
end

--- The topics of a mirror that keeps names which get the alias of the source before their names all the same: those of
--- users that MirrorMaker takes for heartbeats topics, as their names end so.
---@param mirror mirrors.Mirror
---@return string[]
function M.renamed(mirror)
    local names = {}
    for _, topic in ipairs(not mirror.useRenaming and M.topics(mirror) or {}) do
        names[#names + 1] = topic.name:find(may_be) and topic.name or nil
    end
    return names
end

-- ---- how it is doing ---------------------------------------------------------------------------------------

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

--- Records a second that flow through a mirror, over all topics of which that is known, without MirrorMaker's own
--- heartbeats; 0 when it is idle.
---@param mirror mirrors.Mirror
---@return number
function M.rate(mirror)
    local rate = 0
    for _, topic in ipairs(M.topics(mirror)) do rate = rate + (topic.averageRate or 0) end
    return rate
end

local kinds = { FAILED = "failed", STALE_TOPIC = "stale", CREATING = "creating" }

-- What a mirror says that lists none; nil of one that lists some.
local function no_topic(mirror)
    if #M.topics(mirror) > 0 then return nil end
    return "lists no topic" .. (#(mirror.topicStatuses or {}) > 0 and " but MirrorMaker's heartbeats" or "")
end

-- A connector stays RUNNING when one of its tasks has failed, or when there is no topic for a task.
local function status_problem(mirror)
    local runs, why = mirror.mirrorStatus == "RUNNING" and mirror.checkpointStatus == "RUNNING", ""
    if runs and mirror.status == "FAILED" then
        why = ", though its connectors are RUNNING: a task of theirs has failed"
    elseif runs and mirror.status == "STALE_TOPIC" and no_topic(mirror) then
        why = ": it " .. no_topic(mirror)
    end
    return "is " .. tostring(mirror.status) .. why
end

--- Why a mirror is not healthy: not in sync, a connector that does not run, no topic, or one that is late.
---@param mirror mirrors.Mirror
---@return string|nil problem nil when it is
---@return string|nil kind of the finding: failed, stale, creating, out_of_sync, connector, silent, late
function M.problem(mirror)
    local lag = M.lag(mirror)
    if mirror.status ~= "IN_SYNC" then
        return status_problem(mirror), kinds[mirror.status] or "out_of_sync"
    elseif mirror.mirrorStatus ~= "RUNNING" or mirror.checkpointStatus ~= "RUNNING" then
        return ("has its mirror connector %s, its checkpoint connector %s"):format(mirror.mirrorStatus,
            mirror.checkpointStatus), "connector"
    elseif no_topic(mirror) then
        return no_topic(mirror), "silent"
    elseif mirror.targetLatency and lag and lag > mirror.targetLatency then
        return ("has a topic that is %d ms behind, more than %d"):format(lag, mirror.targetLatency), "late"
    end
end

--- Whether a connector of a mirror, or one of its tasks, has failed, whatever its status says.
---@param mirror mirrors.Mirror
---@return boolean
function M.has_failed(mirror)
    return mirror.status == "FAILED" or mirror.mirrorStatus == "FAILED" or mirror.checkpointStatus == "FAILED"
end

--- True of one that mirrors, be it late or not.
---@param mirror mirrors.Mirror
---@return boolean
function M.works(mirror)
    return (mirror.status == "IN_SYNC" or mirror.status == "OUT_OF_SYNC") and not M.has_failed(mirror)
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
    only_beats = { "name", fields.string, "rate", fields.number(0, "records a second") },
    is_heartbeats = { "mirror", fields.table, "topic", fields.table },
    topics = { "mirror", fields.table },
    renamed = { "mirror", fields.table },
    lag = { "mirror", fields.table },
    rate = { "mirror", fields.table },
    is_measured = { "mirror", fields.table },
    problem = { "mirror", fields.table },
    has_failed = { "mirror", fields.table },
    works = { "mirror", fields.table },
    show = { "file", fields.file, "mirrors", fields.list(fields.table) },
})
