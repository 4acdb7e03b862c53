-- The sandbox's API, called as a function: requests in, answers out. The clock is the spec's own.
local cjson = require("cjson")
local options = require("kmirror.sandbox.options")
local requests = require("kmirror.sandbox.requests")
local sandbox = require("kmirror.sandbox")

local EAST, WEST = sandbox.clusters["us-east"], sandbox.clusters["us-west"]
local PATH = "/provisioning/v1/%s/kafka-connect/mirrors"
local UNKNOWN = "ff4fccf3-2ac0-494b-9f40-e95288dd752d"

-- The create request of the vendor's page, as it stands there.
local PUBLISHED_SAMPLE = [[{
  "sourceType": "custom",
  "useRenaming": true,
  "kafkaSource": "ff4fccf3-2ac0-494b-9f40-e95288dd752d",
  "usePrivateIps": false,
  "sourceAlias": "production-west",
  "topicsRegex": "west-.*",
  "maxTasks": 3
}]]

local now, api, events

local function new(given)
    now = 1000000
    events = {}
    api = requests.new(options.read(given or {}), function() return now end, {
        log = function(event) events[#events + 1] = event end,
        changed = function() end,
    })
end

--- Sends a request as the sandbox's user, with its full key unless told otherwise.
local function send(method, path, body, overrides)
    local request = {
        method = method, path = path, body = body or "",
        headers = { ["content-type"] = body and "application/json" },
        username = sandbox.username, password = sandbox.api_key,
    }
    for name, value in pairs(overrides or {}) do request[name] = value end
    return api:handle(request)
end

local function mirrors(cluster)
    return PATH:format(cluster or EAST.connect)
end

local function decode(answer)
    assert.equal("application/json", answer.headers["Content-Type"])
    return cjson.decode(answer.body)
end

local function create(overrides)
    local spec = {
        sourceType = "instaclustr", kafkaSource = WEST.kafka, usePrivateIps = true,
        sourceAlias = "us-west", topicsRegex = "orders\\..*", useRenaming = false, maxTasks = 3,
    }
    for name, value in pairs(overrides or {}) do
        if value == "absent" then
            spec[name] = nil
        else
            spec[name] = value
        end
    end
    return send("POST", mirrors(), cjson.encode(spec))
end

local function first_id()
    return decode(send("GET", mirrors())).mirrors[1].id
end

--- Checks that an answer is an error as the contract has it, and gives its body.
local function assert_error(status, answer, words)
    assert.equal(status, answer.status)
    local body = decode(answer)
    assert.equal(status, body.status)
    assert.equal("string", type(body.message))
    assert.equal("table", type(body.errorDetails))
    assert.equal("number", type(body.code))
    assert.equal("string", type(body.link))
    assert.matches(words or "", body.message)
    return body
end

describe("the sandbox's API", function()
    before_each(function()
        new()
    end)

    describe("list", function()
        it("answers 200 with id, connectorName and topicsRegex of each mirror", function()
            local answer = send("GET", mirrors())
            assert.equal(200, answer.status)
            local list = decode(answer).mirrors
            assert.equal(24, #list)
            for _, mirror in ipairs(list) do
                local fields = 0
                for _, value in pairs(mirror) do
                    assert.equal("string", type(value))
                    fields = fields + 1
                end
                assert.equal(3, fields)
                assert.is_truthy(mirror.id and mirror.connectorName and mirror.topicsRegex)
            end
        end)

        it("of a cluster without mirrors is an empty array", function()
            assert.equal('{"mirrors":[]}', send("GET", mirrors(WEST.connect)).body)
        end)

        it("is what a get without an id comes to", function()
            assert.equal(24, #decode(send("GET", mirrors() .. "/")).mirrors)
        end)
    end)

    describe("create", function()
        it("answers 200 with the new mirror's id", function()
            local answer = create()
            assert.equal(200, answer.status)
            local body = decode(answer)
            local mirror = decode(send("GET", mirrors() .. "/" .. body.mirrorId))
            assert.equal("CREATING", mirror.status)
            assert.equal("orders\\..*", mirror.topicsRegex)
            assert.equal(25, #decode(send("GET", mirrors())).mirrors)
        end)

        it("takes the published sample as it stands", function()
            local answer = send("POST", mirrors(), PUBLISHED_SAMPLE)
            assert.equal(200, answer.status)
            now = now + 3600
            local mirror = decode(send("GET", mirrors() .. "/" .. decode(answer).mirrorId))
            assert.matches("^production%-west%.us%-east%.", mirror.connectorName)
            assert.is_true(#mirror.topicStatuses > 0)
        end)

        it("takes a custom source with its connection properties", function()
            assert.equal(200, create {
                sourceType = "custom", kafkaSource = "absent", usePrivateIps = "absent",
                sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092\nsecurity.protocol=PLAINTEXT",
            }.status)
        end)

        it("takes the fields that the schema does not require as absent, null too", function()
            local answer = create { useRenaming = "absent", usePrivateIps = cjson.null, maxTasks = "absent" }
            assert.equal(200, answer.status)
        end)

        it("takes a UUID in any case", function()
            assert.equal(200, create { kafkaSource = WEST.kafka:upper() }.status)
        end)

        it("answers 400 and says which field is wrong and why", function()
            local wrong = {
                { { maxTasks = 0 }, "maxTasks", "greater than 0" },
                { { maxTasks = -1 }, "maxTasks", "greater than 0" },
                { { maxTasks = 2147483648 }, "maxTasks", "integer" },
                { { maxTasks = 1.5 }, "maxTasks", "integer" },
                { { maxTasks = "3" }, "maxTasks", "integer" },
                { { useRenaming = "yes" }, "useRenaming", "true or false" },
                { { usePrivateIps = 1 }, "usePrivateIps", "true or false" },
                { { sourceAlias = "" }, "sourceAlias", "not empty" },
                { { sourceAlias = "a b" }, "sourceAlias", "only letters" },
                { { sourceAlias = 7 }, "sourceAlias", "string" },
                { { sourceAlias = "absent" }, "sourceAlias", "required" },
                { { topicsRegex = "(" }, "topicsRegex", "regular expression: the '%(' is never closed" },
                { { topicsRegex = "" }, "topicsRegex", "not empty" },
                { { topicsRegex = "absent" }, "topicsRegex", "required" },
                { { topicsRegex = cjson.null }, "topicsRegex", "required" },
                { { sourceType = "other" }, "sourceType", "instaclustr or custom" },
                { { sourceType = "absent" }, "sourceType", "required" },
                { { kafkaSource = "here" }, "kafkaSource", "UUID" },
                { { kafkaSource = UNKNOWN }, "kafkaSource", "not a Kafka cluster of this account" },
                { { kafkaSource = "absent" }, "kafkaSource", "required with sourceType instaclustr" },
                { { sourceConnectionProperties = "a" }, "sourceConnectionProperties", "goes with" },
                { { sourceType = "custom", kafkaSource = "absent" }, "sourceConnectionProperties", "is" },
                { { sourceType = "custom", kafkaSource = "x" }, "kafkaSource", "UUID" },
                { { targetLatency = 30000 }, "targetLatency", "not known" },
            }
            for _, case in ipairs(wrong) do
                local details = assert_error(400, create(case[1])).errorDetails
                assert.matches(case[3], details[case[2]])
                now = now + 1
            end
            assert.equal(24, #decode(send("GET", mirrors())).mirrors)
        end)

        it("names all wrong fields at once", function()
            local answer = create { maxTasks = 0, sourceAlias = "", extra = 1 }
            local details = assert_error(400, answer).errorDetails
            assert.is_truthy(details.maxTasks and details.sourceAlias and details.extra)
        end)

        it("does not repeat a secret", function()
            local answer = create {
                sourceType = "custom", sourceAlias = "", sourceConnectionProperties = "password=hunter2",
            }
            assert.equal(400, answer.status)
            assert.is_nil(answer.body:find("hunter2", 1, true))
            assert.is_nil(cjson.encode(events):find("hunter2", 1, true))
        end)
    end)

    describe("get", function()
        it("answers 200 with all fields, integers as integers", function()
            local answer = send("GET", mirrors() .. "/" .. first_id())
            assert.equal(200, answer.status)
            local mirror = decode(answer)
            for _, name in ipairs {
                "id", "status", "connectorName", "topicsRegex", "mirrorStatus", "checkpointStatus",
            } do
                assert.equal("string", type(mirror[name]), name)
            end
            assert.matches('"targetLatency":30000[,}]', answer.body)
            for _, topic in ipairs(mirror.topicStatuses) do
                assert.equal("string", type(topic.name))
                assert.equal(math.floor(topic.averageLatency), topic.averageLatency)
                assert.equal("number", type(topic.averageRate))
            end
        end)

        it("has an empty array of topics while CREATING", function()
            local id = decode(create()).mirrorId
            assert.matches('"topicStatuses":%[%]', send("GET", mirrors() .. "/" .. id).body)
        end)

        it("answers 404 to any text that is no mirror's id", function()
            for _, id in ipairs { UNKNOWN, "x", "a%2Fb", "%00%ff", "..", "0" } do
                assert_error(404, send("GET", mirrors() .. "/" .. id), "There is no mirror")
            end
        end)
    end)

    describe("delete", function()
        it("answers 204 without a body, and the mirror is gone at once", function()
            local path = mirrors() .. "/" .. first_id()
            local answer = send("DELETE", path)
            assert.equal(204, answer.status)
            assert.equal("", answer.body)
            assert_error(404, send("GET", path))
            assert_error(404, send("DELETE", path))
        end)

        it("answers 400 to an id that is no UUID, 404 to none", function()
            assert_error(400, send("DELETE", mirrors() .. "/x"), "must be a UUID")
            assert_error(404, send("DELETE", mirrors() .. "/"))
            assert_error(404, send("DELETE", mirrors() .. "/" .. UNKNOWN))
        end)
    end)

    describe("update target latency", function()
        local function put(body, id)
            return send("PUT", mirrors() .. "/" .. (id or first_id()) .. "/targetLatency", body)
        end

        it("answers 204, and get shows the new one", function()
            local answer = put '{"newTargetLatency":45000}'
            assert.equal(204, answer.status)
            assert.equal("", answer.body)
            assert.matches('"targetLatency":45000[,}]', send("GET", mirrors() .. "/" .. first_id()).body)
        end)

        it("takes 1000 to the largest int32", function()
            assert.equal(204, put('{"newTargetLatency":1000}').status)
            assert.equal(204, put('{"newTargetLatency":2147483647}').status)
        end)

        it("answers 400 to anything else", function()
            for _, value in ipairs {
                "999", "0", "-1000", "2147483648", "1000.5", '"1000"', "null", "true", "[]",
            } do
                local body = assert_error(400, put('{"newTargetLatency":' .. value .. "}"))
                assert.is_string(body.errorDetails.newTargetLatency)
                now = now + 1
            end
            for _, value in ipairs { "NaN", "infinity", "0x1388", "05000", "+5000", ("["):rep(100000) } do
                assert_error(400, put('{"newTargetLatency":' .. value .. "}"), "The body is not JSON")
                now = now + 1
            end
            assert.is_string(assert_error(400, put "{}").errorDetails.newTargetLatency)
            assert.is_string(assert_error(400, put '{"newTargetLatency":1000,"x":1}').errorDetails.x)
        end)

        it("answers 400 to an id that is no UUID, 404 to that of no mirror", function()
            assert_error(400, put('{"newTargetLatency":1000}', "x"), "must be a UUID")
            assert_error(404, put('{"newTargetLatency":1000}', UNKNOWN))
        end)
    end)

    describe("a body", function()
        it("that is no JSON object is answered 400", function()
            for _, body in ipairs { "", "{", "nonsense", "[]", "[1]", '"text"', "1", "null", '{"a":1}x' } do
                assert_error(400, send("POST", mirrors(), body))
                assert_error(400, send("PUT", mirrors() .. "/" .. first_id() .. "/targetLatency", body))
                now = now + 1
            end
        end)

        it("that is not called JSON is answered 415", function()
            for _, content_type in ipairs {
                "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "",
            } do
                local overrides = { headers = { ["content-type"] = content_type } }
                assert_error(415, send("POST", mirrors(), PUBLISHED_SAMPLE, overrides))
                local put = mirrors() .. "/" .. first_id() .. "/targetLatency"
                assert_error(415, send("PUT", put, "{}", overrides))
            end
            assert_error(415, send("POST", mirrors(), PUBLISHED_SAMPLE, { headers = {} }))
        end)

        it("may be called JSON with parameters and in any case", function()
            for _, content_type in ipairs { "application/json; charset=utf-8", "Application/JSON;x" } do
                local overrides = { headers = { ["content-type"] = content_type } }
                assert.equal(200, send("POST", mirrors(), PUBLISHED_SAMPLE, overrides).status)
            end
        end)
    end)

    describe("a path", function()
        it("of an unknown cluster is answered 404, of what is no UUID 400", function()
            assert_error(404, send("GET", mirrors(UNKNOWN)), "no Kafka Connect cluster")
            assert_error(404, send("GET", mirrors(EAST.kafka)), "no Kafka Connect cluster")
            assert_error(400, send("GET", mirrors("here")), "must be a UUID")
            assert_error(400, send("GET", mirrors("")), "must be a UUID")
        end)

        it("may have its UUIDs in any case", function()
            assert.equal(200, send("GET", mirrors(EAST.connect:upper()) .. "/" .. first_id():upper()).status)
        end)

        it("that leads nowhere is answered 404, with the contract's error", function()
            for _, path in ipairs {
                "/", "", "/provisioning/v1", mirrors() .. "x", mirrors() .. "/a/b", "//" .. mirrors(),
            } do
                assert_error(404, send("GET", path))
            end
        end)

        it("with a method that it does not have is answered 404", function()
            local id = mirrors() .. "/" .. first_id()
            for _, case in ipairs {
                { "PUT", mirrors() }, { "DELETE", mirrors() }, { "POST", id }, { "PUT", id },
                { "PATCH", id }, { "GET", id .. "/targetLatency" }, { "BREW", "/" },
            } do
                assert_error(404, send(case[1], case[2]))
            end
        end)
    end)

    describe("credentials", function()
        it("that are unknown or absent are answered 401, whatever was asked", function()
            for _, overrides in ipairs {
                { password = "x" }, { password = "" }, { username = "x" },
                { username = sandbox.api_key, password = sandbox.username },
            } do
                for _, path in ipairs { mirrors(), "/", mirrors(UNKNOWN) } do
                    local answer = send("GET", path, nil, overrides)
                    assert_error(401, answer)
                    assert.matches("^Basic realm=", answer.headers["WWW-Authenticate"])
                end
            end
            local nobody = { method = "GET", path = mirrors(), headers = {}, body = "" }
            assert.equal(401, api:handle(nobody).status)
        end)

        it("that are read-only read, and are answered 403 to everything else", function()
            local read_only = { password = sandbox.read_only_api_key }
            local id = first_id()
            assert.equal(200, send("GET", mirrors(), nil, read_only).status)
            assert.equal(200, send("GET", mirrors() .. "/" .. id, nil, read_only).status)
            assert_error(403, send("POST", mirrors(), PUBLISHED_SAMPLE, read_only), "read%-only")
            assert_error(403, send("DELETE", mirrors() .. "/" .. id, nil, read_only))
            assert_error(403, send("PUT", mirrors() .. "/" .. id .. "/targetLatency", "{}", read_only))
            assert.equal(24, #decode(send("GET", mirrors())).mirrors)
        end)
    end)

    describe("the rate limit", function()
        local function burst(count, overrides)
            local statuses = {}
            for _ = 1, count do
                local status = send("GET", mirrors(WEST.connect), nil, overrides).status
                statuses[status] = (statuses[status] or 0) + 1
            end
            return statuses
        end

        it("is 35 in any one second, and then 429", function()
            assert.same({ [200] = 35, [429] = 5 }, burst(40))
            local body = assert_error(429, send("GET", mirrors()))
            assert.equal("Rate Limit Exceeded", body.message)
        end)

        it("is a sliding window", function()
            burst(20)
            now = now + 0.5
            assert.same({ [200] = 15, [429] = 1 }, burst(16))
            now = now + 0.375
            assert.same({ [429] = 1 }, burst(1))
            now = now + 0.125
            assert.same({ [200] = 20, [429] = 1 }, burst(21))
        end)

        it("does not count requests that were turned away", function()
            burst(35)
            for _ = 1, 7 do
                now = now + 0.125
                assert.same({ [429] = 10 }, burst(10))
            end
            now = now + 0.125
            assert.same({ [200] = 35 }, burst(35))
        end)

        it("counts accepted requests that then fail, but not those of strangers", function()
            assert.same({ [401] = 50 }, burst(50, { password = "x" }))
            for _ = 1, 35 do assert.equal(404, send("GET", "/").status) end
            assert.same({ [429] = 1 }, burst(1))
        end)

        it("is one for both keys of a user", function()
            assert.same({ [200] = 35 }, burst(35, { password = sandbox.read_only_api_key }))
            assert.same({ [429] = 1 }, burst(1))
        end)

        it("can be another, or none", function()
            new { rate = 2 }
            assert.same({ [200] = 2, [429] = 1 }, burst(3))
            new { rate = 0 }
            assert.same({ [200] = 500 }, burst(500))
        end)
    end)

    describe("the log", function()
        it("tells of each request who asked for what, what came back, and what it changed", function()
            local id = decode(create { sourceAlias = "a.b" }).mirrorId
            send("PUT", mirrors() .. "/" .. id .. "/targetLatency", '{"newTargetLatency":1000}')
            send("DELETE", mirrors() .. "/" .. id)
            send("DELETE", mirrors() .. "/" .. id, nil, { password = sandbox.read_only_api_key })
            send("GET", "/nowhere", nil, { username = "key", password = "typed in the wrong place" })
            local created, retuned, deleted, refused, stranger = table.unpack(events)
            local connector = created.effect.connectorName
            assert.same({
                time = now, seq = 1, user = "sandbox", access = "full", method = "POST", path = mirrors(),
                operation = "create", cluster = EAST.connect, id = id, status = 200,
                effect = {
                    change = "created", id = id, sourceAlias = "a.b", topicsRegex = "orders\\..*",
                    connectorName = connector,
                },
            }, created)
            assert.same({ change = "target latency", id = id, targetLatency = 1000 }, retuned.effect)
            assert.equal("update_target_latency", retuned.operation)
            assert.same({ change = "deleted", id = id }, deleted.effect)
            assert.equal(403, refused.status)
            assert.equal("read-only", refused.access)
            assert.is_nil(refused.effect)
            assert.same({ time = now, seq = 5, method = "GET", path = "/nowhere", status = 401 }, stranger)
        end)

        it("never holds a key", function()
            send("GET", mirrors())
            send("GET", mirrors(), nil, { password = "another-key" })
            local text = cjson.encode(events)
            assert.is_nil(text:find(sandbox.api_key, 1, true) or text:find("another-key", 1, true))
        end)
    end)
end)

describe("the sandbox's options", function()
    it("have defaults", function()
        assert.same({
            port = 8642, listen = "127.0.0.1", rate = 35, creating_seconds = 2, sync_seconds = 3,
            lag_ms = 1200, history = 120, metrics_window = 0, refresh = 0, fail_every = 0, stale_every = 0,
            fail_tasks_every = 0, stale_empty = 0, heartbeats = 0, list_delay = 0, seed = 1, world = 24,
            clusters = 2, v2_list = "array", v2_slash = "none",
        }, options.read {})
    end)

    it("give a world more clusters, which mirrors can be made in", function()
        local clusters = sandbox.clusters_of(4)
        assert.are.equal("5a9b1c52-0000-4000-8000-0000000000c4", clusters["site-04"].connect)
        assert.is_nil(sandbox.clusters_of(3)["site-04"])
        assert.is_nil(sandbox.clusters["site-03"])
    end)

    it("may be texts", function()
        local read = options.read { port = "0", rate = "2.5", world = "small", seed = "-3" }
        assert.same({ 0, 2.5, 3, -3 }, { read.port, read.rate, read.world, read.seed })
        assert.equal(800, options.read({ world = "800" }).world)
        assert.equal(0, options.read({ world = "empty" }).world)
    end)

    it("that are wrong are usage errors that name the option and what was expected", function()
        for name, value in pairs {
            port = 65536, listen = "", rate = -1, creating_seconds = "soon", sync_seconds = -1,
            lag_ms = 0 / 0, fail_every = 1.5, stale_every = -1, fail_tasks_every = -1, stale_empty = "never",
            heartbeats = "on", list_delay = {}, seed = 0.5,
            world = "vast", state_file = "", request_log = false, faults = "",
        } do
            local _, why = pcall(options.read, { [name] = value })
            assert.equal("usage", why.kind, name)
            assert.matches("^sandbox: " .. name .. " is '.*', expected ", why.message)
        end
    end)
end)
