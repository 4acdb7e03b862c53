--- fleet.clusters: the clusters that a fleet file names, with those of the profile.

local fields = require("kmirror.fleet.fields")
local profile = require("kmirror.profile")

local M = {}

---@class kmirror.fleet.secret where connection properties come from
---@field from "text"|"file"|"variable"|"command"
---@field value string
---@field line integer where the file says so
---@field path string how messages call it
---@field asked? table of a command: the same for all that have it, as it is run once

---@class kmirror.fleet.cluster
---@field name string
---@field connect? string UUID in lower case
---@field kafka? string UUID
---@field alias string
---@field alias_given boolean and not taken from the name
---@field secret? kmirror.fleet.secret
---@field line? integer where the file names it

local ways = {
    { "sourceConnectionProperties", "text" },
    { "sourceConnectionPropertiesFile", "file" },
    { "sourceConnectionPropertiesEnv", "variable" },
    { "sourceConnectionPropertiesCommand", "command" },
}

-- The same table for the same command.
local function asked_of(document, command)
    document.commands[command] = document.commands[command] or {}
    return document.commands[command]
end

--- Where a table's connection properties come from; complains when they come from more than one place, or beside a
--- Kafka cluster.
---@param document kmirror.fleet.document
---@param read table fields that are right
---@param kafka_field "kafka"|"kafkaSource"
---@param line integer
---@param label string
---@return kmirror.fleet.secret|nil
function M.secret(document, read, kafka_field, line, label)
    local found = {}
    for _, way in ipairs(ways) do found[#found + 1] = read[way[1]] and way or nil end
    local first, second = found[1], found[2] and found[2][1]
    if first and not second and read[kafka_field] and read.sourceType ~= "custom" then
        second = kafka_field
    end
    if second then
        document:complain(line, "%s: there is %s, too; expected one of them", fields.path(label, first[1]), second)
    end
    if not first then return nil end
    local value = read[first[1]]
    return { from = first[2], value = value, line = line, path = fields.path(label, first[1]),
        asked = first[2] == "command" and asked_of(document, value) or nil }
end

local function from_file(document, name, value)
    local line = document:line("clusters", name)
    local label = "clusters." .. tostring(name)
    if type(name) ~= "string" then
        document:complain(line, "clusters: expected a name for each, as in { east = { ... } }")
        return nil
    elseif type(value) ~= "table" then
        document:complain(line, "%s: expected a table with connect, kafka and alias, got a %s", label, type(value))
        return nil
    end
    local read = fields.read(document, "cluster", value, label, "clusters", name)
    return {
        name = name,
        connect = read.connect and read.connect:lower(),
        kafka = read.kafka,
        alias = read.alias or name,
        alias_given = read.alias ~= nil,
        secret = M.secret(document, read, "kafka", line, label),
        line = line,
    }
end

local function from_profile(name, cluster)
    return {
        name = name,
        connect = cluster.connect and cluster.connect:lower(),
        kafka = cluster.kafka,
        alias = cluster.alias or name,
        alias_given = cluster.alias ~= nil,
    }
end

--- All clusters by name; one that the file names hides one of the profile.
---@param document kmirror.fleet.document
---@return table<string, kmirror.fleet.cluster>
function M.read(document)
    local all = {}
    for name, cluster in pairs(profile.current().clusters) do
        all[name] = from_profile(name, cluster)
    end
    local given = document.value.clusters
    if given ~= nil and type(given) ~= "table" then
        document:complain(document:line("clusters"), "clusters: expected a table of clusters by name, got a %s",
            type(given))
        return all
    end
    for name, value in pairs(given or {}) do
        all[name] = from_file(document, name, value) or all[name]
    end
    return all
end

return M
