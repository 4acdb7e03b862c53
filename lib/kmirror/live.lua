--- live: the mirrors that are there, as far as they can be told apart.
---
--- All that the API says of a mirror's source is in its connector's name, <source alias>.<target alias>.<random>, and
--- aliases may hold dots. All mirrors of one Kafka Connect cluster go into one target, so a name of three parts tells
--- how that is called, and so does a fleet file that gives the cluster an alias.

local bulk = require("kmirror.bulk")
local connector = require("kmirror.connector")
local profile = require("kmirror.profile")
local refuse = require("kmirror.usage")

local M = {}

---@class kmirror.fleet.found a mirror that is there
---@field id string
---@field connectorName string
---@field topicsRegex string
---@field cluster string UUID of its Kafka Connect cluster, in lower case
---@field sourceAlias? string nil when its name does not tell
---@field useRenaming? boolean where the list tells the whole specification, as the next
---@field kafkaSource? string
---@field listed mirrors.Summary all that the list says of it
---@field details? mirrors.Mirror when it was asked for

---@class kmirror.fleet.target a Kafka Connect cluster
---@field cluster string UUID, in lower case
---@field name string for people
---@field alias? string what connectors' names surely call it
---@field perhaps? string what they may call it
---@field where? string file and line that say so

-- What the names of three parts agree on.
local function agreed_target(list)
    local agreed
    for _, mirror in ipairs(list) do
        local middle = connector.target(mirror.connectorName or "")
        if middle and agreed and middle ~= agreed then return nil end
        agreed = agreed or middle
    end
    return agreed
end

local function fits_any(list, target)
    for _, mirror in ipairs(list) do
        if connector.source(mirror.connectorName or "", target) then return true end
    end
    return false
end

-- Those whose names are made by the rule; on Kafka Connect of one's own others may have made some.
local function by_the_rule(list)
    local own = {}
    for _, mirror in ipairs(list) do
        if not mirror.foreign then own[#own + 1] = mirror end
    end
    return own
end

local function alias_of(target, all)
    local list = by_the_rule(all)
    if not target.alias then
        return agreed_target(list) or target.perhaps
    elseif #list > 0 and not fits_any(list, target.alias) then
        refuse("%s: the alias of '%s' is '%s', but connectors there are called %s; expected SOURCE.%s.RANDOM",
            target.where or "the profile", target.name, target.alias, list[1].connectorName, target.alias)
    end
    return target.alias
end

--- A cluster, as the profile calls it.
---@param cluster string UUID
---@return kmirror.fleet.target
function M.target(cluster)
    local name = profile.name_of(cluster)
    local known = profile.current().clusters[name]
    return { cluster = cluster:lower(), name = name or cluster, perhaps = known and known.alias }
end

--- Mirrors as a cluster's list has them, with what their names tell. Raises usage when these are not as they should be.
---@param target kmirror.fleet.target
---@param list mirrors.Summary[]
---@return kmirror.fleet.found[]
---@return string|nil alias what connectors' names call the cluster, where that is known
function M.read(target, list)
    local found, alias = {}, alias_of(target, list)
    for i, mirror in ipairs(list) do
        local name = mirror.connectorName or ""
        found[i] = {
            id = mirror.id,
            connectorName = name,
            topicsRegex = mirror.topicsRegex or "",
            cluster = target.cluster,
            sourceAlias = mirror.sourceAlias or alias and connector.source(name, alias),
            useRenaming = mirror.useRenaming,
            kafkaSource = mirror.kafkaSource,
            listed = mirror,
        }
    end
    return found, alias
end

--- Mirrors of several clusters, each with its cluster, as lists or get have them; with what their names tell.
---@param mirrors table[]
---@return kmirror.fleet.found[]
---@return table<string, string> aliases what connectors' names call the clusters, by UUID, where that is known
---@return kmirror.fleet.target[] the clusters
function M.of(mirrors)
    local lists, targets, found, aliases = {}, {}, {}, {}
    for _, mirror in ipairs(mirrors) do
        local cluster = mirror.cluster:lower()
        if not lists[cluster] then
            lists[cluster] = {}
            targets[#targets + 1] = M.target(cluster)
        end
        table.insert(lists[cluster], mirror)
    end
    for _, target in ipairs(targets) do
        local some, alias = M.read(target, lists[target.cluster])
        table.move(some, 1, #some, #found + 1, found)
        aliases[target.cluster] = alias
    end
    return found, aliases, targets
end

--- Lists the mirrors of clusters, all clusters at once. Raises what api:list() raises, and usage when the connectors of
--- a cluster are not called as they should be.
---@param api mirrors.Api
---@param targets kmirror.fleet.target[]
---@return kmirror.fleet.found[]
---@return table<string, string> aliases what connectors' names call the clusters, by UUID, where that is known
function M.list(api, targets)
    local lists = bulk.map(targets, function(target)
        return api:on(target.cluster):list()
    end, nil, "list clusters")
    local found, aliases = {}, {}
    for i, target in ipairs(targets) do
        local some, alias = M.read(target, lists[i])
        aliases[target.cluster] = alias
        table.move(some, 1, #some, #found + 1, found)
    end
    return found, aliases
end

--- Asks for the details of mirrors. Raises what api:get() raises, but for not_found.
---@param api mirrors.Api
---@param list kmirror.fleet.found[] gets details, or gone
function M.examine(api, list)
    local answers = bulk.map(list, function(mirror)
        return bulk.read(api:on(mirror.cluster), mirror) or false
    end, bulk.reads, "read mirrors")
    for i, mirror in ipairs(list) do
        mirror.details, mirror.gone = answers[i] or nil, not answers[i]
    end
end

return M
