--- selection: which mirrors a runbook is about: the options for it, and what they mean.

local bulk = require("kmirror.bulk")
local fields = require("mirrors").fields
local mirrors = require("mirrors")
local profile = require("kmirror.profile")
local regex = require("kmirror.regex")
local usage = require("kmirror.usage")

local M = {}

--- Adds the options to a runbook's parser: --in, --source, --regex, --topic, --id, --status.
---@param parser table an argparse parser
function M.define(parser)
    parser:group(
        "Which mirrors",
        parser:option("--in", "On this Kafka Connect cluster; all: on each that the profile names.")
            :argname("UUID|NAME|all"):count("*"):target("clusters"),
        parser:option("--source", "From a source of this alias."):argname("ALIAS"):count("*"):target("sources"),
        parser:option("--regex", "With exactly this topics regex."):argname("REGEX"):count("*"):target("regexes"),
        parser:option("--topic", "That take this topic."):argname("NAME"):count("*"):target("topics"),
        parser:option("--id", "With this id."):argname("UUID"):count("*"):target("ids"),
        parser:option("--status", "In this status: IN_SYNC, OUT_OF_SYNC, CREATING, ..."):argname("STATUS"):count("*")
            :target("statuses")
    )
end

--- True when any option but --in was given.
---@param given table what the parser made of the arguments
---@return boolean
function M.is_narrowed(given)
    return #given.sources + #given.regexes + #given.topics + #given.ids + #given.statuses > 0
end

local function named_clusters()
    local found, names = {}, {}
    for name, cluster in pairs(profile.current().clusters) do
        if cluster.connect then
            names[#names + 1] = name
        end
    end
    table.sort(names)
    for i, name in ipairs(names) do
        found[i] = profile.current().clusters[name].connect
    end
    return found
end

local function clusters_of(given, everywhere)
    local clusters = {}
    for _, name in ipairs(given.clusters) do
        if name == "all" then
            return named_clusters()
        end
        clusters[#clusters + 1] = profile.connect_cluster(name)
    end
    return #clusters == 0 and everywhere and named_clusters() or clusters
end

--- An api for each cluster that is meant: those of --in, else the connection's.
---@param given { clusters: string[] }
---@param everywhere? boolean without --in, those that the profile names, if it names any
---@return mirrors.Api[]
---Raises usage for an unknown name, and when no cluster is known.
function M.apis(given, everywhere)
    local api, apis = mirrors.connect({}), {}
    for i, cluster in ipairs(clusters_of(given, everywhere)) do
        apis[i] = api:on(cluster)
    end
    if #apis == 0 and not api.cluster then
        usage("which cluster? give --in UUID, or kmirror's own --cluster, or name clusters in the configuration file")
    end
    return #apis > 0 and apis or { api }
end

-- What clusters are called, for people.
local function names_by_cluster()
    local names = {}
    for name, cluster in pairs(profile.current().clusters) do
        if cluster.connect then
            names[cluster.connect:lower()] = name
        end
    end
    return names
end

--- What a Kafka Connect cluster is called in the profile, or its UUID.
---@param cluster string UUID
---@return string
function M.cluster_name(cluster)
    return names_by_cluster()[cluster:lower()] or cluster
end

--- A filter for mirrors between two regions, by the names of their connectors: SOURCE.TARGET.RANDOM.
---@param source string alias
---@param target string alias
---@return fun(listed: table): boolean
function M.between(source, target)
    local prefix = source .. "." .. target .. "."
    return function(listed)
        local name = listed.connectorName
        return name:sub(1, #prefix) == prefix and not name:find(".", #prefix + 1, true)
    end
end

-- An alias may hold dots: then only the profile can tell where it ends.
local function has_source(listed, alias)
    local name = listed.connectorName
    if name:sub(1, #alias + 1) ~= alias .. "." then
        return false
    end
    for _, cluster in pairs(profile.current().clusters) do
        if cluster.connect and cluster.alias and cluster.connect:lower() == listed.cluster:lower() then
            return M.between(alias, cluster.alias)(listed)
        end
    end
    return name:find("^[^.]+%.[^.]+$", #alias + 2) ~= nil -- rather too few than those of another source
end

local function any(values, holds)
    for _, value in ipairs(values) do
        if holds(value) then
            return true
        end
    end
    return #values == 0
end

local function takes(listed, topic)
    local could, taken = pcall(regex.select, listed.topicsRegex, { topic })
    return could and #taken > 0
end

--- What the options say of a mirror as it is listed.
---@param given table
---@return fun(listed: table): boolean
function M.filter(given)
    return function(listed)
        return any(given.sources, function(alias) return has_source(listed, alias) end)
            and any(given.regexes, function(text) return listed.topicsRegex == text end)
            and any(given.topics, function(name) return takes(listed, name) end)
            and any(given.ids, function(id) return listed.id:lower() == id:lower() end)
    end
end

--- The mirrors that the options are about, in full.
---@param given table
---@param apis mirrors.Api[]
---@param on_problem? fun(about: table, problem: any) as for bulk.details
---@return table[]
---Raises what bulk.details() raises.
function M.details(given, apis, on_problem)
    local found = {}
    for _, mirror in ipairs(bulk.details(apis, M.filter(given), on_problem)) do
        if any(given.statuses, function(status) return mirror.status == status:upper() end) then
            found[#found + 1] = mirror
        end
    end
    return found
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local given = fields.table

return fields.guard("selection", M, {
    define = { "parser", fields.table },
    is_narrowed = { "given", given },
    apis = { "given", given, "everywhere?", fields.boolean },
    cluster_name = { "cluster", fields.string },
    between = { "source", fields.string, "target", fields.string },
    filter = { "given", given },
    details = { "given", given, "apis", fields.list(fields.api, "a list of apis"), "on_problem?", fields.fn },
})
