local cjson = require("cjson")
local mirrors = require("mirrors")
local support = require("spec.support")

local SOURCE = "org.apache.kafka.connect.mirror.MirrorSourceConnector"
local CHECKPOINT = "org.apache.kafka.connect.mirror.MirrorCheckpointConnector"
local NAME, ID = "west.east.0123456789ab", "8e1cbe86-12c8-4a98-8d47-daf351fec512"
local PASSWORD = "hunter-22"
local JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="' .. PASSWORD
    .. '";'

local SPEC = {
    sourceType = "custom", sourceAlias = "west", topicsRegex = "orders.*", useRenaming = true, maxTasks = 3,
    sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config=" .. JAAS,
}

local function spec_with(fields)
    local spec = {}
    for name, value in pairs(SPEC) do spec[name] = value end
    for name, value in pairs(fields) do spec[name] = value ~= false and value or nil end
    return spec
end

-- ---- what Kafka Connect answers, as it was seen to ----

local function json(status, body)
    return { status = status, body = cjson.encode(body) }
end

local function problem(status, message)
    return json(status, { error_code = status, message = message })
end

local NOT_FOUND = problem(404, "Connector " .. NAME .. " not found")
local REBALANCE = problem(409, "Cannot complete request because of a conflicting operation (e.g. worker rebalance)")
local TIMED_OUT = problem(500, "Request timed out. The worker is currently ensuring membership in the cluster")
local DONE, ACCEPTED = { status = 204 }, { status = 202 }

local function source_config(fields)
    local its = {
        ["connector.class"] = SOURCE, topics = "orders.*", ["tasks.max"] = "3", ["kmirror.id"] = ID,
        ["source.cluster.alias"] = "west", ["target.cluster.alias"] = "east",
        ["source.cluster.bootstrap.servers"] = "10.0.0.1:9092", ["source.cluster.sasl.jaas.config"] = JAAS,
        ["replication.policy.class"] = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
    }
    for name, value in pairs(fields or {}) do its[name] = value ~= false and value or nil end
    return its
end

local function checkpoint_config(fields)
    local its = source_config({ ["connector.class"] = CHECKPOINT, topics = false })
    its["kmirror.target.latency.ms"] = "30000"
    for name, value in pairs(fields or {}) do its[name] = value end
    return its
end

local function connector(state, tasks, trace)
    local its = { connector = { state = state, worker_id = "127.0.0.1:8083", trace = trace }, tasks = {} }
    for i, each in ipairs(tasks or {}) do
        its.tasks[i] = { id = i - 1, state = each, trace = each == "FAILED" and trace or nil, worker_id = "w" }
    end
    if #its.tasks == 0 then its.tasks = cjson.decode("[]") end
    return its
end

local EMPTY = { status = 200, body = "[]" }
local NO_OFFSETS = { status = 200, body = '{"offsets":[]}' }
local OFFSETS = json(200, { offsets = { { partition = { cluster = "west", partition = 0, topic = "orders" },
    offset = { offset = 5 } } } })

local function offsets_of(topic)
    return json(200, { offsets = { { partition = { cluster = "west", partition = 0, topic = "orders" },
        offset = { offset = 5 } }, { partition = { cluster = "west", partition = 1, topic = topic },
        offset = { offset = 7 } } } })
end

local function raw_connector(its)
    local body = cjson.encode(its)
    return { status = 200, body = (body:gsub('"tasks":{}', '"tasks":[]')) }
end

local LIST = json(200, { [NAME] = { info = { config = source_config() } },
    [NAME .. ".checkpoint"] = { info = { config = checkpoint_config() } } })

local tasks = { { config = { ["task.assigned.partitions"] = "orders-0,orders-1" } },
    { config = { ["task.assigned.partitions"] = "orders-2,or-ders-0" } } }

