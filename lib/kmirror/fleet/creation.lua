--- fleet.creation: what it takes to create a mirror: more than it takes to know one.

local changes = require("kmirror.changes")
local fields = require("kmirror.fleet.fields")
local regex = require("kmirror.regex")
local read_properties = require("kmirror.properties")
local text = require("kmirror.text")

local M = {}

local needed = {
    { "useRenaming", "true or false" },
    { "maxTasks", "a whole number, 1 or more" },
}

-- Complains of what is missing; such fields may be missing from a mirror that is there. True when nothing is.
local function is_complete(document, wanted)
    local complete = true
    local function complain(field, expected)
        complete = false
        document:complain(wanted.line, "%s: missing; a new mirror needs it: %s", fields.path(wanted.label, field),
            expected)
    end
    for _, field in ipairs(needed) do
        if wanted[field[1]] == nil then complain(table.unpack(field)) end
    end
    if not wanted.kafkaSource and not wanted.secret then
        complain("kafkaSource", "the UUID of its source's Kafka cluster, here or as kafka of the cluster")
    end
    return complete
end

-- Without PCRE2 nothing can be said of a regex.
local function check_regex(document, wanted)
    local could, problem = pcall(regex.problem, wanted.topicsRegex)
    if could and problem and not problem.untried then
        document:complain(wanted.line, "%s: '%s' is broken: %s, at character %d",
            fields.path(wanted.label, "topicsRegex"), text.short(wanted.topicsRegex), problem.message, problem.at)
    end
end

-- The connection properties, if there are to be any; and whether they, too, are there.
local function properties_of(document, wanted)
    if not wanted.secret then return nil, true end
    local properties, problem = read_properties(wanted.secret, document.directory)
    if problem then document:complain(wanted.secret.line, "%s: %s", wanted.secret.path, problem) end
    return properties, properties ~= nil
end

-- Has the module itself check what would be sent.
local function rehearse(document, api, wanted, spec)
    local ok, problem = pcall(changes.rehearse, function()
        api:on(wanted.cluster):create(spec)
    end)
    if not ok then
        document:complain(wanted.line, "%s", type(problem) == "table" and problem.message or tostring(problem))
    end
end

--- What to create. What is wrong or missing is left with the document, for its finish() to raise.
---@param document kmirror.fleet.document
---@param api mirrors.Api
---@param wanted kmirror.fleet.wanted
---@return mirrors.Spec
function M.spec(document, api, wanted)
    local properties, is_there = properties_of(document, wanted)
    local complete = is_complete(document, wanted)
    check_regex(document, wanted)
    local spec = {
        sourceType = wanted.sourceType,
        kafkaSource = wanted.kafkaSource,
        sourceConnectionProperties = properties,
        sourceAlias = wanted.sourceAlias,
        topicsRegex = wanted.topicsRegex,
        useRenaming = wanted.useRenaming,
        usePrivateIps = wanted.usePrivateIps,
        maxTasks = wanted.maxTasks,
        targetLatency = api:on(wanted.cluster):can("target_latency_at_create") and wanted.targetLatency or nil,
    }
    if complete and is_there then rehearse(document, api, wanted, spec) end
    return spec
end

return M
