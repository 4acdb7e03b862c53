local kafka = require("spec.kafka.kafka")
local support = require("spec.support")

local east, west = kafka.east, kafka.west

describe("on a real Kafka, the runbooks and commands that ship:", function()
    local env, topics, directory

    local function run(...)
        local words = { ... }
        words.env, words.timeout = env, 200
        local result = support.run(words)
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout, result.stdout .. result.stderr
    end

    setup(function()
        kafka.clear()
        env, topics, directory = kafka.home(), {}, support.temporary_directory("runbooks")
        local api = kafka.connect(east)
        for i = 1, 3 do
            topics[i] = kafka.make_topic(west, kafka.name("runbook"))
            api:create(kafka.spec(east, topics[i], { sourceType = "instaclustr",
                kafkaSource = require("mirrors").kafka_id("west"), maxTasks = 1 }))
        end
        kafka.wait_until_in_sync(api)
    end)
    teardown(kafka.clear)

    it("audit finds nothing wrong, watch sees all in sync", function()
        local _, told = run("run", "audit")
        assert.is_truthy(told:find("3 mirrors on 2 clusters: 0 errors, 0 warnings.", 1, true), told)
        _, told = run("run", "watch", "--until", "in-sync", "--for", "60")
        assert.is_truthy(told:find("3 IN_SYNC", 1, true), told)
        run("run", "watch", "--until", "left == 0", "--for", "60")
    end)

    it("retune sets the target latencies of all", function()
        run("run", "--yes", "retune", "--latency", "45000")
        for _, listed in ipairs(kafka.connect(east):list()) do
            assert.are.equal(45000, listed.targetLatency)
        end
    end)

    it("plan finds nothing to do of what export writes, and apply creates anew what drain has deleted", function()
        local fleet = support.write(directory .. "/fleet.lua", run("export"))
        assert.is_truthy(run("plan", fleet):find("Nothing to change; 3 as wanted", 1, true))
        run("run", "--yes", "drain", "--regex", topics[1], "--save", directory .. "/saved.json")
        assert.are.equal(2, #kafka.connect(east):list())
        run("apply", "--yes", directory .. "/saved.fleet.lua")
        assert.is_truthy(run("plan", fleet):find("Nothing to change; 3 as wanted", 1, true))
    end)

    it("migrate --replace-failed restarts first, and creates anew what is FAILED after that", function()
        local api, broken = kafka.connect(east), kafka.make_topic(west, kafka.name("runbook"))
        local id = api:create(kafka.spec(east, broken, { sourceType = "instaclustr", maxTasks = 1,
            kafkaSource = require("mirrors").kafka_id("west") }))
        kafka.ask(east, "PATCH", "/connectors/" .. api:get(id).connectorName .. "/config",
            { ["source.cluster.security.protocol"] = "NONE" })
        kafka.eventually(function() return api:get(id).status == "FAILED" end)
        local list = support.write(directory .. "/failed.csv", ("from,to,topicsRegex,useRenaming,maxTasks\n"
            .. "west,east,%s,true,1\n"):format(broken))
        local _, told = run("run", "--yes", "migrate", "--replace-failed", "--wait", "60", list)
        assert.is_truthy(told:find("1 restarted, 1 still FAILED", 1, true), told)
        support.raises("not_found", api.get, api, id)
        for _, listed in ipairs(api:list()) do
            if listed.topicsRegex == broken then api:delete(listed.id) end
        end
    end)

    local function ids_by_regex()
        local ids = {}
        for _, listed in ipairs(kafka.connect(east):list()) do
            ids[listed.topicsRegex] = listed.id
        end
        return ids
    end

    it("rollout changes regexes in place, says so before it asks, and rolls back what does not get healthy", function()
        local before = ids_by_regex()
        local _, told = run("run", "--yes", "rollout", "--source", "west", "--target", "east", "--only", topics[3],
            "--to", topics[3] .. "|x")
        assert.is_truthy(told:find("the mirrors are changed in place, none is created or deleted", 1, true), told)
        assert.is_truthy(told:find("in-place: 1 of 1 mirror healthy, none created or deleted", 1, true), told)
        assert.are.equal(before[topics[3]], ids_by_regex()[topics[3] .. "|x"])
        local result = support.run { "run", "--yes", "rollout", "--source", "west", "--target", "east", "--only",
            topics[3] .. "|x", "--to", "nothing-at-all", "--wait", "8", env = env, timeout = 100 }
        assert.are.equal(1, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("1 mirror was rolled back: the old regex is back.", 1, true), result.stdout)
        assert.are.equal(before[topics[3]], ids_by_regex()[topics[3] .. "|x"])
        run("run", "--yes", "rollout", "--source", "west", "--target", "east", "--only", topics[3] .. "|x", "--to",
            topics[3])
        assert.are.same(before, ids_by_regex())
    end)

    it("rollout gives a mirror a new regex, migrate adopts what is there and creates the rest", function()
        run("run", "--yes", "rollout", "--source", "west", "--target", "east", "--only", topics[2], "--to",
            topics[2] .. "|x", "--strategy", "create-first", "--allow-overlap", "--wait", "120")
        local regexes = {}
        for regex in pairs(ids_by_regex()) do regexes[regex] = true end
        assert.are.same({ [topics[1]] = true, [topics[2] .. "|x"] = true, [topics[3]] = true }, regexes)
        local more = kafka.make_topic(west, kafka.name("runbook"))
        local list = support.write(directory .. "/list.csv", ("from,to,topicsRegex,useRenaming,maxTasks\n"
            .. "west,east,%s,true,1\nwest,east,%s,true,1\n"):format(topics[3], more))
        local _, told = run("run", "--yes", "migrate", "--wait", "60", list)
        assert.is_truthy(told:find("2 of 2 mirrors up, 1 created, 1 adopted", 1, true), told)
    end)
end)
