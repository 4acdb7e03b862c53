-- What runbooks say of mirrors that look well at first sight: a task has FAILED under a connector that is RUNNING, or a
-- RUNNING connector has no task, as its regex takes no topic.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST = support.us_east
local WEST_KAFKA = regions.west:match(",(.+)")
local FAILED = "is FAILED, though its connectors are RUNNING: a task of theirs has failed\n"

local function list(regex)
    return support.temporary("fleet.csv", ("sourceAlias,kafkaSource,to,topicsRegex,useRenaming,usePrivateIps,maxTasks,"
        .. "targetLatency\nus-west,%s,%s,\"%s\",false,false,3,20000\n"):format(WEST_KAFKA, EAST, regex))
end

describe("a mirror of which a task has failed", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    it("stops a failover before anything is changed, unless that is accepted", function()
        start { world = 2, fail_tasks_every = 1 }
        local id = it_:create(EAST, "us-west", WEST_KAFKA, "returns\\..*")
        local result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, ("mirror %s of 'returns\\..*' %s"):format(id, FAILED))
        has(result.stderr, "to take responsibility for what was found, once it is understood: --accept failed\n")
        assert.are.same({ "create" }, it_:changes())
        result = it_:failover({ "--yes" }, { "--accept", "failed" })
        assert.are.equal(3, result.status, result.stderr) -- the new ones fail, too
        has(result.stderr, "of 1 mirror that was accepted nothing shows that all has arrived")
    end)

    it("is one that does not work when it is to bring records back", function()
        start { world = 6, fail_tasks_every = 3 }
        local result = it_:failover({ "--yes" })
        assert.are.equal(3, result.status, result.stderr)
        has(result.stdout, "4 of 6 new mirrors us-east -> us-west work")
        assert.are.equal(2, select(2, result.stderr:gsub("error: mirror %S+ of '%S+' is FAILED, though", "")))
    end)

    it("ends the fence, also when its rates are at zero", function()
        start { world = 0, fail_tasks_every = 1, sync_seconds = 4 }
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" },
            { "--accept", "out_of_sync", "--hook", regions.fence, "--offset-sync", "20" }))
        local result = run:wait(30)
        assert.are.equal(1, result.status)
        has(result.stderr, "is FAILED, its mirror connector RUNNING, its checkpoint connector RUNNING; no mirror was")
        assert.are.same({ "create" }, it_:changes())
    end)

    it("is rolled back by a rollout", function()
        start { world = 3, fail_tasks_every = 1 }
        local result = it_:kmirror("--yes", "run", "rollout", "--source", regions.west, "--target", regions.east,
            "--strategy", "create-first", "--to", "{old}|x")
        assert.are.equal(1, result.status)
        has(result.stderr, FAILED)
        has(result.stdout, "0 of 3 new mirrors healthy, 0 old ones deleted")
        assert.are.equal(3, #it_:mirrors_on(EAST))
    end)

    it("is a failure of migrate and apply, a warning of plan, and an error of audit", function()
        start { world = 0, fail_tasks_every = 1 }
        local result = it_:kmirror("--yes", "run", "migrate", list("orders\\..*"))
        assert.are.equal(1, result.status)
        has(result.stdout, FAILED)
        has(result.stdout, "0 of 1 mirror up")
        result = it_:kmirror("plan", list("orders\\..*"))
        has(result.stderr, "is FAILED, though its connectors are RUNNING: a task of theirs has failed; delete it, so "
            .. "that it is created again")
        result = it_:kmirror("--yes", "apply", list("payments\\..*"))
        assert.are.equal(1, result.status)
        has(result.stderr, "is FAILED, though its connectors are RUNNING: a task of theirs has failed; delete it")
        result = it_:kmirror("run", "audit", "--json")
        assert.are.equal(3, result.status)
        for _, each in ipairs(json.decode(result.stdout).findings) do
            assert.are.same({ "error", "failed", FAILED:sub(1, -2) }, { each.level, each.kind, each.message })
        end
    end)

    it("is neither in sync nor idle for watch, and ends a wait", function()
        start { world = 0, fail_tasks_every = 1 }
        local id = it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        for _, condition in ipairs { "in-sync", "idle" } do
            it_:producers("us-west", "stop")
            local result = it_:kmirror("run", "watch", "--interval", "0.1", "--until", condition, "--for", "0.3")
            assert.are.equal(1, result.status)
            has(result.stderr, ("%s of 'orders\\..*' (FAILED)"):format(id))
        end
        local result = support.run { "--rate", "0", "run", "-", env = it_:env(), stdin = ([[
            local api = require("mirrors").connect {}
            require("kmirror.wait").ready(api, { "%s" }, require("kmirror.health").works)]]):format(id) }
        assert.are.equal(1, result.status)
        has(result.stderr, "waited without success: mirror " .. id)
        has(result.stderr, FAILED)
    end)
end)

