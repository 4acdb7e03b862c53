-- An independent judge: Prism knows the API from v1.yaml alone. As a mock server it refuses what kmirror
-- should not send; as a proxy in front of the sandbox it refuses what the sandbox should not answer.
local support = require("spec.support")
local cjson = require("cjson")
local prism = require("spec.support.prism")

local CONTRACT = "spec/contract/v1.yaml"
local WEST_KAFKA = "5a9b1c52-0000-4000-8000-000000000001"

local SPEC = {
    sourceType = "instaclustr", kafkaSource = WEST_KAFKA, usePrivateIps = false, sourceAlias = "us-west",
    topicsRegex = "orders\\..*", useRenaming = true, maxTasks = 3,
}

local function ask(url, method, path, ...)
    return prism.ask(url, method, "/provisioning/v1/" .. path, ...)
end

describe("by Prism's judgement of what kmirror sends,", function()
    local mock, api

    setup(function()
        mock = prism.start("mock", CONTRACT, "--errors")
        api = support.connect(mock)
    end)

    it("list is as the contract has it", function()
        assert.are.equal("source.target.stFR45Jhdg5r", api:list()[1].connectorName)
    end)

    it("get is as the contract has it", function()
        assert.are.equal(153, api:get(support.mirror).topicStatuses[1].averageLatency)
    end)

    it("create is as the contract has it, in each of its forms", function()
        assert.are.equal(support.mirror, api:create(SPEC))
        assert.are.equal(support.mirror, api:create {
            sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092",
            sourceAlias = "on-prem", topicsRegex = ".*", useRenaming = false, maxTasks = 1,
        })
        assert.are.equal(support.mirror, api:create { -- the vendor's published sample
            sourceType = "custom", useRenaming = true, kafkaSource = "ff4fccf3-2ac0-494b-9f40-e95288dd752d",
            usePrivateIps = false, sourceAlias = "production-west", topicsRegex = "west-.*", maxTasks = 3,
        })
    end)

    it("delete and update_target_latency are as the contract has them", function()
        api:delete(support.mirror)
        api:update_target_latency(support.mirror, 1000)
        api:update_target_latency(support.mirror, 2147483647)
    end)

    it("and it does judge: what is not as the contract has it, is refused", function()
        local mirrors = support.cluster .. "/kafka-connect/mirrors"
        assert.are.equal(400, ask(mock.url, "POST", mirrors, '{"sourceType":"instaclustr"}').status)
        assert.are.equal(400, ask(mock.url, "PUT", mirrors .. "/" .. support.mirror .. "/targetLatency",
            '{"newTargetLatency":999}').status)
        assert.are.equal(400, ask(mock.url, "DELETE", mirrors .. "/x").status)
        assert.are.equal(415, ask(mock.url, "POST", mirrors, "a=b", { type = "text/plain" }).status)
    end)
end)

describe("by Prism's judgement of what the sandbox answers,", function()
    local sandbox, proxy

    setup(function()
        sandbox = support.sandbox { rate = 0 }
        proxy = prism.start("proxy", CONTRACT, sandbox.url, "--errors", "--validate-request=false")
    end)

    local function mirrors_of(cluster) return cluster .. "/kafka-connect/mirrors" end
    local EAST = mirrors_of(support.us_east)
    local LATENCY = EAST .. "/" .. support.mirror .. "/targetLatency"

    it("the five operations are as the contract has them", function()
        local api = require("mirrors").connect(sandbox:options { endpoint = proxy.url, rate = 0 })
        local all = api:list()
        assert.are.equal(24, #all)
        for _, each in ipairs(all) do
            assert.are.equal(each.connectorName, api:get(each.id).connectorName)
        end
        local id = api:create(SPEC)
        assert.are.equal("CREATING", api:get(id).status)
        api:update_target_latency(id, 45000)
        assert.are.equal(45000, api:get(id).targetLatency)
        api:delete(id)
        support.raises("not_found", api.get, api, id)
        assert.are.same({}, api:on(support.us_west):list())
    end)

    -- Prism passes an answer on when it is as the contract has it, and answers 500 when it is not.
    local function answers(status, ...)
        local answer = ask(proxy.url, ...)
        assert.is_nil(answer.violations)
        assert.are.equal(status, answer.status, answer.body)
        assert.are.equal(status, cjson.decode(answer.body).status)
    end

    local CREATE = cjson.encode(SPEC)

    local function create_with(changes)
        local spec = {}
        for name, value in pairs(SPEC) do spec[name] = value end
        for name, value in pairs(changes) do spec[name] = value end
        return cjson.encode(spec)
    end

    it("400 is, for each bad input", function() -- but broken JSON, which Prism does not pass on
        for _, body in ipairs {
            "", "[]", "null", '"text"', "{}",
            create_with { maxTasks = 0 }, create_with { maxTasks = "3" }, create_with { maxTasks = 1 << 31 },
            create_with { sourceType = "kafka" }, create_with { kafkaSource = "us-west" },
            create_with { topicsRegex = "(" }, create_with { topicRegex = "x" },
            create_with { useRenaming = "true" }, create_with { sourceAlias = "" },
        } do
            answers(400, "POST", EAST, body)
        end
        for _, body in ipairs { "", "{}", '{"newTargetLatency":999}', '{"newTargetLatency":"30000"}',
            '{"newTargetLatency":30000,"more":1}', '{"newTargetLatency":1000.5}' } do
            answers(400, "PUT", LATENCY, body)
        end
        answers(400, "DELETE", EAST .. "/x")
        answers(400, "GET", mirrors_of("us-east"))
    end)

    it("401 is, for an unknown user or key", function()
        answers(401, "GET", EAST, nil, { user = "sandbox:wrong" })
        answers(401, "GET", EAST, nil, { user = "somebody:sandbox-full-key" })
        answers(401, "POST", EAST, CREATE, { user = "sandbox:" })
    end)

    it("403 is, for a change with the read-only key, which may read", function()
        local reader = { user = "sandbox:sandbox-read-only-key" }
        answers(403, "POST", EAST, CREATE, reader)
        answers(403, "DELETE", EAST .. "/" .. support.mirror, nil, reader)
        answers(403, "PUT", LATENCY, '{"newTargetLatency":1000}', reader)
        assert.are.equal(200, ask(proxy.url, "GET", EAST, nil, reader).status)
    end)

    it("404 is, for an unknown cluster or mirror, and for the id of a Kafka cluster", function()
        answers(404, "GET", mirrors_of(support.cluster))
        answers(404, "GET", mirrors_of(WEST_KAFKA))
        answers(404, "GET", EAST .. "/" .. support.mirror)
        answers(404, "DELETE", EAST .. "/" .. support.mirror)
        answers(404, "PUT", LATENCY, '{"newTargetLatency":1000}')
        answers(404, "POST", mirrors_of(support.cluster), CREATE)
    end)

    it("415 is, for another content type", function()
        answers(415, "POST", EAST, CREATE, { type = "text/plain" })
        answers(415, "PUT", LATENCY, "<a/>", { type = "application/xml" })
    end)

    it("429 is, for more requests in a second than the rate", function()
        local slow = support.sandbox { rate = 1 }
        local judge = prism.start("proxy", CONTRACT, slow.url, "--errors", "--validate-request=false")
        local limited
        for _ = 1, 5 do
            local answer = ask(judge.url, "GET", EAST)
            assert.is_nil(answer.violations)
            if answer.status == 429 then limited = cjson.decode(answer.body) end
        end
        assert.are.equal("Rate Limit Exceeded", limited.message)
        judge.process:stop()
        slow:stop()
    end)
end)
