-- v1: how the operations go over the wire in version 1 of the API (provisioning/v1): the path, the body from the
-- argument, and what the answer must be. Source of every rule: the vendor's "Kafka Mirroring API" page and its OpenAPI
-- form.
local json, fields, specification = ...

local MIRRORS <const> = "/provisioning/v1/{cluster}/kafka-connect/mirrors"
local MIRROR <const> = MIRRORS .. "/{id}"

-- ---- what goes out ----

local function create_body(spec)
    specification.check(spec, specification.fields)
    local parts = {}
    for _, field in ipairs(specification.fields) do
        local name, value = field[1], spec[field[1]]
        if value ~= nil then parts[#parts + 1] = ('"%s":%s'):format(name, json(value)) end
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function latency_body(ms)
    fields.check("newTargetLatency", specification.target_latency, ms)
    return ('{"newTargetLatency":%d}'):format(ms)
end

-- ---- what comes back: {name, type}, required where there is a third; the fourth is what the items of a list are ----

local summary = {
    { "id", "string", true }, { "connectorName", "string" }, { "topicsRegex", "string" },
}
local topic = {
    { "name", "string" }, { "averageLatency", "number" }, { "averageRate", "number" },
}
local mirror = {
    { "id", "string", true }, { "status", "string" }, { "connectorName", "string" }, { "targetLatency", "number" },
    { "topicsRegex", "string" }, { "mirrorStatus", "string" }, { "checkpointStatus", "string" },
    { "topicStatuses", "table", false, topic },
}

-- ---- the operations ----

---@class mirrors.Wire how an operation goes over the wire
---@field method string
---@field path string                      with {cluster} and {id} in it
---@field id? mirrors.fields.kind          what the id must be; any id by default
---@field success integer                  the status of an answer that says it was done
---@field body? fun(argument: any, cluster: string): string  checks and encodes; raises `invalid`
---@field shape? table                     of the answer's JSON; none: the answer has no content
---@field value? string                    the field of it that is the result; none: all of it
---@field unwrap? fun(decoded: any): any   what of the answer has the shape; all of it by default
---@field read? fun(value: any, cluster: string): any, string?, string?  the result, from what has the shape; or nil,
---  kind and message of an error

---@class mirrors.Steps how an operation goes over the wire that takes several requests
---@field check? fun(argument: any, cluster: mirrors.ConnectCluster, options: mirrors.Options)  raises `invalid`
---@field steps fun(session: mirrors.Session, id?: string, argument?: any, how?: reconcile.how): any

---@class mirrors.Backend
---@field operations table<string, mirrors.Wire|mirrors.Steps>
---@field parts? table<string, mirrors.Wire>  requests that operations of several requests are made of
---@field judge? fun(e: mirrors.Error, told: any)  may change the kind of a part's failure, after what the answer told
---@field hints? table<mirrors.kind, string>  what to do about a failure, in place of what is said of the vendor's API
---@field can table<string, boolean>       what not every backend can: see api:can()
---@field fit? fun(spec: table, listed: table): "yes"|"perhaps"|"no"  whether a listed mirror is as a create asked for

---@type mirrors.Backend
return {
    can = {},
    operations = {
        list = { method = "GET", path = MIRRORS, success = 200, shape = { { "mirrors", "table", true, summary } },
            value = "mirrors" },
        create = { method = "POST", path = MIRRORS, success = 200, body = create_body,
            shape = { { "mirrorId", "text", true } }, value = "mirrorId" },
        get = { method = "GET", path = MIRROR, success = 200, shape = mirror },
        delete = { method = "DELETE", path = MIRROR, id = fields.uuid, success = 204 },
        update_target_latency = { method = "PUT", path = MIRROR .. "/targetLatency", id = fields.uuid, success = 204,
            body = latency_body },
    },
}
