-- The sandbox's world: how mirrors come up, lag, fail and go. The clock is the spec's own.
local sandbox = require("kmirror.sandbox")
local topics = require("kmirror.sandbox.topics")
local world = require("kmirror.sandbox.world")

local EAST, WEST = sandbox.clusters["us-east"], sandbox.clusters["us-west"]
local START = 1000000
local now

local function new(options, saved)
    local all = {
        clock = function() return now end,
        mirrors = 0, seed = 1, creating_seconds = 10, sync_seconds = 30, lag_ms = 1000,
        fail_every = 0, stale_every = 0, list_delay = 0,
    }
    for name, value in pairs(options or {}) do all[name] = value end
    all.memory = all.list_delay
    return world.new(all, saved)
end

local function spec(overrides)
    local all = {
        sourceType = "instaclustr", kafkaSource = WEST.kafka, sourceAlias = "us-west",
        topicsRegex = "orders\\..*", useRenaming = false, maxTasks = 1,
    }
    for name, value in pairs(overrides or {}) do all[name] = value end
    return all
end

--- The values of one field, in order.
local function each(list, field)
    local found = {}
    for i, item in ipairs(list) do found[i] = item[field] end
    return found
end

--- All mirrors of us-east's Connect as get shows them.
local function described(it_)
    local all = {}
    for i, mirror in ipairs(it_:list(EAST.connect)) do
        all[i] = it_:describe(EAST.connect, mirror.id)
    end
    return all
end

