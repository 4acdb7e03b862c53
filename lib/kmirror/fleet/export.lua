--- fleet.export: a fleet file of what is there.

local cjson = require("cjson")
local csv = require("kmirror.csv")
local fields = require("kmirror.fleet.fields")
local json = require("kmirror.json")
local live = require("kmirror.live")
local order = require("kmirror.order")
local profile = require("kmirror.profile")
local text = require("kmirror.text")
local wanted = require("kmirror.fleet.wanted")

local M = {}

---@class kmirror.fleet.exported
---@field clusters table<string, table> by name
---@field sources kmirror.fleet.source[]
---@field mirrors table[]
---@field notes string[] what is not in it, and why
---@field left_out integer how many mirrors are not in it
---@field whole boolean the API tells whole specifications

---@class kmirror.fleet.source where mirrors come from
---@field name string what the file calls it
---@field alias string
---@field kafka? string UUID, in lower case
---@field properties? mirrors.Secret

local function note(exported, message, ...)
    table.insert(exported.notes, text.clean(message:format(...)))
end

-- ---- clusters ---------------------------------------------------------------------------------------------

-- The cluster of the profile that has these fields.
local function known_as(sought)
    for name, cluster in pairs(profile.current().clusters) do
        local fits = true
        for field, value in pairs(sought) do
            local has = cluster[field] or field == "alias" and name
            fits = fits and has and has:lower() == value:lower()
        end
        if fits then return name, cluster end
    end
end

local function name_target(exported, uuid, alias)
    local name, known = known_as({ connect = uuid })
    name = name or alias or uuid
    exported.clusters[name] = { connect = uuid, kafka = known and known.kafka, alias = alias or known and known.alias }
    return name
end

-- Whether the file may call a source so: nothing else that the file or the profile has is called that.
local function may_be_called(exported, name, source)
    for _, other in ipairs(exported.sources) do
        if other.name == name then return false end
    end
    for _, cluster in ipairs({ exported.clusters[name] or {}, profile.current().clusters[name] or {} }) do
        local other_kafka = cluster.kafka and (cluster.kafka:lower() ~= source.kafka or source.properties)
        if other_kafka or cluster.sourceConnectionPropertiesFile or source.properties and cluster.connect
            or cluster.alias and cluster.alias ~= source.alias then
            return false
        end
    end
    return true
end

local function free_name(exported, source)
    local name, number = source.alias, 1
    while not may_be_called(exported, name, source) do
        number = number + 1
        name = source.alias .. "-" .. number
    end
    return name
end

local function add_source(exported, source)
    local known = known_as({ kafka = source.kafka, alias = source.alias })
    source.name = not source.properties and known or free_name(exported, source)
    local from_profile, cluster = profile.current().clusters[source.name] or {}, exported.clusters[source.name] or {}
    exported.clusters[source.name] = cluster
    cluster.alias, cluster.kafka = source.alias, source.kafka or cluster.kafka
    cluster.connect = cluster.connect or from_profile.connect
    table.insert(exported.sources, source)
    if source.properties then
        local file = source.name .. ".properties"
        cluster.sourceConnectionPropertiesFile = file
        note(exported, "the connection properties of '%s' are left out, as they are secret: put them into %s, beside "
            .. "this file and readable by its owner only (chmod 600)", source.name, file)
    end
    return source.name
end

-- Where the API does not tell the source, the profile may know it by its alias.
local function kafka_of(found)
    if found.useRenaming ~= nil then return found.kafkaSource and found.kafkaSource:lower() end
    local _, known = known_as({ alias = found.sourceAlias })
    return known and known.kafka and known.kafka:lower()
end

local function are_same(one, other)
    return one == other or one and other and one:leads_where(other) == "yes"
end

local function name_source(exported, found)
    local kafka, properties = kafka_of(found), found.listed.sourceConnectionProperties
    for _, source in ipairs(exported.sources) do
        local fits = source.alias == found.sourceAlias and source.kafka == kafka
        if fits and are_same(source.properties, properties) then return source.name end
    end
    return add_source(exported, { alias = found.sourceAlias, kafka = kafka, properties = properties })
end

-- ---- mirrors ----------------------------------------------------------------------------------------------

local function leave_out(exported, message, ...)
    exported.left_out = exported.left_out + 1
    note(exported, message, ...)
