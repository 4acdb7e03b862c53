--- Version 1 of the API, as the sandbox speaks it: what requests say and what answers look like.

local answers = require("kmirror.sandbox.answers")
local mirrors = require("mirrors")

local LINK = "https://www.instaclustr.com/support/documentation/" -- where the API's own errors point, too

---@class kmirror.sandbox.form a version of the API, as the sandbox speaks it
---@field operations table<string, mirrors.Wire> where its requests go
---@field prefix string what all its paths begin with
---@field error fun(status: integer, message: string, details: table<string, string>|nil): kmirror.sandbox.answer
---@field specification fun(body: table): table what a create asks for, in v1's words
---@field latency fun(body: table): table what an update asks for, likewise
---@field required integer the status that says that a field is missing
---@field required_fields string[]|nil of a create; v1's schema has none, and takes no targetLatency
---@field list fun(cluster: string, listed: table[], shape: string|nil): kmirror.sandbox.answer
---@field moved nil|fun(request: table): kmirror.sandbox.answer|nil where a request was redirected to, if it was
---@field created fun(cluster: string, mirror: table): kmirror.sandbox.answer
---@field mirror fun(cluster: string, seen: table): kmirror.sandbox.answer
---@field updated fun(cluster: string, seen: table): kmirror.sandbox.answer

---@type kmirror.sandbox.form
local v1 = { operations = mirrors.backends.v1.operations, prefix = "/provisioning/v1/", required = 400 }

function v1.error(status, message, details)
    return answers.json(status, {
        status = status, message = answers.printable(message), errorDetails = details or {}, code = status, link = LINK,
    })
end

function v1.specification(body)
    return body
end

v1.latency = v1.specification

function v1.list(_, listed)
    local shown = {}
    for i, mirror in ipairs(listed) do
        shown[i] = { id = mirror.id, connectorName = mirror.connectorName, topicsRegex = mirror.topicsRegex }
    end
    return answers.json(200, { mirrors = shown })
end

function v1.created(_, mirror)
    return answers.json(200, { mirrorId = mirror.id })
end

local function whole(status)
    return { name = status.name, averageLatency = math.floor(status.averageLatency), averageRate = status.averageRate }
end

function v1.mirror(_, seen)
    local topics = {}
    for i, status in ipairs(seen.topicStatuses) do topics[i] = whole(status) end
    return answers.json(200, {
        id = seen.id, status = seen.status, connectorName = seen.connectorName, targetLatency = seen.targetLatency,
        topicsRegex = seen.topicsRegex, mirrorStatus = seen.mirrorStatus, checkpointStatus = seen.checkpointStatus,
        topicStatuses = topics,
    })
end

function v1.updated()
    return answers.no_content()
end

return v1
