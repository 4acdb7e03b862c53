-- connect_lag: how many records a mirror has still to copy: where its source's partitions end, as Kafka says, less what
-- Kafka Connect says is replicated. Also how a Kafka client is made of what the Java clients' properties say.
local native, properties, task, heartbeats = ...

local lag = {}

-- ---- librdkafka's settings ----

-- Java's properties that have the same name and sense there.
local SAME <const> = { "bootstrap.servers", "security.protocol", "sasl.mechanism", "client.id",
    "ssl.endpoint.identification.algorithm", "ssl.key.password" }

local PEM <const> = { ["ssl.truststore.certificates"] = "ssl.ca.pem", ["ssl.keystore.key"] = "ssl.key.pem",
    ["ssl.keystore.certificate.chain"] = "ssl.certificate.pem" }

local function quoted(jaas, name)
    return jaas:match(name .. '%s*=%s*"([^"]*)"') or jaas:match(name .. "%s*=%s*'([^']*)'")
        or jaas:match(name .. "%s*=%s*([^%s;]+)")
end

-- librdkafka reads neither JKS nor other keystores of Java's.
local function stores_of(its, settings)
    local trust, key = its["ssl.truststore.location"], its["ssl.keystore.location"]
    if trust and its["ssl.truststore.type"] ~= "PEM" then
        return "its ssl.truststore is not of type PEM"
    elseif key and its["ssl.keystore.type"] ~= "PEM" then
        return "its ssl.keystore is not of type PEM"
    end
    settings["ssl.ca.location"] = trust
    settings["ssl.certificate.location"], settings["ssl.key.location"] = key, key
end

---librdkafka's settings for what Java's client properties say.
---@param its table<string, string>
---@return table<string, string>? settings
---@return string? problem
function lag.settings(its)
    local settings = { ["isolation.level"] = "read_uncommitted", log_level = "0", ["enable.partition.eof"] = "true",
        ["fetch.wait.max.ms"] = "100" }
    for _, name in ipairs(SAME) do settings[name] = its[name] end
    for name, theirs in pairs(PEM) do settings[theirs] = its[name] end
    local jaas = its["sasl.jaas.config"]
    if jaas then
        settings["sasl.username"], settings["sasl.password"] = quoted(jaas, "username"), quoted(jaas, "password")
        if not settings["sasl.password"] then
            return nil, "its sasl.jaas.config has no username and password"
        end
    end
    for name, value in pairs(its) do
        if settings[name] and value:find("%${.-:.-}") then
            return nil, ("the value of its %s is known to Kafka Connect alone"):format(name)
        end
    end
    local problem = stores_of(its, settings)
    if problem then return nil, problem end
    return settings
end

-- ---- a Kafka cluster ----

local LOOK <const> = 0.02 -- s

-- Waits for the answer to what a function of the native module asks. Raises nothing.
local function ask(how, its, partitions, seconds, more)
    local settings, unfit = lag.settings(its)
    if not settings then return nil, unfit, "unsupported" end
    local question, missing = native[how](settings, partitions, seconds, more)
    if not question then return nil, missing, "unsupported" end
    local ok, first, second, third = native.kafka_answer(question)
    while ok == nil do
        task.sleep(LOOK)
        ok, first, second, third = native.kafka_answer(question)
    end
    if not ok then return nil, first, "transport" end
    return first, second, third
end

---@class connect_lag.bounds
---@field beginning integer|false
---@field ending integer|false
---@field first? integer|false  of the first record from the next on, or the end: only markers of transactions may be
---                             between; not known where there is much to copy

---Where partitions begin and end. Raises nothing.
---@param its table<string, string>  client properties
---@param partitions { [1]: string, [2]: integer, [3]: integer? }[]  topic, number, offset of the next to be copied
---@param seconds number  how long it may take
---@return connect_lag.bounds[]?
---@return string? problem
---@return mirrors.kind? kind
function lag.bounds(its, partitions, seconds)
    if #partitions == 0 then return {} end
    local beginnings, ends, firsts = ask("kafka_ask", its, partitions, seconds)
    if not beginnings then return nil, ends, firsts end
    local bounds = {}
    for i in ipairs(partitions) do
        bounds[i] = { beginning = beginnings[i], ending = ends[i], first = firsts[i] }
    end
    return bounds
end

---Where consumer groups have committed on partitions. Raises nothing.
---@param its table<string, string>  client properties
---@param partitions { [1]: string, [2]: integer }[]
---@param seconds number  how long it may take
---@param groups? string[]  all of the cluster without
---@return table<string, (integer|false)[]>?  by group, a partition each
---@return string? problem
---@return mirrors.kind? kind
function lag.committed(its, partitions, seconds, groups)
    if #partitions == 0 or groups and #groups == 0 then return {} end
    return ask("kafka_ask_groups", its, partitions, seconds, groups)
end

