--- fleet.export: a fleet file of what is there.

local csv = require("kmirror.csv")
local json = require("kmirror.json")
local live = require("kmirror.fleet.live")
local profile = require("kmirror.profile")
local wanted = require("kmirror.fleet.wanted")

local M = {}

---@class kmirror.fleet.exported
---@field clusters table<string, table> by name
---@field mirrors table[]
---@field notes string[] what is not in it, and why

-- ---- what is there ----------------------------------------------------------------------------------------

local function named_by(field, value)
    for name, cluster in pairs(profile.current().clusters) do
        if cluster[field] and cluster[field]:lower() == value:lower() then
            return name, cluster
        end
    end
end

-- Adds the cluster that has that field to those of the file; returns its name there.
local function name_cluster(clusters, field, value, fallback)
    local name, known = named_by(field, value)
    name = name or fallback
    clusters[name] = clusters[name] or {}
    clusters[name][field] = value
    for _, each in ipairs({ "connect", "kafka", "alias" }) do
        clusters[name][each] = clusters[name][each] or known and known[each]
    end
    return name
end

local function targets_of(clusters)
    local targets = {}
    for i, cluster in ipairs(clusters) do
        local uuid = profile.connect_cluster(cluster):lower()
        local name, known = named_by("connect", uuid)
        targets[i] = { cluster = uuid, name = name or uuid, perhaps = known and known.alias }
    end
    return targets
end

local function before(a, b)
    for _, field in ipairs({ "to", "from", "topicsRegex" }) do
        if a[field] ~= b[field] then
            return a[field] < b[field]
        end
    end
    return false
end

local function note(notes, message, ...)
    notes[#notes + 1] = message:format(...)
end

local function add_mirror(exported, seen, names, found)
    if found.gone then
        return
    elseif not found.sourceAlias then
        note(exported.notes, "left out, as its name does not tell its source: %s %s", found.id, found.connectorName)
        return
    elseif seen[wanted.key(found)] then
        note(exported.notes, "there is one more of '%s' from %s into %s: %s", found.topicsRegex, found.sourceAlias,
            names[found.cluster], found.id)
        return
    end
    seen[wanted.key(found)] = true
    table.insert(exported.mirrors, {
        from = name_cluster(exported.clusters, "alias", found.sourceAlias, found.sourceAlias),
        to = names[found.cluster],
        topicsRegex = found.topicsRegex,
        targetLatency = found.details.targetLatency,
    })
end

local function look(api, clusters)
    local exported, names, seen = { clusters = {}, mirrors = {}, notes = {} }, {}, {}
    local targets = targets_of(clusters)
    local found, aliases = live.list(api, targets)
    for _, target in ipairs(targets) do
        local uuid, alias = target.cluster, aliases[target.cluster]
        names[uuid] = name_cluster(exported.clusters, "connect", uuid, alias or uuid)
        exported.clusters[names[uuid]].alias = alias
    end
    live.examine(api, found)
    for _, mirror in ipairs(found) do
        add_mirror(exported, seen, names, mirror)
    end
    table.sort(exported.mirrors, before)
    return exported
end

-- ---- as a file --------------------------------------------------------------------------------------------

local head = [[
-- The mirrors that were there when this was written. What the API does not tell of them is not here: useRenaming,
-- maxTasks, usePrivateIps, and the Kafka cluster or the connection properties of a source that the profile does not
-- know. A plan does without these for mirrors that are there; fill them in to be able to create them anew.
]]

local order = { "connect", "kafka", "alias", "from", "to", "topicsRegex", "targetLatency" }

local function lua_value(value)
    if type(value) ~= "string" then
        return tostring(value)
    end
    return '"' .. value:gsub('[\\"%c]', function(character)
        return character:find("%c") and ("\\%03d"):format(character:byte()) or "\\" .. character
    end) .. '"'
end

local function lua_fields(record)
    local parts = {}
    for _, field in ipairs(order) do
        parts[#parts + 1] = record[field] and ("%s = %s"):format(field, lua_value(record[field])) or nil
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
    local names = {}
    for name in pairs(exported.clusters) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local cluster = exported.clusters[name]
        local missing = cluster.kafka and "" or " -- kafka: not known"
        add("        [%s] = %s%s", lua_value(name), lua_fields(cluster), missing)
    end
    add("    },\n    defaults = {\n        -- useRenaming, maxTasks, usePrivateIps: not known\n    },\n    mirrors = {")
    for _, mirror in ipairs(exported.mirrors) do
        add("        %s", lua_fields(mirror))
    end
    add("    },\n}")
    return head .. table.concat(lines, "\n") .. "\n"
end

function writers.json(exported)
    return json.encode({ clusters = exported.clusters, mirrors = json.array(exported.mirrors) }, true) .. "\n"
end

-- CSV has no place for clusters.
function writers.csv(exported)
    local lines = { csv.line({ "to", "sourceAlias", "kafkaSource", "topicsRegex", "targetLatency" }) }
    for _, mirror in ipairs(exported.mirrors) do
        local source, target = exported.clusters[mirror.from], exported.clusters[mirror.to]
        lines[#lines + 1] = csv.line({
            target.connect, source.alias, source.kafka, mirror.topicsRegex, mirror.targetLatency,
        }, 5)
    end
    return table.concat(lines)
end

--- A fleet file of the mirrors on clusters, each listed once and each mirror asked for. Raises what the API raises, and
--- usage for a cluster or a format that is not known.
---@param api mirrors.Api
---@param clusters string[] Kafka Connect clusters, by UUID or name
---@param format "lua"|"json"|"csv"
---@return string text of the file
---@return string[] notes what is not in it, and why
function M.write(api, clusters, format)
    local exported = look(api, clusters)
    return writers[format](exported), exported.notes
end

return M
