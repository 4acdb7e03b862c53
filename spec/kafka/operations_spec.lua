local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local east, west = kafka.east, kafka.west

describe("on a real Kafka, the operations:", function()
    local api

    setup(function()
        kafka.clear()
        api = kafka.connect(east)
    end)
    after_each(kafka.clear)

    -- A topic of west with so many records, and a mirror of it into east that has begun to copy.
    local function mirror(records, fields)
        local topic = kafka.make_topic(west, kafka.name("orders"))
        if records > 0 then kafka.produce(west, topic, 1, records) end
        local id = api:create(kafka.spec(east, topic, fields))
        return id, topic
    end

    local function wait_for(id, status)
        return kafka.eventually(function()
            local found = api:get(id)
            return found.status == status and found, ("%s: %s"):format(found.status, found.cause)
        end)
    end

    it("a created mirror copies all records as they are, is listed, and tells how it is doing", function()
        local id, topic = mirror(1000)
        kafka.wait_for_records(east, "west." .. topic, 1000)
        assert.are.same({ once = 1000, more = 0, lost = 0 }, kafka.tally(east, "west." .. topic, 1, 1000))
        local listed = api:list()
        assert.are.same({ 1, id, topic, "west", 30000 }, { #listed, listed[1].id, listed[1].topicsRegex,
            listed[1].sourceAlias, listed[1].targetLatency })
        local found = wait_for(id, "IN_SYNC")
        assert.are.same({ "RUNNING", "RUNNING", topic }, { found.mirrorStatus, found.checkpointStatus,
            found.topicStatuses[1].name })
        assert.is_true(found.topicStatuses[1].averageRate > 0)
        assert.is_true(found.topicStatuses[1].averageLatency >= 0)
    end)

    it("a target latency is set without starting replication anew", function()
        local id, topic = mirror(10)
        kafka.wait_for_records(east, "west." .. topic, 10)
        local before = api:get(id)
        local _, tasks = kafka.ask(east, "GET", "/connectors/" .. before.connectorName .. "/tasks")
        api:update_target_latency(id, 45000)
        assert.are.equal(45000, kafka.eventually(function() return api:get(id).targetLatency end))
        local _, after = kafka.ask(east, "GET", "/connectors/" .. before.connectorName .. "/tasks")
        assert.are.same(tasks, after)
        kafka.produce(west, topic, 11, 20)
        kafka.wait_for_records(east, "west." .. topic, 20)
        assert.are.same({ once = 20, more = 0, lost = 0 }, kafka.tally(east, "west." .. topic, 1, 20))
    end)

    it("a deleted mirror leaves no connector behind, and copies nothing more", function()
        local id, topic = mirror(10)
        kafka.wait_for_records(east, "west." .. topic, 10)
        api:delete(id)
        assert.are.same({}, kafka.connectors(east))
        assert.are.same({}, api:list())
        kafka.produce(west, topic, 11, 20)
        socket.sleep(2)
        assert.are.equal(10, select(2, kafka.records(east, "west." .. topic)))
        support.raises("not_found", api.get, api, id)
        support.raises("not_found", api.delete, api, id)
    end)

    local losses = { ["of the first connector"] = { "^POST", 1 }, ["of both connectors"] = { "^POST", 2 },
        ["of the starts"] = { "/resume", 2 }, ["of all of it"] = { "^P", 6 } }
    for what, loss in pairs(losses) do
        it("a create that loses the answers " .. what .. " makes one mirror, which works", function()
            local url, stop = kafka.lossy(east, loss[1], loss[2])
            local topic = kafka.make_topic(west, kafka.name("lossy"))
            kafka.produce(west, topic, 1, 5)
            local id = kafka.connect(east, { retries = 8, backoff = 0.02 }, url):create(kafka.spec(east, topic))
            stop()
            assert.are.equal(2, #kafka.connectors(east))
            kafka.wait_for_records(east, "west." .. topic, 5)
            assert.are.equal(id, api:list()[1].id)
        end)
    end

    it("a delete whose answers are lost is done all the same", function()
        local id = mirror(0)
        local url, stop = kafka.lossy(east, "^DELETE", 2)
        kafka.connect(east, { backoff = 0.02 }, url):delete(id)
        stop()
        assert.are.same({}, kafka.connectors(east))
    end)

    it("a job that is killed while it creates mirrors makes each of them once when it is resumed", function()
        local env = kafka.home()
        local topics = {}
        for i = 1, 6 do topics[i] = kafka.name("killed") end
        local script = support.temporary("create.lua", ([[
            local api = require("mirrors").connect {}
            for topic in ("%s"):gmatch("%%S+") do
                api:create { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=%s",
                    sourceAlias = "west", topicsRegex = topic, useRenaming = true, maxTasks = 1 }
            end
            if os.getenv "HOLD" then require("task").sleep(60) end
        ]]):format(table.concat(topics, " "), west.broker))
        local held = { HOLD = "1" } -- it does not end before it is killed
        for name, value in pairs(env) do held[name] = value end
        for round = 1, 4 do
            local running = support.start { "run", "--job", "killed", script, env = held }
            kafka.eventually(function()
                local made = #kafka.connectors(east)
                return made > 2 * round or made == 12
            end, 30)
            running:signal("KILL")
            running:wait()
        end
        local result = support.run { "jobs", "resume", "killed", env = env, timeout = 120 }
        assert.are.equal(0, result.status, result.stderr)
        local listed = {}
        for _, each in ipairs(api:list()) do
            listed[each.topicsRegex] = (listed[each.topicsRegex] or 0) + 1
        end
        for _, topic in ipairs(topics) do assert.are.equal(1, listed[topic]) end
        assert.are.equal(12, #kafka.connectors(east))
    end)

    it("many creates and deletes at once, a rebalance after the other, are each done once", function()
        local topics = kafka.name("storm")
        local code = ([[
            local api, bulk, task = require("mirrors").connect {}, require "kmirror.bulk", require "task"
            local specs = {}
            for i = 1, 12 do specs[i] = { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=%s",
                sourceAlias = "west", topicsRegex = "%s-" .. i, useRenaming = true, maxTasks = 1 } end
            local group <close> = task.group { concurrency = 12 }
            for i, spec in ipairs(specs) do
                group:spawn(function()
                    local id = api:create(spec)
                    if i %% 2 == 0 then api:delete(id) end
                end)
            end
            group:wait()
        ]]):format(west.broker, topics)
        local result = support.run { "run", support.temporary("storm.lua", code), env = kafka.home(), timeout = 120 }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, #api:list())
        assert.are.equal(12, #kafka.connectors(east))
    end)

    it("a worker that is killed while a mirror is created, and comes back, makes it once", function()
        local topic = kafka.make_topic(west, kafka.name("restart"))
        kafka.produce(west, topic, 1, 7)
        local restart = "bash spec/kafka/rig.sh worker east kill; bash spec/kafka/rig.sh worker east start &"
        local url, stop = kafka.lossy(east, "^POST", 1, restart) -- it has made the first connector
        local id = kafka.connect(east, { retries = 60, backoff = 0.5, deadline = 120 }, url):create(kafka.spec(east,
            topic))
        stop()
        assert.are.equal(2, #kafka.connectors(east))
        kafka.wait_for_records(east, "west." .. topic, 7)
        assert.are.equal(id, api:list()[1].id)
    end)

    it("a broken JAAS line makes a mirror FAILED, with the cause and without the password", function()
        local topic = kafka.name("jaas")
        local properties = ("bootstrap.servers=%s\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
            .. 'sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" '
            .. 'password="hunter-22"'):format(west.broker)
        local id = api:create(kafka.spec(east, topic, { sourceConnectionProperties = properties }))
        local found = wait_for(id, "FAILED")
        assert.is_truthy(found.cause:find("JAAS", 1, true), found.cause)
        local result = support.run { "get", id, env = kafka.home() }
        assert.is_truthy(result.stdout:find("cause\tits connector failed: .*JAAS"), result.stdout)
        result = support.run { "get", "--json", id, env = kafka.home() }
        assert.is_nil((result.stdout .. result.stderr):find("hunter", 1, true))
    end)

    it("a regex that is none makes a mirror FAILED, with what is wrong in it", function()
        local found = wait_for(api:create(kafka.spec(east, "or(ders")), "FAILED")
        assert.is_truthy(found.cause:find("Unclosed group", 1, true), found.cause)
    end)

    it("a mirror that takes no topic, or whose source is out of reach, is CREATING, later STALE_TOPIC", function()
        local ids = { api:create(kafka.spec(east, kafka.name("nothing"))), api:create(kafka.spec(east,
            kafka.name("unreachable"), { sourceConnectionProperties = "bootstrap.servers=127.0.0.1:1" })) }
        for _, id in ipairs(ids) do
            local found = api:get(id)
            assert.are.equal("CREATING", found.status, found.cause)
            kafka.age(east, found.connectorName, 3600)
        end
        assert.is_truthy(wait_for(ids[1], "STALE_TOPIC").cause:find("takes no topic", 1, true))
    end)

    it("a checkpoint connector that was deleted by hand makes a mirror FAILED, until resume makes it again", function()
        local id = mirror(3)
        local name = wait_for(id, "IN_SYNC").connectorName
        kafka.age(east, name, 3600)
        kafka.ask(east, "DELETE", "/connectors/" .. name .. ".checkpoint")
        assert.is_truthy(wait_for(id, "FAILED").cause:find("checkpoint connector is missing", 1, true))
        api:resume(id)
        wait_for(id, "IN_SYNC")
        kafka.ask(east, "DELETE", "/connectors/" .. name .. ".checkpoint")
        api:delete(id)
        assert.are.same({}, kafka.connectors(east))
    end)

    it("a source connector that was deleted by hand makes a mirror FAILED, which is deleted as a whole", function()
        local id = mirror(3)
        local name = wait_for(id, "IN_SYNC").connectorName
        kafka.age(east, name, 3600)
        kafka.ask(east, "DELETE", "/connectors/" .. name)
        assert.is_truthy(wait_for(id, "FAILED").cause:find("source connector is missing", 1, true))
        api:delete(id)
        assert.are.same({}, kafka.connectors(east))
    end)

    it("the lag of a mirror is what kcat says of the ends, less what was copied, down to no record left", function()
        local id, topic = mirror(500)
        kafka.wait_for_records(east, "west." .. topic, 500)
        kafka.eventually(function() return api:lag(id).recordsLeft == 0 end, 30)
        api:pause(id)
        kafka.eventually(function()
            local _, look = kafka.ask(east, "GET", "/connectors/" .. api:get(id).connectorName .. "/status")
            return look.tasks[1].state == "PAUSED"
        end)
        kafka.produce(west, topic, 501, 800)
        local told = api:lag(id)
        local ends = kafka.ends(west, topic, 2)
        assert.are.equal(300, told.recordsLeft)
        assert.are.equal(topic, told.topics[1].name)
        for _, each in ipairs(told.topics[1].partitions) do
            assert.are.equal(ends[each.partition], each.endOffset)
            assert.are.equal(each.endOffset - each.replicatedOffset - 1, each.recordsLeft)
        end
        local shown = support.run { "lag", id, env = kafka.home() }
        assert.is_truthy(shown.stdout:find(id .. "\t\t\t\t300\n", 1, true), shown.stdout)
        api:resume(id)
        kafka.eventually(function() return api:lag(id).recordsLeft == 0 end, 30)
        assert.are.same({ once = 800, more = 0, lost = 0 }, kafka.tally(east, "west." .. topic, 1, 800))
    end)

    it("of a topic that was written in a transaction, and copied, no record is left", function()
        local topic = kafka.make_topic(west, kafka.name("transactions"), 1)
        local id = api:create(kafka.spec(east, topic, { maxTasks = 1 }))
        kafka.transact(west, topic, 5)
        kafka.wait_for_records(east, "west." .. topic, 5)
        assert.are.equal(6, kafka.ends(west, topic, 1)[0]) -- the last is a marker
        local told = kafka.eventually(function()
            local found = api:lag(id)
            return found.recordsLeft == 0 and found, tostring(found.recordsLeft)
        end)
        assert.are.equal(4, told.topics[1].partitions[1].replicatedOffset)
        assert.is_nil(told.topics[1].partitions[1].leftSince)
    end)

    it("the lag is of the source's kind of trouble where its cluster is out of reach", function()
        local id = api:create(kafka.spec(east, "x", { sourceConnectionProperties = "bootstrap.servers=127.0.0.1:1" }))
        local name = api:get(id).connectorName
        api:stop(id)
        kafka.eventually(function() return (pcall(api.set_offsets, api, id,
            { { topic = "x", partition = 0, offset = 3 } })) end, 90)
        local quick = kafka.connect(east, { timeout = 1 })
        local e = support.raises("transport", quick.lag, quick, id)
        assert.is_truthy(e.message:find("source cluster", 1, true), e.message)
        assert.is_string(name)
    end)

    it("a mirror that is made stopped, with offsets at the ends, copies only what is written from then on", function()
        local topic = kafka.make_topic(west, kafka.name("ends"))
        kafka.produce(west, topic, 1, 400)
        local id = api:create(kafka.spec(east, topic, { initialState = "STOPPED" }))
        local offsets = {}
        for partition, ending in pairs(kafka.ends(west, topic, 2)) do
            offsets[#offsets + 1] = ending > 0 and { topic = topic, partition = partition, offset = ending - 1 } or nil
        end
        api:set_offsets(id, offsets)
        api:resume(id)
        kafka.produce(west, topic, 401, 450)
        kafka.wait_for_records(east, "west." .. topic, 50)
        socket.sleep(2)
        assert.are.same({ once = 50, more = 0, lost = 400 }, kafka.tally(east, "west." .. topic, 1, 450))
    end)

    it("the topics of a mirror are changed in place: what it has copied is not copied again", function()
        local id, topic = mirror(20)
        local other = kafka.make_topic(west, kafka.name("other"))
        kafka.produce(west, other, 1, 30)
        kafka.wait_for_records(east, "west." .. topic, 20)
        kafka.eventually(function() return api:lag(id).recordsLeft == 0 end, 30)
        api:set_topics(id, topic .. "|" .. other)
        kafka.wait_for_records(east, "west." .. other, 30)
        assert.are.same({ once = 20, more = 0, lost = 0 }, kafka.tally(east, "west." .. topic, 1, 20))
        assert.are.equal(topic .. "|" .. other, api:list()[1].topicsRegex)
    end)

    -- MirrorMaker goes by the offset that it had reached. Where the new topic is longer by the time that it looks, it
    -- goes on there; else it begins anew.
    it("records of a topic that is deleted and made again arrive, but for as many as the old one held", function()
        local id, topic = mirror(5)
        kafka.wait_for_records(east, "west." .. topic, 5)
        kafka.delete_topic(west, topic)
        kafka.make_topic(west, topic)
        kafka.produce(west, topic, 101, 200)
        kafka.eventually(function()
            local number = select(2, kafka.records(east, "west." .. topic))
            return number >= 100, ("%d: %s"):format(number, api:get(id).status)
        end)
        kafka.produce(west, topic, 201, 220)
        kafka.eventually(function() return kafka.tally(east, "west." .. topic, 201, 220).once == 20 end)
        local seen = kafka.tally(east, "west." .. topic, 101, 220)
        assert.are.equal(0, seen.more)
        assert.is_true(seen.lost <= 5, seen.lost)
    end)
end)
