--- fleet.wanted: the mirrors that a fleet file asks for.

local clusters = require("kmirror.fleet.clusters")
local documents = require("kmirror.fleet.document")
local fields = require("kmirror.fleet.fields")
local profile = require("kmirror.profile")
local text = require("kmirror.text")

local M = {}

---@class kmirror.fleet.wanted a mirror
---@field index integer which of the file's mirrors it is
---@field line integer
---@field label string how messages call it; "" when the line says enough
---@field to string what the file calls its cluster
---@field cluster string UUID of the Kafka Connect cluster, in lower case
---@field sourceAlias string
---@field topicsRegex string
---@field targetLatency? integer milliseconds
---@field sourceType? string
---@field kafkaSource? string
---@field useRenaming? boolean
---@field usePrivateIps? boolean
---@field maxTasks? integer
---@field secret? kmirror.fleet.secret

---@class kmirror.fleet what a fleet file says
---@field document kmirror.fleet.document
---@field clusters table<string, kmirror.fleet.cluster> by name
---@field mirrors kmirror.fleet.wanted[] in the order of the file

-- ---- one mirror -------------------------------------------------------------------------------------------

---@class kmirror.fleet.entry a mirror as it stands in the file
---@field index integer
---@field given table its fields that are right, with the defaults
---@field label string how messages call it
---@field line integer
---@field line_of fun(field: string): integer

local function complain(fleet, entry, field, message, ...)
    fleet.document:complain(entry.line_of(field), "%s: %s", fields.path(entry.label, field), message:format(...))
end

-- The UUID of the cluster that it goes into.
local function read_target(fleet, entry)
    local to = entry.given.to
    local cluster = fleet.clusters[to]
    if not to then
        complain(fleet, entry, "to", "missing; expected the name of a cluster, or the UUID of a Kafka Connect cluster")
    elseif cluster and not cluster.connect then
        complain(fleet, entry, "to", "the cluster '%s' has no connect; expected the UUID of its Kafka Connect cluster",
            to)
    elseif not cluster and not profile.is_uuid(to) then
        complain(fleet, entry, "to", "%s", fields.unknown("unknown cluster", to, fleet.clusters))
    end
    return cluster and cluster.connect or to and to:lower()
end

local own_source = {
    "kafkaSource", "sourceConnectionProperties", "sourceConnectionPropertiesFile", "sourceConnectionPropertiesEnv",
    "sourceConnectionPropertiesCommand",
}

-- Alias, Kafka cluster and connection properties of the cluster that it comes from: a named one, or what the mirror
-- says itself.
local function read_source(fleet, entry)
    local given = entry.given
    if not given.from then
        if not given.sourceAlias then
            complain(fleet, entry, "from", "missing; expected the name of a cluster; or sourceAlias instead")
        end
        local secret = clusters.secret(fleet.document, given, "kafkaSource", entry.line, entry.label)
        return given.sourceAlias, given.kafkaSource, secret
    end
    for _, field in ipairs(own_source) do
        if given[field] then
            complain(fleet, entry, field, "there is from, too, which names the source; expected one of them")
        end
    end
    local cluster = fleet.clusters[given.from]
    if not cluster then
        complain(fleet, entry, "from", "%s", fields.unknown("unknown cluster", given.from, fleet.clusters))
        return given.sourceAlias
    end
    return given.sourceAlias or cluster.alias, cluster.kafka, cluster.secret
end

-- What a mirror does not say itself; its source only as a whole.
local function fill_in(given, defaults)
    local has_source = given.sourceAlias ~= nil
    for _, field in ipairs(own_source) do has_source = has_source or given[field] ~= nil end
    for field, value in pairs(defaults) do
        if given[field] == nil and not (field == "from" and has_source) then
            given[field] = value
        end
    end
end

local function read_entry(fleet, value, index)
    local document = fleet.document
    local entry = {
        label = document.textual and "" or ("mirrors[%d]"):format(index),
        index = index,
        line = document:line("mirrors", index),
        line_of = function(field)
            return document:line("mirrors", index, field)
        end,
    }
    if type(value) ~= "table" then
        document:complain(entry.line, "%s: expected a table of a mirror's fields, got %s", entry.label,
            value == nil and "null" or "a " .. type(value))
        return nil
    end
    entry.given = fields.read(document, "mirror", value, entry.label, "mirrors", index)
    if value.topicsRegex == nil then
        complain(fleet, entry, "topicsRegex", "missing; expected a regular expression, or a list of topics")
    end
    return entry
end

