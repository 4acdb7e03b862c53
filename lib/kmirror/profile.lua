--- profile: what is known of the world: clusters by name, and where runbooks get their defaults from.
---
--- For now it comes from the sandbox, or holds nothing but what the command line and the environment say.

local fields = require("mirrors").fields
local meant = require("mirrors").fields.meant
local order = require("kmirror.order")
local refuse = require("kmirror.usage")

local M = {}

---@class kmirror.cluster a region: a Kafka cluster and the Kafka Connect cluster beside it
---@field connect string UUID of the Kafka Connect cluster, where mirrors *into* this region run
---@field kafka string UUID of the Kafka cluster
---@field alias string what mirrors call it
---@field url string|nil of a worker, where it is Kafka Connect of one's own

---@class kmirror.profile
---@field name string|nil
---@field sandbox boolean
---@field refresh? number of a sandbox: seconds between two looks at its numbers
---@field endpoint string|nil
---@field username string|nil
---@field api? string version of the API, where one is said
---@field cluster? string UUID of the Kafka Connect cluster that is meant where none is said
---@field clusters table<string, kmirror.cluster> by name
---@field aliases? string[] of clusters that have no entry there, such as those that a region gets its own topics from
---@field runbooks table<string, table> defaults of runbooks' options, by runbook
---@field hooks? table<string, string> of every run, by step

---@type kmirror.profile
local current = { sandbox = false, clusters = {}, runbooks = {} }

--- The profile of this run.
---@return kmirror.profile
function M.current()
    return current
end

--- Where the workers of its own Kafka Connect clusters are, in one text; nil where it has none.
---@return string|nil
function M.own_urls()
    local urls = {}
    for _, cluster in pairs(current.clusters) do urls[#urls + 1] = cluster.url end
    table.sort(urls)
    return urls[1] and table.concat(urls, ", ")
end

--- Makes that the profile of this run.
---@param profile kmirror.profile
function M.use(profile)
    current = profile
end

local digits = "%x"
local uuid_pattern = "^" .. digits:rep(8) .. "%-" .. (digits:rep(4) .. "%-"):rep(3) .. digits:rep(12) .. "$"

--- True for a UUID in its usual form.
---@param value any
---@return boolean
function M.is_uuid(value)
    return type(value) == "string" and value:find(uuid_pattern) ~= nil
end

--- True for the name of a cluster of the profile that runs Kafka Connect of one's own.
---@param value string
---@return boolean
function M.is_own(value)
    for name, cluster in pairs(current.clusters) do
        if cluster.url and name:lower() == value:lower() then return true end
    end
    return false
end

--- What the profile calls a Kafka Connect cluster; nil when it has no name for it.
---@param connect string UUID
---@return string|nil
function M.name_of(connect)
    for name, cluster in pairs(current.clusters) do
        if cluster.connect and cluster.connect:lower() == connect:lower() then return name end
    end
end

local function unknown(name, expected)
    local names = order.keys(current.clusters)
    local known = #names > 0 and "; known names: " .. table.concat(names, ", ")
        or "; none has a name here: the configuration file names them, by profile"
    refuse("unknown cluster '%s': expected %s%s%s", name, expected, known, meant(name, current.clusters))
end

--- The UUID of a Kafka Connect cluster given by UUID or name. Raises usage for anything else.
---@param value string
---@return string
function M.connect_cluster(value)
    local cluster = current.clusters[value]
    if cluster then
        return cluster.connect
    elseif not M.is_uuid(value) then
        unknown(value, "the UUID of a Kafka Connect cluster, or a name")
    end
    return value
end

--- A region given by name, or written out as ALIAS=CONNECT-UUID,KAFKA-UUID. Raises usage for anything else.
---@param value string
---@return kmirror.cluster
function M.cluster(value)
    if current.clusters[value] then return current.clusters[value] end
    local alias, connect, kafka = value:match("^([^=%s]+)=([^,]+),([^,]+)$")
    if not (alias and M.is_uuid(connect) and M.is_uuid(kafka)) then
        unknown(value, "a name, or ALIAS=CONNECT-UUID,KAFKA-UUID: its Kafka Connect and its Kafka cluster")
    end
    return { alias = alias, connect = connect, kafka = kafka }
end

--- A region that mirrors come from: as cluster(), or an alias alone, where no more is needed than what mirrors call it.
---@param value string
---@return kmirror.cluster without connect or kafka when it is an alias
---Raises usage for anything else, and for what is nearly a known name.
function M.source(value)
    local is_alias = value:find("^[%w._-]+$") and not M.is_uuid(value)
    if current.clusters[value] or not is_alias or meant(value, current.clusters) ~= "" then
        return M.cluster(value)
    end
    return { alias = value }
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("profile", M, {
    current = {},
    own_urls = {},
    is_own = { "value", fields.string },
    use = { "profile", fields.table },
    name_of = { "connect", fields.string },
    is_uuid = { "value?", fields.any },
    connect_cluster = { "value", fields.string },
    cluster = { "value", fields.string },
    source = { "value", fields.string },
})
