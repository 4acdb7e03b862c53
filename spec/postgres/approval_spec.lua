-- Four eyes: a run of a job that goes on only when another user of the store has approved just what it shows.
local cjson = require("cjson")
local postgres = require("spec.support.postgres")
local regions = require("spec.support.regions")
local support = require("spec.support")

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), part .. "\nis not in\n" .. text)
end

describe("An approval", function()
    local server, database, it_, names = nil, nil, nil, 0

    setup(function()
        server = postgres.start()
        database = server:database()
        local url = server:url(database)
        for _, role in ipairs { "alice", "bob" } do
            server:sql("CREATE ROLE " .. role .. " LOGIN")
            local result = support.run { "store", "init", "--store", url, "--grant", role }
            assert(result.status == 0, result.stderr)
        end
    end)
    teardown(function() server:stop() end)

    before_each(function()
        names = names + 1
        it_ = regions.start()
    end)
    after_each(function() it_:stop() end)

    local function job() return "job" .. names end
    local function store(user) return server:url(database, user) end

    -- Deletes what it finds when it was approved.
    local runbook = support.temporary("delete.lua", [[
        local confirm, mirrors = require "kmirror.confirm", require "mirrors"
        local api = mirrors.connect {}
        local ids, list = {}, api:list()
        for i, mirror in ipairs(list) do ids[i] = mirror.topicsRegex end
        table.sort(ids)
        confirm.typed("delete " .. #list .. " mirrors", "delete", nil, table.concat(ids, "\n"))
        for _, mirror in ipairs(list) do api:delete(mirror.id) end
        print("deleted " .. #list)]])

    local function env()
        local found = it_:env()
        found.KMIRROR_LEASE = "2" -- seconds: some runs are killed
        return found
    end

    local function start(user, ...)
        return support.start { env = env(), "run", "--approval", "--job", job(), "--store", store(user), ... }
    end

    local function jobs(user, action, ...)
        return support.run { env = env(), "jobs", action, job(), "--store", store(user), ... }
    end

    -- Kills a run, and waits until its lease has run out.
    local function kill(process)
        process:signal("KILL")
        process:wait()
        support.eventually("the lease to run out", function()
            return cjson.decode(jobs("bob", "show", "--json").stdout).state == "killed"
        end, 20)
    end

    local function until_it_waits(process)
        support.eventually("the question", function()
            if not process:alive() then error("it has ended: " .. process:wait().stderr, 0) end
            return process:stderr():find("to refuse:", 1, true)
        end, 20)
    end

    local function deletes()
        local count = 0
        for _, operation in ipairs(it_:changes()) do
            count = count + (operation == "delete" and 1 or 0)
        end
        return count
    end

    it("by another user lets the run go on, which asks the API nothing while it waits", function()
        local run = start("alice", "--reason", "OPS-7", "--hook", "start=true", runbook)
        until_it_waits(run)
        local asked = #it_.sandbox:requests()
        local anybody = store "alice":gsub("alice@", "") -- who approves is somebody else
        says(run:stderr(), ("to approve:  kmirror jobs approve %s --store %s\n"):format(job(), anybody))
        local shown = jobs("bob", "show")
        says(shown.stdout, "to approve")
        support.sleep(1)
        assert.are.equal(asked, #it_.sandbox:requests())
        local approved = jobs("bob", "approve", "--yes", "--reason", "looks right")
        assert.are.equal(0, approved.status, approved.stderr)
        says(approved.stderr, "Asked by alice at ")
        says(approved.stderr, "Reason:   OPS-7\nHook:     start=true\n\ndelete 6 mirrors\n\ncarts")
        local result = run:wait(20)
        assert.are.same({ 0, "deleted 6\n", 6 }, { result.status, result.stdout, deletes() }, result.stderr)
        says(result.stderr, "approved by bob at ")
        says(result.stderr, ": looks right\n")
        local row = cjson.decode(jobs("bob", "show", "--json").stdout).approval
        assert.are.same({ "approved", "alice", "bob", "looks right" },
            { row.state, row.asked_by, row.decided_by, row.why })
    end)

    it("cannot be given by who has asked, whatever he sends to the database", function()
        local run = start("alice", "--approval-timeout", "6", runbook)
        until_it_waits(run)
        local result = jobs("alice", "approve", "--yes")
        assert.are.equal(2, result.status)
        says(result.stderr, "was asked for by yourself (alice): it takes another user of the store to approve it")
        local digest = cjson.decode(jobs("alice", "show", "--json").stdout).approval.digest
        local function psql(statement)
            return support.run { command = "psql", "-X", "-q", "-A", "-t", "-d", store "alice", "-c", statement }
        end
        assert.are.equal("self\n", psql(("SELECT kmirror.decide_approval('%s', '%s', 'approved', NULL)"):format(job(),
            digest)).stdout)
        for _, statement in ipairs {
            "UPDATE kmirror.approvals SET state = 'approved', decided_by = 'bob'",
            ("INSERT INTO kmirror.approvals VALUES ('%s', 1, '', '', 'alice', now(), now(), 'approved', 'bob')")
                :format(job()),
            "DELETE FROM kmirror.approvals",
        } do
            says(psql(statement).stderr, "permission denied for table approvals")
        end
        assert.are.equal(1, run:wait(20).status)
        assert.are.equal(0, deletes())
    end)

    it("that is refused ends the run, with why; asked for again it is a new question", function()
        local run = start("alice", runbook, "--token=hunter22", "us-west")
        until_it_waits(run)
        local refused = jobs("bob", "refuse", "--reason", "not before ten")
        assert.are.equal(0, refused.status, refused.stderr)
        assert.matches("Runbook:  [^\n]+delete%.lua '?%-%-token=%(hidden%)'? us%-west\n", refused.stderr)
        assert.is_nil((run:stderr() .. refused.stderr):find("hunter22", 1, true))
        local result = run:wait(20)
        assert.are.equal(1, result.status)
        says(result.stderr, "not approved: refused by bob at ")
        says(result.stderr, ": not before ten; nothing was changed\n")
        says(jobs("bob", "approve", "--yes").stderr, "it was refused by bob at ")
        local again = support.start { env = env(), "jobs", "resume", job(), "--store", store "alice" }
        until_it_waits(again)
        says(again:stderr(), "it was refused by bob at ")
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        assert.are.equal(0, again:wait(20).status)
        assert.are.equal(6, deletes())
    end)

    it("that nobody gives in time ends the run, and cannot be given later", function()
        local result = start("alice", "--approval-timeout", "1", runbook):wait(20)
        assert.are.equal(1, result.status)
        says(result.stderr, "not approved: nobody has decided in time, until ")
        says(result.stderr, "to ask again: kmirror jobs resume " .. job())
        local late = jobs("bob", "approve", "--yes")
        assert.are.equal(2, late.status)
        says(late.stderr, "has waited in vain, until ")
        assert.are.equal("timed out", cjson.decode(jobs("bob", "show", "--json").stdout).approval.state)
        assert.are.equal(0, deletes())
    end)

    it("is of what was shown: what has changed in the meantime is asked for anew", function()
        local run = start("alice", runbook)
        until_it_waits(run)
        local first = cjson.decode(jobs("bob", "show", "--json").stdout).approval.digest
        run:signal("INT")
        local interrupted = run:wait(20)
        assert.are.equal(130, interrupted.status)
        says(interrupted.stderr, "what was asked for can still be approved; the job goes on then when it is resumed")
        it_:create(support.us_east, "us-west", "5a9b1c52-0000-4000-8000-000000000001", "another")
        local again = support.start { env = env(), "jobs", "resume", job(), "--store", store "alice" }
        until_it_waits(again)
        says(again:stderr(), "what an earlier run has asked an approval for has changed in the meantime")
        local other = jobs("bob", "approve", "--yes", "--digest", first:sub(1, 12))
        assert.are.equal(2, other.status)
        says(other.stderr, "it has changed in the meantime; nothing was decided")
        assert.are.equal(2, jobs("bob", "approve", "--digest", "12").status)
        local second = cjson.decode(jobs("bob", "show", "--json").stdout).approval.digest
        assert.are.equal(0, jobs("bob", "approve", "--yes", "--digest", second:sub(1, 12)).status)
        assert.are.equal("deleted 7\n", again:wait(20).stdout)
    end)

    it("that is given while nobody waits, as the run was killed, holds when it is resumed", function()
        local run = start("alice", runbook)
        until_it_waits(run)
        kill(run)
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        local result = support.run { env = env(), timeout = 60, "jobs", "resume", job(), "--store", store "alice" }
        assert.are.equal(0, result.status, result.stderr)
        says(result.stderr, "approved already by bob at ")
        assert.are.equal("deleted 6\n", result.stdout)
    end)

    it("is waited for by whoever resumes, when the run was killed before it was given", function()
        local run = start("alice", runbook)
        until_it_waits(run)
        kill(run)
        local again = support.start { env = env(), "jobs", "resume", job(), "--store", store "bob" }
        until_it_waits(again)
        says(jobs("bob", "approve", "--yes").stderr, "was asked for by yourself (bob)")
        assert.are.equal(0, jobs("alice", "approve", "--yes").status)
        assert.are.equal(0, again:wait(20).status)
    end)

    it("is not taken away by one who joins with another reason, which whoever approves would be shown", function()
        local run = start("alice", "--join", "--reason", "OPS-7", runbook)
        until_it_waits(run)
        local other = start("bob", "--join", runbook):wait(20)
        assert.are.equal(2, other.status)
        says(other.stderr, "with another --reason or --hook, and whoever approves it is shown that: give the same")
        local same = start("bob", "--join", "--reason", "OPS-7", runbook)
        until_it_waits(same)
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        assert.are.equal(0, run:wait(20).status)
        assert.are.equal(0, same:wait(20).status)
        assert.are.equal(6, deletes())
    end)

    it("comes before any change: a runbook that does not ask is stopped at its first", function()
        local hasty = support.temporary("hasty.lua", [[local api = require "mirrors".connect {}
            api:delete(api:list()[1].id)]])
        local result = start("alice", hasty):wait(20)
        assert.are.equal(1, result.status)
        says(result.stderr, "refused: nothing has been approved yet")
        assert.are.equal(0, deletes())
    end)

    it("is waited for through a restart of the database", function()
        local run = start("alice", runbook)
        until_it_waits(run)
        server:restart()
        support.sleep(1)
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        local result = run:wait(30)
        assert.are.same({ 0, 6 }, { result.status, deletes() }, result.stderr)
    end)

    it("of a shipped runbook shows the mirrors that it is about", function()
        local run = support.start(it_:arguments("failover", regions.west, regions.east,
            { "--approval", "--yes", "--job", job(), "--store", store "alice" },
            { "--hook", regions.fence, "--hook", regions.clients, "--state", support.temporary "state.json" }))
        until_it_waits(run)
        local approved = jobs("bob", "approve", "--yes")
        says(approved.stderr, "failover: delete 6 mirrors us-west -> us-east, and create them the other way\n\nTOPICS ")
        assert.is_truthy(approved.stderr:find("\norders\\%.%.%* +%x+%-"), approved.stderr)
        local result = run:wait(60)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, deletes())
    end)

    it("of a failover is void when a mirror has gone while it was waited for", function()
        local run = support.start(it_:arguments("failover", regions.west, regions.east,
            { "--approval", "--yes", "--job", job(), "--store", store "alice" },
            { "--state", support.temporary "state.json" }))
        until_it_waits(run)
        local id = it_:mirrors_on(support.us_east)[1].id
        it_:kmirror("delete", "--yes", id, "--cluster", support.us_east)
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        local result = run:wait(30)
        assert.are.equal(1, result.status, result.stderr)
        says(result.stderr, "is gone, since the approval was asked for; nothing was changed: run it again")
        assert.are.equal(1, deletes())
    end)

    it("is asked for by each shipped runbook that changes something, and by apply", function()
        local fleet = support.temporary("fleet.lua", ([[return { clusters = {
            east = { connect = "%s", kafka = "5a9b1c52-0000-4000-8000-000000000002", alias = "us-east" },
            west = { connect = "%s", kafka = "5a9b1c52-0000-4000-8000-000000000001", alias = "us-west" } },
            mirrors = { { from = "west", to = "east", topicsRegex = "new", useRenaming = false, maxTasks = 1 } } }]])
            :format(support.us_east, support.us_west))
        for name, words in pairs {
            ["migrate: create what is missing of the 1 mirror"] = { "run", "migrate", fleet },
            ["retune: set 6 target latencies"] = { "run", "retune", "--latency", "77000" },
            ["drain: delete 6 mirrors for good"] = { "run", "drain", "--all", "--busy", "--save",
                support.temporary "drained.json" },
            ["rollout: replace 1 mirror us-west -> us-east"] = { "run", "rollout", "--source", regions.west, "--target",
                regions.east, "--only", "begins:orders", "--to", "orders-only", "--strategy", "delete-first",
                "--max-tasks", "1" },
            ["apply: create 1 mirror, retune 0, delete 0"] = { "apply", fleet },
        } do
            names = names + 1
            local run = support.start { env = env(), "--approval", "--yes", "--job", job(), "--store", store "alice",
                "--rate", "0", table.unpack(words) }
            until_it_waits(run)
            assert.are.same({}, it_:changes())
            local refused = jobs("bob", "refuse", "--reason", "no")
            says(refused.stderr, name)
            assert.are.equal(1, run:wait(20).status, run:stderr())
        end
        assert.are.same({}, it_:changes())
    end)

    it("is given by day for what begins at night", function()
        local at = math.floor(support.now() + 5)
        local run = start("alice", "--not-before", os.date("!%Y-%m-%dT%H:%M:%SZ", at), runbook)
        until_it_waits(run)
        assert.are.equal(0, jobs("bob", "approve", "--yes").status)
        support.eventually("the wait", function()
            return run:stderr():find("%-%-not%-before: begins at [^\n]+, in ")
        end)
        assert.are.equal(0, deletes())
        local result = run:wait(20)
        assert.are.same({ 0, 6 }, { result.status, deletes() }, result.stderr)
        assert.is_true(support.now() >= at)
    end)

    it("of a saved plan is one of its digest, and holds when its job is resumed", function()
        local fleet = support.temporary("fleet.lua", ([[return { clusters = {
            east = { connect = "%s", kafka = "5a9b1c52-0000-4000-8000-000000000002", alias = "us-east" },
            west = { connect = "%s", kafka = "5a9b1c52-0000-4000-8000-000000000001", alias = "us-west" } },
            mirrors = { { from = "west", to = "east", topicsRegex = "new", useRenaming = false, maxTasks = 1 } } }]])
            :format(support.us_east, support.us_west))
        local plan = support.temporary "night.plan"
        assert.are.equal(0, it_:kmirror("plan", fleet, "-o", plan).status)
        local digest = cjson.decode(it_:kmirror("show", "--json", plan).stdout).digest
        local run = support.start { env = env(), "apply", plan, "--approval", "--job", job(), "--store",
            store "alice" }
        until_it_waits(run)
        kill(run)
        local approved = jobs("bob", "approve", "--yes")
        says(approved.stderr, "digest " .. digest)
        says(approved.stderr, "create: same names, 1 task")
        local result = support.run { env = env(), timeout = 60, "jobs", "resume", job(), "--store", store "alice" }
        assert.are.equal(0, result.status, result.stderr)
        says(result.stdout, "1 created")
    end)
end)