local function read_mirror(fleet, entry)
    local given = entry.given
    local alias, kafka, secret = read_source(fleet, entry)
    return {
        index = entry.index,
        line = entry.line,
        label = entry.label,
        to = given.to,
        cluster = read_target(fleet, entry),
        sourceAlias = alias,
        topicsRegex = given.topicsRegex,
        targetLatency = given.targetLatency,
        sourceType = given.sourceType or (secret and "custom") or (kafka and "instaclustr") or nil,
        kafkaSource = kafka,
        useRenaming = given.useRenaming,
        usePrivateIps = given.usePrivateIps,
        maxTasks = given.maxTasks,
        secret = secret,
    }
end

-- ---- all of them ------------------------------------------------------------------------------------------

local function table_at(document, field, expected)
    local value = document.value[field]
    if type(value) == "table" then
        return value
    elseif value ~= nil then
        document:complain(document:line(field), "%s: expected %s, got a %s", field, expected, type(value))
    end
    return {}
end

-- How many items a list has; complains of what is no item.
local function count_items(document, list)
    local place = document.place.parts.mirrors
    local count = place and place.count or #list
    for key in pairs(list) do
        if math.type(key) ~= "integer" or key < 1 or key > count then
            document:complain(document:line("mirrors", key), "mirrors: expected a list, got one with a field '%s'",
                tostring(key))
        end
    end
    return count
end

local function check_columns(document)
    for _, column in ipairs(document.place.columns or {}) do
        if not fields.of.mirror[column] then
            document:complain(document.place.line, "%s", fields.unknown("unknown field", column, fields.of.mirror))
        end
    end
end

local top_level = { clusters = true, defaults = true, mirrors = true }

local function check_top(document)
    local value = document.value
    if type(value) ~= "table" then
        document:complain(1, "expected a table with clusters, defaults and mirrors, got a %s", type(value))
        document:finish()
    end
    for field in pairs(value) do
        if not top_level[field] then
            document:complain(document:line(field), "%s", fields.unknown("unknown field", field, top_level))
        end
    end
    if value.mirrors == nil then
        document:complain(document.place.line, "mirrors: missing; expected a list of mirrors")
    end
end

local function source_of(mirror)
    return mirror.kafkaSource and mirror.kafkaSource:lower()
        or mirror.secret and mirror.secret.from .. " " .. mirror.secret.value
end

-- Both are told, and not the same.
local function are_two(one, other)
    return one ~= nil and other ~= nil and one ~= other
end

-- Where version 2 of the API tells for certain that it is another one.
local function differs(mirror, other)
    return are_two(source_of(mirror), source_of(other)) or are_two(mirror.useRenaming, other.useRenaming)
end

--- Complains of mirrors that cannot be told apart by what they are known by; with `whole`, of those that cannot be told
--- apart at all.
---@param document kmirror.fleet.document
---@param mirrors kmirror.fleet.wanted[]
---@param whole? boolean the API tells whole specifications
function M.refuse_doubles(document, mirrors, whole)
    local known = {}
    for _, mirror in ipairs(mirrors) do
        local key = M.key(mirror)
        known[key] = known[key] or {}
        for _, other in ipairs(known[key]) do
            local may_differ = differs(mirror, other)
            if not may_differ or not whole then
                document:complain(mirror.line, "the same mirror as in line %d: of '%s' from %s into %s%s", other.line,
                    text.short(mirror.topicsRegex), mirror.sourceAlias, mirror.to, may_differ and ", as far as version "
                    .. "1 of the API tells; with --api v2 there may be both" or "")
                break
            end
        end
        table.insert(known[key], mirror)
    end
end

--- What a mirror is known by: its Kafka Connect cluster, the alias of its source, its topics.
---@param mirror { cluster: string, sourceAlias: string, topicsRegex: string }
---@return string
function M.key(mirror)
    return ("%s\0%s\0%s"):format(mirror.cluster, mirror.sourceAlias, mirror.topicsRegex)
end

--- Reads a fleet file. Raises usage, with the line of each mistake, when it is not right.
---@param path string
---@return kmirror.fleet
function M.read(path)
    local document = documents.read(path)
    check_top(document)
    document:refuse_doubles()
    check_columns(document)
    local fleet = { document = document, clusters = clusters.read(document), mirrors = {} }
    local defaults = table_at(document, "defaults", "a table of fields")
    defaults = fields.read(document, "defaults", defaults, "defaults", "defaults")
    local list = table_at(document, "mirrors", "a list of mirrors")
    for i = 1, count_items(document, list) do
        local entry = read_entry(fleet, list[i], i)
        if entry then
            fill_in(entry.given, defaults)
            fleet.mirrors[#fleet.mirrors + 1] = read_mirror(fleet, entry)
        end
    end
    document:finish()
    M.refuse_doubles(document, fleet.mirrors, true)
    document:finish()
    return fleet
end

return M
