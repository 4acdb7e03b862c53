--- findings: what is wrong with a fleet, from its mirrors in full: one finding for each thing that is.

local connector = require("kmirror.connector")
local fleet = require("kmirror.fleet")
local fields = require("mirrors").fields
local health = require("kmirror.health")
local live = require("kmirror.live")
local loops = require("kmirror.loops")
local regex = require("kmirror.regex")
local text = require("kmirror.text")

local M = {}

---@class kmirror.finding
---@field level "error"|"warning" an error: records do not arrive, or go round or arrive twice for certain; a warning:
---  they are late or not as written, or may arrive twice or go round
---@field kind string failed, stale, connector, silent, late, out_of_sync, creating, duplicate, overlap, loop, missing,
---  unexpected, drift, unclear, unreadable, empty (there was nothing to look at)
---@field cluster string UUID of the Kafka Connect cluster
---@field id? string of the mirror
---@field topicsRegex? string
---@field message string in words, without the mirror's name

local function finding(level, kind, mirror, message, ...)
    return {
        level = level, kind = kind, cluster = mirror.cluster, id = mirror.id, topicsRegex = mirror.topicsRegex,
        message = select("#", ...) > 0 and message:format(...) or message,
    }
end

local by_status = {
    FAILED = { "error", "failed" },
    STALE_TOPIC = { "error", "stale" },
    CREATING = { "warning", "creating", "is CREATING" },
}

-- Topics that are late, the worst one named.
local function lateness(mirror, limit)
    local late, worst = 0, nil
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        if (topic.averageLatency or 0) > limit then
            late = late + 1
            worst = (not worst or topic.averageLatency > worst.averageLatency) and topic or worst
        end
    end
    return late, worst
end

