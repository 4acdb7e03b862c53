-- Version 2 of the API, by Prism's judgement: see prism_spec.lua.
local cjson = require("cjson")
local prism = require("spec.support.prism")
local support = require("spec.support")

local CONTRACT = "spec/contract/v2.yaml"
local WEST_KAFKA = "5a9b1c52-0000-4000-8000-000000000001"
local LIST = "/cluster-management/v2/data-sources/kafka_connect_cluster/%s/mirrors/v2/"
local MIRRORS = "/cluster-management/v2/resources/applications/kafka_connect/mirrors/v2"
local MIRROR = MIRRORS .. "/" .. support.mirror

local SPEC = {
    sourceType = "instaclustr", kafkaSource = WEST_KAFKA, usePrivateIps = false, sourceAlias = "us-west",
    topicsRegex = "orders\\..*", useRenaming = true, maxTasks = 3,
}
local CUSTOM = {
    sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092", sourceAlias = "on-prem",
    topicsRegex = ".*", useRenaming = false, maxTasks = 1, targetLatency = 5000,
}

describe("by Prism's judgement of what kmirror sends to v2,", function()
    local mock, api

    setup(function()
        mock = prism.start("mock", CONTRACT, "--errors")
        api = support.connect(mock, { api = "v2" })
    end)

    it("all five operations are as the contract has them", function()
        assert.are.equal("source.target.stFR45Jhdg5r", api:list()[1].connectorName)
        assert.are.equal(154, api:get(support.mirror).topicStatuses[1].averageLatency)
        assert.are.equal(support.mirror, api:create(SPEC))
        assert.are.equal(support.mirror, api:create(CUSTOM))
        api:delete(support.mirror)
        api:update_target_latency(support.mirror, 1000)
    end)

    it("and it does judge: what is not as the contract has it, is refused", function()
        assert.are.equal(422, prism.ask(mock.url, "POST", MIRRORS, '{"maxTasks":3}').status)
        assert.are.equal(422, prism.ask(mock.url, "PUT", MIRROR, '{"targetLatency":999}').status)
        assert.are.equal(422, prism.ask(mock.url, "DELETE", MIRRORS .. "/x").status)
    end)
end)

describe("by Prism's judgement of what the sandbox answers as v2,", function()
    local function around(options, body)
        options.rate = options.rate or 0
        local sandbox = support.sandbox(options)
        local proxy = prism.start("proxy", CONTRACT, sandbox.url, "--errors", "--validate-request=false")
        body(sandbox, proxy)
        proxy.process:stop()
        sandbox:stop()
    end

    it("the five operations are as the contract has them, with either shape of the list", function()
        for _, shape in ipairs { "array", "object" } do
            around({ v2_list = shape }, function(sandbox, proxy)
                local api = require("mirrors").connect(sandbox:options { endpoint = proxy.url, rate = 0, api = "v2" })
                local all = api:list()
                assert.are.equal(24, #all)
                assert.are.equal(all[1].connectorName, api:get(all[1].id).connectorName)
                for _, spec in ipairs { SPEC, CUSTOM } do
                    local id = api:create(spec)
                    assert.are.equal("CREATING", api:get(id).status)
                    assert.are.equal(spec.targetLatency or 30000, api:get(id).targetLatency)
                    api:update_target_latency(id, 45000)
                    assert.are.equal(45000, api:get(id).targetLatency)
                    api:delete(id)
                    support.raises("not_found", api.get, api, id)
                end
                assert.are.same({}, api:on(support.us_west):list())
            end)
        end
    end)

    it("refusals are as the contract has them", function()
        around({}, function(sandbox, proxy)
            local there = MIRRORS .. "/" .. require("mirrors").connect(sandbox:options()):list()[1].id
            local east, reader = LIST:format(support.us_east), { user = "sandbox:sandbox-read-only-key" }
            local latency = '{"targetLatency":30000}'
            for _, case in ipairs {
                { 422, "POST", MIRRORS, "{}" }, { 400, "PUT", there, '{"targetLatency":999}' },
                { 400, "DELETE", MIRRORS .. "/x" }, { 401, "GET", east, nil, { user = "sandbox:wrong" } },
                { 403, "DELETE", MIRROR, nil, reader }, { 404, "GET", LIST:format(support.cluster) },
                { 404, "GET", MIRROR }, { 404, "PUT", MIRROR, latency }, { 404, "DELETE", MIRROR },
                { 415, "PUT", there, latency, { type = "text/plain" } },
            } do
                local answer = prism.ask(proxy.url, table.unpack(case, 2, 5))
                assert.is_nil(answer.violations)
                assert.are.equal(case[1], answer.status, case[2] .. " " .. case[3] .. ": " .. answer.body)
                assert.is_truthy(#cjson.decode(answer.body).errors > 0)
            end
        end)
    end)
end)

describe("a server that redirects v2's create to the path with a slash", function()
    it("is told of by where it wanted to send the request, and the request is not sent there", function()
        local sandbox = support.sandbox { v2_slash = "redirect", world = "empty" }
        local api = require("mirrors").connect(sandbox:options { api = "v2", retries = 0, settle = 0.1 })
        local problem = support.raises("protocol", api.create, api, SPEC)
        assert.is_truthy(problem.message:find(sandbox.url .. MIRRORS .. "/, which is not followed", 1, true),
            problem.message)
        assert.are.same({}, api:list())
        sandbox:stop()
    end)
end)
