--- loops: mirrors that keep the topics' names and feed themselves, or make one topic of two.
---
--- Clusters are places, and a mirror that keeps names is a way from one to another. A new mirror that closes a circle
--- of ways, all of which carry some topic, is refused: records would go round for ever. Mirrors that are there count;
--- version 1 of the API does not tell whether they keep names, so with them it is a warning. Two ways from different
--- places into one that carry the same topic are a warning: the topics become one. An audit looks for circles, too,
--- among mirrors that are there.

local live = require("kmirror.live")
local order = require("kmirror.order")
local try = require("kmirror.problem").try
local profile = require("kmirror.profile")
local regex = require("kmirror.regex")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local most_steps = 100000 -- in the search for circles

---@class kmirror.fleet.way a mirror that keeps the topics' names, as far as is known
---@field from string the place: a name for a cluster
---@field to string
---@field topicsRegex string
---@field index integer
---@field line? integer of the file; nil of one that is there and not in it
---@field label? string how messages call a new one that has no line
---@field id? string of the mirror that is there
---@field connectorName? string
---@field doubt? string why it may be no such way: for string.format, with what it is called
---@field is_asked boolean circles are looked for that it is part of: it is new, or an audit is about it

-- ---- places ----------------------------------------------------------------------------------------------

-- What a place is called, by the UUIDs and the alias of its cluster.
local function places_of(fleet)
    local places = { kafka = {}, connect = {}, alias = {}, cluster = {}, called = {} }
    for name, cluster in pairs(fleet.clusters) do
        places.cluster[name] = cluster
        for _, field in ipairs({ "kafka", "connect" }) do
            if cluster[field] then places[field][cluster[field]:lower()] = name end
        end
        if cluster.alias then places.alias[cluster.alias] = name end
    end
    return places
end

-- The Kafka cluster decides, where it is known which one is meant; the second value is true for a guess by what
-- connectors' names call a cluster.
local function source_of(places, mirror)
    local kafka, alias = (mirror.kafkaSource or ""):lower(), mirror.sourceAlias
    local by_alias = places.alias[alias]
    if places.kafka[kafka] then return places.kafka[kafka] end
    if by_alias and (kafka == "" or not places.cluster[by_alias].kafka) then return by_alias end
    if not by_alias and places.called[alias] then return places.called[alias], true end
    return kafka ~= "" and kafka or alias
end

local function target_of(places, mirror)
    return places.connect[mirror.cluster] or mirror.cluster
end

-- ---- ways ------------------------------------------------------------------------------------------------

