local kafka = require("spec.kafka.kafka")
local support = require("spec.support")

local east, west = kafka.east, kafka.west

-- What a team has that made its mirror by Kafka Connect's REST API alone, and never had kmirror.
describe("on a real Kafka, a mirror that was made by hand", function()
    local SOURCE <const>, CHECKPOINTS <const> = "west-orders", "west-orders-offsets"
    local api, id, topic, env

    local function make(name, class, more)
        local mirror = "org.apache.kafka.connect.mirror."
        local config = { ["connector.class"] = mirror .. class, ["source.cluster.alias"] = "west",
            ["target.cluster.alias"] = "east", ["source.cluster.bootstrap.servers"] = west.broker,
            ["target.cluster.bootstrap.servers"] = east.broker, ["tasks.max"] = "2",
            ["replication.policy.class"] = mirror .. "IdentityReplicationPolicy" }
        for _, what in ipairs { "key", "value", "header" } do
            config[what .. ".converter"] = "org.apache.kafka.connect.converters.ByteArrayConverter"
        end
        for key, value in pairs(more) do config[key] = value end
        assert.are.equal(201, (kafka.ask(east, "POST", "/connectors", { name = name, config = config })))
    end

    setup(function()
        kafka.clear()
        env, topic = kafka.home(), kafka.make_topic(west, kafka.name("orders"))
        make(SOURCE, "MirrorSourceConnector", { topics = topic, ["sync.topic.acls.enabled"] = "false",
            ["refresh.topics.interval.seconds"] = "5", ["replication.factor"] = "1",
            ["offset-syncs.topic.replication.factor"] = "1" })
        make(CHECKPOINTS, "MirrorCheckpointConnector", { groups = topic .. "-.*", ["tasks.max"] = "1",
            ["groups.exclude"] = ".*-old", ["sync.group.offsets.enabled"] = "true",
            ["emit.checkpoints.interval.seconds"] = "1", ["sync.group.offsets.interval.seconds"] = "1",
            ["refresh.groups.interval.seconds"] = "1", ["checkpoints.topic.replication.factor"] = "1" })
        kafka.produce(west, topic, 1, 300)
        kafka.wait_for_records(east, topic, 300)
        api = kafka.connect(east)
        id = api:list()[1].id
    end)
    teardown(kafka.clear)

    local function run(...)
        local words = { ... }
        words.env, words.timeout = env, 120
        local result = support.run(words)
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout, result.stdout .. result.stderr
    end

    it("is shown as foreign, with how it is doing", function()
        kafka.wait_until_in_sync(api)
        assert.is_truthy(run("list", "--json"):find('"foreign": true', 1, true))
        local shown = run("get", id)
        for _, line in ipairs { "connectorName\t" .. SOURCE, "foreign\ttrue", "status\tIN_SYNC",
            "mirrorStatus\tRUNNING", "checkpointStatus\tRUNNING" } do
            assert.is_truthy(shown:find(line .. "\n", 1, true), shown)
        end
    end)

    it("is counted: its lag against kcat, its groups as its checkpoint connector takes them", function()
        kafka.eventually(function() return api:lag(id).recordsLeft == 0 end)
        api:pause(id)
        kafka.produce(west, topic, 301, 340)
        local told, ends = api:lag(id), kafka.ends(west, topic, 2)
        assert.are.equal(40, told.recordsLeft)
        for _, each in ipairs(told.topics[1].partitions) do
            assert.are.equal(ends[each.partition], each.endOffset)
        end
        api:resume(id)
        kafka.wait_for_records(east, topic, 340)
        for _, group in ipairs { topic .. "-billing", topic .. "-billing-old", kafka.name("audit") } do
            kafka.consume(west, group, topic, 340)
        end
        local group = kafka.eventually(function()
            local found = api:groups(id).groups
            return #found == 1 and found[1].recordsAgain == 0 and found[1], #found
        end)
        assert.are.equal(topic .. "-billing", group.group)
    end)

    it("is planned into a fleet without a change, and adopted by migrate", function()
        local fleet = support.temporary("fleet.lua", run("export"))
        assert.is_truthy(run("plan", fleet):find("Nothing to change; 1 as wanted", 1, true))
        local list = support.temporary("list.csv", ("from,to,topicsRegex,useRenaming,maxTasks\n"
            .. "west,east,%s,false,2\n"):format(topic))
        local _, told = run("run", "--yes", "migrate", "--wait", "60", list)
        assert.is_truthy(told:find("1 of 1 mirror up, 0 created, 1 adopted", 1, true), told)
        assert.are.same({ SOURCE, CHECKPOINTS }, kafka.connectors(east))
    end)

    it("is failed over: nothing is lost or there twice, and its checkpoint connector is left alone", function()
        local _, told = run("run", "--yes", "failover", "--from", "west", "--to", "east", "--offset-sync", "5",
            "--hook", "fence=true")
        assert.is_truthy(told:find("drain: 0 records left of 340", 1, true), told)
        assert.is_truthy(told:find("Then: 1 consumer group may move.", 1, true), told)
        assert.are.same({ CHECKPOINTS }, kafka.connectors(east))
        kafka.produce(east, topic, 341, 380)
        kafka.wait_for_records(west, topic, 380)
        for _, region in ipairs { west, east } do
            assert.are.same({ once = 380, more = 0, lost = 0 }, kafka.tally(region, topic, 1, 380))
        end
    end)
end)
