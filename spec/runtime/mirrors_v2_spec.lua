local cjson = require("cjson")
local support = require("spec.support")

local CLUSTER, MIRROR = support.cluster, support.mirror
local LIST = "/cluster-management/v2/data-sources/kafka_connect_cluster/" .. CLUSTER .. "/mirrors/v2/"
local MIRRORS = "/cluster-management/v2/resources/applications/kafka_connect/mirrors/v2"
local KAFKA = "5a9b1c52-0000-4000-8000-000000000001"

local SPEC = {
    sourceType = "instaclustr", kafkaSource = KAFKA, sourceAlias = "us-west", topicsRegex = "orders\\..*",
    useRenaming = true, usePrivateIps = false, maxTasks = 3,
}
local CUSTOM = {
    sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092\nsasl.password=hunter22",
    sourceAlias = "on-prem", topicsRegex = "bills", useRenaming = false, maxTasks = 1,
}

-- A mirror as v2 tells it; `fields` are put over it.
local function told(fields)
    local mirror = {
        id = MIRROR, connectorName = "us-west.us-east.stFR45Jhdg5r", topicsRegex = "orders\\..*", targetLatency = 30000,
        kafkaConnectClusterId = CLUSTER, maxTasks = 3, renameMirroredTopics = true,
        sourceCluster = { { alias = "us-west", managedCluster = { {
            sourceKafkaClusterId = KAFKA, usePrivateIps = false,
        } } } },
    }
    for name, value in pairs(fields or {}) do mirror[name] = value end
    return mirror
end

local EXTERNAL = { sourceCluster = { { alias = "on-prem", externalCluster = { {
    sourceConnectionProperties = CUSTOM.sourceConnectionProperties,
} } } }, topicsRegex = "bills", maxTasks = 1, renameMirroredTopics = false }

local function json(status, body)
    return { status = status, body = (cjson.encode(body):gsub('"mirrors":{}', '"mirrors":[]')) }
end

local NONE = json(200, { clusterId = CLUSTER, mirrors = {} })

-- Answers the requests of a call, and returns what the call returned, or raised, and what was asked.
local function exchange(answers, call, options)
    local server = support.server(answers)
    options = options or {}
    options.api = "v2"
    local ok, result = pcall(call, support.connect(server, options))
    server:stop()
    return result, server:requests(), ok
end

local function list(api) return api:list() end
local function get(api) return api:get(MIRROR) end

