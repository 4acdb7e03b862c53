local health = require("kmirror.health")

local function mirror(changes)
    local healthy = {
        status = "IN_SYNC", mirrorStatus = "RUNNING", checkpointStatus = "RUNNING", targetLatency = 30000,
        topicStatuses = { { name = "orders", averageLatency = 300 }, { name = "idle", averageLatency = 0 } },
    }
    for field, value in pairs(changes) do healthy[field] = value end
    return healthy
end

describe("the health of a mirror", function()
    it("is fine when all that is known of it is", function()
        assert.is_nil(health.problem(mirror {}))
        assert.are.equal(300, health.lag(mirror {}))
    end)

    it("is not, when any of it is not", function()
        local problems = {
            ["is OUT_OF_SYNC"] = { status = "OUT_OF_SYNC" },
            ["is STALE_TOPIC"] = { status = "STALE_TOPIC" },
            ["has its mirror connector FAILED, its checkpoint connector RUNNING"] =
                { mirrorStatus = "FAILED" },
            ["has its mirror connector RUNNING, its checkpoint connector PAUSED"] =
                { checkpointStatus = "PAUSED" },
            ["lists no topic"] = { topicStatuses = {} },
            ["has a topic that is 300 ms behind, more than 299"] = { targetLatency = 299 },
        }
        for problem, changes in pairs(problems) do
            assert.are.equal(problem, health.problem(mirror(changes)))
        end
    end)

    it("has the rate of all topics together", function()
        local topics = { { name = "orders", averageRate = 2.5 }, { name = "idle", averageRate = 0 }, { name = "new" } }
        assert.are.equal(2.5, health.rate(mirror { topicStatuses = topics }))
        assert.are.equal(0, health.rate {})
    end)

    it("is not known when nothing is said of it", function()
        assert.are.equal("is nil", health.problem {})
        assert.is_nil(health.lag {})
    end)

    it("has a lag only where the latency of each topic is known: what is not known is not 0", function()
        local topics = { { name = "orders", averageLatency = 5, averageRate = 1 }, { name = "unknown" } }
        assert.is_nil(health.lag(mirror { topicStatuses = topics }))
        assert.is_false(health.is_measured(mirror { topicStatuses = topics }))
        assert.is_nil(health.problem(mirror { topicStatuses = topics }))
        assert.is_true(health.is_measured(mirror { topicStatuses = { topics[1] } }))
    end)

    it("is enough for a mirror that works, be it late or not", function()
        for status, works in pairs { IN_SYNC = true, OUT_OF_SYNC = true, CREATING = false, FAILED = false,
            STALE_TOPIC = false } do
            assert.are.equal(works, health.works { status = status })
        end
    end)
end)
