--- config.connects: the clusters of a profile that run Kafka Connect of one's own.
---
---     ["east"] = {
---         connect_url = { "https://connect-1:8083", "https://connect-2:8083" }, -- or one; tried in turn
---         alias = "east",                                                      -- its name, if left out
---         kafka = {                                                            -- where its mirrors write to
---             ["bootstrap.servers"] = "kafka-1:9092",
---             ["security.protocol"] = "SASL_SSL",
---             ["sasl.jaas.config"] = { file = "~/.kmirror/east.jaas" }, -- or { env = … }, { command = … }
---         },
---         metrics = "http://127.0.0.1:8778/jolokia",                           -- Jolokia at its workers; or a list
---     },

local mirrors = require("mirrors")
local secrets = require("kmirror.secrets")

local M = {}

local function each(value, fits)
    if type(value) ~= "table" then return fits(value) end
    for _, one in ipairs(value) do
        if not fits(one) then return false end
    end
    return #value > 0
end

local function is_url(value)
    return type(value) == "string" and value:find("^https?://[^%s]+$") ~= nil
end

--- What `connect_url` and `metrics` may be.
M.urls = { expected = "a URL, or a list of them", check = function(value)
    return each(value, is_url)
end }

local places = { file = true, env = true, command = true }

-- A text, or where to find it.
local function is_value(value)
    if type(value) == "string" then return value ~= "" end
    local place = type(value) == "table" and next(value)
    return place ~= nil and next(value, place) == nil and places[place] and type(value[place]) == "string"
end

--- What `kafka` may be where there is a `connect_url`.
M.kafka = {
    expected = "a table of Kafka client properties with bootstrap.servers, each a string, or { file = … }, "
        .. "{ env = … } or { command = … }",
    check = function(value)
        if type(value) ~= "table" or value["bootstrap.servers"] == nil then return false end
        for name, one in pairs(value) do
            if type(name) ~= "string" or name:find("[%s=:]") or not is_value(one) then
                return false
            end
        end
        return true
    end,
}

--- Whether a secret stands in that table itself.
---@param kafka table<string, string|table>
---@return boolean
function M.holds_secret(kafka)
    for name, value in pairs(kafka) do
        if type(value) == "string" and mirrors.properties.is_secret(name) then return true end
    end
    return false
end

-- ---- the values --------------------------------------------------------------------------------------------

local function value_of(value, where)
    if type(value) == "string" then return value end
    local place, what = next(value)
    return secrets.read(place, what, where)
end

-- As java.util.Properties reads them.
local function properties_of(kafka, where)
    local lines = {}
    for name, value in pairs(kafka) do
        local text = value_of(value, ("%s.%s"):format(where, name))
        lines[#lines + 1] = ("%s=%s"):format(name, text:gsub("\\", "\\\\"):gsub("\n", "\\n"):gsub("\r", "\\r"))
    end
    table.sort(lines)
    return table.concat(lines, "\n")
end

--- A profile's clusters as runbooks take them, where each has a `connect` and a `kafka`; and those that run Kafka
--- Connect of one's own as mirrors.connect{} takes them. Raises usage for a secret that is not where it is said to be.
---@param profile string|nil its name, for messages
---@param clusters table<string, table>
---@return table<string, kmirror.cluster>
---@return table<string, mirrors.ConnectCluster>|nil
function M.of(profile, clusters)
    local all, own = {}, {}
    for name, cluster in pairs(clusters) do
        all[name] = cluster
        if cluster.connect_url then
            local where = ("profile %s: clusters.%s.kafka"):format(profile, name)
            own[name] = {
                urls = cluster.connect_url, alias = cluster.alias, metrics = cluster.metrics,
                kafka = cluster.kafka and properties_of(cluster.kafka, where), kafka_id = mirrors.kafka_id(name),
            }
            all[name] = { connect = name, kafka = own[name].kafka_id, alias = cluster.alias or name,
                url = type(cluster.connect_url) == "table" and cluster.connect_url[1] or cluster.connect_url }
        end
    end
    return all, next(own) and own or nil
end

return M
