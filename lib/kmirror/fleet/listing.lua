--- fleet.listing: waits until the lists of the clusters show what was done. They can run behind; as long as they do,
--- another plan would take what was done for not done.

local bulk = require("kmirror.bulk")
local task = require("task")

local pause = 1 -- seconds between two lists of a cluster

local function by_cluster(items)
    local groups = {}
    for _, item in ipairs(items) do
        groups[item.cluster] = groups[item.cluster] or {}
        table.insert(groups[item.cluster], item)
    end
    local list = {}
    for cluster, group in pairs(groups) do
        list[#list + 1] = { cluster = cluster, items = group }
    end
    return list
end

-- Those that the list does not show as they are by now.
local function not_shown(api, items)
    local listed, left = {}, {}
    for _, mirror in ipairs(api:list()) do
        listed[mirror.id] = true
    end
    for _, item in ipairs(items) do
        local is_there = item.change.spec ~= nil
        left[#left + 1] = (listed[item.id] or false) ~= is_there and item or nil
    end
    return left
end

--- Waits until all show. Raises what api:list() raises.
---@param api mirrors.Api
---@param items kmirror.fleet.item[] created and deleted ones
---@param seconds number how long at most
---@return kmirror.fleet.item[] left those that do not show when the time is up
return function(api, items, seconds)
    local deadline, missing = task.now() + seconds, {}
    bulk.map(by_cluster(items), function(group)
        local there = api:on(group.cluster)
        local left = not_shown(there, group.items)
        while #left > 0 and task.now() < deadline do
            task.sleep(pause)
            left = not_shown(there, left)
        end
        table.move(left, 1, #left, #missing + 1, missing)
    end)
    return missing
end
