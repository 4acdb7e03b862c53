--- sandbox.state: a world as a state file has it, with the mirrors that somebody wants in it.

local fields = require("mirrors").fields
local topics = require("kmirror.sandbox.topics")

local state = {}

local OLD <const> = 30 * 24 * 3600 -- seconds

local statuses = { IN_SYNC = false, CREATING = false, FAILED = "FAILED", STALE_TOPIC = "STALE_TOPIC",
    FAILED_TASK = "FAILED_TASK" }

local known = {
    topicsRegex = fields.text, from = fields.text, to = fields.text, targetLatency = fields.int32(1000, "milliseconds"),
    status = fields.one_of("IN_SYNC", "CREATING", "FAILED", "STALE_TOPIC", "FAILED_TASK"),
    useRenaming = fields.boolean,
    id = fields.uuid,
}
local kind = fields.options(known)

local function region(regions, wanted, name, default)
    local its = wanted[name] or default
    if not regions[its] then
        fields.invalid("mirror '%s': %s", wanted.topicsRegex, fields.unknown("region", its, regions))
    end
    return regions[its]
end

local function mirror_of(regions, wanted, number, now)
    fields.check(("mirrors[%d]"):format(number), kind, wanted)
    fields.check(("mirrors[%d].topicsRegex"):format(number), fields.text, wanted.topicsRegex)
    local from, to = region(regions, wanted, "from", "us-west"), region(regions, wanted, "to", "us-east")
    return to.connect, {
        id = wanted.id or ("00000000-0000-4000-8000-%012x"):format(number),
        connectorName = ("%s.%s.%012d"):format(from.alias, to.alias, number):gsub("%d+$", function(digits)
            return digits:gsub("%d", function(digit) return ("abcdefghij"):sub(digit + 1, digit + 1) end)
        end),
        topicsRegex = wanted.topicsRegex, source = from.kafka, sourceAlias = from.alias,
        useRenaming = wanted.useRenaming or false, usePrivateIps = false, maxTasks = 3,
        targetLatency = wanted.targetLatency or 30000, fate = statuses[wanted.status or "IN_SYNC"] or nil,
        created_at = wanted.status == "CREATING" and now or now - OLD,
    }
end

--- The state of such a world. Raises `invalid` for what cannot be.
---@param mirrors kmirror.test.mirror[]
---@param regions table<string, kmirror.cluster> that there may be
---@return table
function state.of(mirrors, regions)
    local connects, now = {}, require("host").time()
    for i, wanted in ipairs(mirrors) do
        local connect, mirror = mirror_of(regions, wanted, i, now)
        connects[connect] = connects[connect] or {}
        table.insert(connects[connect], mirror)
    end
    return {
        version = 1, families = topics.FAMILY_COUNT, created = 0, stopped = {}, random = ("%016x"):format(1),
        connects = connects,
    }
end

return state
