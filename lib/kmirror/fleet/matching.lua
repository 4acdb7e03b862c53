--- fleet.matching: which mirror that is there is which one of a fleet file. It is known by its cluster, its source's
--- alias and its topics regex; of several that have these in common, by source and renaming, where the API tells.

local connector = require("kmirror.connector")
local drift = require("kmirror.fleet.drift")
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
---@return kmirror.fleet.found[] unclear see look_alikes()
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

local function is_same(document, mirror, found)
    local differences = drift.of(mirror, found, document.directory)
    return #drift.of_records(differences) == 0
end

-- Gives each wanted one up to so many of those that are the same. Returns what is left.
local function give_same(document, group, matches, assigned, most)
    local left = table.move(matches, 1, #matches, 1, {})
    for _, mirror in ipairs(group) do
        local i = 1
        while left[i] and #assigned[mirror] < most do
            if is_same(document, mirror, left[i]) then
                table.insert(assigned[mirror], table.remove(left, i))
            else
                i = i + 1
            end
        end
    end
    return left
end

-- Of several that have the same key: each wanted one gets what is of its source and renaming, its duplicates, too; one
-- of which there is none gets what is left.
local function tell_apart(document, group, matches, assigned)
    local open = {}
    for _, mirror in ipairs(group) do assigned[mirror] = {} end
    local left = give_same(document, group, matches, assigned, 1)
    left = give_same(document, group, left, assigned, math.huge)
    for _, mirror in ipairs(group) do open[#open + 1] = #assigned[mirror] == 0 and mirror or nil end
    if #open == 1 then
        assigned[open[1]] = left
        return {}
    end
    for _, mirror in ipairs(open) do assigned[mirror] = { table.remove(left, 1) } end
    return left
end

local function by_key_of(mirrors)
    local groups, keys = {}, {}
    for _, mirror in ipairs(mirrors) do
        local key = wanted.key(mirror)
        if not groups[key] then
            groups[key] = {}
            keys[#keys + 1] = key
        end
        table.insert(groups[key], mirror)
    end
    return groups, keys
end

local function are_whole(matches)
    for _, found in ipairs(matches) do
        if found.listed.useRenaming == nil then return false end
    end
    return true
end

--- Which mirrors that are there each of the wanted ones may be: one, none, or several that cannot be told apart.
---@param api mirrors.Api
---@param document kmirror.fleet.document
---@param mirrors kmirror.fleet.wanted[]
---@param by_key table<string, kmirror.fleet.found[]>
---@return table<kmirror.fleet.wanted, kmirror.fleet.found[]>
---@return kmirror.fleet.found[] left none of them
function M.assign(api, document, mirrors, by_key)
    local assigned, left, groups, keys = {}, {}, by_key_of(mirrors)
    for _, key in ipairs(keys) do
        local group, matches = groups[key], by_key[key] or {}
        if not api:on(group[1].cluster):can("specification") then
            wanted.refuse_doubles(document, group)
        end
        if #group + #matches > 2 and are_whole(matches) then
            local rest = tell_apart(document, group, matches, assigned)
            table.move(rest, 1, #rest, #left + 1, left)
        else
            for _, mirror in ipairs(group) do assigned[mirror] = matches end
        end
    end
    for key, matches in pairs(by_key) do
        if not groups[key] then table.move(matches, 1, #matches, #left + 1, left) end
    end
    return assigned, left
end

--- What tells which of the unclear ones may be a wanted mirror: same topics, and a name that begins with its source's
--- alias.
---@param unclear kmirror.fleet.found[]
---@return fun(mirror: kmirror.fleet.wanted): kmirror.fleet.found[]
function M.look_alikes(unclear)
    local by_topics = {}
    local function of_topics(mirror)
        local key = mirror.cluster .. "\0" .. mirror.topicsRegex
        by_topics[key] = by_topics[key] or {}
        return by_topics[key]
    end
    for _, each in ipairs(unclear) do table.insert(of_topics(each), each) end
    return function(mirror)
        local alike = {}
        for _, each in ipairs(of_topics(mirror)) do
            local fits = connector.may_come_from(each.connectorName, mirror.sourceAlias)
            alike[#alike + 1] = fits and each or nil
        end
        return alike
    end
end

return M