describe("the sandbox's world", function()
    before_each(function()
        now = START
    end)

    describe("by default", function()
        it("has 24 mirrors from us-west to us-east, all in sync, and none the other way", function()
            local demo = new { mirrors = world.SIZES.demo }
            assert.equal(24, #demo:list(EAST.connect))
            assert.same({}, demo:list(WEST.connect))
            for _, mirror in ipairs(described(demo)) do
                assert.equal("IN_SYNC", mirror.status)
                assert.equal("RUNNING", mirror.mirrorStatus)
                assert.equal("RUNNING", mirror.checkpointStatus)
                assert.equal(30000, mirror.targetLatency)
                assert.matches("^us%-west%.us%-east%.%w+$", mirror.connectorName)
                assert.equal(12, #mirror.connectorName:match("%w+$"))
                assert.is_true(#mirror.topicStatuses >= 2)
            end
        end)

        it("gives each of its topics to one mirror", function()
            local carried, count = {}, 0
            for _, mirror in ipairs(described(new { mirrors = world.SIZES.demo })) do
                for _, name in ipairs(each(mirror.topicStatuses, "name")) do
                    assert.is_nil(carried[name])
                    carried[name] = true
                    count = count + 1
                end
            end
            assert.is_true(count > world.SIZES.demo, count .. " topics")
        end)

        it("is the same for the same seed, and another for another", function()
            assert.same(described(new { mirrors = 24 }), described(new { mirrors = 24 }))
            assert.are_not.same(described(new { mirrors = 24 }), described(new { mirrors = 24, seed = 2 }))
        end)

        it("looks the same so long after it began, whenever that was", function()
            local function looks(begun)
                now = begun
                local demo = new { mirrors = 2 }
                now = begun + 20
                return described(demo)
            end
            assert.same(looks(START), looks(START + 77))
        end)
    end)

    it("can have any number of mirrors, each with topics of its own", function()
        local seen, count = {}, 0
        for _, mirror in ipairs(described(new { mirrors = 800 })) do
            assert.is_true(#mirror.topicStatuses >= 2)
            count = count + (seen[mirror.topicsRegex] and 0 or 1)
            seen[mirror.topicsRegex] = true
        end
        assert.equal(800, count)
    end)

    describe("a new mirror", function()
        it("is CREATING, then OUT_OF_SYNC, then IN_SYNC", function()
            local it_ = new()
            local id = it_:create(EAST.connect, spec()).id
            local function status_after(seconds)
                now = START + seconds
                return it_:describe(EAST.connect, id).status
            end
            assert.equal("CREATING", status_after(0))
            assert.equal("CREATING", status_after(9.99))
            assert.equal("OUT_OF_SYNC", status_after(10))
            assert.equal("OUT_OF_SYNC", status_after(39.99))
            assert.equal("IN_SYNC", status_after(40))
            assert.equal("IN_SYNC", status_after(1e6))
        end)

        it("has no topics and unassigned connectors while it is CREATING", function()
            local it_ = new()
            local mirror = it_:describe(EAST.connect, it_:create(EAST.connect, spec()).id)
            assert.same({}, mirror.topicStatuses)
            assert.equal("UNASSIGNED", mirror.mirrorStatus)
            assert.equal("UNASSIGNED", mirror.checkpointStatus)
        end)

        it("is in sync at once when no time is set for setting up and catching up", function()
            local it_ = new { creating_seconds = 0, sync_seconds = 0 }
            assert.equal("IN_SYNC", it_:describe(EAST.connect, it_:create(EAST.connect, spec()).id).status)
        end)

        it("is as late as the oldest record that it copies is old, at first", function()
            now = START
            local its = new { history = 7200, creating_seconds = 0 }
            local id = its:create(EAST.connect, spec()).id
            assert.are.equal(7200000, its:describe(EAST.connect, id).topicStatuses[1].averageLatency)
            now = START + 31
            assert.is_true(its:describe(EAST.connect, id).topicStatuses[1].averageLatency < 30000)
        end)

        it("catches up evenly", function()
            local it_ = new { creating_seconds = 0, sync_seconds = 30, lag_ms = 0 }
            local id = it_:create(EAST.connect, spec()).id
            local function lag_after(seconds)
                now = START + seconds
                return it_:describe(EAST.connect, id).topicStatuses[1].averageLatency
            end
            assert.equal(120000, lag_after(0))
            assert.equal(75000, lag_after(15))
            assert.equal(30000, lag_after(30))
            assert.equal(0, lag_after(40))
        end)

        it("is named after its source, its target and something random", function()
            local it_ = new()
            local function name(cluster, alias)
                return it_:create(cluster.connect, spec { sourceAlias = alias }).connectorName
            end
            assert.matches("^prod%.west%.us%-east%.%w+$", name(EAST, "prod.west"))
            assert.matches("^a%.us%-west%.%w+$", name(WEST, "a"))
            assert.are_not.equal(name(EAST, "a"), name(EAST, "a"))
        end)

        it("carries those topics of its source that its regex takes whole", function()
            local it_ = new { creating_seconds = 0 }
            local function carried(overrides)
                local id = it_:create(EAST.connect, spec(overrides)).id
                return each(it_:describe(EAST.connect, id).topicStatuses, "name")
            end
            assert.same({ "orders.cancelled", "orders.created", "orders.shipped" }, carried())
            assert.same({}, carried { topicsRegex = "orders" })
            assert.same({ "orders.created" }, carried { topicsRegex = "orders|orders\\.created" })
            assert.same({ "west-orders" }, carried { topicsRegex = ".*west-o.*", kafkaSource = false })
        end)
    end)

    describe("lag", function()
        it("moves around the mean, and status follows from it against the target latency", function()
            local it_ = new { mirrors = 1, lag_ms = 5000 }
            local id = it_:list(EAST.connect)[1].id
            it_:find(EAST.connect, id).targetLatency = 5000
            local least, most, statuses = math.huge, 0, {}
            for second = 1, 300 do
                now = START + second
                local seen = it_:describe(EAST.connect, id)
                local worst = math.max(table.unpack(each(seen.topicStatuses, "averageLatency")))
                if worst ~= 5000 then -- it is rounded
                    assert.equal(worst > 5000 and "OUT_OF_SYNC" or "IN_SYNC", seen.status)
                end
                least, most = math.min(least, worst), math.max(most, worst)
                statuses[seen.status] = true
            end
            assert.is_true(least < 5000 and most > 6000 and most < 9000)
            assert.is_true(statuses.IN_SYNC and statuses.OUT_OF_SYNC)
        end)

        it("is none on an idle topic, whose rate is 0", function()
            local idle, busy = 0, 0
            for _, mirror in ipairs(described(new { mirrors = 24 })) do
                for _, topic in ipairs(mirror.topicStatuses) do
                    assert.equal(topic.averageRate == 0, topic.averageLatency == 0)
                    idle = idle + (topic.averageRate == 0 and 1 or 0)
                    busy = busy + (topic.averageRate > 0 and 1 or 0)
                end
            end
            assert.is_true(idle >= 1 and busy > idle)
        end)
    end)

    it("lets every n-th created mirror end FAILED", function()
        local it_ = new { fail_every = 3 }
        for _ = 1, 6 do it_:create(EAST.connect, spec()) end
        assert.equal("CREATING", described(it_)[3].status)
        now = now + 3600
        for i, mirror in ipairs(described(it_)) do
            assert.equal(i % 3 == 0 and "FAILED" or "IN_SYNC", mirror.status)
            assert.equal(i % 3 == 0 and "FAILED" or "RUNNING", mirror.mirrorStatus)
        end
    end)

    it("lets every n-th created mirror end STALE_TOPIC, with a topic through which nothing comes", function()
        local it_ = new { stale_every = 2 }
        it_:create(EAST.connect, spec())
        local id = it_:create(EAST.connect, spec()).id
        now = now + 20
        assert.equal("OUT_OF_SYNC", it_:describe(EAST.connect, id).status)
        now = now + 3600
        local mirror = it_:describe(EAST.connect, id)
        assert.equal("STALE_TOPIC", mirror.status)
        assert.equal(0, mirror.topicStatuses[1].averageRate)
        assert.is_true(mirror.topicStatuses[1].averageLatency > 3600000)
        assert.equal("IN_SYNC", described(it_)[1].status)
    end)

    it("lets a task of every n-th created mirror fail: its connector is RUNNING, its topics tell nothing", function()
        local it_ = new { fail_tasks_every = 2 }
        it_:create(EAST.connect, spec())
        local id = it_:create(EAST.connect, spec { maxTasks = 2 }).id
        now = now + 39
        assert.equal("OUT_OF_SYNC", it_:describe(EAST.connect, id).status)
        now = now + 3600
        local mirror = it_:describe(EAST.connect, id)
        assert.same({ "FAILED", "RUNNING", "RUNNING" },
            { mirror.status, mirror.mirrorStatus, mirror.checkpointStatus })
        for i, topic in ipairs(mirror.topicStatuses) do
            local is_lost = i % 2 == 1 -- every second one is the first task's
            assert.equal(is_lost, topic.averageLatency == 0 and topic.averageRate == 0, topic.name)
        end
        assert.equal("IN_SYNC", described(it_)[1].status)
    end)

    it("has a mirror RUNNING whose regex takes no topic, and STALE_TOPIC after a while, if it is to be", function()
        for seconds, status in pairs { [0] = "IN_SYNC", [120] = "STALE_TOPIC" } do
            local it_ = new { stale_empty = seconds }
            local id = it_:create(EAST.connect, spec { topicsRegex = "none" }).id
            now = now + 129
            local mirror = it_:describe(EAST.connect, id)
            assert.same({ "IN_SYNC", "RUNNING", {} }, { mirror.status, mirror.mirrorStatus, mirror.topicStatuses })
            now = now + 1
            assert.same({ status, "RUNNING" }, { it_:describe(EAST.connect, id).status,
                it_:describe(EAST.connect, id).mirrorStatus })
        end
    end)

    it("has each mirror carry the heartbeats topic, whatever its regex says, which never falls silent", function()
        local it_ = new { heartbeats = 1, mirrors = 1 }
        local none = it_:create(EAST.connect, spec { topicsRegex = "none" }).id
        local all = it_:create(EAST.connect, spec { topicsRegex = ".*" }).id
        it_:set_producers("us-west", false)
        now = now + 3600
        for _, mirror in ipairs(described(it_)) do
            local beats = 0
            for _, topic in ipairs(mirror.topicStatuses) do
                local is_one = topic.name == "heartbeats"
                assert.equal(is_one and 1 or 0, topic.averageRate, topic.name)
                assert.equal(is_one, topic.averageLatency > 0, topic.name)
                beats = beats + (is_one and 1 or 0)
            end
            assert.equal(1, beats)
        end
        assert.equal(1, #it_:describe(EAST.connect, none).topicStatuses)
        assert.is_true(#it_:describe(EAST.connect, all).topicStatuses > 20)
    end)

    it("loses a deleted mirror at once", function()
        local it_ = new { mirrors = 3 }
        local id = it_:list(EAST.connect)[2].id
        assert.equal(id, it_:delete(EAST.connect, id).id)
        assert.is_nil(it_:describe(EAST.connect, id))
        assert.is_nil(it_:delete(EAST.connect, id))
        assert.equal(2, #it_:list(EAST.connect))
    end)

    it("with a list that runs behind shows new mirrors late and deleted ones for a while", function()
        local it_ = new { mirrors = 1, list_delay = 5 }
        local old = it_:list(EAST.connect)[1].id
        local young = it_:create(EAST.connect, spec()).id
        it_:delete(EAST.connect, old)
        assert.same({ old }, each(it_:list(EAST.connect), "id"))
        assert.is_table(it_:describe(EAST.connect, young))
        assert.is_nil(it_:describe(EAST.connect, old))
        now = now + 4.5
        assert.same({ old }, each(it_:list(EAST.connect), "id"))
        now = now + 0.5
        assert.same({ young }, each(it_:list(EAST.connect), "id"))
    end)

    describe("when saved", function()
        it("lets another world go on as this one would have", function()
            local cjson = require("cjson")
            local first = new { mirrors = 800, fail_every = 2 }
            first:create(EAST.connect, spec())
            first:find(EAST.connect, first:list(EAST.connect)[1].id).targetLatency = 45000
            first:delete(EAST.connect, first:list(EAST.connect)[2].id)
            local saved = cjson.decode(cjson.encode(first:state()))
            local second = new({ mirrors = 3, fail_every = 2, seed = 99 }, saved)
            assert.same(described(first), described(second))
            assert.same(first:create(EAST.connect, spec()), second:create(EAST.connect, spec()))
            now = now + 100
            assert.same(described(first), described(second))
        end)

        it("keeps the order in which its mirrors were made, whatever was deleted meanwhile", function()
            local it_, made = new { mirrors = 0 }, {}
            for i = 1, 30 do made[i] = it_:create(EAST.connect, spec()).id end
            it_:delete(EAST.connect, table.remove(made, 20))
            it_:delete(EAST.connect, table.remove(made, 1))
            made[#made + 1] = it_:create(EAST.connect, spec()).id
            assert.same(made, each(it_:list(EAST.connect), "id"))
            it_:delete(EAST.connect, table.remove(made, 5))
            assert.same(made, each(it_:state().connects[EAST.connect], "id"))
        end)

        it("by another version is refused", function()
            local state = new():state()
            state.version = 2
            assert.has_error(function() new({}, state) end, "its version is 2, expected 1")
        end)

        it("says nothing of a source's connection properties", function()
            local it_ = new()
            it_:create(EAST.connect, {
                sourceType = "custom", sourceAlias = "a", topicsRegex = ".*",
                sourceConnectionProperties = "password=hunter2",
            })
            assert.is_nil(require("cjson").encode(it_:state()):find("hunter2", 1, true))
        end)
    end)
end)

describe("the sandbox's topics", function()
    local function is_internal(name)
        return (name:find("[-.]internal$") or name:find("%.replica$") or name:find("^__")) ~= nil
    end

    it("that a regex takes are those that match it as a whole, however it begins", function()
        local region = topics.of_region(200, "us-east")
        local regexes = {
            "orders\\..*", "orders-1\\..*", "orders-?1?\\.shipped", "orders.*|carts\\..*", "(?i)ORDERS\\..*", "order.*",
            "orders+\\..*", "orders{1}\\..*", "orders*\\..*", "^orders\\..*", "\\Qorders.created\\E", "[op].*",
            "orders\\.creat\\x65d", "orders.created", "cdc\\.crm\\..*", "zzz.*", "", ".*-7\\..*", "\\w+\\.items",
        }
        local rex = require("rex_pcre2")
        for _, regex in ipairs(regexes) do
            local whole, expected = rex.new("^(?:" .. regex .. ")$"), {}
            for _, name in ipairs(region) do
                if not is_internal(name) and whole:find(name) then
                    expected[#expected + 1] = name
                end
            end
            assert.same(expected, topics.select(regex, region), regex)
        end
    end)

    it("that a list takes are those of all of its parts", function()
        assert.same({ "orders", "payments" }, topics.select("orders, payments", topics.EXTERNAL))
    end)

    it("are left out of mirrors when they are internal", function()
        local internal = { "__consumer_offsets", "__x", "a.internal", "a-internal", "a.b.replica" }
        local others = { "_schemas", "internal", "heartbeats", "a.internal.b", "replica", "orders" }
        assert.same({}, topics.select(".*", internal))
        assert.same(others, topics.select(".*", others))
    end)

    it("are a few dozen in a region, internal ones among them", function()
        local region = topics.of_region(24, "us-east")
        local internal = 0
        for _, name in ipairs(region) do internal = internal + (is_internal(name) and 1 or 0) end
        assert.is_true(#region >= 40 and internal >= 5)
        assert.equal(#region - internal, #topics.select(".*", region))
    end)

    it("tell why a regex is none", function()
        local taken, why = topics.select("(", { "a" })
        assert.is_nil(taken)
        assert.equal("the '(' is never closed", why)
    end)
end)
