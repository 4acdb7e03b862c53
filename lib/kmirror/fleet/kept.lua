--- fleet.kept: what a saved plan may hold. Its digest tells that it was not changed by accident; anybody can make one,
--- so all that is read of it is looked at before it is used.

local fields = require("mirrors").fields

local text, whole = fields.string, fields.integer(math.mininteger)

local properties = fields.record({ from = text, ["name?"] = text })

local wanted_fields = {
    line = fields.integer(1), to = text, cluster = text, sourceAlias = text, topicsRegex = text,
    ["targetLatency?"] = whole, ["sourceType?"] = text, ["kafkaSource?"] = text, ["useRenaming?"] = fields.boolean,
    ["usePrivateIps?"] = fields.boolean, ["maxTasks?"] = whole, ["properties?"] = properties,
}
local wanted = fields.record(wanted_fields)
local retuned_fields = { targetLatency = whole }
for name, kind in pairs(wanted_fields) do retuned_fields[name] = kind end
local retuned = fields.record(retuned_fields)

local found = fields.record({
    id = text, cluster = text, topicsRegex = text, connectorName = text, ["sourceAlias?"] = text,
    ["targetLatency?"] = whole,
})

local spec = fields.record({
    topicsRegex = text, sourceAlias = text, useRenaming = fields.boolean, maxTasks = whole, ["sourceType?"] = text,
    ["kafkaSource?"] = text, ["usePrivateIps?"] = fields.boolean, ["targetLatency?"] = whole,
    ["sourceConnectionProperties?"] = text,
})

local value = fields.either(fields.word, fields.boolean)

local difference = fields.record({ field = text, wanted = value, ["found?"] = value })

local blocked = fields.either(
    fields.record({ wanted = wanted, reason = fields.one_of("duplicate", "unclear"), found = fields.list(found) }),
    fields.record({
        wanted = wanted, reason = fields.one_of("differs"), found = fields.list(found),
        differences = fields.list(difference),
    })
)

local made = fields.record({
    at = text, by = text, fleet = text, directory = text, max_delete = fields.integer(0), ["prune?"] = fields.boolean,
    ["cluster?"] = text,
    account = fields.record({ endpoint = text, ["username?"] = text, apis = fields.map(text) }),
})

--- The plan in a file, as kmirror.fleet.saved writes it.
---@type mirrors.fields.kind
return fields.record({
    made = made, names = fields.map(text), whole = fields.boolean, unchanged = fields.integer(0),
    mirrors = fields.list(wanted), there = fields.list(found),
    create = fields.list(fields.record({ wanted = wanted, spec = spec, ["properties?"] = text })),
    retune = fields.list(fields.record({ wanted = retuned, found = found, ["old?"] = whole })),
    delete = fields.list(found), blocked = fields.list(blocked), unlisted = fields.list(found),
    unclear = fields.list(found),
    warnings = fields.list(fields.record({ ["line?"] = fields.integer(1), message = text })),
})
