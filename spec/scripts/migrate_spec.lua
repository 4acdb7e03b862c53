local runbook = require("spec.support.runbook")
local support = require("spec.support")

local titles = "sourceAlias,kafkaSource,to,topicsRegex,useRenaming,usePrivateIps,maxTasks,targetLatency\n"

describe("the migrate runbook", function()
    local migrate = runbook.new "migrate"

    after_each(function() migrate:stop() end)

    -- A CSV file of so many mirrors, half of them on each of two clusters; the latency of the i-th is 20000 + i.
    local function list(count)
        local lines = { titles }
        for i = 1, count do
            local forward = i % 2 == 1
            local source = forward and runbook.west or runbook.east
            lines[#lines + 1] = ('%s,%s,%s,"new-%d\\..*",false,false,3,%d\n'):format(source:match("^[^=]+"),
                source:match(",(.+)"), forward and support.us_east or support.us_west, i, 20000 + i)
        end
        return support.temporary("fleet.csv", table.concat(lines))
    end

    local function contains(text, part)
        assert.is_truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text))
    end

    local function count_requests()
        local counts = { total = 0 }
        for _, request in ipairs(migrate.sandbox:requests()) do
            counts.total = counts.total + 1
            counts[request.operation] = (counts[request.operation] or 0) + 1
        end
        return counts
    end

    -- Version 2 of the API creates mirrors with their target latencies.
    local at_create = support.api == "v2"
    local it_on_v1 = at_create and function() end or it

    it("creates what is missing with next to no request too many, and sets target latencies", function()
        migrate:start { world = 0, creating_seconds = 0.5 }
        local result = migrate:run({}, { list(60) })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "60 of 60 mirrors up, 60 created, 0 adopted, " .. (at_create and 0 or 60))
        local counts = count_requests()
        assert.are.equal(2, counts.list)
        assert.are.equal(60, counts.create)
        assert.are.equal(not at_create and 60 or nil, counts.update_target_latency)
        assert.is_true(counts.get >= 60 and counts.get <= 68, counts.get .. " gets")
        for _, mirror in ipairs(migrate:mirrors()) do
            local wanted = 20000 + tonumber(mirror.topicsRegex:match "%d+")
            assert.are.equal(wanted, migrate:ask("get", mirror.id).targetLatency)
        end
    end)

    it("refuses a list without a mirror, which would be a migration that is done at once", function()
        migrate:start()
        local result = migrate:run({}, { list(0) })
        assert.are.equal(2, result.status)
        contains(result.stderr, "there is no mirror in it; expected at least one")
    end)

    it("adopts what is there, and changes nothing the second time", function()
        migrate:start()
        migrate:create "new-1\\..*"
        local file = list(6)
        local result = migrate:run({}, { file })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "6 of 6 mirrors up, 5 created, 1 adopted, " .. (at_create and 1 or 6))
        local before = migrate:changes()
        result = migrate:run({}, { file })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "6 of 6 mirrors up, 0 created, 6 adopted, 0 target latencies set")
        assert.are.same(before, migrate:changes())
    end)

    it("names those that fail with the command to run next, and that one replaces them", function()
        migrate:start { world = 0, fail_every = 5 }
        local file = list(6)
        local result = migrate:run({}, { file, "--max-failures", "50%" })
        assert.are.equal(3, result.status, result.stderr)
        contains(result.stdout, "is FAILED\n")
        local command = "To continue:  kmirror run migrate %s --max-failures 50%% --replace-failed\n"
        contains(result.stdout, command:format(file))
        result = migrate:run({ "--yes" }, { file, "--max-failures", "50%", "--replace-failed" })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "6 of 6 mirrors up, 1 created, 5 adopted")
        assert.are.equal(3, #migrate:mirrors())
    end)

    it("that is stopped amid creates says to wait before it is continued, unless it is a job", function()
        migrate:start { world = 0, list_delay = 2, faults = support.temporary("slow.lua",
            [[return { { fault = "stall", operation = "create", seconds = 0.5 } }]]) }
        local file, warning = list(30), "wait 10 s before you continue: the mirrors that were created last may not be"
        for job, told in pairs { ["--yes"] = true, ["--job=night"] = false } do
            local words = migrate:arguments({ job, "--concurrency", "2" }, { file })
            words.env.XDG_STATE_HOME = support.temporary_directory("state")
            local before = migrate:changes().create or 0
            local process = support.start(words)
            support.eventually("a create", function() return (migrate:changes().create or 0) > before end)
            process:signal("INT")
            local result = process:wait()
            assert.are.equal(130, result.status, result.stderr)
            assert.are.equal(told, result.stderr:find(warning, 1, true) ~= nil, result.stderr)
            contains(result.stderr, "error: to continue: kmirror ")
        end
    end)

    it("as a job tells one way to continue, and that one works", function()
        migrate:start { world = 0, fail_every = 5 }
        local file = list(6)
        local home = support.temporary_directory("state")
        local env = migrate.sandbox:env()
        env.XDG_STATE_HOME = home
        local result = support.run { "--job", "weekend", "run", "migrate", file, "--max-failures", "50%", env = env }
        assert.are.equal(3, result.status, result.stderr)
        local said = result.stdout .. result.stderr
        local _, ways = said:gsub("[tT]o continue: ", "")
        assert.are.equal(1, ways, said)
        local command = said:match("To continue:  kmirror ([^\n]+)\n")
        assert.are.equal(("run migrate %s --max-failures 50%% --replace-failed"):format(file), command)
        local again = ("exec %s --yes %s"):format(support.executable, command)
        result = support.run { "-c", again, command = "sh", env = env }
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "6 of 6 mirrors up")
    end)

    it("begins no further batch when too many of one fail", function()
        migrate:start { world = 0, fail_every = 2 }
        local result = migrate:run({}, { list(20), "--batches", "2,100%" })
        assert.are.equal(3, result.status, result.stderr)
        contains(result.stdout, "Stopped: 1 of 2 mirrors not healthy, with --max-failures 10%.")
        assert.are.equal(2, migrate:changes().create)
    end)

    it("leaves what is there twice to a human", function()
        migrate:start { world = 0 }
        local first, second = migrate:create "new-1\\..*", migrate:create "new-1\\..*"
        local result = migrate:run({}, { list(2), "--max-failures", "1" })
        assert.are.equal(3, result.status, result.stderr)
        contains(result.stdout, ("is there 2 times: %s, %s; delete all but one"):format(first, second))
    end)

    it("makes each mirror once when answers are lost and it is killed on the way", function()
        migrate:start { world = 0, faults = "lossy" }
        local file = list(16)
        local run = support.start(migrate:arguments({ "--concurrency", "4" }, { file }))
        support.eventually("some mirrors", function() return (migrate:changes().create or 0) > 5 end, 20)
        run:signal("KILL")
        run:wait()
        support.sleep(2.5) -- lists of this sandbox run up to two seconds behind
        local result = migrate:run({}, { file })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "16 of 16 mirrors up")
        assert.are.equal(16, migrate:changes().create)
    end)

    it("goes on with the others while a create whose answer was lost is undecided", function()
        migrate:start { world = 0, faults = support.temporary("faults.lua", [[
            return { { fault = "drop", when = "after", operation = "create", times = 1 } }]]) }
        local result = migrate:run({}, { list(4) })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "4 of 4 mirrors up, 4 created, 0 adopted, " .. (at_create and 0 or 4))
        local before = { list = 0, get = 0, update_target_latency = 0 }
        for _, request in ipairs(migrate.sandbox:requests()) do
            if before.list == 2 and request.operation == "list" then break end -- the third decides
            before[request.operation] = (before[request.operation] or 0) + 1
        end
        assert.are.equal(at_create and 0 or 3, before.update_target_latency)
        assert.is_true(before.get >= 3)
    end)

    it_on_v1("sets a target latency once the mirror is up, when the API did not take it before", function()
        migrate:start { world = 0, faults = support.temporary("faults.lua", [[return {
            { fault = "garbage", when = "before", operation = "update_target_latency", times = 4 } }]]) }
        local result = migrate:run({}, { list(4) })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "4 of 4 mirrors up, 4 created, 0 adopted, 4 target latencies set")
        assert.are.equal(8, count_requests().update_target_latency)
        assert.are.equal(4, migrate:changes().update_target_latency)
    end)

    it_on_v1("says of a mirror that the API took no target latency for it", function()
        migrate:start { world = 0, faults = support.temporary("faults.lua", [[return {
            { fault = "garbage", when = "before", operation = "update_target_latency" } }]]) }
        local result = migrate:run({}, { list(2), "--max-failures", "2" })
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stdout, "has another target latency: update the target latency of mirror ")
        assert.are.equal(4, count_requests().update_target_latency)
    end)

    it("looks at what is there already while a create whose answer was lost is undecided", function()
        migrate:start { world = 0, faults = support.temporary("faults.lua", [[
            return { { fault = "drop", when = "after", operation = "create", nth = 2 } }]]) }
        migrate:create "new-1\\..*"
        local result = migrate:run({}, { list(2) })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "2 of 2 mirrors up, 1 created, 1 adopted, " .. (at_create and 1 or 2))
        local first_update, last_list
        for i, request in ipairs(migrate.sandbox:requests()) do
            first_update = first_update or request.operation == "update_target_latency" and i or nil
            last_list = request.operation == "list" and i or last_list -- the one that decides
        end
        assert.is_true(first_update < last_list)
    end)

    it("changes nothing in a dry run, and says what it would do", function()
        migrate:start { world = 0 }
        local result = migrate:run({ "--dry-run" }, { list(4) })
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "would create a mirror of 'new-1\\..*' from us-west")
        contains(result.stdout, "4 of 4 mirrors would exist, 4 would be created")
        assert.are.same({}, migrate:changes())
    end)

    it("says what is wrong with the file, and where", function()
        migrate:start { world = 0 }
        local file = support.temporary("bad.csv", titles .. "us-west,,nowhere,x,maybe,false,3,5\n")
        local result = migrate:run({}, { file })
        assert.are.equal(2, result.status)
        contains(result.stderr, "bad.csv:2: useRenaming: expected true or false, got 'maybe'")
    end)
end)
