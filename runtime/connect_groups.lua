-- connect_groups: which consumer groups of a mirror's source may move to its target: where they have committed there
-- and here, and how many records they would read again. MirrorMaker's checkpoint connector carries offsets over now
-- and then, and only as exactly as the marks that the source connector has left.
local regexes = ...

local groups = {}

---@class mirrors.Groups
---@field groups mirrors.Group[]  those that have committed on the mirror's topics in the source, by name; MirrorMaker's
---  own heartbeats do not count

---@class mirrors.Group
---@field group string
---@field recordsAgain? integer  that it would read a second time if it moved now; nil: it has no offsets in the target
---@field partitions mirrors.GroupPartition[]

---@class mirrors.GroupPartition
---@field topic string               in the source
---@field partition integer
---@field committedOffset integer    in the source
---@field translatedOffset? integer  what is committed in the target; nil: nothing yet
---@field recordsAgain? integer

-- What MirrorMaker takes and leaves out where its configuration does not say, as no clients would miss that.
local GROUPS <const>, LEFT_OUT <const> = ".*", "console-consumer-.*, connect-.*, __.*"
local FILTER <const> = "org.apache.kafka.connect.mirror.DefaultGroupFilter"

---What tells of a group whether its offsets are carried over at all.
---@param its table<string, string>  configuration of the checkpoint connector
---@return (fun(name: string): boolean)? counts
---@return string? problem
function groups.filter(its)
    local class = its["group.filter.class"] or FILTER
    if class ~= FILTER then return nil, ("its group.filter.class %s decides that"):format(class) end
    local taken, problem = regexes.any_of(its.groups or GROUPS)
    if not taken then return nil, "groups: " .. problem end
    local left_out, why = regexes.any_of(its["groups.exclude"] or its["groups.blacklist"] or LEFT_OUT)
    if not left_out then return nil, "groups.exclude: " .. why end
    return function(name) return taken(name) and not left_out(name) end
end

---@class connect_groups.place
---@field topic string
---@field partition integer
---@field source { beginning: integer|false, ending: integer|false }
---@field target { beginning: integer|false, ending: integer|false }
---@field replicated? integer  offset of the last record that was copied

-- What is behind its offset in the target, less what is behind the one in the source as far as it was copied.
local function again(place, committed, translated)
    if place.source.ending and place.source.ending == place.source.beginning then return 0 end -- nothing to read
    if not (translated and place.target.ending) then return nil end
    local own = math.max(0, (place.replicated or -1) + 1 - committed)
    return math.max(0, place.target.ending - translated - own)
end

local function group_of(name, places, there, here)
    local group = { group = name, recordsAgain = 0, partitions = {} }
    for i, place in ipairs(places) do
        if there[i] then
            local translated = here and here[i] or nil
            local records = again(place, there[i], translated)
            group.partitions[#group.partitions + 1] = { topic = place.topic, partition = place.partition,
                committedOffset = there[i], translatedOffset = translated, recordsAgain = records }
            group.recordsAgain = group.recordsAgain and records and group.recordsAgain + records
        end
    end
    return group
end

---The names of the groups that count and have committed anything, in order.
---@param there table<string, (integer|false)[]>  committed in the source, a partition each
---@param counts fun(name: string): boolean
---@return string[]
function groups.names(there, counts)
    local names = {}
    for name, offsets in pairs(there) do
        local has_committed = false
        for _, offset in ipairs(offsets) do has_committed = has_committed or offset ~= false end
        if has_committed and counts(name) then names[#names + 1] = name end
    end
    table.sort(names)
    return names
end

---@param places connect_groups.place[]
---@param there table<string, (integer|false)[]>  committed in the source
---@param here table<string, (integer|false)[]>  in the target
---@param names string[]  of those that count
---@return mirrors.Groups
function groups.of(places, there, here, names)
    local told = { groups = {} }
    for i, name in ipairs(names) do
        told.groups[i] = group_of(name, places, there[name], here[name])
    end
    return told
end

return groups
