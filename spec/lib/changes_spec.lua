local changes = require("kmirror.changes")
local support = require("spec.support")

local OTHER = "0c7067d6-c70a-11ea-87d0-0242ac130004"
local GONE = { status = 404, body = '{"status":404,"message":"not found"}' }
local SPEC = {
    sourceType = "instaclustr", useRenaming = true, kafkaSource = "ff4fccf3-2ac0-494b-9f40-e95288dd752d",
    usePrivateIps = false, sourceAlias = "west", topicsRegex = "orders\\..*", maxTasks = 3,
}

describe("changes that are planned", function()
    local told

    -- Plans with what the server answers, and returns what call(api) did and what was asked.
    local function plan(answers, call)
        local server = support.server(answers)
        told = {}
        changes.plan(function(change) told[#told + 1] = changes.describe(change) end)
        local ok, problem = pcall(call, support.connect(server))
        changes.record()
        server:stop()
        local asked = {}
        for i, request in ipairs(server:requests()) do
            local target = request.target:gsub("^/provisioning/v1/", ""):gsub("/kafka%-connect", "")
            asked[i] = request.method .. " " .. target
        end
        return ok, problem, asked
    end

    it("ask once for each cluster that a mirror is to be created on, whatever is created there", function()
        local ok, problem, asked = plan({ { body = '{"mirrors":[]}' } }, function(api)
            for _ = 1, 3 do api:create(SPEC) end
            for _ = 1, 2 do api:on(OTHER):create(SPEC) end
        end)
        assert.is_true(ok, tostring(problem))
        assert.are.same({ "GET " .. support.cluster .. "/mirrors", "GET " .. OTHER .. "/mirrors" }, asked)
        assert.are.equal(5, #told)
    end)

    it("fail where the cluster is not there, or the mirror", function()
        for _, call in ipairs {
            function(api) api:create(SPEC) end,
            function(api) api:delete(support.mirror) end,
            function(api) api:update_target_latency(support.mirror, 5000) end,
        } do
            local ok, problem, asked = plan({ GONE }, call)
            assert.is_false(ok)
            assert.are.equal("not_found", problem.kind)
            assert.are.equal(1, #asked)
            assert.are.same({}, told)
        end
    end)

    it("ask nothing about mirrors that exist in the plan alone, each with an id of its own", function()
        local ok, problem, asked = plan({ { body = '{"mirrors":[]}' } }, function(api)
            local first, second = api:create(SPEC), api:create(SPEC)
            assert.are_not.equal(first, second)
            api:update_target_latency(first, 5000)
            api:delete(second)
        end)
        assert.is_true(ok, tostring(problem))
        assert.are.equal(1, #asked)
        assert.are.equal(4, #told)
    end)
end)