describe("version 2 of the API:", function()
    describe("what goes over the wire for", function()
        it("list: GET on the cluster's mirrors, with the slash at the end", function()
            local _, requests = exchange({ NONE }, list)
            assert.are.equal("GET " .. LIST, requests[1].method .. " " .. requests[1].target)
        end)

        it("get and delete: the mirror's own path, which names no cluster", function()
            local _, requests = exchange({ json(200, told()), { status = 204 } }, function(api)
                api:get(MIRROR)
                api:delete(MIRROR)
            end)
            assert.are.equal("GET " .. MIRRORS .. "/" .. MIRROR, requests[1].method .. " " .. requests[1].target)
            assert.are.equal("DELETE " .. MIRRORS .. "/" .. MIRROR, requests[2].method .. " " .. requests[2].target)
        end)

        it("update_target_latency: PUT of targetLatency, answered by 202", function()
            local result, requests = exchange({ json(202, told()) }, function(api)
                return api:update_target_latency(MIRROR, 45000)
            end)
            assert.is_nil(result)
            assert.are.equal("PUT " .. MIRRORS .. "/" .. MIRROR, requests[1].method .. " " .. requests[1].target)
            assert.are.equal('{"targetLatency":45000}', requests[1].body)
        end)

        it("create: POST of the whole specification, answered by 202 and the mirror", function()
            local id, requests = exchange({ NONE, json(202, told()) }, function(api) return api:create(SPEC) end)
            assert.are.equal(MIRROR, id)
            assert.are.equal("POST " .. MIRRORS, requests[2].method .. " " .. requests[2].target)
            assert.are.same({
                kafkaConnectClusterId = CLUSTER, maxTasks = 3, renameMirroredTopics = true, topicsRegex = "orders\\..*",
                targetLatency = 30000, sourceCluster = { { alias = "us-west", managedCluster = { {
                    sourceKafkaClusterId = KAFKA, usePrivateIps = false,
                } } } },
            }, cjson.decode(requests[2].body))
        end)

        it("create of a custom source, with a target latency of its own", function()
            local spec = {}
            for name, value in pairs(CUSTOM) do spec[name] = value end
            spec.targetLatency = 5000
            local _, requests = exchange({ NONE, json(202, told(EXTERNAL)) }, function(api) return api:create(spec) end)
            local body = cjson.decode(requests[2].body)
            assert.are.equal(5000, body.targetLatency)
            assert.are.same({ { alias = "on-prem", externalCluster = { {
                sourceConnectionProperties = CUSTOM.sourceConnectionProperties,
            } } } }, body.sourceCluster)
        end)
    end)

    describe("what comes back", function()
        it("of a list: the whole specification, in v1's words, from an object or an array of one", function()
            local object = { clusterId = CLUSTER, mirrors = { told() } }
            for _, body in ipairs { object, { object } } do
                local found = exchange({ json(200, body) }, list)
                assert.are.same({ {
                    id = MIRROR, connectorName = "us-west.us-east.stFR45Jhdg5r", topicsRegex = "orders\\..*",
                    targetLatency = 30000, maxTasks = 3, useRenaming = true, sourceAlias = "us-west",
                    sourceType = "instaclustr", kafkaSource = KAFKA, usePrivateIps = false,
                } }, found)
            end
        end)

        it("of a list that is neither is a protocol error", function()
            for _, body in ipairs { "[]", '[{"mirrors":[]},{"mirrors":[]}]', "{}", '{"mirrors":{"a":1}}', '"ok"',
                "null", '{"mirrors":[{"connectorName":"x"}]}' } do
                local problem, _, ok = exchange({ { body = body } }, list)
                assert.is_false(ok)
                assert.are.equal("protocol", problem.kind, body)
            end
        end)

        it("of a get: v1's fields, averages rounded up to integers, states that nobody knows", function()
            local mirror = exchange({ json(200, told {
                status = "SOMETHING_NEW",
                connectors = { { name = "Mirror Connector", status = "RUNNING", config = "secret=hunter22" },
                    { name = "Checkpoint Connector", status = "PAUSED" }, { name = "Another", status = "FAILED" } },
                mirroredTopics = { { name = "orders.created", averageLatency = 12.5, averageRate = 3 } },
            }) }, get)
            assert.are.equal("SOMETHING_NEW", mirror.status)
            assert.are.equal("RUNNING", mirror.mirrorStatus)
            assert.are.equal("PAUSED", mirror.checkpointStatus)
            assert.are.same({ { name = "orders.created", averageLatency = 13, averageRate = 3 } },
                mirror.topicStatuses)
            assert.is_nil(mirror.connectors)
        end)

        it("of a get without connectors and topics is a mirror that is still being set up", function()
            local mirror = exchange({ json(200, told { status = "CREATING" }) }, get)
            assert.are.equal("CREATING", mirror.status)
            assert.is_nil(mirror.mirrorStatus)
            assert.are.same({}, mirror.topicStatuses)
        end)

        it("of a get of a mirror on another cluster is that it is not found on this one", function()
            local problem = exchange({ json(200, told { kafkaConnectClusterId = KAFKA }) }, get)
            assert.are.equal("not_found", problem.kind)
            assert.is_truthy(problem.message:find(KAFKA, 1, true))
        end)

        it("of a failure, in any of its four shapes, is told by the error", function()
            local shapes = {
                { errors = { { name = "Bad", message = "no such plan" } } },
                { errors = { maxTasks = "no such plan" } },
                { errors = { { name = "Bad", message = "no such plan", errorClass = "X", help = "Y" } } },
                { error = "no such plan" },
            }
            for _, shape in ipairs(shapes) do
                local problem = exchange({ json(400, shape) }, get)
                assert.are.equal("invalid", problem.kind)
                assert.are.equal(400, problem.status)
                assert.is_truthy(problem.message:find("no such plan", 1, true), problem.message)
            end
        end)

        it("422 is an invalid request, too", function()
            local problem = exchange({ json(422, { errors = { { name = "x", message = "is missing" } } }) }, get)
            assert.are.equal("invalid", problem.kind)
            assert.are.equal(422, problem.status)
        end)

        it("a failure without any known shape is told by its status", function()
            local bodies = { '{"errors":7}', '{"errors":[]}', '{"errors":[7]}', '{"error":{}}', "[]", "7", "" }
            for _, body in ipairs(bodies) do
                local problem = exchange({ { status = 403, body = body } }, get)
                assert.are.equal("forbidden", problem.kind)
                assert.is_string(problem.message)
            end
        end)
    end)

    describe("connection properties", function()
        local function external()
            return exchange({ json(200, { mirrors = { told(EXTERNAL) } }) }, list)[1]
        end

        it("of a mirror are a value that does not show", function()
            local mirror = external()
            local properties = mirror.sourceConnectionProperties
            assert.are.equal("(hidden)", tostring(properties))
            assert.is_nil(next(properties))
            assert.is_nil(require("kmirror.json").encode(mirror):find("hunter22", 1, true))
        end)

        it("are compared by what they hold", function()
            local one, other = external(), external()
            assert.is_true(one.sourceConnectionProperties == other.sourceConnectionProperties)
            assert.is_true(one.sourceConnectionProperties:is(CUSTOM.sourceConnectionProperties))
            assert.is_false(one.sourceConnectionProperties:is("bootstrap.servers=elsewhere:9092"))
        end)

        it("are taken by create as they came", function()
            local mirror = external()
            local spec = { sourceType = mirror.sourceType, sourceAlias = mirror.sourceAlias, topicsRegex = "bills.*",
                useRenaming = mirror.useRenaming, maxTasks = mirror.maxTasks,
                sourceConnectionProperties = mirror.sourceConnectionProperties }
            local _, requests = exchange({ NONE, json(202, told(EXTERNAL)) }, function(api) return api:create(spec) end)
            assert.are.equal(CUSTOM.sourceConnectionProperties, cjson.decode(requests[2].body)
                .sourceCluster[1].externalCluster[1].sourceConnectionProperties)
        end)
    end)

    describe("a create whose answer was lost", function()
        local LOST = { status = 502, body = "" }
        local OTHER = "11111111-0000-4000-8000-000000000001"

        -- What becomes of it when the list then shows these mirrors.
        local function lost(...)
            local found = json(200, { mirrors = { ... } })
            return exchange({ NONE, LOST, found, json(202, told { id = OTHER }) },
                function(api) return api:create(SPEC) end, { retries = 2, backoff = 0.001 })
        end

        it("is the new mirror of the same specification", function()
            local id, requests = lost(told())
            assert.are.equal(MIRROR, id)
            assert.are.equal(3, #requests)
        end)

        it("is not one that differs in its source, renaming, tasks, addresses or topics: it is sent again", function()
            local another_source = { { alias = "us-west", managedCluster = { {
                sourceKafkaClusterId = "5a9b1c52-0000-4000-8000-000000000009", usePrivateIps = false } } } }
            local private = { { alias = "us-west", managedCluster = { {
                sourceKafkaClusterId = KAFKA, usePrivateIps = true } } } }
            for _, difference in ipairs { { sourceCluster = another_source }, { sourceCluster = private },
                { renameMirroredTopics = false }, { maxTasks = 4 }, { topicsRegex = "orders" } } do
                local id, requests = lost(told(difference))
                assert.are.equal(OTHER, id)
                assert.are.equal("POST", requests[4].method)
            end
        end)

        it("is the one that fits among others that look like it to v1", function()
            local id = lost(told { id = OTHER, maxTasks = 9, connectorName = "us-west.us-east.twin" }, told())
            assert.are.equal(MIRROR, id)
        end)

        it("cannot be told among twins of the very same specification", function()
            local problem = lost(told { id = OTHER }, told())
            assert.are.equal("unknown_outcome", problem.kind)
            assert.are.equal(2, #problem.details.candidates)
        end)
    end)
end)

describe("which version of the API is spoken", function()
    it("can differ by cluster", function()
        local other = "0c7067d6-c70a-11ea-87d0-0242ac130009"
        local server = support.server { NONE, { body = '{"mirrors":[]}' } }
        local api = support.connect(server, { api = "v1", apis = { [CLUSTER] = "v2" } })
        api:list()
        api:on(other):list()
        server:stop()
        local requests = server:requests()
        assert.are.equal(LIST, requests[1].target)
        assert.are.equal("/provisioning/v1/" .. other .. "/kafka-connect/mirrors", requests[2].target)
        assert.is_true(api:can "specification")
        assert.is_false(api:on(other):can "specification")
    end)

    it("is v1 or v2, and nothing else", function()
        local server = support.server { NONE }
        support.raises("invalid", support.connect, server, { api = "v3" })
        support.raises("invalid", support.connect, server, { apis = { [CLUSTER] = "v3" } })
        support.raises("invalid", support.connect, server, { apis = { x = "v2" } })
        server:stop()
    end)

    it("comes from --api, KMIRROR_API or the profile, in this order, and v1 is the default", function()
        local sandbox = support.sandbox { world = "small" }
        local function spoken(words, environment)
            local env = sandbox:env()
            env.KMIRROR_API = nil
            for name, value in pairs(environment or {}) do env[name] = value end
            table.insert(words, 1, "list")
            words.env = env
            local result = support.run(words)
            assert.are.equal(0, result.status, result.stderr)
            local requests = sandbox:requests()
            return requests[#requests].path:match("/(v%d)/")
        end
        assert.are.equal("v1", spoken {})
        assert.are.equal("v2", spoken { "--api", "v2" })
        assert.are.equal("v2", spoken({}, { KMIRROR_API = "v2" }))
        assert.are.equal("v1", spoken({ "--api", "v1" }, { KMIRROR_API = "v2" }))
        local config = support.temporary_directory("config")
        assert(os.execute("mkdir " .. config .. "/kmirror"))
        support.write(config .. "/kmirror/config.lua", 'return { profile = "p", profiles = { p = { api = "v2" } } }')
        assert.are.equal("v2", spoken({}, { XDG_CONFIG_HOME = config }))
        assert.are.equal("v1", spoken({}, { XDG_CONFIG_HOME = config, KMIRROR_API = "v1" }))
        sandbox:stop()
    end)
end)
