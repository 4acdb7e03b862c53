local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local east, west = kafka.east, kafka.west

describe("on a real Kafka, the consumer groups of a mirror:", function()
    local api, id, topic, group

    -- MirrorMaker looks for them and carries them over each second, where it would do so each minute.
    local function hurry(region, mirror)
        kafka.ask(region, "PATCH", "/connectors/" .. mirror.connectorName .. ".checkpoint/config", {
            ["emit.checkpoints.interval.seconds"] = "1", ["sync.group.offsets.interval.seconds"] = "1",
            ["refresh.groups.interval.seconds"] = "1" })
    end

    local function group_of(told)
        for _, each in ipairs(told.groups) do
            if each.group == group then return each end
        end
    end

    setup(function()
        kafka.clear()
        api = kafka.connect(east)
        topic, group = kafka.make_topic(west, kafka.name("groups")), kafka.name("billing")
        id = api:create(kafka.spec(east, topic, { useRenaming = false, maxTasks = 1 }))
        kafka.produce(west, topic, 1, 600)
        kafka.wait_for_records(east, topic, 600)
        kafka.consume(west, group, topic, 600)
        kafka.consume(west, kafka.name("console-consumer"), topic, 10)
    end)
    teardown(kafka.clear)

    it("one that is not carried over yet has no offsets in the target, and may not move", function()
        local told = group_of(api:groups(id))
        assert.is_nil(told.recordsAgain)
        local committed = 0
        for _, each in ipairs(told.partitions) do
            assert.are.equal(topic, each.topic)
            committed = committed + each.committedOffset
        end
        assert.are.equal(600, committed)
        assert.are.equal(1, #api:groups(id).groups)
    end)

    it("kmirror lag --groups shows where each is in the source", function()
        local shown = support.run { "lag", "--groups", id, env = kafka.home() }
        assert.is_truthy(shown.stdout:find(("%s\t%s\t0\t"):format(group, topic), 1, true), shown.stdout .. shown.stderr)
        shown = support.run { "lag", "--groups", "--json", id, env = kafka.home() }
        assert.is_truthy(shown.stdout:find(('"group": "%s"'):format(group), 1, true), shown.stdout .. shown.stderr)
    end)

    it("one that was carried over reads nothing again, and failover goes on as soon as that is so", function()
        hurry(east, api:get(id))
        local told = kafka.eventually(function()
            local found = group_of(api:groups(id))
            return found.recordsAgain == 0 and found, tostring(found.recordsAgain)
        end)
        for _, each in ipairs(told.partitions) do
            assert.are.equal(each.committedOffset, each.translatedOffset)
        end
        local result = support.run { "run", "--yes", "failover", "--from", "west", "--to", "east", "--hook",
            "fence=true", env = kafka.home(), timeout = 120 }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("Then: 1 consumer group may move.", 1, true), result.stdout)
        local seconds = tonumber(result.stdout:match("wait for consumer groups%s+([%d.]+)"))
        assert.is_true(seconds < 20, result.stdout)
        kafka.produce(east, topic, 601, 610)
        kafka.consume(east, group, topic, 10) -- and would wait for ever, were these not the first it reads
    end)

    it("consumers of one that is failed over and back under load read all, and nothing twice", function()
        local load = kafka.make_topic(west, kafka.name("load"))
        local its = api:create(kafka.spec(east, load, { useRenaming = false, maxTasks = 1 }))
        hurry(east, api:get(its))
        local name, env = kafka.name("shipping"), kafka.home()
        local producers = { kafka.producers(west, { load }, 1000) }
        local consumers = { kafka.consumer(west, name, load), kafka.consumer(east, name, load),
            kafka.consumer(west, name, load) }
        producers[2] = kafka.producers(east, { load }, 1000, producers[1])
        producers[3] = kafka.producers(west, { load }, 1000, producers[2])
        os.execute(producers[1].start)
        os.execute(consumers[1].start)
        kafka.wait_until_in_sync(api)
        socket.sleep(4)
        for i, words in ipairs { { "failover", "west", "east" }, { "failback", "east", "west" } } do
            local move = ("clients=%s; %s; %s"):format(consumers[i].stop, consumers[i + 1].start,
                producers[i + 1].start)
            local result = support.run { "run", "--yes", words[1], "--from", words[2], "--to", words[3],
                "--topic", load, "--hook", "fence=" .. producers[i].stop, "--hook", move, env = env, timeout = 200 }
            assert.are.equal(0, result.status, result.stderr)
            assert.is_truthy(result.stdout:find("Then: 1 consumer group may move.", 1, true), result.stdout)
            if i == 1 then hurry(west, kafka.connect(west):list()[1]) end
            socket.sleep(4)
        end
        os.execute(producers[3].stop)
        local last, read, times = producers[3].last(load), 0, {}
        kafka.eventually(function()
            read, times = 0, {}
            for _, each in ipairs(consumers) do
                for _, number in ipairs(each.read()) do
                    read, times[number] = read + 1, (times[number] or 0) + 1
                end
            end
            return read >= last, ("%d of %d read"):format(read, last)
        end)
        os.execute(consumers[3].stop)
        assert.are.equal(last, #times)
        assert.are.equal(0, read - last) -- the overlap
    end)
end)