-- What a get asks for, after it has found the names: configurations, states, tasks, offsets.
local function answers_of_get(fields)
    local source = fields.source or connector("RUNNING", { "RUNNING" })
    local checkpoint = fields.checkpoint == nil and connector("RUNNING") or fields.checkpoint
    local answers = { LIST, json(200, { config = source_config(fields.config) }),
        json(200, { config = checkpoint_config(fields.pair) }) }
    answers[#answers + 1] = raw_connector(source)
    answers[#answers + 1] = checkpoint and raw_connector(checkpoint) or NOT_FOUND
    if #source.tasks > 0 then answers[#answers + 1] = json(200, tasks) end
    answers[#answers + 1] = fields.offsets or OFFSETS
    return answers
end

-- ---- what is asked ----

local function connect(server, options)
    local all = { api = "connect", endpoint = server.url, cluster = "east", kafka = "bootstrap.servers=10.0.0.2:9092",
        retries = 0, timeout = 10, backoff = 0.01 }
    for name, value in pairs(options or {}) do all[name] = value end
    return mirrors.connect(all)
end

-- Answers the requests of a call, and returns what the call returned, or raised, and what was asked.
local function exchange(answers, call, options)
    local server = support.server(answers)
    local ok, result = pcall(call, connect(server, options))
    server:stop()
    return result, server:requests(), ok
end

local function lines_of(requests)
    local lines = {}
    for i, request in ipairs(requests) do lines[i] = request.method .. " " .. request.target end
    return lines
end

local function list(api) return api:list() end
local function get(api) return api:get(ID) end
local function create(api) return api:create(SPEC) end
local function delete(api) return api:delete(ID) end

describe("a Kafka Connect cluster of one's own:", function()
    it("an answer of another shape is an error of the kind protocol, and not a cluster without mirrors", function()
        local raised = exchange({ { status = 200, body = '["west.east.abc"]' } }, list)
        assert.are.equal("protocol", raised.kind)
        assert.is_truthy(raised.message:find("it is a list where connectors by their names were expected", 1, true))
        for _, odd in ipairs {
            '{"connector":{"state":5},"tasks":[]}', '{"connector":{},"tasks":[]}', '{"connector":[],"tasks":[3]}',
            '{"connector":{"state":"RUNNING"},"tasks":[3]}', '{"connector":{"state":"RUNNING"},"tasks":[{"id":0}]}',
            '{"connector":{"state":"RUNNING"},"tasks":[{"id":"x","state":"FAILED"}]}',
            '{"connector":{"state":"RUNNING"},"tasks":[{"id":0,"state":"FAILED","trace":7}]}',
        } do
            local answers = answers_of_get {}
            answers[4] = { status = 200, body = odd }
            raised = exchange(answers, get)
            assert.are.equal("protocol", raised.kind, odd .. ": " .. tostring(raised))
        end
    end)

    describe("list", function()
        it("is one request, and tells each mirror's whole specification, with its secrets hidden", function()
            local found, requests = exchange({ LIST }, list)
            assert.are.same({ "GET /connectors?expand=info" }, lines_of(requests))
            assert.are.equal(1, #found)
            local mirror = found[1]
            assert.are.same({ ID, NAME, "orders.*", "west", 3, true, 30000, "custom" }, { mirror.id,
                mirror.connectorName, mirror.topicsRegex, mirror.sourceAlias, mirror.maxTasks, mirror.useRenaming,
                mirror.targetLatency, mirror.sourceType })
            assert.are.equal("(hidden)", tostring(mirror.sourceConnectionProperties))
            assert.is_true(mirror.sourceConnectionProperties:leads_where(SPEC.sourceConnectionProperties) == "yes")
        end)

        it("shows what others made as foreign, by an id that stays, and leaves out what is no mirror", function()
            local all = json(200, {
                ["east->west"] = { info = { config = source_config({ ["kmirror.id"] = false, topics = false }) } },
                sink = { info = { config = { ["connector.class"] = "io.example.Sink" } } },
            })
            local first, again = exchange({ all }, list), exchange({ all }, list)
            assert.are.equal(1, #first)
            assert.is_true(first[1].foreign)
            assert.are.equal(".*", first[1].topicsRegex)
            assert.are.equal(first[1].id, again[1].id)
            assert.is_true(mirrors.fields.uuid.fits(first[1].id))
        end)

        it("shows a mirror of which only the checkpoint connector is left, so that it can be deleted", function()
            local left = { [NAME .. ".checkpoint"] = { info = { config = checkpoint_config() } } }
            local found = exchange({ json(200, left) }, list)
            assert.are.same({ ID, NAME }, { found[1].id, found[1].connectorName })
        end)

        it("tells two mirrors apart of which one was copied with its id", function()
            local found = exchange({ json(200, { a = { info = { config = source_config() } },
                b = { info = { config = source_config() } } }) }, list)
            assert.are.equal(2, #found)
            assert.are_not.equal(found[1].id, found[2].id)
        end)
    end)

    describe("create", function()
        local MADE = json(201, { name = NAME })
        local WHOLE = { MADE, MADE, ACCEPTED, ACCEPTED }

        it("makes both connectors stopped, with one id, then starts them, checkpoints first", function()
            local id, requests = exchange(WHOLE, create)
            local source, checkpoint = cjson.decode(requests[1].body), cjson.decode(requests[2].body)
            assert.is_truthy(source.name:find("^west%.east%.%w+$") and #source.name == #"west.east." + 12)
            assert.are.equal(source.name .. ".checkpoint", checkpoint.name)
            assert.are.same({ "STOPPED", "STOPPED", id, id }, { source.initial_state, checkpoint.initial_state,
                source.config["kmirror.id"], checkpoint.config["kmirror.id"] })
            assert.are.same({ "POST /connectors", "POST /connectors",
                "PUT /connectors/" .. checkpoint.name .. "/resume", "PUT /connectors/" .. source.name .. "/resume" },
                lines_of(requests))
        end)

        it("says to MirrorMaker what was asked for, and hands records on as they are", function()
            local _, requests = exchange(WHOLE, create)
            local its = cjson.decode(requests[1].body).config
            for name, value in pairs {
                ["connector.class"] = SOURCE, topics = "orders.*", ["tasks.max"] = "3",
                ["source.cluster.alias"] = "west", ["target.cluster.alias"] = "east",
                ["source.cluster.bootstrap.servers"] = "10.0.0.1:9092", ["source.cluster.sasl.jaas.config"] = JAAS,
                ["target.cluster.bootstrap.servers"] = "10.0.0.2:9092",
                ["value.converter"] = "org.apache.kafka.connect.converters.ByteArrayConverter",
                ["replication.policy.class"] = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
            } do assert.are.equal(value, its[name]) end
        end)

        it("keeps the names of topics by the policy for that, in both connectors", function()
            local _, requests = exchange(WHOLE, function(api)
                local spec = spec_with {}
                spec.useRenaming = false
                return api:create(spec)
            end)
            for i = 1, 2 do
                assert.are.equal("org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
                    cjson.decode(requests[i].body).config["replication.policy.class"])
            end
        end)

        it("waits out a rebalance, which is a 409 that is none", function()
            local id, requests = exchange({ REBALANCE, MADE, MADE, ACCEPTED, ACCEPTED }, create, { retries = 2 })
            assert.is_string(id)
            assert.are.equal(requests[1].body, requests[2].body)
        end)

        it("takes no connector of its name, but of another's id, for its own after a request timed out", function()
            -- The second POST finds what the first has made; the look at it finds another's id.
            local e, requests, ok = exchange({ TIMED_OUT, problem(409, "Connector x already exists"),
                json(200, { config = source_config() }) }, create, { retries = 1 })
            assert.is_false(ok)
            assert.are.equal(409, e.status)
            assert.are.equal(cjson.decode(requests[1].body).name, cjson.decode(requests[2].body).name)
            assert.are.equal("GET /connectors/" .. cjson.decode(requests[1].body).name, lines_of(requests)[3])
        end)

        it("whose answer was lost was surely not done where no connector has its name", function()
            local e, requests = exchange({ { close = "after" }, NOT_FOUND }, create)
            assert.are.equal("transport", e.kind)
            assert.are.equal(2, #requests)
        end)

        it("is of unknown outcome where answer and look are both lost, and says the name to look for", function()
            local e, requests = exchange({ { close = "after" } }, create)
            assert.are.equal("unknown_outcome", e.kind)
            local name = cjson.decode(requests[1].body).name
            assert.are.equal(name, e.details.candidates[1].connectorName)
            assert.is_truthy(e.message:find(name, 1, true))
        end)

        it("raises what Kafka Connect says of a bad configuration, without the secrets that it repeats", function()
            local refusal = problem(400, ("Invalid value %s for sasl.jaas.config: %s"):format(JAAS, PASSWORD))
            local e, requests = exchange({ refusal, NOT_FOUND }, create)
            assert.are.same({ "invalid", 400 }, { e.kind, e.status })
            assert.is_nil(tostring(e):find(PASSWORD, 1, true))
            assert.are.equal("POST /connectors", lines_of(requests)[1])
        end)

        it("leaves no half of a mirror behind when its second connector is refused", function()
            local e, requests = exchange({ MADE, problem(400, "no"), NOT_FOUND, DONE }, create)
            assert.are.equal("invalid", e.kind)
            assert.are.equal("DELETE /connectors/" .. cjson.decode(requests[1].body).name, lines_of(requests)[4])
        end)

        it("names the half that it cannot take back, and the command that deletes it", function()
            local e, requests = exchange({ MADE, problem(400, "no"), NOT_FOUND, problem(400, "never") }, create)
            local its = cjson.decode(requests[1].body)
            assert.are.equal("invalid", e.kind)
            assert.is_truthy(e.message:find(("connector %s, which was made before, could not be deleted (never): "
                .. "kmirror delete --cluster east %s"):format(its.name, its.config["kmirror.id"]), 1, true), e.message)
        end)

        local refusals = {
            ["a quantifier with a comma, which ends a regex in MirrorMaker's list"] =
                { spec_with { topicsRegex = "a{1,3}" }, "quantifier with a comma" },
            ["usePrivateIps"] = { spec_with { usePrivateIps = true }, "usePrivateIps" },
            ["a kafkaSource that no cluster has"] = { spec_with { sourceType = "instaclustr", kafkaSource = ID,
                sourceConnectionProperties = false }, "kafkaSource" },
            ["an alias with a slash"] = { spec_with { sourceAlias = "we/st" }, "slash" },
        }
        for what, case in pairs(refusals) do
            it("refuses " .. what .. " before anything is sent", function()
                local e, requests = exchange({ NOT_FOUND }, function(api) return api:create(case[1]) end)
                assert.are.equal("invalid", e.kind)
                assert.is_truthy(e.message:find(case[2], 1, true), e.message)
                assert.are.equal(0, #requests)
            end)
        end

        it("needs to know the Kafka cluster to mirror into, and says where to give it", function()
            local server = support.server { NOT_FOUND }
            local api = mirrors.connect { api = "connect", endpoint = server.url, cluster = "east" }
            local e = support.raises("invalid", api.create, api, SPEC)
            assert.is_truthy(e.message:find("kafka", 1, true))
            server:stop()
            assert.are.equal(0, #server:requests())
        end)
    end)

    describe("get", function()
        it("asks for the connectors of that name only, once it knows the name", function()
            local _, requests = exchange(table.move(answers_of_get {}, 2, 7, 8, answers_of_get {}), function(api)
                api:get(ID)
                return api:get(ID)
            end)
            local lines = lines_of(requests)
            assert.are.equal("GET /connectors?expand=info", lines[1])
            for i = 2, #lines do
                assert.is_truthy(lines[i]:find("/connectors/" .. NAME, 1, true))
            end
        end)

        it("names the topics of all its tasks, be there a hyphen in them or not", function()
            local mirror = exchange(answers_of_get {}, get)
            assert.are.equal("or-ders", mirror.topicStatuses[1].name)
            assert.are.equal("orders", mirror.topicStatuses[2].name)
        end)

        local YOUNG = { ["kmirror.created"] = ("%d"):format(os.time()) }
        local OLD = { ["kmirror.created"] = ("%d"):format(os.time() - 3600) }
        local TRACE = "org.apache.kafka.connect.errors.ConnectException: task died\n\tat x\nCaused by: "
            .. "java.lang.IllegalArgumentException: password " .. PASSWORD .. " is wrong\n\tat y"
        local cases = {
            { "IN_SYNC", "both run and offsets move", {} },
            { "FAILED", "a task of a running connector has failed", {
                source = connector("RUNNING", { "RUNNING", "FAILED" }, TRACE) }, "its task 1 failed", "RUNNING" },
            { "FAILED", "the checkpoint connector has failed", { checkpoint = connector("FAILED", {}, TRACE) },
                "its connector failed" },
            { "FAILED", "one of an old pair is missing", { checkpoint = false, config = OLD },
                "checkpoint connector is missing" },
            { "CREATING", "one of a young pair is missing", { checkpoint = false, config = YOUNG } },
            { "CREATING", "it was never started, and is young", { source = connector("STOPPED"), offsets = NO_OFFSETS,
                config = YOUNG } },
            { "CREATING", "no offset was committed yet", { offsets = NO_OFFSETS, config = YOUNG } },
            { "IN_SYNC", "no offset was committed for long: its topics are empty", { offsets = NO_OFFSETS,
                config = OLD } },
            { "STALE_TOPIC", "it runs for long without a task", { source = connector("RUNNING"), config = OLD },
                "takes no topic" },
            { "STALE_TOPIC", "a topic that it has copied is not there any more", { offsets = offsets_of "orders.old" },
                "its source has no topic 'orders.old' any more" },
            { "IN_SYNC", "a topic that it has copied is not for its regex any more", {
                offsets = offsets_of "returns" } },
            { "IN_SYNC", "whether its regex takes such a topic cannot be told", { offsets = offsets_of "orders.old",
                config = { topics = "orders(\\..*)?" } } },
            { "OUT_OF_SYNC", "it is paused", { source = connector("PAUSED", { "PAUSED" }) }, "is paused" },
            { "OUT_OF_SYNC", "a task has no worker", { source = connector("RUNNING", { "UNASSIGNED" }) },
                "is UNASSIGNED" },
        }
        for _, case in ipairs(cases) do
            local status, when, fields, cause = table.unpack(case)
            it(("says %s when %s"):format(status, when), function()
                local mirror = exchange(answers_of_get(fields), get)
                assert.are.equal(status, mirror.status)
                if cause then
                    assert.is_truthy((mirror.cause or ""):find(cause, 1, true), mirror.cause)
                end
            end)
        end

        it("tells the cause at the root of a trace, on one line, without secrets of the configuration", function()
            local mirror = exchange(answers_of_get { source = connector("RUNNING", { "FAILED" }, TRACE) }, get)
            assert.are.equal("its task 0 failed: java.lang.IllegalArgumentException: password [hidden] is wrong",
                mirror.cause)
            assert.are.equal("FAILED", mirror.mirrorStatus)
        end)

        it("raises not_found for an id that is not there, and for one that has gone since", function()
            local e = exchange({ json(200, { x = { info = { config = {} } } }) }, get)
            assert.are.same({ "not_found", "get", ID }, { e.kind, e.operation, e.id })
            local answers = answers_of_get {}
            for _, each in ipairs { NOT_FOUND, NOT_FOUND, json(200, { x = { info = { config = {} } } }) } do
                answers[#answers + 1] = each
            end
            e = exchange(answers, function(api)
                api:get(ID)
                return api:get(ID)
            end)
            assert.are.equal("not_found", e.kind)
        end)
    end)

    describe("latency and rate", function()
        local function bean(topic, partition)
            return ("kafka.connect.mirror:partition=%d,source=west,target=east,topic=%s,type=MirrorSourceConnector")
                :format(partition, topic)
        end

        it("are the mean of a topic's partitions and the sum of their rates, as the workers measure them", function()
            local measured = cjson.encode { value = {
                [bean("west.orders", 0)] = { ["replication-latency-ms-avg"] = 100.2, ["record-rate"] = 1.5 },
                [bean("west.orders", 1)] = { ["replication-latency-ms-avg"] = 300, ["record-rate"] = 2 },
                [bean("west.orders", 2)] = { ["replication-latency-ms-avg"] = "NaN", ["record-rate"] = 0 },
                [bean("west.other", 0)] = { ["replication-latency-ms-avg"] = 9e9, ["record-rate"] = 7 },
            } }
            local metrics = support.server { { status = 200, body = measured } }
            local mirror = exchange(answers_of_get {}, get, { metrics = metrics.url .. "/jolokia" })
            metrics:stop()
            assert.are.equal("GET /jolokia/read/kafka.connect.mirror:type=MirrorSourceConnector,*",
                lines_of(metrics:requests())[1])
            assert.are.same({ { name = "or-ders", averageLatency = 0, averageRate = 0 },
                { name = "orders", averageLatency = 201, averageRate = 3.5 } }, mirror.topicStatuses)
        end)

        it("above the target is OUT_OF_SYNC", function()
            local metrics = support.server { json(200, { value = {
                [bean("west.orders", 0)] = { ["replication-latency-ms-avg"] = 30001, ["record-rate"] = 1 },
            } }) }
            local mirror = exchange(answers_of_get {}, get, { metrics = metrics.url })
            metrics:stop()
            assert.are.equal("OUT_OF_SYNC", mirror.status)
        end)

        it("are left out where nothing measures them, or cannot be reached", function()
            local mirror = exchange(answers_of_get {}, get, { metrics = "http://127.0.0.1:1/jolokia" })
            assert.are.same({ { name = "or-ders" }, { name = "orders" } }, mirror.topicStatuses)
        end)
    end)

    describe("delete", function()
        it("removes both connectors, the source first, and looks that each is gone", function()
            local _, requests = exchange({ LIST, DONE, NOT_FOUND, DONE, NOT_FOUND }, delete)
            assert.are.same({ "GET /connectors?expand=info", "DELETE /connectors/" .. NAME,
                "GET /connectors/" .. NAME, "DELETE /connectors/" .. NAME .. ".checkpoint",
                "GET /connectors/" .. NAME .. ".checkpoint" }, lines_of(requests))
        end)

        it("removes what is left of a mirror", function()
            local _, _, ok = exchange({ LIST, NOT_FOUND, DONE, NOT_FOUND }, delete)
            assert.is_true(ok)
        end)

        it("does not take a worker that is still starting for one that has no such connector", function()
            local starting = json(404, { url = "/connectors/x", status = "404", message = "Not Found" })
            local e, requests = exchange({ LIST, starting }, delete, { retries = 1 })
            assert.are.same({ "server", 404, 3 }, { e.kind, e.status, #requests })
            assert.is_truthy(e.message:find("still starting", 1, true), e.message)
        end)

        it("raises not_found where neither is there", function()
            local e = exchange({ LIST, NOT_FOUND }, delete)
            assert.are.equal("not_found", e.kind)
        end)

        it("leaves the checkpoints of somebody else's mirror alone, which may be another's, too", function()
            local all = json(200, { x = { info = { config = source_config { ["kmirror.id"] = false } } },
                y = { info = { config = checkpoint_config { ["kmirror.id"] = cjson.null } } } })
            local _, requests = exchange({ all, DONE, NOT_FOUND }, function(api)
                return api:delete(api:list()[1].id)
            end)
            assert.are.same({ "DELETE /connectors/x", "GET /connectors/x" }, { lines_of(requests)[2],
                lines_of(requests)[3] })
            assert.are.equal(3, #requests)
        end)
    end)

    describe("update_target_latency", function()
        local function set(api) return api:update_target_latency(ID, 45000) end

        it("is kept in the checkpoint connector, so that replication goes on", function()
            local _, requests = exchange({ LIST, json(200, {}) }, set)
            assert.are.equal("PATCH /connectors/" .. NAME .. ".checkpoint/config", lines_of(requests)[2])
            assert.are.same({ ["kmirror.target.latency.ms"] = "45000" }, cjson.decode(requests[2].body))
        end)

        it("replaces the whole configuration where Kafka Connect is too old for a part of it", function()
            local _, requests = exchange({ LIST, problem(405, "HTTP 405 Method Not Allowed"),
                json(200, { config = checkpoint_config() }), json(200, {}) }, set)
            local its = cjson.decode(requests[4].body)
            assert.are.same({ "PUT", "45000", CHECKPOINT }, { requests[4].method, its["kmirror.target.latency.ms"],
                its["connector.class"] })
        end)

        it("refuses less than a second before anything is sent", function()
            local e, requests = exchange({ LIST }, function(api) return api:update_target_latency(ID, 999) end)
            assert.are.same({ "invalid", 0 }, { e.kind, #requests })
        end)
    end)

    describe("beyond what the vendor's API offers,", function()
        local CLUSTER = "0c7067d6-c70a-11ea-87d0-0242ac130003"
        local INFO = json(200, { config = source_config() })
        local BEYOND = { "lag", "offsets", "pause", "resume", "stop", "restart", "set_topics", "set_offsets" }

        it("can() tells what can be done, and with the vendor's API each raises unsupported and says why", function()
            local server = support.server { NOT_FOUND }
            for _, version in ipairs { "v1", "v2" } do
                local vendor = support.connect(server, { api = version, cluster = CLUSTER })
                for _, name in ipairs(BEYOND) do
                    assert.is_false(vendor:can(name))
                    local e = support.raises("unsupported", vendor[name], vendor, ID, "x")
                    assert.is_truthy(e.message:find("vendor's API", 1, true), e.message)
                    assert.are.same({ name, CLUSTER, ID }, { e.operation, e.cluster, e.id })
                end
            end
            for _, name in ipairs(BEYOND) do assert.is_true(connect(server):can(name)) end
            server:stop()
            assert.are.equal(0, #server:requests())
        end)

        for name, accepted in pairs { pause = 202, resume = 202, stop = 204 } do
            it(name .. " is of both connectors", function()
                local answer = { status = accepted }
                local answers = { LIST, INFO, answer, answer, raw_connector(connector("STOPPED")) }
                if name == "resume" then table.insert(answers, 3, INFO) end -- is the other there?
                local _, requests = exchange(answers, function(api) return api[name](api, ID) end)
                local first = name == "resume" and 4 or 3
                assert.are.same({ "PUT /connectors/" .. NAME .. "/" .. name,
                    "PUT /connectors/" .. NAME .. ".checkpoint/" .. name },
                    { lines_of(requests)[first], lines_of(requests)[first + 1] })
            end)
        end

        local ends = { pause = connector("PAUSED", { "PAUSED", "FAILED" }), stop = connector("STOPPED") }
        for name, still in pairs(ends) do
            it(name .. " returns when no task is at work any more", function()
                local answer = { status = name == "stop" and 204 or 202 }
                local _, requests = exchange({ LIST, INFO, answer, answer,
                    raw_connector(connector("RUNNING", { "RUNNING" })),
                    raw_connector(connector(still.connector.state, { still.connector.state, "RUNNING" })),
                    raw_connector(still) }, function(api) return api[name](api, ID) end)
                assert.are.equal(7, #requests)
                for i = 5, 7 do
                    assert.are.equal("GET /connectors/" .. NAME .. "/status", lines_of(requests)[i])
                end
            end)
        end

        it("resume makes the checkpoint connector that is missing, with all but what is the source's", function()
            local _, requests = exchange({ LIST, INFO, NOT_FOUND, json(201, {}), ACCEPTED, ACCEPTED }, function(api)
                return api:resume(ID)
            end)
            local made = cjson.decode(requests[4].body)
            assert.are.equal(NAME .. ".checkpoint", made.name)
            assert.are.same({ CHECKPOINT, ID, JAAS, "30000" }, { made.config["connector.class"],
                made.config["kmirror.id"], made.config["source.cluster.sasl.jaas.config"],
                made.config["kmirror.target.latency.ms"] })
            assert.is_nil(made.config.topics)
        end)

        it("restart is of what failed, and tells why it had", function()
            local failed = connector("RUNNING", { "RUNNING", "FAILED" }, "java.lang.Error: password " .. PASSWORD)
            local causes, requests = exchange({ LIST, INFO, raw_connector(failed), json(202, {}),
                raw_connector(connector("RUNNING")), json(202, {}) }, function(api) return api:restart(ID) end)
            assert.are.same({ NAME .. ": its task 1 failed: java.lang.Error: password [hidden]" }, causes)
            assert.are.equal("POST /connectors/" .. NAME .. "/restart?includeTasks=true&onlyFailed=true",
                lines_of(requests)[4])
        end)

        it("set_topics is a change in place, of the topics alone", function()
            local _, requests = exchange({ LIST, INFO, json(200, {}) }, function(api)
                return api:set_topics(ID, "orders|bills")
            end)
            assert.are.equal("PATCH /connectors/" .. NAME .. "/config", lines_of(requests)[3])
            assert.are.same({ topics = "orders|bills" }, cjson.decode(requests[3].body))
        end)

        it("offsets are read, and set, by topic and partition", function()
            local offsets, requests = exchange({ LIST, INFO, OFFSETS, INFO, json(200, {}) }, function(api)
                local found = api:offsets(ID)
                api:set_offsets(ID, found)
                return found
            end)
            assert.are.same({ { topic = "orders", partition = 0, offset = 5 } }, offsets)
            assert.are.equal("PATCH /connectors/" .. NAME .. "/offsets", lines_of(requests)[5])
            assert.are.same({ offsets = { { partition = { cluster = "west", topic = "orders", partition = 0 },
                offset = { offset = 5 } } } }, cjson.decode(requests[5].body))
        end)

        it("wrong offsets are refused by name before anything is sent", function()
            local e, requests = exchange({ LIST }, function(api)
                return api:set_offsets(ID, { { topic = "orders", partition = 0, offset = -1 } })
            end)
            assert.are.same({ "invalid", 0 }, { e.kind, #requests })
            assert.is_truthy(e.message:find("offsets[1].offset must be", 1, true), e.message)
        end)

        it("a mirror can be made stopped, so that its offsets can be set before it copies anything", function()
            local made = json(201, { name = NAME })
            local _, requests = exchange({ made, made }, function(api)
                return api:create(spec_with { initialState = "STOPPED" })
            end)
            assert.are.equal(2, #requests)
        end)
    end)

    describe("connecting", function()
        it("needs no user name and no key, and sends none", function()
            local _, requests = exchange({ LIST }, list)
            assert.is_nil(requests[1].headers.authorization)
        end)

        it("sends a user name and password where they are given", function()
            local _, requests = exchange({ LIST }, list, { username = "u", api_key = "pass-word" })
            assert.is_truthy(requests[1].headers.authorization:find("^Basic "))
        end)

        it("calls the cluster by the name that it is given, or by where its worker is", function()
            local api = connect({ url = "http://127.0.0.1:18083" })
            assert.are.equal("east", api.cluster)
            assert.are.equal("mirrors of cluster east at http://127.0.0.1:18083", tostring(api))
            assert.are.equal("127.0.0.1:18083", mirrors.connect { api = "connect",
                endpoint = "http://127.0.0.1:18083/" }.cluster)
        end)

        it("goes on with the next worker where one is out of reach", function()
            local server = support.server { LIST }
            local api = mirrors.connect { api = "connect", cluster = "east", backoff = 0.01,
                clusters = { east = { urls = { "http://127.0.0.1:1", server.url } } } }
            assert.are.equal(1, #api:list())
            assert.are.equal(1, #api:list())
            server:stop()
        end)

        it("reaches each cluster that the options name at its own workers, and refuses one that they do not", function()
            local east, west = support.server { LIST }, support.server { EMPTY }
            local api = mirrors.connect { api = "connect", cluster = "east", clusters = {
                east = { urls = { east.url } }, west = { urls = { west.url } } } }
            assert.are.same({ 1, 0 }, { #api:list(), #api:on("west"):list() })
            local e = support.raises("invalid", api.on, api, "north")
            assert.is_truthy(e.message:find("known are east, west", 1, true), e.message)
            east:stop()
            west:stop()
        end)

        it("refuses http to another machine, unless it is said to be insecure", function()
            local options = { api = "connect", endpoint = "http://connect-east:8083" }
            local e = support.raises("invalid", mirrors.connect, options)
            assert.is_truthy(e.message:find("insecure", 1, true), e.message)
            options.insecure = true
            assert.are.equal("connect-east:8083", mirrors.connect(options).cluster)
        end)

        it("says by its field what is wrong with a cluster that the options name", function()
            for cluster, expected in pairs {
                [1] = "clusters.east must be a table",
                [{}] = "clusters.east: urls must be",
                [{ urls = "http://127.0.0.1:1", alias = 5 }] = "clusters.east.alias must be a non-empty string",
                [{ urls = "http://127.0.0.1:1", kafka_id = "x" }] = "clusters.east.kafka_id must be a UUID",
                [{ urls = "http://127.0.0.1:1", url = "x" }] = "clusters.east: unknown field 'url'",
            } do
                local e = support.raises("invalid", mirrors.connect, { api = "connect", clusters = { east = cluster } })
                assert.is_truthy(e.message:find(expected, 1, true), e.message)
            end
        end)

        it("does not go insecurely where its own options say no, whatever the host's say", function()
            mirrors.defaults { insecure = true }
            local e = support.raises("invalid", mirrors.connect, { api = "connect", cluster = "east", insecure = false,
                clusters = { east = { urls = "http://connect-east:8083" } } })
            mirrors.defaults {}
            assert.is_truthy(e.message:find("clusters.east: urls must be https", 1, true), e.message)
        end)

        it("asks a proxy of plain http for whole URLs", function()
            local proxy = support.server { LIST, DONE, NOT_FOUND, DONE, NOT_FOUND }
            local api = mirrors.connect { api = "connect", endpoint = "http://connect.example:8083/a",
                cluster = "east", insecure = true, proxy = proxy.url, username = "u", api_key = "pass-word" }
            api:list()
            api:delete(ID)
            proxy:stop()
            local requests = proxy:requests()
            local origin = "http://connect.example:8083/a/connectors"
            assert.are.same({ "GET " .. origin .. "?expand=info", "DELETE " .. origin .. "/" .. NAME },
                table.move(lines_of(requests), 1, 2, 1, {}))
            assert.are.equal(1, select(2, requests[1].raw:lower():gsub("\nuser%-agent:", "")))
            assert.is_truthy(requests[1].headers.authorization:find("^Basic "))
            assert.are.equal("connect.example:8083", requests[1].headers.host)
        end)

        it("wants an endpoint, or clusters", function()
            local e = support.raises("invalid", mirrors.connect, { api = "connect" })
            assert.is_truthy(e.message:find("endpoint", 1, true))
        end)

        it("does not show the properties of the Kafka cluster when they are refused", function()
            local e = support.raises("invalid", mirrors.connect, { api = "connect", endpoint = "http://127.0.0.1:1",
                kafka = "sasl.password=" .. PASSWORD })
            assert.is_nil(e.message:find(PASSWORD, 1, true))
        end)
    end)
end)
