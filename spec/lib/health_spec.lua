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

    describe("of one that carries MirrorMaker's heartbeats", function()
        local profile = require("kmirror.profile")
        local heartbeats = { name = "heartbeats", averageLatency = 900, averageRate = 1 }
        local function names(topics, changes)
            local found = {}
            local fields = { topicStatuses = topics, connectorName = "us-west.us-east.abc", topicsRegex = ".*" }
            for name, value in pairs(changes or {}) do fields[name] = value end
            for i, topic in ipairs(health.topics(mirror(fields))) do found[i] = topic.name end
            return table.concat(found, " ")
        end

        it("is that of its other topics: these have no rate, and none but these is no topic", function()
            assert.are.equal(0, health.rate(mirror { topicStatuses = { heartbeats } }))
            assert.are.equal(2.5, health.rate(mirror { topicStatuses = { heartbeats,
                { name = "orders", averageRate = 2.5 } } }))
            local problem, kind = health.problem(mirror { topicStatuses = { heartbeats } })
            assert.are.same({ "lists no topic but MirrorMaker's heartbeats", "silent" }, { problem, kind })
        end)

        it("knows them by the aliases of the mirror and of the profile's clusters; a user's own is none", function()
            local topics = { heartbeats, { name = "us-west.heartbeats" }, { name = "north.heartbeats" },
                { name = "team.heartbeats" }, { name = "orders" } }
            assert.are.equal("north.heartbeats team.heartbeats orders", names(topics))
            assert.are.equal("us-west.heartbeats team.heartbeats orders", names(topics, { sourceAlias = "north",
                connectorName = "north.us-east.abc" }))
            local before = profile.current()
            profile.use { sandbox = false, runbooks = {}, clusters = { n = { alias = "north" } } }
            local known = names(topics)
            profile.use { sandbox = false, runbooks = {}, clusters = {}, aliases = { "north" } }
            local named = names(topics)
            profile.use(before)
            assert.are.same({ "team.heartbeats orders", "team.heartbeats orders" }, { known, named })
        end)

        it("takes what is called so and not taken by the regex for MirrorMaker's: nobody else wants it", function()
            local topics = { { name = "team.heartbeats" }, { name = "us-west.pulse.heartbeats" },
                { name = "myheartbeats" }, { name = "orders" } }
            for regex, expected in pairs {
                ["orders"] = "myheartbeats orders", ["team\\..*"] = "team.heartbeats myheartbeats orders",
                ["pulse.heartbeats,orders"] = "us-west.pulse.heartbeats myheartbeats orders",
                ["(broken"] = "team.heartbeats us-west.pulse.heartbeats myheartbeats orders",
            } do
                assert.are.equal(expected, names(topics, { topicsRegex = regex }), regex)
            end
        end)

        it("knows the user's topics to which MirrorMaker gives the alias though names are kept", function()
            local topics = { heartbeats, { name = "team.heartbeats" }, { name = "myheartbeats" }, { name = "orders" } }
            assert.are.same({ "team.heartbeats", "myheartbeats" }, health.renamed(mirror { topicStatuses = topics }))
            assert.are.same({}, health.renamed(mirror { topicStatuses = topics, useRenaming = true }))
        end)

        it("takes more records a second than MirrorMaker writes for a user's", function()
            assert.are.equal("", names { { name = "heartbeats", averageRate = 10 } })
            assert.are.equal("heartbeats", names { { name = "heartbeats", averageRate = 10.5 } })
            assert.are.equal("", names { { name = "us-west.heartbeats", averageRate = 400 } })
        end)
    end)

    it("says that a task has failed where the connectors run all the same", function()
        assert.are.equal("is FAILED, though its connectors are RUNNING: a task of theirs has failed",
            health.problem(mirror { status = "FAILED" }))
        assert.are.equal("is FAILED", health.problem(mirror { status = "FAILED", mirrorStatus = "FAILED" }))
    end)

    it("is none of a mirror whose connector has failed, whatever its status says", function()
        for _, field in ipairs { "mirrorStatus", "checkpointStatus", "status" } do
            assert.is_true(health.has_failed(mirror { [field] = "FAILED" }), field)
            assert.is_false(health.works(mirror { [field] = "FAILED" }), field)
        end
        assert.is_false(health.has_failed(mirror { mirrorStatus = "UNASSIGNED" }))
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
