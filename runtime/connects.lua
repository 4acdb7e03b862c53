-- connects: the Kafka Connect clusters of one's own that options tell of: each has a name, workers, an alias, a Kafka.
local native, fields, properties, uuid = ...

local connects = {}

---@class mirrors.ConnectCluster
---@field urls string[]         of its workers, tried in turn
---@field alias? string         what mirrors call its Kafka cluster; its name
---@field kafka? string         client properties of its Kafka cluster, a line each; create() needs them
---@field kafka_id? string      the UUID by which a create names its Kafka cluster as its kafkaSource
---@field metrics? string[]     URLs of Jolokia at its workers
---@field name? string          filled in

---What a cluster may be called, for messages.
connects.NAME_FORM = "the name of a Kafka Connect cluster: letters, digits and . : _ - [ ]"

---@param value any
---@return boolean
function connects.is_name(value)
    return type(value) == "string" and #value <= 200 and value:find("^%w[%w.:_%[%]-]*$") ~= nil
end

---Whether clusters may have names there, and not only UUIDs.
---@param given mirrors.Options
---@return boolean
function connects.may_have_names(given)
    return given.api == "connect" or given.clusters ~= nil or os.getenv("KMIRROR_API") == "connect"
end

---True of one value, or each of a list, that fits.
---@param value any
---@param fits fun(value: any): boolean
---@return boolean
function connects.each(value, fits)
    if type(value) ~= "table" then return fits(value) end
    for _, each in ipairs(value) do
        if not fits(each) then return false end
    end
    return #value > 0
end

---Whether that is how a Kafka cluster is reached.
---@param value any
---@return boolean
---@return string expected
function connects.check_kafka(value)
    return type(value) == "string" and properties.problem(value) == nil,
        "Kafka client properties, a line each, such as bootstrap.servers=10.0.0.1:9092"
end

local cluster_fields = { urls = true, alias = true, kafka = true, kafka_id = true, metrics = true, name = true }

local function check_cluster(name, cluster, all)
    fields.check("clusters." .. name, fields.table, cluster)
    local function is_url(url)
        return type(url) == "string" and native.url_allowed(url, all.insecure) and not url:find("[?#@%c]")
    end
    for field in pairs(cluster) do
        if not cluster_fields[field] then
            fields.invalid("clusters.%s: %s", name, fields.unknown("field", field, cluster_fields))
        end
    end
    for field, is_needed in pairs { urls = true, metrics = false } do
        if (is_needed or cluster[field]) and not connects.each(cluster[field], is_url) then
            fields.invalid("clusters.%s: %s must be https URLs, without user, query or fragment; http goes to this "
                .. "machine's own addresses only, unless insecure = true says that it may go to others, too", name,
                field)
        end
    end
    for field, kind in pairs { alias = fields.text, kafka_id = fields.uuid } do
        if cluster[field] ~= nil then
            fields.check(("clusters.%s.%s"):format(name, field), kind, cluster[field])
        end
    end
    local ok, expected = connects.check_kafka(cluster.kafka)
    if cluster.kafka ~= nil and not ok then
        fields.invalid("clusters.%s: kafka must be %s (it is not shown)", name, expected)
    end
end

---The UUID by which a create names the Kafka cluster of a Kafka Connect cluster, where it is given none.
---@param cluster string  name of the Kafka Connect cluster
---@return string
function connects.kafka_id(cluster)
    return uuid.of("kafka " .. cluster:lower())
end

local function as_list(value)
    return type(value) == "table" and value or { value }
end

local function completed(name, cluster)
    return {
        name = name, alias = cluster.alias or name, kafka = cluster.kafka,
        kafka_id = cluster.kafka_id or connects.kafka_id(name),
        urls = as_list(cluster.urls), metrics = as_list(cluster.metrics), known = {},
    }
end

-- The one that `endpoint` and the options beside it tell of, where api is "connect".
local function take_endpoint(all, found)
    if not all.endpoint then
        fields.invalid("no endpoint: with api 'connect' it is the URL of a Kafka Connect worker, such as "
            .. "http://127.0.0.1:8083")
    end
    local endpoint = all.endpoint:gsub("/+$", "")
    local name = all.cluster or endpoint:gsub("^%a+://", ""):gsub("/.*$", "")
    all.cluster = name
    found[name:lower()] = completed(name, {
        urls = endpoint, metrics = all.metrics, kafka = all.kafka, alias = all.alias,
    })
end

-- Kafka Connect has no quota; it does one thing at a time, though.
local NO_LIMIT <const>, AT_ONCE <const> = 0, 16

---Completes the options of a connection by what they tell of Kafka Connect clusters. Raises `invalid`.
---@param all mirrors.Options
function connects.resolve(all)
    local found = {}
    for name, cluster in pairs(all.clusters or {}) do
        if not connects.is_name(name) then
            fields.invalid("clusters: a name must be %s", connects.NAME_FORM)
        end
        check_cluster(name, cluster, all)
        found[name:lower()] = completed(name, cluster)
    end
    local known = all.cluster and found[all.cluster:lower()]
    if all.api == "connect" and known and all.endpoint then known.urls = { all.endpoint } end
    if all.api == "connect" and not known and (all.endpoint or not next(found)) then
        take_endpoint(all, found)
    end
    if all.api == "connect" then
        all.rate, all.concurrency = all.rate or NO_LIMIT, all.concurrency or AT_ONCE
    end
    all.clusters = next(found) and found or nil
end

---The Kafka Connect cluster of that name; nil when the options tell of none.
---@param all mirrors.Options
---@param cluster? string
---@return mirrors.ConnectCluster?
function connects.of(all, cluster)
    return all.clusters and cluster and all.clusters[cluster:lower()]
end

return connects
