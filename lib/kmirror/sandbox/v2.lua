--- Version 2 of the API, as the sandbox speaks it. Its words differ, it tells a mirror's whole specification, and a
--- mirror's path names no cluster.

local answers = require("kmirror.sandbox.answers")
local mirrors = require("mirrors")

---@type kmirror.sandbox.form
local v2 = { operations = mirrors.backends.v2.operations, prefix = "/cluster-management/v2/", required = 422 }

--- As the schema has it, in v1's words.
v2.required_fields = { "sourceType", "sourceAlias", "topicsRegex", "useRenaming", "maxTasks", "targetLatency" }

function v2.error(status, message, details)
    local errors = { { name = "Request error", message = answers.printable(message) } }
    for name, problem in pairs(details or {}) do
        table.insert(errors, { name = name, message = answers.printable(name .. " " .. problem) })
    end
    return answers.json(status, { errors = errors })
end

-- Arrays of exactly one.
local function only(list)
    return type(list) == "table" and #list == 1 and type(list[1]) == "table" and list[1] or nil
end

--- Fields that are not understood are left as they are: then they are not known.
function v2.specification(body)
    local spec = {}
    for name, value in pairs(body) do spec[name] = value end
    spec.kafkaConnectClusterId, spec.renameMirroredTopics, spec.sourceCluster = nil, nil, nil
    spec.useRenaming = body.renameMirroredTopics
    local source = only(body.sourceCluster) or {}
    local managed, external = only(source.managedCluster), only(source.externalCluster)
    spec.sourceAlias = source.alias
    spec.sourceType = managed and "instaclustr" or external and "custom" or nil
    spec.kafkaSource, spec.usePrivateIps = managed and managed.sourceKafkaClusterId, managed and managed.usePrivateIps
    spec.sourceConnectionProperties = external and external.sourceConnectionProperties
    return spec
end

function v2.latency(body)
    return { newTargetLatency = body.targetLatency }
end

local function source_of(mirror)
    local source = { alias = mirror.sourceAlias }
    if mirror.kafkaSource then
        source.managedCluster = { {
            sourceKafkaClusterId = mirror.kafkaSource, usePrivateIps = mirror.usePrivateIps or false,
        } }
    else
        source.externalCluster = { { sourceConnectionProperties = mirror.sourceConnectionProperties } }
    end
    return { source }
end

local function summary(cluster, mirror)
    return {
        id = mirror.id, connectorName = mirror.connectorName, topicsRegex = mirror.topicsRegex,
        targetLatency = mirror.targetLatency, kafkaConnectClusterId = cluster, maxTasks = mirror.maxTasks,
        renameMirroredTopics = mirror.useRenaming, sourceCluster = source_of(mirror),
    }
end

--- The vendor's page shows an array of one object, its schema the object.
function v2.list(cluster, listed, shape)
    local shown = {}
    for i, mirror in ipairs(listed) do shown[i] = summary(cluster, mirror) end
    local object = { clusterId = cluster, mirrors = shown }
    return answers.json(200, shape ~= "object" and { object } or object)
end

--- A server of this API was seen to send those who create to the same path with a slash at its end.
---@param request table
---@return kmirror.sandbox.answer|nil
function v2.moved(request)
    if request.method == "POST" and request.path:sub(-1) ~= "/" then
        return { status = 301, headers = { Location = request.path .. "/" }, body = "" }
    end
end

local function detailed(cluster, seen)
    local whole = summary(cluster, seen)
    whole.status, whole.mirroredTopics = seen.status, seen.topicStatuses
    local config = seen.sourceConnectionProperties or "bootstrap.servers=10.0.0.1:9092"
    whole.connectors = {
        { name = "Mirror Connector", status = seen.mirrorStatus, config = config },
        { name = "Checkpoint Connector", status = seen.checkpointStatus, config = config },
    }
    return whole
end

function v2.created(cluster, mirror)
    return answers.json(202, detailed(cluster, mirror))
end

function v2.mirror(cluster, seen)
    return answers.json(200, detailed(cluster, seen))
end

function v2.updated(cluster, seen)
    return answers.json(202, detailed(cluster, seen))
end

return v2
