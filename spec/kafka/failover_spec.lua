local cjson = require("cjson")
local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local east, west = kafka.east, kafka.west
local RATE <const>, PATIENCE <const> = 1000, 240

describe("on a real Kafka, a failover", function()
    before_each(kafka.clear)
    after_each(kafka.clear)

    -- So many topics in west, each with a mirror into east that keeps its name.
    local function mirrored(count)
        local api, topics = kafka.connect(east), {}
        for i = 1, count do
            topics[i] = kafka.make_topic(west, kafka.name("failover"), 2)
            api:create(kafka.spec(east, topics[i], { useRenaming = false }))
        end
        kafka.wait_until_in_sync(api)
        return topics
    end

    local function run(words, env)
        local all = { "run", "--yes", env = env, timeout = PATIENCE }
        table.move(words, 1, #words, #all + 1, all)
        return support.run(all)
    end

    local function failover(env, more)
        local words = { "failover", "--from", "west", "--to", "east", "--offset-sync", "2", "--still", "1",
            "--fence-wait", "90" }
        return run(table.move(more or {}, 1, #(more or {}), #words + 1, words), env)
    end

    local function all_once(region, topic, first, last)
        assert.are.same({ once = last - first + 1, more = 0, lost = 0 }, kafka.tally(region, topic, first, last))
    end

    it("and back, under load, loses no record and copies none twice, though topics keep their names", function()
        local topics, env = mirrored(3), kafka.home()
        local there = kafka.producers(west, topics, RATE)
        os.execute(there.start)
        socket.sleep(5)
        local result = failover(env, { "--hook", "fence=" .. there.stop })
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("drain: 0 records left of %d+"), result.stderr)
        local last = {}
        for _, topic in ipairs(topics) do
            last[topic] = there.last(topic)
            assert.is_true(last[topic] > 4 * RATE)
            all_once(east, topic, 1, last[topic])
        end
        -- The clients write in east from now on; what they write goes west.
        for _, topic in ipairs(topics) do
            kafka.produce(east, topic, last[topic] + 1, last[topic] + 500)
        end
        for _, topic in ipairs(topics) do
            kafka.wait_for_records(west, topic, last[topic] + 500)
            all_once(west, topic, 1, last[topic] + 500)
        end
        local clients = {}
        for i, topic in ipairs(topics) do
            clients[i] = ("seq %d %d | kcat -P -b %s -t %s"):format(last[topic] + 501, last[topic] + 600, west.broker,
                topic)
        end
        result = run({ "failback", "--from", "east", "--to", "west", "--offset-sync", "2", "--still", "1",
            "--hook", "clients=" .. table.concat(clients, "; ") }, env)
        assert.are.equal(0, result.status, result.stderr)
        for _, topic in ipairs(topics) do
            kafka.wait_for_records(east, topic, last[topic] + 600)
            socket.sleep(1)
            all_once(east, topic, 1, last[topic] + 600)
            all_once(west, topic, 1, last[topic] + 600)
        end
    end)

    it("of twenty topics that is killed, again and again, is continued, and copies no record twice", function()
        local topics, env = mirrored(20), kafka.home()
        for _, topic in ipairs(topics) do kafka.produce(west, topic, 1, 300) end
        for _, topic in ipairs(topics) do kafka.wait_for_records(east, topic, 300) end
        local words = { "run", "--yes", "failover", "--from", "west", "--to", "east", "--offset-sync", "1", env = env }
        for _, delay in ipairs { "delete west", "create east" } do
            local running = support.start(words)
            kafka.eventually(function() return running:stderr():find(delay, 1, true) end, 120)
            socket.sleep(0.4)
            running:signal("KILL")
            running:wait()
        end
        local result = failover(env)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(0, #kafka.connectors(east))
        assert.are.equal(2 * #topics, #kafka.connectors(west))
        for _, topic in ipairs(topics) do
            kafka.produce(east, topic, 301, 310)
            kafka.wait_for_records(west, topic, 310)
            all_once(west, topic, 1, 310)
        end
    end)

    it("has clients moved while the mirrors stand still: what they write goes back once, and nothing else", function()
        local topics, env = mirrored(3), kafka.home()
        for _, topic in ipairs(topics) do kafka.produce(west, topic, 1, 100) end
        local states = support.temporary("states")
        local hook = {}
        for i, topic in ipairs(topics) do
            hook[i] = ("seq 101 150 | kcat -P -b %s -t %s; seq 901 905 | kcat -P -b %s -t %s"):format(east.broker,
                topic, west.broker, topic) -- some producer in FROM does not know yet
        end
        local clients = ("clients=curl -s '%s/connectors?expand=status' > %s; %s; sleep 2"):format(east.url, states,
            table.concat(hook, "; "))
        local result = failover(env, { "--hook", "fence=true", "--hook", clients })
        assert.are.equal(0, result.status, result.stderr)
        local seen = 0
        for name, each in pairs(cjson.decode(support.read(states))) do
            if not name:find("%.checkpoint$") then
                seen = seen + 1
                for _, its in ipairs { each.status.connector, table.unpack(each.status.tasks) } do
                    assert.are.equal("PAUSED", its.state)
                end
            end
        end
        assert.are.equal(#topics, seen)
        for _, topic in ipairs(topics) do
            kafka.wait_for_records(west, topic, 155)
            all_once(west, topic, 1, 150)
            all_once(west, topic, 901, 905)
            all_once(east, topic, 1, 150)
            assert.are.equal(5, kafka.tally(east, topic, 901, 905).lost)
        end
    end)

    it("that fails when clients are to move can still be taken back: the mirrors stand still", function()
        local topic, env = mirrored(1)[1], kafka.home()
        kafka.produce(west, topic, 1, 100)
        local result = failover(env, { "--hook", "fence=true", "--hook", "clients=false" })
        assert.are.equal(1, result.status)
        local id = kafka.connect(east):list()[1].id
        assert.is_truthy(result.stderr:find("if this is not to be continued: kmirror resume --cluster east " .. id, 1,
            true), result.stderr)
        assert.are.equal(0, support.run({ "resume", id, env = env }).status)
        kafka.produce(west, topic, 101, 110)
        kafka.wait_for_records(east, topic, 110)
        all_once(east, topic, 1, 110)
        result = run({ "failover", "--from", "west", "--to", "east", "--abandon" }, env)
        assert.are.equal(0, result.status, result.stderr)
    end)

    it("appends all records to FROM's topics where the new mirrors begin at the beginning, else none", function()
        local topic = mirrored(1)[1]
        kafka.produce(west, topic, 1, 200)
        kafka.wait_for_records(east, topic, 200)
        local api = kafka.connect(east)
        local offsets = api:target_ends(api:list()[1].id)
        api:delete(api:list()[1].id)
        local back = kafka.connect(west)
        local exact = back:create(kafka.spec(west, topic, { useRenaming = false, initialState = "STOPPED" }))
        back:set_offsets(exact, offsets)
        back:resume(exact)
        kafka.eventually(function() return back:get(exact).status == "IN_SYNC" end)
        socket.sleep(3)
        assert.are.equal(200, select(2, kafka.records(west, topic)))
        back:delete(exact)
        back:create(kafka.spec(west, topic, { useRenaming = false }))
        kafka.wait_for_records(west, topic, 400)
        assert.are.same({ once = 0, more = 200, lost = 0 }, kafka.tally(west, topic, 1, 200))
    end)

    it("does not go on while something is written behind the fence, and deletes nothing", function()
        local topics, env = mirrored(1), kafka.home()
        local there = kafka.producers(west, topics, RATE)
        os.execute(there.start)
        local result = failover(env, { "--hook", "fence=true", "--fence-wait", "8" })
        os.execute(there.stop)
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("the fence cannot be confirmed", 1, true), result.stderr)
        assert.are.equal(2, #kafka.connectors(east))
        assert.are.equal(0, #kafka.connectors(west))
    end)

    -- Lets all mirrors of east stand still, as if they could not reach west.
    local function halt(api)
        for _, listed in ipairs(api:list()) do
            api:pause(listed.id)
            kafka.eventually(function()
                local _, look = kafka.ask(east, "GET", "/connectors/" .. listed.connectorName .. "/status")
                return look.tasks[1].state == "PAUSED"
            end)
        end
        socket.sleep(1.5) -- until what was copied is recorded
    end

    it("in a disaster says how many records are missing in TO, as long as FROM can be asked", function()
        local topic, env = mirrored(1)[1], kafka.home()
        kafka.produce(west, topic, 1, 100)
        kafka.wait_for_records(east, topic, 100)
        halt(kafka.connect(east))
        kafka.produce(west, topic, 101, 137)
        local result = failover(env, { "--disaster", "--no-reverse" })
        assert.is_truthy(result.stdout:find("May be missing in east: 37 records, counted at", 1, true),
            result.stdout .. result.stderr)
        assert.are.same({ once = 100, more = 0, lost = 37 }, kafka.tally(east, topic, 1, 137))
    end)

    -- Where the partitions of topics ended when `kmirror lag` looked, by "topic-partition".
    local function ends_told(env)
        local result = support.run { "lag", "--json", env = env, timeout = 30 }
        assert.are.equal(0, result.status, result.stderr)
        local ends = {}
        for _, mirror in ipairs(cjson.decode(result.stdout)) do
            for _, topic in ipairs(mirror.topics) do
                for _, each in ipairs(topic.partitions) do
                    ends[("%s-%d"):format(topic.name, each.partition)] = each.endOffset
                end
            end
        end
        return ends
    end

    -- How many records of west are missing in east: all, and of those that were there when its ends were told.
    local function missing(topics, ends)
        local all, known = 0, 0
        for _, topic in ipairs(topics) do
            local copied = kafka.records(east, topic)
            for _, each in ipairs(kafka.places(west, topic)) do
                if not copied[each.value] then
                    all = all + 1
                    known = known + (each.offset < ends[("%s-%d"):format(topic, each.partition)] and 1 or 0)
                end
            end
        end
        return all, known
    end

    it("in a disaster under load tells exactly how many records are missing of those that FROM held when its ends were "
        .. "last looked at, and so not more than are missing", function()
        local topics, env = mirrored(3), kafka.home()
        local there = kafka.producers(west, topics, 2 * RATE)
        os.execute(there.start)
        socket.sleep(4)
        local cut_off = kafka.connect(east):list()[1].connectorName -- what is under way is copied, and not recorded
        kafka.ask(east, "PUT", "/connectors/" .. cut_off .. "/pause")
        socket.sleep(2)
        local ends = ends_told(env)
        kafka.rig("broker", "west", "kill")
        kafka.rig("worker", "west", "kill")
        os.execute(there.stop)
        local result = failover(env, { "--disaster", "--no-reverse" })
        assert.are.equal(0, result.status, result.stderr)
        local told = math.tointeger(tonumber(result.stdout:match("May be missing in east: at least (%d+) record")))
        kafka.rig("broker", "west", "start")
        for _, topic in ipairs(topics) do
            kafka.eventually(function() return pcall(kafka.records, west, topic) end)
        end
        local all, known = missing(topics, ends)
        assert.are.equal(known, told, result.stdout)
        assert.is_true(told > RATE and all >= told, ("%d told, %d in all"):format(told, all))
        kafka.rig("worker", "west", "start")
    end)

    it("in a disaster, with FROM's broker gone, tells from the last known ends how many records are missing, turns to "
        .. "TO, and reverses exactly once FROM is back", function()
        local topics, env = mirrored(2), kafka.home()
        for _, topic in ipairs(topics) do kafka.produce(west, topic, 1, 100) end
        for _, topic in ipairs(topics) do kafka.wait_for_records(east, topic, 100) end
        halt(kafka.connect(east))
        kafka.produce(west, topics[1], 1001, 1037)
        assert.are.equal(0, support.run({ "lag", env = env }).status)
        kafka.rig("worker", "west", "kill")
        kafka.rig("broker", "west", "kill")
        local result = failover(env, { "--disaster", "--wait", "20" })
        assert.are.equal(0, #kafka.connectors(east), result.stderr)
        assert.is_truthy(result.stdout:find("May be missing in east: at least 37 records: what was not copied of what "
            .. "west's topics held at ", 1, true), result.stdout .. result.stderr)
        assert.are.same({ once = 0, more = 0, lost = 37 }, kafka.tally(east, topics[1], 1001, 1037))
        for _, topic in ipairs(topics) do kafka.produce(east, topic, 101, 130) end
        kafka.rig("broker", "west", "start")
        kafka.rig("worker", "west", "start")
        result = failover(env, { "--disaster" })
        assert.are.equal(0, result.status, result.stderr)
        for _, topic in ipairs(topics) do
            kafka.wait_for_records(west, topic, 130)
            socket.sleep(1)
            all_once(west, topic, 1, 130)
        end
    end)
end)