end

-- What a fleet file takes of it.
local function settings_of(exported, found)
    local mirror, told = {}, found.details or found.listed
    for _, field in ipairs({ "targetLatency", "useRenaming", "usePrivateIps", "maxTasks" }) do
        local value = told[field]
        if value == nil or fields.of.mirror[field].check(value) then
            mirror[field] = value
        else
            note(exported, "left out: %s of %s is %s; expected %s", field, found.id, tostring(value),
                fields.of.mirror[field].expected)
        end
    end
    return mirror
end

-- What a fleet file can tell it from: with version 2 of the API, its source and renaming, too.
local function key_of(found, from)
    local more = found.useRenaming ~= nil and ("\0%s\0%s"):format(from, found.useRenaming) or ""
    return wanted.key(found) .. more
end

local function add_mirror(exported, seen, names, found)
    if found.gone then
        return
    elseif not found.sourceAlias then
        return leave_out(exported, "left out, as its name does not tell its source: %s %s", found.id,
            found.connectorName)
    end
    for _, field in ipairs({ "sourceAlias", "kafkaSource", "topicsRegex" }) do
        local kind, value = fields.of.mirror[field], found[field]
        if value ~= nil and not kind.check(value) then
            return leave_out(exported, "left out: the %s of %s is '%s'; expected %s", field, found.id, value,
                kind.expected)
        end
    end
    local from = name_source(exported, found)
    local key = key_of(found, from)
    if seen[key] then
        return leave_out(exported, "there is one more of '%s' from %s into %s: %s", found.topicsRegex,
            found.sourceAlias, names[found.cluster], found.id)
    end
    seen[key] = true
    local mirror = settings_of(exported, found)
    mirror.from, mirror.to, mirror.topicsRegex = from, names[found.cluster], found.topicsRegex
    table.insert(exported.mirrors, mirror)
end

local function targets_of(clusters)
    local targets = {}
    for i, cluster in ipairs(clusters) do
        targets[i] = live.target(profile.connect_cluster(cluster))
    end
    return targets
end