describe("a mirror whose regex takes no topic", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    it("is warned of by migrate and apply, as being up shows nothing", function()
        start { world = 0 }
        local result = it_:kmirror("--yes", "run", "migrate", list("nothing"))
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("warning: 1 mirror lists no topic yet: mirror %S+ of 'nothing': does its "
            .. "regex match any%?\n"), result.stderr)
        result = it_:kmirror("--yes", "apply", list("none"))
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("warning: 1 mirror lists no topic yet: mirror %S+ of 'none': does its "
            .. "regex match any%?\n"), result.stderr)
        result = it_:kmirror("--yes", "apply", list("orders\\..*"))
        assert.is_nil(result.stderr:find("no topic", 1, true), result.stderr)
    end)

    it("is not in sync for watch, and not healthy for audit and failover", function()
        start { world = 0 }
        it_:create(EAST, "us-west", WEST_KAFKA, "none")
        local result = it_:kmirror("run", "watch", "--interval", "0.1", "--until", "in-sync", "--for", "0.3")
        assert.are.equal(1, result.status)
        assert.are.equal(3, it_:kmirror("run", "audit").status)
        result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'none' lists no topic\n")
    end)

    it("is STALE_TOPIC in the end, and each says why: nothing waits any longer, and a rollout takes it back", function()
        start { world = 1, stale_empty = 0.5 }
        local result = it_:kmirror("--yes", "run", "rollout", "--source", regions.west, "--target", regions.east,
            "--strategy", "create-first", "--to", "none")
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'none' is STALE_TOPIC: it lists no topic\n")
        local id = it_:create(EAST, "us-west", WEST_KAFKA, "none")
        support.eventually("STALE_TOPIC", function() return it_:get(EAST, id).status == "STALE_TOPIC" end)
        local found = json.decode(it_:kmirror("run", "audit", "--json").stdout).findings
        assert.are.same({ "stale", "is STALE_TOPIC: it lists no topic" }, { found[1].kind, found[1].message })
        result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'none' is STALE_TOPIC: it lists no topic\n")
        has(it_:kmirror("plan", list("none")).stderr, "is STALE_TOPIC: it lists no topic; delete it, so that it is")
    end)

    it("does not work as one that brings records back, where the one before it listed some", function()
        local result = support.run { "run", "-", stdin = [[
            local up, gate = require "kmirror.failover.up", require "kmirror.failover.gate"
            local task = require "task"
            require("host").jump()
            local function mirror(id, topics)
                return { id = id, topicsRegex = id, status = "IN_SYNC", mirrorStatus = "RUNNING",
                    checkpointStatus = "RUNNING", targetLatency = 30000, topicStatuses = topics }
            end
            local some = { { name = "orders", averageLatency = 5, averageRate = 1 } }
            local late, began = { { name = "heartbeats", averageLatency = 5, averageRate = 1 } }, task.now()
            local now = { a = function() return some end, b = function() return late end, c = function() return {} end,
                d = function() return task.now() - began > 60 and some or {} end }
            local before = { a = some, b = some, c = {}, d = some }
            local run = { given = { wait = 600 }, born = {}, state = { mirrors = {} },
                step = function(_, _, work) return select(2, work()) end,
                reverse = { get = function(_, id) return mirror(id, now[id]()) end } }
            for _, id in ipairs { "a", "b", "c", "d" } do
                local its = mirror(id, before[id])
                its.reverse = id
                table.insert(run.state.mirrors, its)
            end
            up.bring(run)
            for _, each in ipairs(gate.broken(run)) do print(each.id, each.empty) end
            print(task.now() - began > 119 and task.now() - began < 200)]] }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("b\ttrue\ntrue\n", result.stdout)
    end)
end)
