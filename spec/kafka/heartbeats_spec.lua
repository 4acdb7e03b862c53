local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local east, west = kafka.east, kafka.west
local BYTES <const> = "org.apache.kafka.connect.converters.ByteArrayConverter"

-- Has MirrorMaker write heartbeats into west, as whoever runs it with all three of its connectors does.
local function start_heartbeats()
    local status = kafka.ask(west, "POST", "/connectors", { name = "heartbeats", config = {
        ["connector.class"] = "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector", ["tasks.max"] = "1",
        ["source.cluster.alias"] = "east", ["source.cluster.bootstrap.servers"] = east.broker,
        ["target.cluster.alias"] = "west", ["target.cluster.bootstrap.servers"] = west.broker,
        ["heartbeats.topic.replication.factor"] = "1", ["emit.heartbeats.interval.seconds"] = "1",
        ["key.converter"] = BYTES, ["value.converter"] = BYTES,
    } })
    assert.are.equal(201, status)
    kafka.wait_for_records(west, "heartbeats", 2)
end

describe("on a real Kafka with heartbeats", function()
    before_each(kafka.clear)
    after_each(function()
        kafka.ask(west, "PUT", "/connectors/heartbeats/stop") -- or one more would make the topic anew
        kafka.eventually(function()
            local _, its = kafka.ask(west, "GET", "/connectors/heartbeats/status")
            return its and its.connector.state == "STOPPED" and #its.tasks == 0, "heartbeats"
        end)
        kafka.clear()
        kafka.delete_topic(west, "heartbeats") -- every mirror of another spec would carry it
        kafka.delete_topic(east, "west.heartbeats")
    end)

    local function topic_of(list, name)
        for _, each in ipairs(list) do
            if each.name == name then return each end
        end
    end

    it("every mirror carries them, under another name even where names are kept, and a failover does not wait for them",
        function()
            start_heartbeats()
            local api, topics, ids, env = kafka.connect(east), {}, {}, kafka.home()
            for i = 1, 2 do
                topics[i] = kafka.make_topic(west, kafka.name("beside"), 2)
                ids[i] = api:create(kafka.spec(east, topics[i], { useRenaming = false }))
            end
            kafka.wait_until_in_sync(api)
            for i, id in ipairs(ids) do
                kafka.eventually(function()
                    local told = api:get(id).topicStatuses
                    return topic_of(told, topics[i]) and topic_of(told, "heartbeats"), "topics of " .. id
                end)
            end
            kafka.wait_for_records(east, "west.heartbeats", 5)
            local producers = kafka.producers(west, topics, 500)
            os.execute(producers.start)
            socket.sleep(3)
            local result = support.run { "run", "--yes", "failover", "--from", "west", "--to", "east", "--offset-sync",
                "2", "--still", "3", "--fence-wait", "90", "--hook", "fence=" .. producers.stop, env = env,
                timeout = 200 }
            assert.are.equal(0, result.status, result.stderr)
            assert.is_truthy(result.stderr:find("not waited for: heartbeats, which MirrorMaker itself writes to", 1,
                true), result.stderr)
            assert.is_truthy(result.stderr:find("drain: 0 records left of %d+"), result.stderr)
            for _, topic in ipairs(topics) do
                local last = producers.last(topic)
                assert.are.same({ once = last, more = 0, lost = 0 }, kafka.tally(east, topic, 1, last))
                assert.are.same({ once = last, more = 0, lost = 0 }, kafka.tally(west, topic, 1, last))
            end
            local back = kafka.connect(west)
            for _, listed in ipairs(back:list()) do
                assert.is_nil(topic_of(back:get(listed.id).topicStatuses, "west.heartbeats")) -- it would go round
            end
        end)

    it("they are told of by lag, and not among the records that are left", function()
        start_heartbeats()
        local api, topic = kafka.connect(east), kafka.make_topic(west, kafka.name("lag"), 2)
        local id = api:create(kafka.spec(east, topic))
        kafka.produce(west, topic, 1, 100)
        kafka.wait_until_in_sync(api)
        kafka.wait_for_records(east, "west." .. topic, 100)
        kafka.eventually(function()
            local told = api:lag(id)
            local its, beats = topic_of(told.topics, topic), topic_of(told.topics, "heartbeats")
            if not (its and beats) then return nil, "topics are missing" end
            assert.is_true(beats.heartbeats)
            assert.is_nil(its.heartbeats)
            assert.are.equal(its.recordsLeft, told.recordsLeft)
            return told.recordsLeft == 0 and beats.recordsLeft > 0, ("%s and %s records left"):format(its.recordsLeft,
                beats.recordsLeft)
        end)
    end)
end)
