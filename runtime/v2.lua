-- v2: how the operations go over the wire in version 2 of the API (cluster-management/v2). What it answers is told in
-- the words of v1, so that a runbook does not know which of the two it speaks; what v2 says beyond that comes as
-- further fields: a mirror carries its whole specification. Source of every rule: the vendor's OpenAPI form.
local json, fields, specification, secret, properties = ...

local LIST <const> = "/cluster-management/v2/data-sources/kafka_connect_cluster/{cluster}/mirrors/v2/"
local MIRRORS <const> = "/cluster-management/v2/resources/applications/kafka_connect/mirrors/v2"
local MIRROR <const> = MIRRORS .. "/{id}"

-- ---- what goes out ----

local function source_of(spec)
    if spec.kafkaSource then
        return ('"managedCluster":[{"sourceKafkaClusterId":%s,"usePrivateIps":%s}]'):format(json(spec.kafkaSource),
            json(spec.usePrivateIps or false))
    end
    return ('"externalCluster":[{"sourceConnectionProperties":%s}]'):format(json(spec.sourceConnectionProperties))
end

local function create_body(spec, cluster)
    specification.check(spec, specification.fields_with_latency)
    return ('{"kafkaConnectClusterId":%s,"maxTasks":%d,"renameMirroredTopics":%s,"sourceCluster":[{"alias":%s,%s}],'
        .. '"targetLatency":%d,"topicsRegex":%s}'):format(json(cluster), spec.maxTasks, json(spec.useRenaming),
        json(spec.sourceAlias), source_of(spec), spec.targetLatency or specification.FIRST_TARGET_LATENCY,
        json(spec.topicsRegex))
end

local function latency_body(ms)
    fields.check("newTargetLatency", specification.target_latency, ms)
    return ('{"targetLatency":%d}'):format(ms)
end

-- ---- what comes back ----

local managed = { { "sourceKafkaClusterId", "string" }, { "usePrivateIps", "boolean" } }
local external = { { "sourceConnectionProperties", "string" } }
local source = { { "alias", "string" }, { "managedCluster", "table", false, managed },
    { "externalCluster", "table", false, external } }
local summary = {
    { "id", "text", true }, { "connectorName", "string" }, { "topicsRegex", "string" }, { "targetLatency", "number" },
    { "kafkaConnectClusterId", "string" }, { "maxTasks", "number" }, { "renameMirroredTopics", "boolean" },
    { "sourceCluster", "table", false, source },
}
local connector = { { "name", "string" }, { "status", "string" } }
local topic = { { "name", "string" }, { "averageLatency", "number" }, { "averageRate", "number" } }
local mirror = table.move(summary, 1, #summary, 4, { { "status", "string" },
    { "connectors", "table", false, connector }, { "mirroredTopics", "table", false, topic } })

-- v1's averages and limits are integers; v2's are numbers. Rounded up, as no lag is not the same as little.
local function whole(number)
    return number and (math.tointeger(number) or math.tointeger(math.ceil(number)) or number)
end

-- The specification, in the words of create().
local function specification_of(answer)
    local its_source = (answer.sourceCluster or {})[1] or {}
    local its_managed, its_external = (its_source.managedCluster or {})[1], (its_source.externalCluster or {})[1]
    local connection = its_external and its_external.sourceConnectionProperties
    return {
        id = answer.id, connectorName = answer.connectorName, topicsRegex = answer.topicsRegex,
        targetLatency = whole(answer.targetLatency), maxTasks = whole(answer.maxTasks),
        useRenaming = answer.renameMirroredTopics,
        sourceAlias = its_source.alias, sourceType = its_managed and "instaclustr" or its_external and "custom" or nil,
        kafkaSource = its_managed and its_managed.sourceKafkaClusterId,
        usePrivateIps = its_managed and its_managed.usePrivateIps,
        sourceConnectionProperties = connection and secret.new(connection),
    }
end

-- The vendor's page shows an array of one object, its schema the object.
local function unwrap_list(answer)
    if type(answer) == "table" and answer.mirrors == nil and #answer == 1 then return answer[1] end
    return answer
end

local function read_list(answer)
    local found = {}
    for i, each in ipairs(answer.mirrors) do found[i] = specification_of(each) end
    return found
end

-- The path of a mirror names no cluster: one of another cluster is none of this one's.
local function is_elsewhere(answer, cluster)
    local its_cluster = answer.kafkaConnectClusterId
    return its_cluster and its_cluster:lower() ~= cluster:lower() and its_cluster
end

local function read_mirror(answer, cluster)
    local elsewhere = is_elsewhere(answer, cluster)
    if elsewhere then return nil, "not_found", ("it is on another cluster, %s"):format(elsewhere) end
    local found = specification_of(answer)
    found.status, found.topicStatuses = answer.status, answer.mirroredTopics or {}
    for _, each in ipairs(found.topicStatuses) do
        each.averageLatency = whole(each.averageLatency)
    end
    for _, each in ipairs(answer.connectors or {}) do -- what else they hold may be secret
        if each.name == "Mirror Connector" then found.mirrorStatus = each.status end
        if each.name == "Checkpoint Connector" then found.checkpointStatus = each.status end
    end
    return found
end

local function read_created(answer)
    return answer.id
end

-- ---- a create whose answer was lost ----

-- Secrets are not in journals.
local function fit_properties(wanted, found)
    if wanted == "(hidden)" or not wanted then return "yes" end
    return found and properties.same(wanted, secret.text(found)) or "no"
end

local function same_id(wanted, found)
    return (wanted or ""):lower() == (found or ""):lower()
end

-- Is a listed mirror as that create asked for? Its target latency may have been changed since.
local function fit(spec, listed)
    local same = spec.topicsRegex == listed.topicsRegex and spec.sourceAlias == listed.sourceAlias
        and spec.useRenaming == listed.useRenaming and spec.maxTasks == listed.maxTasks
        and same_id(spec.kafkaSource, listed.kafkaSource)
        and (spec.usePrivateIps or false) == (listed.usePrivateIps or false)
    if not same then return "no" end
    return spec.kafkaSource and "yes"
        or fit_properties(spec.sourceConnectionProperties, listed.sourceConnectionProperties)
end

-- ---- the operations ----

---@type mirrors.Backend
return {
    can = { specification = true, target_latency_at_create = true },
    fit = fit,
    operations = {
        list = { method = "GET", path = LIST, success = 200, unwrap = unwrap_list,
            shape = { { "mirrors", "table", true, summary } }, read = read_list },
        create = { method = "POST", path = MIRRORS, success = 202, body = create_body, shape = mirror,
            read = read_created },
        get = { method = "GET", path = MIRROR, success = 200, shape = mirror, read = read_mirror },
        delete = { method = "DELETE", path = MIRROR, id = fields.uuid, success = 204 },
        update_target_latency = { method = "PUT", path = MIRROR, id = fields.uuid, success = 202, body = latency_body },
    },
}
