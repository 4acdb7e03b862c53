-- connect_config: a mirror as Kafka Connect keeps it, which is two connectors of MirrorMaker: from a specification to
-- their configurations, and back. Configurations hold secrets: nothing of them goes into a message.
local fields, specification, secret, properties, heartbeats = ...

local config = {}

local MIRROR <const> = "org.apache.kafka.connect.mirror."
config.SOURCE = MIRROR .. "MirrorSourceConnector"
config.CHECKPOINT = MIRROR .. "MirrorCheckpointConnector"

-- Keys of our own, which Kafka Connect keeps with the rest.
config.ID, config.CREATED = "kmirror.id", "kmirror.created"
config.TARGET_LATENCY = "kmirror.target.latency.ms"
local SOURCE_ID <const> = "kmirror.source.id"

local BYTES <const> = "org.apache.kafka.connect.converters.ByteArrayConverter"
local SAME_NAMES <const> = MIRROR .. "IdentityReplicationPolicy"
local WITH_ALIAS <const> = MIRROR .. "DefaultReplicationPolicy"

-- ---- from a specification ----

---Raises `invalid` for what topics cannot be. It is a list of regexes: a comma ends one.
---@param regex string
function config.check_regex(regex)
    fields.check("topicsRegex", fields.text, regex)
    if regex:find("{%d*,%d*}") then
        fields.invalid("topicsRegex %s holds a quantifier with a comma: to MirrorMaker a comma ends a regex, as its "
            .. "topics is a list of them; write it without, such as x{2}x? for x{2,3}", fields.shown(regex))
    end
end

-- The Kafka cluster of the options that has the UUID that a create names.
local function cluster_of(kafka_id, clusters)
    for _, cluster in pairs(clusters or {}) do
        if cluster.kafka_id and cluster.kafka_id:lower() == kafka_id:lower() then return cluster end
    end
end

local function source_properties(spec, clusters)
    if spec.sourceConnectionProperties then return spec.sourceConnectionProperties end
    local source = cluster_of(spec.kafkaSource, clusters)
    if source and source.kafka then return source.kafka end
    fields.invalid("kafkaSource is %s, which no cluster of the profile with connect_url and kafka has: give it there, "
        .. "or sourceType 'custom' with sourceConnectionProperties", fields.shown(spec.kafkaSource))
end

