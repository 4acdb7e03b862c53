--- fleet.matching: which mirror that is there is which one of a fleet file. It is known by its cluster, its source's
--- alias and its topics regex.

local wanted = require("kmirror.fleet.wanted")

local M = {}

-- What connectors' names call the targets; the file has the last word.
local function name_targets(fleet, by_cluster)
    for _, in_file in ipairs({ false, true }) do
        for _, each in pairs(fleet.clusters) do
            local target = by_cluster[each.connect]
            if target and each.alias_given and (each.line ~= nil) == in_file then
                target.alias, target.where = each.alias, each.line and fleet.document:at(each.line)
            elseif target then
                target.perhaps = each.alias
            end
        end
    end
end

--- The clusters that mirrors of a fleet go into.
---@param fleet kmirror.fleet
---@param mirrors kmirror.fleet.wanted[] some of it, or all
---@return kmirror.fleet.target[]
function M.targets(fleet, mirrors)
    local targets, by_cluster = {}, {}
    for _, mirror in ipairs(mirrors) do
        if not by_cluster[mirror.cluster] then
            by_cluster[mirror.cluster] = { cluster = mirror.cluster, name = mirror.to }
            targets[#targets + 1] = by_cluster[mirror.cluster]
        end
    end
    name_targets(fleet, by_cluster)
    return targets
end

--- What is there, by what it is known by; and what is there with a name that does not tell.
---@param found kmirror.fleet.found[]
---@return table<string, kmirror.fleet.found[]> by wanted.key()
---@return kmirror.fleet.found[] unclear
function M.index(found)
    local by_key, unclear = {}, {}
    for _, mirror in ipairs(found) do
        if mirror.sourceAlias then
            local key = wanted.key(mirror)
            by_key[key] = by_key[key] or {}
            table.insert(by_key[key], mirror)
        else
            unclear[#unclear + 1] = mirror
        end
    end
    return by_key, unclear
end

--- Those that may be the wanted mirror: same topics, and a name that begins with its source's alias.
---@param mirror kmirror.fleet.wanted
---@param unclear kmirror.fleet.found[]
---@return kmirror.fleet.found[]
function M.look_alikes(mirror, unclear)
    local prefix = mirror.sourceAlias .. "."
    local alike = {}
    for _, each in ipairs(unclear) do
        local fits = each.cluster == mirror.cluster and each.topicsRegex == mirror.topicsRegex
            and each.connectorName:sub(1, #prefix) == prefix
        alike[#alike + 1] = fits and each or nil
    end
    return alike
end

return M