local function add_way(ways, places, mirror, fields)
    if mirror.useRenaming == true or not mirror.sourceAlias and not mirror.kafkaSource then
        return
    end
    local guessed
    fields.from, guessed = source_of(places, mirror)
    fields.to, fields.topicsRegex, fields.index = target_of(places, mirror), mirror.topicsRegex, #ways + 1
    fields.doubt = mirror.useRenaming == nil
        and "version 1 of the API does not tell whether %s keeps the topics' names"
        or guessed and "whether %s comes from there is known by an alias alone, as no cluster with its kafka, connect "
        .. "and alias is in the profile" or nil
    ways[#ways + 1] = fields
    return fields
end

local function add_found(ways, places, found, is_asked)
    for _, mirror in ipairs(found) do
        if not mirror.gone then
            add_way(ways, places, mirror, { id = mirror.id, connectorName = mirror.connectorName,
                is_asked = is_asked and is_asked(mirror) or false })
        end
    end
end

-- What leads into the places that new mirrors start from, and into those that this leads from, and so on: one list a
-- cluster. Places that cannot be looked at are warned of.
local function look_back(api, ways, places, way, warn)
    local cluster, first = places.cluster[way.from], #ways + 1
    local target = { cluster = cluster.connect:lower(), name = way.from, perhaps = cluster.alias }
    local ok, found = try(live.list, api, { target })
    if ok then
        add_found(ways, places, found)
        for i = first, #ways do ways[i].leads_back = true end
    else
        warn(way, "whether mirrors lead back into '%s' cannot be told: %s", way.from, tostring(found))
    end
end

local function add_ways_back(api, ways, places, listed, warn)
    local i = 1
    while ways[i] do -- it grows meanwhile
        local way = ways[i]
        local uuid = (places.cluster[way.from] or {}).connect
        if uuid and not listed[uuid:lower()] and (way.is_asked or way.leads_back) then
            listed[uuid:lower()] = true
            look_back(api, ways, places, way, warn)
        end
        i = i + 1
    end
end

-- ---- who carries the same topic ----------------------------------------------------------------------------

-- By way: the ways that carry a topic that it carries, too, and that topic.
local function neighbours_of(ways, involves)
    local usable, regexes, neighbours = {}, {}, {}
    for _, way in ipairs(ways) do
        neighbours[way] = {}
        if not regex.problem(way.topicsRegex) then
            usable[#usable + 1], regexes[#regexes + 1] = way, way.topicsRegex
        end
    end
    local overlaps, whole = regex.overlaps(regexes, nil, involves and function(i) return involves(usable[i]) end)
    for _, overlap in ipairs(overlaps) do
        local a, b = usable[overlap.first], usable[overlap.second]
        neighbours[a][b], neighbours[b][a] = overlap.topics[1], overlap.topics[1]
    end
    local same = {}
    for _, way in ipairs(ways) do -- what cannot be tried out is at least like itself
        for _, other in ipairs(same[way.topicsRegex] or {}) do
            neighbours[way][other] = neighbours[way][other] or way.topicsRegex
            neighbours[other][way] = neighbours[other][way] or way.topicsRegex
        end
        same[way.topicsRegex] = same[way.topicsRegex] or {}
        table.insert(same[way.topicsRegex], way)
    end
    return neighbours, whole
end

local function common_topic(path, neighbours)
    if #path == 2 then return neighbours[path[1]][path[2]] end
    local regexes, all_same = {}, true
    for i, way in ipairs(path) do
        regexes[i] = way.topicsRegex
        all_same = all_same and way.topicsRegex == path[1].topicsRegex
    end
    return all_same and neighbours[path[1]][path[2]] or regex.common(regexes)
end

-- ---- circles ------------------------------------------------------------------------------------------------

-- The ways that may be part of a circle: those that some way leads back from, at all.
local function in_circles(ways)
    local outgoing = {}
    for _, way in ipairs(ways) do
        outgoing[way.from] = outgoing[way.from] or {}
        outgoing[way.from][way.to] = true
    end
    local function reaches(from, to)
        local seen, open = { [from] = true }, { from }
        while #open > 0 do
            local place = table.remove(open)
            if place == to then return true end
            for each in pairs(outgoing[place] or {}) do
                if not seen[each] then
                    seen[each] = true
                    open[#open + 1] = each
                end
            end
        end
        return false
    end
    local known, inside = {}, {}
    for _, way in ipairs(ways) do
        local key = way.from .. "\0" .. way.to
        if known[key] == nil then known[key] = way.from ~= way.to and reaches(way.to, way.from) end
        if known[key] then inside[#inside + 1] = way end
    end
    return inside
end

-- The ways that may be in a circle with one that is its last: by the place where they begin.
local function that_may_follow(first, neighbours, is_one)
    local leaving = {}
    for way in pairs(neighbours) do
        if is_one[way] and not (way.is_asked and way.index > first.index) then
            leaving[way.from] = leaving[way.from] or {}
            table.insert(leaving[way.from], way)
        end
    end
    for _, list in pairs(leaving) do table.sort(list, order.by("index")) end
    return leaving
end

-- Calls visit(path, topic) for circles of mirrors that are asked for, and that are not told of yet; each is told once,
-- at the last such mirror, and for each such mirror the shortest that was found first.
-- Returns false when there was so much to look at that some was not.
local function each_circle(ways, neighbours, told, visit)
    local is_one, steps = {}, 0
    for _, way in ipairs(ways) do is_one[way] = true end
    local function follow(path, visited, longest, leaving)
        local first, last = path[1], path[#path]
        for _, way in ipairs(leaving[last.to] or {}) do
            steps = steps + 1
            if steps > most_steps then return false end
            if way.to == first.from then
                path[#path + 1] = way
                local topic = common_topic(path, neighbours)
                if topic then
                    visit(path, topic)
                    return true
                end
                path[#path] = nil
            elseif #path + 1 < longest and not visited[way.to] then
                path[#path + 1], visited[way.to] = way, true
                if follow(path, visited, longest, leaving) then return true end
                path[#path], visited[way.to] = nil, nil
            end
        end
        return false
    end
    for _, way in ipairs(ways) do
        if way.is_asked and not told[way] then
            local leaving = that_may_follow(way, neighbours[way], is_one)
            told[way] = follow({ way }, { [way.to] = true }, 2, leaving)
                or follow({ way }, { [way.to] = true }, math.huge, leaving)
        end
    end
    return steps <= most_steps
end

-- Ways that nothing is in doubt of come first: what is certain is not hidden by what may be.
local function each_circle_of(ways, visit)
    local inside, certain, told = in_circles(ways), {}, {}
    for _, way in ipairs(inside) do certain[#certain + 1] = not way.doubt and way or nil end
    local neighbours, whole = neighbours_of(inside)
    whole = each_circle(in_circles(certain), neighbours, told, visit) and whole
    return #certain == #inside and whole or each_circle(inside, neighbours, told, visit) and whole
end

-- ---- what is said of them --------------------------------------------------------------------------------------

local function name_of(way)
    if way.line then return "line " .. way.line end
    return way.id and ("%s (%s)"):format(way.id, way.connectorName) or way.label
end

local function others_of(path)
    local names = {}
    for i = 2, #path do names[i - 1] = name_of(path[i]) end
    if #names == 1 then
        return (path[2].line and "the mirror in " or path[2].id and "mirror " or "") .. names[1]
    end
    return "the mirrors of " .. table.concat(names, ", ", 1, #names - 1) .. " and " .. names[#names]
end

local function way_round(path)
    if #path == 2 then return "" end
    local places = { path[1].from }
    for _, way in ipairs(path) do places[#places + 1] = way.to end
    return (" (%s)"):format(table.concat(places, " -> "))
end

local function judge_circle(path, topic, forbid, warn)
    local is_there, uncertain = path[1].id ~= nil, nil
    for _, way in ipairs(path) do uncertain = uncertain or way.doubt and way end
    local function circle(goes_round)
        return ("with %s, '%s' %s in a loop%s"):format(others_of(path), text.short(topic), goes_round, way_round(path))
    end
    if uncertain then
        warn(path[1], "%s: %s; if it does, %s", circle("may go round"),
            uncertain.doubt:format(name_of(uncertain)),
            is_there and "delete one of them" or "set useRenaming, or delete it first")
    elseif is_there then
        forbid(path[1], "%s: its records are copied again and again; delete one of them", circle("goes round"))
    else
        forbid(path[1], "%s; set useRenaming, or keep %s", circle("would go round"),
            #path == 2 and "one of them" or "one of them out")
    end
end

local function judge_self(way, forbid, warn)
    local words = ("'%s' is mirrored from '%s' to itself"):format(text.short(way.topicsRegex), way.from)
    if way.id and way.doubt then
        warn(way, "%s: %s; if it does, delete it", words, way.doubt:format("it"))
    else
        forbid(way, "%s: each record %s copied again and again; %s", words, way.id and "is" or "would be",
            way.id and "delete it" or "expected another source, or another target")
    end
end

-- Ways from different places into one that carry the same topic.
local function judge_merges(ways, warn)
    local arriving, told = {}, {}
    for _, way in ipairs(ways) do
        if way.from ~= way.to then
            arriving[way.to] = arriving[way.to] or { sources = {}, count = 0 }
            local group = arriving[way.to]
            group.count = group.count + (group.sources[way.from] and 0 or 1)
            group.sources[way.from] = true
            table.insert(group, way)
        end
    end
    for place, group in pairs(arriving) do
        local neighbours = group.count > 1 and neighbours_of(group, function(way) return way.is_asked end) or {}
        for _, way in ipairs(group) do
            for other, topic in pairs(way.is_asked and neighbours[way] or {}) do
                local is_first = not (other.is_asked and other.index > way.index)
                if is_first and other.from ~= way.from and not told[way] then
                    told[way] = true
                    warn(way, "'%s' of '%s' and of '%s' (%s) become one topic of '%s', as names are kept%s; "
                        .. "useRenaming keeps them apart", topic, way.from, other.from, name_of(other), place,
                        other.doubt and " (if that mirror keeps them, too)" or "")
                end
            end
        end
    end
end

local function judge_circles(ways, forbid, warn)
    for _, way in ipairs(ways) do
        if way.is_asked and way.from == way.to then judge_self(way, forbid, warn) end
    end
    if not each_circle_of(ways, function(path, topic) judge_circle(path, topic, forbid, warn) end) then
        warn(nil, "there are too many ways between these clusters to follow all: some loops may not be named here")
    end
end

--- Looks for what new mirrors would bring about that nobody wants. What surely loops is complained of in the fleet's
--- document; the rest are warnings.
---@param api mirrors.Api asked for the lists of clusters that new mirrors start from, where they are known
---@param fleet kmirror.fleet
---@param mirrors kmirror.fleet.wanted[]
---@param is_new table<kmirror.fleet.wanted, boolean>
---@param found kmirror.fleet.found[] what is there besides, on the clusters that have been listed, and stays
---@return kmirror.fleet.warning[]
function M.check(api, fleet, mirrors, is_new, found)
    local places, ways, warnings, listed = places_of(fleet), {}, {}, {}
    local function warn(way, message, ...)
        warnings[#warnings + 1] = { line = way and way.line, message = message:format(...) }
    end
    local function forbid(way, message, ...)
        fleet.document:complain(way.line, message, ...)
    end
    local any_new = false
    for _, mirror in ipairs(mirrors) do
        listed[mirror.cluster] = true
        local way = add_way(ways, places, mirror, { line = mirror.line, label = mirror.label,
            is_asked = is_new[mirror] or false })
        any_new = any_new or way and way.is_asked
    end
    if not any_new then return warnings end
    add_found(ways, places, found)
    add_ways_back(api, ways, places, listed, warn)
    judge_circles(ways, forbid, warn)
    judge_merges(ways, warn)
    return warnings
end

---@class kmirror.fleet.loop
---@field mirror? kmirror.fleet.found nil for what is said of all
---@field certain boolean
---@field message string

-- What connectors' names call the clusters that no name is known of, where only one is called so.
local function add_called(places, aliases)
    local twice = {}
    for cluster, alias in pairs(aliases) do
        if not places.connect[cluster] then
            twice[alias] = places.called[alias] ~= nil or twice[alias]
            places.called[alias] = cluster
        end
    end
    for alias in pairs(twice) do places.called[alias] = nil end
end

--- Looks for circles among mirrors that are there. Clusters that they come from are listed, too, where they are known.
---@param api mirrors.Api
---@param found kmirror.fleet.found[] all that is on the clusters
---@param aliases table<string, string> what connectors' names call the clusters, by UUID
---@param is_asked fun(mirror: kmirror.fleet.found): boolean only circles that one of these is part of
---@return kmirror.fleet.loop[]
---Raises `invalid` when PCRE2 is not installed.
function M.among(api, found, aliases, is_asked)
    local places, ways, listed, by_id, loops = places_of(profile.current()), {}, {}, {}, {}
    add_called(places, aliases)
    for _, mirror in ipairs(found) do listed[mirror.cluster], by_id[mirror.id] = true, mirror end
    local function add(certain, way, message, ...)
        loops[#loops + 1] = { mirror = way and by_id[way.id], certain = certain, message = message:format(...) }
    end
    local function forbid(...) add(true, ...) end
    local function warn(...) add(false, ...) end
    add_found(ways, places, found, is_asked)
    add_ways_back(api, ways, places, listed, warn)
    judge_circles(ways, forbid, warn)
    return loops
end

--- The same for specifications that are to be created on one cluster. Raises usage for what surely loops.
---@param api mirrors.Api
---@param specs mirrors.Spec[]
---@param where string what they are from, for messages
---@param clusters? table<string, kmirror.cluster> by name; the profile's, unless it is given
---@return kmirror.fleet.warning[]
function M.check_specs(api, specs, where, clusters)
    local problems, mirrors, is_new = {}, {}, {}
    local document = { complain = function(_, _, message, ...) problems[#problems + 1] = message:format(...) end }
    for i, spec in ipairs(specs) do
        mirrors[i] = setmetatable({ cluster = api.cluster:lower(), label = "mirror " .. i }, { __index = spec })
        is_new[mirrors[i]] = true
    end
    local found = live.list(api, { { cluster = api.cluster:lower(), name = api.cluster } })
    local fleet = { clusters = clusters or profile.current().clusters, document = document }
    local warnings = M.check(api, fleet, mirrors, is_new, found)
    if #problems > 0 then
        refuse("%s: %s; nothing was created", where, table.concat(problems, "; "))
    end
    return warnings
end

return M