-- The list of version 2 tells all.
local function examine(api, found)
    local needed = {}
    for _, mirror in ipairs(found) do
        needed[#needed + 1] = not mirror.listed.targetLatency and mirror or nil
    end
    live.examine(api, needed)
end

local function collect(found, aliases, targets, whole)
    local exported = { clusters = {}, sources = {}, mirrors = {}, notes = {}, left_out = 0, whole = whole }
    local names, seen = {}, {}
    for _, target in ipairs(targets) do
        names[target.cluster] = name_target(exported, target.cluster, aliases[target.cluster])
    end
    for _, mirror in ipairs(found) do add_mirror(exported, seen, names, mirror) end
    table.sort(exported.mirrors, order.by("to", "from", "topicsRegex"))
    return exported
end

local function look(api, clusters)
    local targets, whole = targets_of(clusters), true
    local found, aliases = live.list(api, targets)
    for _, target in ipairs(targets) do
        whole = whole and api:on(target.cluster):can("specification")
    end
    examine(api, found)
    return collect(found, aliases, targets, whole)
end

-- ---- as a file --------------------------------------------------------------------------------------------

local heads = {
    whole = "-- The mirrors that were there when this was written.\n",
    not_whole = [[
-- The mirrors that were there when this was written. What the API does not tell of them is not here: useRenaming,
-- maxTasks, usePrivateIps, and the Kafka cluster or the connection properties of a source that the profile does not
-- know. A plan does without these for mirrors that are there; fill them in to be able to create them anew. Version 2 of
-- the API tells them: kmirror export --api v2
]],
}

-- What version 1 of the API does not tell of a mirror.
local unknown_to_v1 = { "useRenaming", "usePrivateIps", "maxTasks" }

local written = {
    "connect", "kafka", "sourceConnectionPropertiesFile", "alias", "from", "to", "topicsRegex", "targetLatency",
    "useRenaming", "usePrivateIps", "maxTasks",
}

local function lua_value(value)
    if type(value) ~= "string" then return tostring(value) end
    return '"' .. value:gsub('[\\"%c]', function(character)
        return character:find("%c") and ("\\%03d"):format(character:byte()) or "\\" .. character
    end) .. '"'
end

local function lua_fields(record)
    local parts = {}
    for _, field in ipairs(written) do
        local value = record[field]
        parts[#parts + 1] = value ~= nil and ("%s = %s"):format(field, lua_value(value)) or nil
    end
    return "{ " .. table.concat(parts, ", ") .. " },"
end

local writers = {}

function writers.lua(exported)
    local lines = {}
    local function add(line, ...)
        lines[#lines + 1] = line:format(...)
    end
    for _, message in ipairs(exported.notes) do
        add("-- %s", message)
    end
    add("return {\n    clusters = {")
    local is_source = {}
    for _, source in ipairs(exported.sources) do is_source[source.name] = true end
    for _, name in ipairs(order.keys(exported.clusters)) do
        local cluster = exported.clusters[name]
        local is_known = cluster.kafka or cluster.sourceConnectionPropertiesFile or not is_source[name]
        add("        [%s] = %s%s", lua_value(name), lua_fields(cluster), is_known and "" or " -- kafka: not known")
    end
    add("    },")
    if not exported.whole then
        add("    defaults = {\n        -- useRenaming, maxTasks, usePrivateIps: not known\n    },")
    end
    add("    mirrors = {")
    for _, mirror in ipairs(exported.mirrors) do add("        %s", lua_fields(mirror)) end
    add("    },\n}")
    return heads[exported.whole and "whole" or "not_whole"] .. table.concat(lines, "\n") .. "\n"
end

-- What is not known is null.
function writers.json(exported)
    local mirrors = json.array({})
    for i, mirror in ipairs(exported.mirrors) do
        mirrors[i] = {}
        for _, field in ipairs(exported.whole and {} or unknown_to_v1) do
            mirrors[i][field] = cjson.null
        end
        for field, value in pairs(mirror) do mirrors[i][field] = value end
    end
    return json.encode({ clusters = exported.clusters, mirrors = mirrors }, true) .. "\n"
end

-- CSV has no place for clusters. What is not known is an empty cell.
function writers.csv(exported)
    local rows = {}
    for i, mirror in ipairs(exported.mirrors) do
        local source = exported.clusters[mirror.from]
        rows[i] = {
            to = exported.clusters[mirror.to].connect, sourceAlias = source.alias, topicsRegex = mirror.topicsRegex,
            kafkaSource = not source.sourceConnectionPropertiesFile and source.kafka or nil,
            sourceConnectionPropertiesFile = source.sourceConnectionPropertiesFile,
            targetLatency = mirror.targetLatency, useRenaming = mirror.useRenaming,
            usePrivateIps = mirror.usePrivateIps, maxTasks = mirror.maxTasks,
        }
    end
    return csv.rows({
        "to", "sourceAlias", "kafkaSource", "sourceConnectionPropertiesFile", "topicsRegex", "targetLatency",
        "useRenaming", "usePrivateIps", "maxTasks",
    }, rows)
end

---@class kmirror.fleet.export_summary
---@field mirrors integer how many there are in it
---@field left_out integer how many there are not
---@field whole boolean whether the API tells whole specifications, as version 2 does

--- A fleet file of the mirrors on clusters, each of which is listed once; where the list does not tell target
--- latencies, each mirror is asked for. Raises what the API raises, and usage for a cluster that is not known.
---@param api mirrors.Api
---@param clusters string[] Kafka Connect clusters, by UUID or name
---@param format "lua"|"json"|"csv"
---@return string text of the file
---@return string[] notes what is not in it, and why
---@return kmirror.fleet.export_summary
function M.write(api, clusters, format)
    local exported = look(api, clusters)
    return writers[format](exported), exported.notes,
        { mirrors = #exported.mirrors, left_out = exported.left_out, whole = exported.whole }
end

--- A fleet file in Lua of mirrors whose whole specifications are known, by which apply creates them anew.
---@param mirrors table[] in full, with their clusters
---@return string|nil text nil where the API does not tell that much of them
---@return string[] notes what is not in it, and why
function M.of(mirrors)
    for _, mirror in ipairs(mirrors) do
        if mirror.useRenaming == nil then return nil, {} end
    end
    local found, aliases, targets = live.of(mirrors)
    local exported = collect(found, aliases, targets, true)
    return writers.lua(exported), exported.notes
end

return M
