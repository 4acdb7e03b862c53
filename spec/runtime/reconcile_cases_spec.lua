-- Creates whose answers were lost, beside mirrors that look like what they ask for: what becomes of each on version 1
-- of the API, which tells names and topics, and on version 2, which tells whole specifications.
local cjson = require("cjson")
local support = require("spec.support")

local KAFKA, TWIN = "5a9b1c52-0000-4000-8000-000000000001", "5a9b1c52-0000-4000-8000-000000000009"
local PROPERTIES = "bootstrap.servers=kafka-1:9092\nsasl.password=hunter2"

-- The table. Each case: what the mirrors of the list differ in from what was asked for, before the create and after it.
-- `ours` differs in nothing that was asked; v1 sends again (undone), adopts (adopted), or cannot tell (unknown).
local EXPECTED <const> = [[
                                                        v1       v2
nothing new                                             undone   undone
ours                                                    adopted  adopted
ours, its target latency changed since                  adopted  adopted
ours, beside an older one that is the same              adopted  adopted
an older one that is the same, and nothing new          undone   undone
two that are the same                                   unknown  unknown
one of another Kafka cluster                            adopted  undone
ours and one of another Kafka cluster                   unknown  adopted
one that keeps names                                    adopted  undone
ours and one that keeps names                           unknown  adopted
one with other tasks                                    adopted  undone
ours and one with other tasks                           unknown  adopted
ours and one at private addresses                       unknown  adopted
ours and one of a source outside of the account         unknown  adopted
one of other topics, and one of another alias           undone   undone
one of an alias that goes on with dots, no other name   unknown  undone
ours, whose alias has dots, no other name               unknown  adopted
outside: ours and one of other servers                  unknown  adopted
outside: ours and one with another password             unknown  adopted
outside: one with another password                      adopted  unknown
]]

local OUTSIDE = { kafka = false, properties = PROPERTIES }
local DOTS = { alias = "us-west.b" }

local CASES = {
    { "nothing new" },
    { "ours", after = { {} } },
    { "ours, its target latency changed since", after = { { latency = 77000 } } },
    { "ours, beside an older one that is the same", before = { {} }, after = { {} } },
    { "an older one that is the same, and nothing new", before = { {} } },
    { "two that are the same", after = { {}, {} } },
    { "one of another Kafka cluster", after = { { kafka = TWIN } } },
    { "ours and one of another Kafka cluster", after = { {}, { kafka = TWIN } } },
    { "one that keeps names", after = { { renaming = false } } },
    { "ours and one that keeps names", after = { { renaming = false }, {} } },
    { "one with other tasks", after = { { tasks = 4 } } },
    { "ours and one with other tasks", after = { { tasks = 4 }, {} } },
    { "ours and one at private addresses", after = { {}, { private = true } } },
    { "ours and one of a source outside of the account", after = { OUTSIDE, {} } },
    { "one of other topics, and one of another alias", after = { { regex = "orders" }, { alias = "us-east" } } },
    { "one of an alias that goes on with dots, no other name", after = { DOTS } },
    { "ours, whose alias has dots, no other name", asked = DOTS, after = { {} } },
    { "outside: ours and one of other servers", asked = OUTSIDE,
        after = { {}, { properties = "bootstrap.servers=kafka-2:9092" } } },
    { "outside: ours and one with another password", asked = OUTSIDE,
        after = { { properties = PROPERTIES .. "3" }, {} } },
    { "outside: one with another password", asked = OUTSIDE, after = { { properties = PROPERTIES .. "3" } } },
}

local ASKED = { alias = "us-west", kafka = KAFKA, regex = "orders\\..*", renaming = true, tasks = 3, private = false,
    latency = 30000 }

local function with(base, changes)
    local all = {}
    for name, value in pairs(base) do all[name] = value end
    for name, value in pairs(changes or {}) do all[name] = value end
    return all
end

local function spec_of(mirror)
    return {
        sourceType = mirror.kafka and "instaclustr" or "custom", kafkaSource = mirror.kafka or nil,
        sourceConnectionProperties = not mirror.kafka and mirror.properties or nil, sourceAlias = mirror.alias,
        topicsRegex = mirror.regex, useRenaming = mirror.renaming, maxTasks = mirror.tasks,
        usePrivateIps = mirror.kafka and mirror.private or nil,
    }
end

-- A mirror as a version of the API lists it.
local listed = {}

function listed.v1(mirror, id)
    return { id = id, connectorName = mirror.alias .. ".us-east." .. id:sub(-6), topicsRegex = mirror.regex }
end

function listed.v2(mirror, id)
    local source = mirror.kafka
        and { alias = mirror.alias, managedCluster = { { sourceKafkaClusterId = mirror.kafka,
            usePrivateIps = mirror.private } } }
        or { alias = mirror.alias, externalCluster = { { sourceConnectionProperties = mirror.properties } } }
    return with(listed.v1(mirror, id), { kafkaConnectClusterId = support.cluster, maxTasks = mirror.tasks,
        renameMirroredTopics = mirror.renaming, targetLatency = mirror.latency, sourceCluster = { source } })
end

local function list_of(version, mirrors)
    local body = cjson.encode { mirrors = mirrors }
    return { body = (version == "v2" and "[%s]" or "%s"):format((body:gsub('"mirrors":{}', '"mirrors":[]'))) }
end

local created = {
    v1 = function(_, id) return { body = cjson.encode { mirrorId = id } } end,
    v2 = function(mirror, id) return { status = 202, body = cjson.encode(listed.v2(mirror, id)) } end,
}

local AGAIN <const> = "0c7067d6-0000-4000-8000-00000000ffff"

-- What becomes of the create: "adopted", "undone" (it was sent again), "unknown".
local function outcome(case, version)
    local asked, before, after = with(ASKED, case.asked), {}, {}
    for i, difference in ipairs(case.before or {}) do
        before[i] = listed[version](with(asked, difference), ("0c7067d6-0000-4000-8000-00000000000%d"):format(i))
    end
    table.move(before, 1, #before, 1, after)
    local ours = {}
    for i, difference in ipairs(case.after or {}) do
        local id = ("0c7067d6-0000-4000-8000-00000000001%d"):format(i)
        after[#after + 1] = listed[version](with(asked, difference), id)
        ours[id] = next(difference) == nil or next(difference) == "latency"
    end
    local server = support.server { list_of(version, before), { status = 502, body = "" }, list_of(version, after),
        created[version](asked, AGAIN) }
    local api = support.connect(server, { api = version, retries = 2, backoff = 0.001, settle = 0.05 })
    local ok, result = pcall(api.create, api, spec_of(asked))
    local requests = #server:requests()
    server:stop()
    if not ok then
        assert.are.equal("unknown_outcome", result.kind, tostring(result))
        return "unknown"
    elseif result == AGAIN then
        assert.are.equal(4, requests)
        return "undone"
    end
    assert.are.equal(3, requests)
    assert.is_true(version == "v1" or ours[result], case[1] .. ": v2 has adopted another one")
    return "adopted"
end

describe("a create whose answer was lost, beside look-alikes,", function()
    it("is adopted, sent again or left open as this table says; whole specifications decide", function()
        local lines = { (" "):rep(56) .. "v1       v2" }
        for i, case in ipairs(CASES) do
            lines[i + 1] = ("%-56s%-9s%s"):format(case[1], outcome(case, "v1"), outcome(case, "v2"))
        end
        assert.are.equal(EXPECTED, table.concat(lines, "\n") .. "\n")
    end)
end)
