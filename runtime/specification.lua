-- specification: what create() takes, in whichever version of the API it is sent, and what is wrong with it.
local fields, properties = ...

local specification = {}

---@class mirrors.specification.field
---@field [1] string its name
---@field [2] mirrors.fields.kind
---@field required? boolean

-- In the order of the vendor's sample. The schema of v1 marks none as required, its description gives these to both
-- forms.
---@type mirrors.specification.field[]
specification.fields = {
    { "sourceType", fields.one_of("instaclustr", "custom"), required = true },
    { "useRenaming", fields.boolean, required = true },
    { "kafkaSource", fields.uuid },
    { "sourceConnectionProperties", fields.secret("a non-empty string of Kafka client properties") },
    { "usePrivateIps", fields.boolean },
    { "sourceAlias", fields.text, required = true },
    { "topicsRegex", fields.text, required = true },
    { "maxTasks", fields.int32(1), required = true },
}

---What a target latency may be, in ms; source: the schema of its update.
specification.target_latency = fields.int32(1000, "milliseconds")

---The same, with the target latency that a mirror may begin with, where the API takes it.
---@type mirrors.specification.field[]
specification.fields_with_latency = table.move(specification.fields, 1, #specification.fields, 1, {})
table.insert(specification.fields_with_latency, { "targetLatency", specification.target_latency })

---The same as one kind, for whoever looks at a create that is not sent.
---@type mirrors.fields.kind
specification.kind = { expected = "a table of fields", fits = function(spec) return type(spec) == "table" end,
    known = {}, required = {} }
for _, field in ipairs(specification.fields_with_latency) do
    specification.kind.known[field[1]] = field[2]
    if field.required then table.insert(specification.kind.required, field[1]) end
end

---The target latency of a mirror that was created without one, in ms.
specification.FIRST_TARGET_LATENCY = 30000

local function refuse_unknown_fields(spec, takes)
    local known, names = {}, {}
    for i, field in ipairs(takes) do known[field[1]], names[i] = true, field[1] end
    for name in pairs(spec) do
        if not known[name] then
            fields.invalid("unknown field %s in a create; expected %s", fields.shown(name), table.concat(names, ", "))
        end
    end
end

-- Which fields go with which sourceType. The vendor's sample has sourceType "custom" with kafkaSource, which mixes the
-- forms: it is the contract's own example, so it passes, with a warning.
local function check_form(spec)
    local custom, source, connection = spec.sourceType == "custom", spec.kafkaSource, spec.sourceConnectionProperties
    if not custom and not source then
        fields.invalid("kafkaSource is missing: with sourceType 'instaclustr' it is the UUID of the source Kafka "
            .. "cluster")
    elseif not custom and connection then
        fields.invalid("sourceConnectionProperties goes with sourceType 'custom', not 'instaclustr'")
    elseif custom and not connection and not source then
        fields.invalid("sourceConnectionProperties is missing: with sourceType 'custom' it is a string of Kafka client "
            .. "properties")
    elseif custom and source then
        warn("create: sourceType 'custom' goes with sourceConnectionProperties; kafkaSource is for 'instaclustr'. Sent "
            .. "as it is, as in the API's own example.")
    end
end


---Raises `invalid` for what cannot be created.
---@param spec any
---@param takes mirrors.specification.field[]  the fields that this version of the API takes
function specification.check(spec, takes)
    if type(spec) ~= "table" then
        fields.invalid("what to create must be a table of fields, got %s", fields.shown(spec))
    end
    refuse_unknown_fields(spec, takes)
    for _, field in ipairs(takes) do
        local name, value = field[1], spec[field[1]]
        if value ~= nil then
            fields.check(name, field[2], value)
        elseif field.required then
            fields.invalid("%s is missing from what to create", name)
        end
    end
    check_form(spec)
    if spec.sourceConnectionProperties then properties.warn(spec.sourceConnectionProperties) end
end

return specification
