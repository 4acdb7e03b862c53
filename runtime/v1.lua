-- v1: how the operations go over the wire in version 1 of the API (provisioning/v1): the path, the body from the
-- argument, and what the answer must be. Source of every rule: the vendor's "Kafka Mirroring API" page and its OpenAPI
-- form.
local native, fields = ...

local MIRRORS <const> = "/provisioning/v1/{cluster}/kafka-connect/mirrors"
local MIRROR <const> = MIRRORS .. "/{id}"

-- ---- what goes out ----

-- What create() takes, in the order of the vendor's sample. The schema marks none as required, its description gives
-- these to both forms.
local create_fields = {
    { "sourceType", fields.one_of("instaclustr", "custom"), required = true },
    { "useRenaming", fields.boolean, required = true },
    { "kafkaSource", fields.uuid },
    { "sourceConnectionProperties", fields.secret("a non-empty string of Kafka client properties") },
    { "usePrivateIps", fields.boolean },
    { "sourceAlias", fields.text, required = true },
    { "topicsRegex", fields.text, required = true },
    { "maxTasks", fields.int32(1), required = true },
}

local known, names = {}, {}
for i, field in ipairs(create_fields) do known[field[1]], names[i] = true, field[1] end

local function refuse_unknown_fields(spec)
    for name in pairs(spec) do
        if not known[name] then
            fields.invalid("create knows no field %s; it takes %s", fields.shown(name), table.concat(names, ", "))
        end
    end
end

-- Which fields go with which sourceType. The vendor's sample has sourceType "custom" with kafkaSource, which mixes the
-- forms: it is the contract's own example, so it passes, with a warning.
local function check_form(spec)
    local custom, source, properties = spec.sourceType == "custom", spec.kafkaSource, spec.sourceConnectionProperties
    if not custom and not source then
        fields.invalid("kafkaSource is missing: with sourceType 'instaclustr' it is the UUID of the source Kafka "
            .. "cluster")
    elseif not custom and properties then
        fields.invalid("sourceConnectionProperties goes with sourceType 'custom', not 'instaclustr'")
    elseif custom and not properties and not source then
        fields.invalid("sourceConnectionProperties is missing: with sourceType 'custom' it is a string of Kafka client "
            .. "properties")
    elseif custom and source then
        warn("create: sourceType 'custom' goes with sourceConnectionProperties; kafkaSource is for 'instaclustr'. Sent "
            .. "as it is, as in the API's own example.")
    end
end

local function json_of(value)
    if type(value) == "number" then return ("%d"):format(value) end
    return type(value) == "string" and native.json_string(value) or tostring(value)
end

local function create_body(spec)
    if type(spec) ~= "table" then
        fields.invalid("what to create must be a table of fields, got %s", fields.shown(spec))
    end
    refuse_unknown_fields(spec)
    local parts = {}
    for _, field in ipairs(create_fields) do
        local name, value = field[1], spec[field[1]]
        if value ~= nil then
            fields.check(name, field[2], value)
            parts[#parts + 1] = ('"%s":%s'):format(name, json_of(value))
        elseif field.required then
            fields.invalid("%s is missing from what to create", name)
        end
    end
    check_form(spec)
    return "{" .. table.concat(parts, ",") .. "}"
end

local target_latency = fields.int32(1000, "milliseconds")

local function latency_body(ms)
    fields.check("newTargetLatency", target_latency, ms)
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
---@field body? fun(argument: any): string  checks and encodes; raises `invalid`
---@field shape? table                     of the answer's JSON; none: the answer has no content
---@field value? string                    the field of it that is the result; none: all of it

---@type table<string, mirrors.Wire>
return {
    list = { method = "GET", path = MIRRORS, success = 200, shape = { { "mirrors", "table", true, summary } },
        value = "mirrors" },
    create = { method = "POST", path = MIRRORS, success = 200, body = create_body,
        shape = { { "mirrorId", "text", true } }, value = "mirrorId" },
    get = { method = "GET", path = MIRROR, success = 200, shape = mirror },
    delete = { method = "DELETE", path = MIRROR, id = fields.uuid, success = 204 },
    update_target_latency = { method = "PUT", path = MIRROR .. "/targetLatency", id = fields.uuid, success = 204,
        body = latency_body },
}