-- What create() takes here, too: one that is made stopped can be told first from where to copy.
local takes = table.move(specification.fields_with_latency, 1, #specification.fields_with_latency, 1, {})
table.insert(takes, { "initialState", fields.one_of("RUNNING", "STOPPED") })

---Raises `invalid` for what cannot be created.
---@param spec any
---@param target mirrors.ConnectCluster
---@param clusters table<string, mirrors.ConnectCluster>
function config.check(spec, target, clusters)
    specification.check(spec, takes)
    if spec.usePrivateIps then
        fields.invalid("usePrivateIps is for the vendor's clusters: leave it out, or false, and give the addresses "
            .. "that the workers can reach")
    end
    config.check_regex(spec.topicsRegex)
    if spec.sourceAlias:find("[/%c%s]") or target.alias:find("[/%c%s]") then
        fields.invalid("sourceAlias %s or the alias of the target %s holds a blank or a slash, and becomes part of a "
            .. "connector's name", fields.shown(spec.sourceAlias), fields.shown(target.alias))
    end
    source_properties(spec, clusters)
    if not target.kafka then
        fields.invalid("what Kafka cluster to mirror into is not known: give `kafka` (its client properties, such as "
            .. "bootstrap.servers=10.0.0.1:9092) to mirrors.connect{}, or to the cluster in the profile")
    end
end

local function put(into, prefix, text)
    for name, value in pairs(properties.read(text)) do into[prefix .. name] = value end
    return into
end

-- What both connectors have.
local function common(spec, target, clusters, marks)
    local made = put({}, "source.cluster.", source_properties(spec, clusters))
    put(made, "target.cluster.", target.kafka)
    made["source.cluster.alias"], made["target.cluster.alias"] = spec.sourceAlias, target.alias
    made["replication.policy.class"] = spec.useRenaming and WITH_ALIAS or SAME_NAMES
    for _, what in ipairs { "key", "value", "header" } do made[what .. ".converter"] = BYTES end
    made[config.ID], made[config.CREATED] = marks.id, ("%d"):format(marks.created)
    if spec.sourceType == "instaclustr" then made[SOURCE_ID] = spec.kafkaSource end
    return made
end

local function with(base, more)
    local made = {}
    for name, value in pairs(base) do made[name] = value end
    for name, value in pairs(more) do made[name] = value end
    return made
end

local function checkpoint_of(base, latency)
    return with(base, {
        ["connector.class"] = config.CHECKPOINT, ["tasks.max"] = "1", groups = ".*",
        ["sync.group.offsets.enabled"] = "true", ["emit.checkpoints.interval.seconds"] = "60",
        ["refresh.groups.interval.seconds"] = "60", -- else new groups are unknown for ten minutes
        ["checkpoints.topic.replication.factor"] = "-1",
        [config.TARGET_LATENCY] = ("%d"):format(latency or specification.FIRST_TARGET_LATENCY),
    })
end

---The configurations of the two connectors of a mirror. Raises nothing that check() did not.
---@param spec mirrors.Spec
---@param target mirrors.ConnectCluster
---@param clusters table<string, mirrors.ConnectCluster>
---@param marks { id: string, created: integer }  created: seconds since the epoch
---@return table<string, string> source
---@return table<string, string> checkpoint
function config.make(spec, target, clusters, marks)
    local base = common(spec, target, clusters, marks)
    local source = with(base, {
        ["connector.class"] = config.SOURCE, topics = spec.topicsRegex, ["tasks.max"] = ("%d"):format(spec.maxTasks),
        ["sync.topic.acls.enabled"] = "false", ["refresh.topics.interval.seconds"] = "60",
        ["replication.factor"] = "-1", ["offset-syncs.topic.replication.factor"] = "-1", -- as the brokers have it
    })
    return source, checkpoint_of(base, spec.targetLatency)
end

---The configuration of the checkpoint connector that a source connector has lost, or never got.
---@param source table<string, string>
---@return table<string, string>
function config.lost_checkpoint(source)
    local base = {}
    for name, value in pairs(source) do
        local is_common = name:find("^source%.cluster%.") or name:find("^target%.cluster%.")
            or name:find("^replication%.policy") or name:find("%.converter$") or name:find("^kmirror%.")
        base[name] = is_common and value or nil
    end
    return checkpoint_of(base)
end

-- ---- and back ----

local function connection_text(source)
    local lines = {}
    for name, value in pairs(source) do
        local property = name:match("^source%.cluster%.(.+)$")
        if property and property ~= "alias" then
            lines[#lines + 1] = ("%s=%s"):format(property, value:gsub("\\", "\\\\"):gsub("\n", "\\n"))
        end
    end
    table.sort(lines)
    return table.concat(lines, "\n")
end

---The UUID of the Kafka cluster of the options that a source connector copies from: the one of the same servers.
---@param source table<string, string>
---@param clusters table<string, mirrors.ConnectCluster>
---@return string?
function config.known_source(source, clusters)
    local text = connection_text(source)
    for _, cluster in pairs(clusters or {}) do
        if cluster.kafka and properties.same(text, cluster.kafka) ~= "no" then
            return cluster.kafka_id
        end
    end
end

---The specification that a source connector was made from, as far as its configuration tells.
---@param source table<string, string>
---@param checkpoint? table<string, string>
---@return table  fields of mirrors.Spec
function config.specification(source, checkpoint)
    local id = source[SOURCE_ID]
    return {
        sourceAlias = source["source.cluster.alias"], topicsRegex = source.topics or ".*",
        useRenaming = source["replication.policy.class"] ~= SAME_NAMES,
        maxTasks = math.tointeger(tonumber(source["tasks.max"])) or 1,
        targetLatency = math.tointeger(tonumber((checkpoint or {})[config.TARGET_LATENCY])),
        sourceType = id and "instaclustr" or "custom", kafkaSource = id, usePrivateIps = id and false or nil,
        sourceConnectionProperties = not id and secret.new(connection_text(source)) or nil,
    }
end

---What a topic of the source is called in the target.
---@param source table<string, string>
---@param topic string
---@return string
function config.remote_topic(source, topic)
    local keeps = source["replication.policy.class"] == SAME_NAMES and not heartbeats.is_renamed(topic)
    if keeps then return topic end
    return source["source.cluster.alias"] .. (source["replication.policy.separator"] or ".") .. topic
end

---A text of Kafka Connect's, without the secrets of a configuration, should it repeat one.
---@param text string
---@param its table<string, string>
---@return string
function config.without_secrets(text, its)
    local hidden = {}
    for name, value in pairs(its) do
        for part in (properties.is_secret(name) and value .. '"' .. value or ""):gmatch('[^"]+') do
            hidden[#hidden + 1] = part
        end
    end
    return secret.hide(text, hidden)
end

return config
