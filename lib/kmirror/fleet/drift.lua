--- fleet.drift: in what a mirror that is there differs from the one that a fleet file asks for, where the API tells its
--- whole specification (version 2). Only its target latency can be changed; all else takes a new mirror.

local read_properties = require("kmirror.properties")

local M = {}

---@class kmirror.fleet.difference
---@field field string
---@field wanted string|number|boolean
---@field found string|number|boolean|nil

local plain = { "sourceType", "useRenaming", "usePrivateIps", "maxTasks" }

local function lower(value)
    return type(value) == "string" and value:lower() or value
end

-- Connection properties are compared, and not shown. Returns what is wrong with those of the file.
local function add_properties(differences, directory, wanted, listed)
    local there = listed.sourceConnectionProperties
    if not wanted.secret or not there then return nil end
    local properties, problem = read_properties(wanted.secret, directory)
    if properties and there:leads_where(properties) ~= "yes" then
        table.insert(differences, { field = "sourceConnectionProperties", wanted = "(hidden)", found = "(hidden)" })
    end
    return problem
end

-- On Kafka Connect of one's own what others made has connection properties; these may lead to the very cluster.
local function comes_from(wanted, listed)
    return wanted.kafkaSource ~= nil and lower(wanted.kafkaSource) == lower(listed.sourceKafka)
end

--- What is different; nothing of what the file does not say, or the API does not tell.
---@param wanted kmirror.fleet.wanted
---@param found kmirror.fleet.found
---@param directory string of the fleet file
---@return kmirror.fleet.difference[]
---@return string|nil problem why connection properties were not compared
function M.of(wanted, found, directory)
    local differences, listed = {}, found.listed
    if not listed or listed.useRenaming == nil then return differences end
    local is_known = comes_from(wanted, listed)
    for _, field in ipairs(plain) do
        local is_compared = wanted[field] ~= nil and listed[field] ~= nil and not (field == "sourceType" and is_known)
        if is_compared and wanted[field] ~= listed[field] then
            table.insert(differences, { field = field, wanted = wanted[field], found = listed[field] })
        end
    end
    if wanted.kafkaSource and not is_known and lower(wanted.kafkaSource) ~= lower(listed.kafkaSource) then
        table.insert(differences, { field = "kafkaSource", wanted = wanted.kafkaSource, found = listed.kafkaSource })
    end
    return differences, add_properties(differences, directory, wanted, listed)
end

-- What two mirrors differ in that are not the same one, nor its duplicate.
local tells_apart = { sourceType = true, kafkaSource = true, sourceConnectionProperties = true, useRenaming = true }

--- Those of the differences by which the records are others, or go elsewhere.
---@param differences kmirror.fleet.difference[]
---@return kmirror.fleet.difference[]
function M.of_records(differences)
    local found = {}
    for _, each in ipairs(differences) do
        found[#found + 1] = tells_apart[each.field] and each or nil
    end
    return found
end

--- In words: "maxTasks 3, not 5; useRenaming true, not false".
---@param differences kmirror.fleet.difference[]
---@return string
function M.words(differences)
    local parts = {}
    for i, each in ipairs(differences) do
        local found = each.found == nil and "none" or tostring(each.found)
        parts[i] = ("%s %s, not %s"):format(each.field, found, tostring(each.wanted))
        if each.field == "sourceConnectionProperties" then
            parts[i] = "other connection properties"
        end
    end
    return table.concat(parts, "; ")
end

return M