---The client properties of one side of a mirror: those of its connector, or where Kafka Connect alone can read these,
---what the options tell of that cluster.
---@param source table<string, string>  configuration of the source connector
---@param side "source"|"target"
---@param clusters table<string, mirrors.ConnectCluster>
---@return table<string, string>
function lag.client(source, side, clusters)
    local its, provided = {}, false
    for name, value in pairs(source) do
        local property = name:match("^" .. side .. "%.cluster%.(.+)$")
        if property and property ~= "alias" then its[property] = value end
        provided = provided or property and value:find("%${.-:.-}")
    end
    local alias = source[side .. ".cluster.alias"]
    for _, cluster in pairs(provided and clusters or {}) do
        if cluster.alias == alias and cluster.kafka then return properties.read(cluster.kafka) end
    end
    return its
end

-- ---- the lag of a mirror ----

---@class mirrors.Lag
---@field recordsLeft? integer  of all topics but MirrorMaker's heartbeats; nil while one is not known, or none
---@field topics mirrors.TopicLag[]

---@class mirrors.TopicLag
---@field name string            in the source
---@field recordsLeft? integer
---@field heartbeats? boolean    true of MirrorMaker's own, to which a record a second is written for ever
---@field partitions mirrors.PartitionLag[]

---@class mirrors.PartitionLag
---@field partition integer
---@field endOffset? integer         of the next record that will be written; nil: the source has no such partition
---@field replicatedOffset? integer  of the last record that was copied, as Kafka Connect has recorded it; nil: none yet
---@field recordsLeft? integer       how many are between them
---@field leftSince? number           since when there are records left and none was copied, as far as was looked:
---                                   seconds since the epoch; nil: none is left

local function left_of(replicated, bounds)
    if not bounds.ending then return nil end
    local from = replicated and replicated + 1 or bounds.beginning or 0
    return math.max(0, bounds.ending - math.max(from, bounds.beginning or 0, bounds.first or 0))
end

local function add(sum, number)
    return sum and number and sum + number
end

---@param partitions { [1]: string, [2]: integer }[]  in order of topics
---@param bounds connect_lag.bounds[]
---@param replicated table<string, integer>  offsets by "topic-partition"
---@param aliases? string[]  of known clusters
---@return mirrors.Lag
function lag.of(partitions, bounds, replicated, aliases)
    local whole, topic = { recordsLeft = #partitions > 0 and 0 or nil, topics = {} }, nil
    for i, each in ipairs(partitions) do
        local name, number = each[1], each[2]
        if not topic or topic.name ~= name then
            topic = { name = name, recordsLeft = 0, partitions = {},
                heartbeats = heartbeats.is(name, aliases or {}) or nil }
            whole.topics[#whole.topics + 1] = topic
        end
        local at = replicated[("%s-%d"):format(name, number)]
        local left = left_of(at, bounds[i])
        topic.partitions[#topic.partitions + 1] = { partition = number, endOffset = bounds[i].ending or nil,
            replicatedOffset = at, recordsLeft = left }
        topic.recordsLeft = add(topic.recordsLeft, left)
        if not topic.heartbeats then whole.recordsLeft = add(whole.recordsLeft, left) end
    end
    return whole
end

---@param partitions { [1]: string, [2]: integer }[]
---@param aliases string[]  of known clusters
---@return { [1]: string, [2]: integer }[] those of other topics
function lag.without_heartbeats(partitions, aliases)
    local others = {}
    for _, each in ipairs(partitions) do
        others[#others + 1] = not heartbeats.is(each[1], aliases) and each or nil
    end
    return others
end

---The aliases of a mirror's clusters, and of the others that the options tell of.
---@param source table<string, string>  configuration of the source connector
---@param clusters table<string, mirrors.ConnectCluster>
---@return string[]
function lag.aliases(source, clusters)
    local aliases = { source["source.cluster.alias"], source["target.cluster.alias"] }
    for _, cluster in pairs(clusters or {}) do aliases[#aliases + 1] = cluster.alias end
    return aliases
end

---What a connector's tasks are at work on, in order.
---@param tasks table  of Kafka Connect's /tasks
---@return { [1]: string, [2]: integer }[]
function lag.partitions(tasks)
    local found = {}
    for _, each in ipairs(tasks) do
        local assigned = type(each.config) == "table" and each.config["task.assigned.partitions"] or ""
        for partition in assigned:gmatch("[^,]+") do
            local topic, number = partition:match("^%s*(.*)%-(%d+)%s*$")
            if topic then found[#found + 1] = { topic, math.tointeger(tonumber(number)) } end
        end
    end
    table.sort(found, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
    return found
end

---The offsets that were replicated, by "topic-partition".
---@param answer table  of Kafka Connect's /offsets
---@return table<string, integer>
function lag.replicated(answer)
    local found = {}
    for _, each in ipairs(answer.offsets) do
        local partition, offset = each.partition, each.offset
        if type(partition) == "table" and type(offset) == "table" and partition.topic then
            found[("%s-%d"):format(partition.topic, partition.partition)] = math.tointeger(offset.offset)
        end
    end
    return found
end

return lag