--- What is wrong with one mirror.
---@param mirror table in full, with its cluster
---@param lag? integer how many ms behind a topic may be; the mirror's target latency by default
---@return kmirror.finding[]
function M.of_mirror(mirror, lag)
    local known = by_status[mirror.status]
    if known then
        local problem = known[3] or health.problem(mirror)
        return { finding(known[1], known[2], mirror, "%s", problem == "is STALE_TOPIC"
            and problem .. ": a topic gets no records" or problem) }
    end
    local found = {}
    for _, each in ipairs({ { "mirror", mirror.mirrorStatus }, { "checkpoint", mirror.checkpointStatus } }) do
        if each[2] ~= "RUNNING" then
            found[#found + 1] = finding("error", "connector", mirror, "has its %s connector %s", each[1],
                tostring(each[2]))
        end
    end
    local limit = lag or mirror.targetLatency
    local late, worst = lateness(mirror, limit or math.huge)
    if #health.topics(mirror) == 0 then
        local only = #(mirror.topicStatuses or {}) > 0 and " but MirrorMaker's heartbeats" or ""
        found[#found + 1] = finding("error", "silent", mirror, "lists no topics%s: does its regex match any?", only)
    elseif late > 0 then
        local message = "has %d of %s later than %d ms; %s is %d ms behind"
        found[#found + 1] = finding("warning", "late", mirror, message, late,
            text.count(#mirror.topicStatuses, "topic"), limit, worst.name, worst.averageLatency)
    elseif mirror.status ~= "IN_SYNC" then
        found[#found + 1] = finding("warning", "out_of_sync", mirror, "is %s", tostring(mirror.status))
    end
    return found
end

-- Which source outside of the account: the first mirror that may come from the same one.
local function outside_source(mirror, known)
    local properties = mirror.sourceConnectionProperties
    for i, other in ipairs(known) do
        if properties and other:leads_where(properties) ~= "no" then return "outside " .. i end
    end
    known[#known + 1] = properties
    return "outside " .. (properties and #known or mirror.sourceAlias or mirror.connectorName or mirror.id)
end

-- Where a mirror's records come from and go to. Where the API does not tell, it is its connector's name without the
-- random part.
local function way_of(mirror, outside)
    local way
    if mirror.useRenaming == nil then
        way = connector.way(mirror.connectorName or "")
    else
        local kafka = mirror.sourceKafka or mirror.kafkaSource
        local source = kafka and kafka:lower() or outside_source(mirror, outside)
        way = source .. " " .. (mirror.useRenaming and mirror.sourceAlias or "")
    end
    return mirror.cluster:lower() .. " " .. way
end

local function by_way(mirrors)
    local ways, order, outside = {}, {}, {}
    for _, mirror in ipairs(mirrors) do
        local way = way_of(mirror, outside)
        if not ways[way] then
            ways[way] = {}
            order[#order + 1] = ways[way]
        end
        table.insert(ways[way], mirror)
    end
    return order
end

-- Why it is not certain that two mirrors copy the same; nil when it is.
local function doubt_of(mirror, twin)
    if mirror.useRenaming == nil then
        return "their sources or useRenaming differ, which version 1 of the API does not tell"
    elseif mirror.kafkaSource then
        return nil
    end
    local properties = mirror.sourceConnectionProperties
    if not properties then
        return "their sources differ, whose connection properties the API does not tell"
    elseif properties:leads_where(twin.sourceConnectionProperties) ~= "yes" then
        return "their sources differ, whose connection properties are of the same servers, but not the same"
    end
end

local function note_duplicates(list, found)
    local first, others = {}, {}
    for _, mirror in ipairs(list) do
        local twin = first[mirror.topicsRegex]
        if twin then
            local doubt = doubt_of(mirror, twin)
            found[#found + 1] = finding(doubt and "warning" or "error", "duplicate", mirror, "%s",
                doubt and ("looks like %s: records arrive twice, unless %s"):format(twin.id, doubt)
                or ("copies the same as %s: each record arrives twice; delete one of them"):format(twin.id))
        else
            first[mirror.topicsRegex] = mirror
            others[#others + 1] = mirror
        end
    end
    return others
end

-- By the topics that the mirrors list: these are copied twice for certain.
local function note_shared_topics(list, found)
    local by_topic, pairs_seen = {}, {}
    for _, mirror in ipairs(list) do
        for _, topic in ipairs(health.topics(mirror)) do
            local other = by_topic[topic.name]
            local key = other and other.id .. mirror.id
            if other and other ~= mirror and not pairs_seen[key] then
                pairs_seen[key] = true
                found[#found + 1] = finding("warning", "overlap", mirror, "copies %s, as %s ('%s') does", topic.name,
                    other.id, text.short(other.topicsRegex))
            end
            by_topic[topic.name] = other or mirror
        end
    end
    return pairs_seen
end

-- By what the regexes could take: these are copied twice as soon as such a topic is made.
local function note_possible(list, seen, found)
    local regexes, usable = {}, {}
    for _, mirror in ipairs(list) do
        if not regex.problem(mirror.topicsRegex) then
            regexes[#regexes + 1] = mirror.topicsRegex
            usable[#usable + 1] = mirror
        end
    end
    local overlaps, whole = regex.overlaps(regexes)
    if not whole then
        found[#found + 1] = finding("warning", "overlap", list[1], "and others: not all pairs of regexes were tried "
            .. "out, as they are too many, or some take too long: some that match the same topics may not be named")
    end
    for _, overlap in ipairs(overlaps) do
        local a, b = usable[overlap.first], usable[overlap.second]
        if not seen[a.id .. b.id] then
            found[#found + 1] = finding("warning", "overlap", b, "would copy a topic such as %s, as %s ('%s') would",
                overlap.topics[1], a.id, text.short(a.topicsRegex))
        end
    end
end

--- Mirrors that copy the same records: the same regex twice, or regexes that take the same topics.
---@param mirrors table[] in full, with their clusters
---@return kmirror.finding[]
function M.of_pairs(mirrors)
    local found = {}
    for _, list in ipairs(by_way(mirrors)) do
        local single = note_duplicates(list, found)
        local seen = note_shared_topics(single, found)
        if pcall(require, "rex_pcre2") then note_possible(single, seen, found) end
    end
    return found
end

--- Mirrors that are part of a loop, or may be. Kafka Connect clusters of the profile that they come from, and that were
--- not listed, are listed, too.
---@param api mirrors.Api
---@param mirrors table[] those that are looked at, with their clusters
---@param listed table[] all mirrors of the clusters, as their lists have them, with their clusters
---@return kmirror.finding[]
function M.of_loops(api, mirrors, listed)
    local is_asked, findings = {}, {}
    for _, mirror in ipairs(mirrors) do is_asked[mirror.id] = mirror end
    if not pcall(require, "rex_pcre2") then return findings end
    local found, aliases = live.of(listed)
    for _, loop in ipairs(loops.among(api, found, aliases, function(each) return is_asked[each.id] ~= nil end)) do
        findings[#findings + 1] = finding(loop.certain and "error" or "warning", "loop",
            loop.mirror and is_asked[loop.mirror.id] or { cluster = mirrors[1].cluster }, "%s", loop.message)
    end
    return findings
end

--- How a plan (kmirror.fleet) differs from what is there, as findings.
---@param plan kmirror.fleet.plan
---@return kmirror.finding[]
function M.of_plan(plan)
    local found = {}
    for _, create in ipairs(plan.create) do
        found[#found + 1] = finding("error", "missing", create.wanted, "is in the file (line %d), but not there",
            create.wanted.line)
    end
    for _, retune in ipairs(plan.retune) do
        found[#found + 1] = finding("warning", "drift", retune.found, "has a target latency of %s ms, not %d",
            tostring(retune.old), retune.wanted.targetLatency)
    end
    for _, mirror in ipairs(plan.unlisted) do
        found[#found + 1] = finding("warning", "unexpected", mirror, "is not in the file")
    end
    for _, blocked in ipairs(plan.blocked) do
        if blocked.reason == "differs" then
            found[#found + 1] = finding("warning", "drift", blocked.found[1], "has %s",
                fleet.differences(blocked.differences))
        elseif blocked.reason ~= "duplicate" then -- of_pairs() tells of these
            found[#found + 1] = finding("warning", "unclear", blocked.wanted, "may be %s, or not", blocked.found[1].id)
        end
    end
    return found
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("findings", M, {
    of_mirror = { "mirror", fields.table, "lag?", fields.integer(0) },
    of_pairs = { "mirrors", fields.list(fields.table) },
    of_loops = {
        "api", fields.api, "mirrors", fields.list(fields.table), "listed", fields.list(fields.table),
    },
    of_plan = { "plan", fields.table },
})
