--- What the mirrors TO -> FROM are like: as those that they replace, where the API tells and no option says otherwise.
---
--- They come from TO's Kafka cluster, whatever the others came from, or from the connection properties that
--- --source-properties names. Connection properties of mirrors that are deleted are in no saved state.

local health = require("kmirror.health")
local log = require("kmirror.log")
local successor = require("kmirror.successor")
local text = require("kmirror.text")

local M = {}

--- What has to be known of a mirror to bring one like it back.
---@param mirror table as it was
---@return table
function M.noted(mirror)
    local noted = {}
    for _, field in ipairs(successor.fields) do noted[field] = mirror[field] end
    return noted
end

-- What it should be like: a failback brings back what the failover has deleted.
local function pattern_of(mirror)
    return mirror.original and mirror.original.useRenaming ~= nil and mirror.original or mirror
end

--- Whether a mirror's successor gives the topics other names.
---@param run kmirror.failover.run
---@param mirror table
---@return boolean
function M.renames(run, mirror)
    return successor.setting(run.given, "useRenaming", pattern_of(mirror)) --[[@as boolean]]
end

--- What to create in the place of a mirror.
---@param run kmirror.failover.run
---@param mirror table
---@param latency? integer ms, the target latency that it is to have
---@return mirrors.Spec
function M.spec(run, mirror, latency)
    local source = { alias = run.to.alias, kafka = run.to.kafka, properties = run.given.properties }
    local spec = successor.spec(run.given, pattern_of(mirror), source, mirror.topicsRegex)
    spec.targetLatency = run.reverse:can("target_latency_at_create") and latency or nil
    return spec
end

-- The mirrors that come, or what they replaced came, from connection properties.
local function outside_mirrors(list, before)
    local found = {}
    for _, mirror in ipairs(list) do
        local told = before and mirror.original or not before and mirror or {}
        found[#found + 1] = told.sourceType == "custom" and mirror or nil
    end
    return found
end

-- "mirror ID of REGEX", or the first of several.
local function some(list)
    local shown = ("%s of '%s'"):format(list[1].id, text.short(list[1].topicsRegex))
    return #list > 1 and ("%s and %d more"):format(shown, #list - 1) or "mirror " .. shown
end

-- MirrorMaker keeps the names of topics, but for some.
local function warn_of_renamed(run)
    local names = {}
    for _, mirror in ipairs(run.state.mirrors) do
        local its = health.renamed(mirror)
        table.move(its, 1, #its, #names + 1, names)
    end
    if names[1] then
        local more = #names > 1 and (" and %d more"):format(#names - 1) or ""
        log.warn("what ends in 'heartbeats' gets the alias of its source from MirrorMaker, also where names are kept: "
            .. "in %s look for '%s.%s'%s", run.to.alias, run.from.alias, names[1], more)
    end
end

--- Tells where a way back is not the same as the way there.
---@param run kmirror.failover.run
function M.warn(run)
    warn_of_renamed(run)
    local outside = outside_mirrors(run.state.mirrors, false)
    if #outside > 0 then
        log.warn("%s %s from connection properties of %s own, which are secret and not saved%s", some(outside),
            #outside == 1 and "comes" or "come", #outside == 1 and "its" or "their", run.from.kafka
            and (": to bring such mirrors back later takes --source-properties FILE, or else they come from %s's Kafka "
            .. "cluster %s"):format(run.from.alias, run.from.kafka)
            or ": to bring such mirrors back later takes --source-properties FILE")
    end
    outside = outside_mirrors(run.state.mirrors, true)
    if #outside > 0 and not run.given.properties and not run.given.no_reverse then
        log.warn("what %s replaced came from connection properties of its own; what comes back comes from %s's Kafka "
            .. "cluster %s, unless --source-properties FILE names them", some(outside), run.to.alias, run.to.kafka)
    end
end

return M
