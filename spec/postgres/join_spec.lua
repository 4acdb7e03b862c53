local postgres = require("spec.support.postgres")
local support = require("spec.support")

-- Runners of one job, each a process of its own, against a sandbox whose log tells what was done.
describe("runners of one job", function()
    local server, sandbox, store, rate

    setup(function() server = postgres.start() end)
    teardown(function() server:stop() end)

    before_each(function()
        store = server:url(server:database())
        local made = support.run { "store", "init", "--store", store }
        assert.are.equal(0, made.status, made.stderr)
    end)

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    local function serve(options)
        local given = { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 0 }
        for name, value in pairs(options or {}) do given[name] = value end
        sandbox, rate = support.sandbox(given), "0"
    end

    -- The words of a run, and what it finds around it.
    local function line(own, script, arguments)
        local words = { "--rate", rate, "--store", store, "--job", "j", "--join", table.unpack(own) }
        table.move({ "run", script, table.unpack(arguments or {}) }, 1, 2 + #(arguments or {}), #words + 1, words)
        words.env = sandbox:env()
        words.env.KMIRROR_LEASE = "2"
        return words
    end

    local function join(script, arguments)
        return support.start(line({}, script, arguments))
    end

    local function runbook(source)
        return support.temporary("runbook.lua", source)
    end

    -- What was asked of the sandbox, by operation and mirror.
    local function changes_of(operation)
        local count, by_id = 0, {}
        for _, request in ipairs(sandbox:requests()) do
            if request.operation == operation and request.status ~= 429 then
                count = count + 1
                local what = request.id or request.topicsRegex or "?"
                by_id[what] = (by_id[what] or 0) + 1
            end
        end
        return count, by_id
    end

    -- Sets the latency of each mirror, once.
    local retuning = [[
        local bulk = require "kmirror.bulk"
        local api = require("mirrors").connect {}
        local result = bulk.each(api:list(), function(mirror)
            api:update_target_latency(mirror.id, 7000)
            require("task").sleep(%s)
            return mirror.id
        end, { concurrency = 4 })
        print(result:summary(), #result:values())
        return result:status()]]

    local function eventually_done(count)
        support.eventually("the first changes", function()
            return changes_of "update_target_latency" >= count
        end, 20)
    end

    -- That many were changed; what was under way when a runner was lost, at most so many, may have been sent again.
    local function is_done(operation, count, again)
        local all, by_what = changes_of(operation)
        local distinct = 0
        for _ in pairs(by_what) do distinct = distinct + 1 end
        assert.are.equal(count, distinct)
        assert.is_true(all <= count + (again or 0), ("%d, more than %d"):format(all, count + (again or 0)))
    end

    it("do each item once, and each tells of all of them", function()
        serve { world = 60 }
        local script = runbook(retuning:format("0.02"))
        local runners = { join(script), join(script), join(script) }
        local own = 0
        for _, runner in ipairs(runners) do
            local result = runner:wait(30)
            assert.are.equal(0, result.status, result.stderr)
            local mine, others, values = result.stdout:match(
                "^60 done, 0 failed, 0 not begun %((%d+) by this runner, (%d+) by others%)\t(%d+)\n$")
            assert.is_truthy(mine, result.stdout)
            assert.are.equal(60, mine + others)
            assert.are.equal("60", values)
            assert.is_true(tonumber(mine) > 0, result.stdout)
            own = own + mine
        end
        assert.are.equal(60, own)
        is_done("update_target_latency", 60)
    end)

    it("take over what one had begun that is killed, and do nothing twice", function()
        serve { world = 40 }
        local script = runbook(retuning:format("0.3"))
        local killed, survivor = join(script), join(script)
        eventually_done(10)
        killed:signal("KILL")
        killed:wait()
        local result = survivor:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("^40 done, 0 failed, 0 not begun", result.stdout)
        is_done("update_target_latency", 40, 4)
        local shown = support.run { "jobs", "--store", store }
        assert.matches("^j\tdone\t2\t", shown.stdout)
    end)

    it("do without one that hangs for longer than its lease, which sends nothing more when it wakes up", function()
        serve { world = 40 }
        local script = runbook(retuning:format("0.3"))
        local hung, survivor = join(script), join(script)
        eventually_done(10)
        hung:signal("STOP")
        local result = survivor:wait(30)
        local before = changes_of "update_target_latency"
        hung:signal("CONT")
        local woken = hung:wait(20)
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("^40 done, 0 failed, 0 not begun", result.stdout)
        assert.are.equal(1, woken.status, woken.stderr)
        assert.matches("has lost job 'j', as its lease ran out", woken.stderr)
        assert.are.equal(before, changes_of "update_target_latency")
        is_done("update_target_latency", 40, 4)
    end)

    it("keep their own leases while the server still holds the locks of one that is gone", function()
        serve { world = 24 }
        local script = runbook(retuning:format("0.3"))
        local gone, survivor = join(script), join(script)
        eventually_done(8)
        gone:signal("KILL")
        local locks = support.start { command = "psql", "-X", "-q", "-d", store, "-c", ("BEGIN; SELECT 1 FROM "
            .. "kmirror.leases WHERE pid = %d FOR SHARE; SELECT pg_sleep(5); COMMIT"):format(gone.pid) }
        local result = survivor:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("^24 done, 0 failed, 0 not begun", result.stdout)
        assert.are.equal(0, locks:wait().status)
        is_done("update_target_latency", 24, 4)
    end)

    it("give back what they had begun when they are interrupted", function()
        serve { world = 30 }
        local script = runbook(retuning:format("0.3"))
        local interrupted, other = join(script), join(script)
        eventually_done(8)
        interrupted:signal("INT")
        assert.are.equal(130, interrupted:wait(10).status)
        local result = other:wait(20)
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("^30 done, 0 failed, 0 not begun", result.stdout)
        is_done("update_target_latency", 30)
    end)

    it("make a change outside of all items once, and all are told what it came to", function()
        serve { world = 3 }
        local script = runbook([[
            local api = require("mirrors").connect {}
            local id = api:create { sourceType = "instaclustr", maxTasks = 1, kafkaSource =
                "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west", topicsRegex = "made",
                useRenaming = false, usePrivateIps = false }
            api:update_target_latency(id, 9000)
            print(id, api:get(id).targetLatency, (pcall(api.update_target_latency, api,
                "00000000-0000-4000-8000-000000000000", 9000)))
            require("task").sleep(1) -- so that all of them are there]])
        local runners, said = { join(script), join(script), join(script) }, {}
        for i, runner in ipairs(runners) do
            local result = runner:wait(20)
            assert.are.equal(0, result.status, result.stderr)
            said[i] = result.stdout
        end
        assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+\t9000\tfalse\n$", said[1])
        assert.are.same({ said[1], said[1], said[1] }, said)
        assert.are.equal(1, (changes_of "create"))
        assert.are.equal(2, (changes_of "update_target_latency"))
    end)

    it("tell each other what came of items, but no secrets, however deep they are", function()
        serve()
        local result = join(runbook([[
            local bulk = require "kmirror.bulk"
            local spec = { topicsRegex = "t", sourceConnectionProperties = "password=h1dden" }
            local result = bulk.each({ 1, 2, 3, 4 }, function(_, place)
                return ({ spec, { made = { spec } }, { { spec } }, { made = "t" } })[place]
            end)
            return result:status()]])):wait()
        assert.are.equal(0, result.status, result.stderr)
        local name = store:match("[^/]+$")
        assert.are.equal('\n\n\n{"made":"t"}', server:sql("SELECT value FROM kmirror.items ORDER BY number", name))
    end)

    it("share each of several bulk.each, but not what is done inside of an item", function()
        serve { world = 12 }
        local script = runbook([[
            local bulk, task = require "kmirror.bulk", require "task"
            local api = require("mirrors").connect {}
            local mirrors = api:list()
            local first = bulk.each(mirrors, function(mirror)
                task.sleep(0.05)
                bulk.each({ 5000, 6000 }, function(latency)
                    api:update_target_latency(mirror.id, latency)
                end, { concurrency = 1 }):status()
            end)
            local second = bulk.each(mirrors, function(mirror, place)
                task.sleep(0.05)
                if place == 1 then error("so it is", 0) end
                api:update_target_latency(mirror.id, 8000)
                return { place = place }
            end, { batches = { 5, 7 }, gate = function(batch)
                print("batch", batch.number, #batch.done, #batch.failed)
            end })
            print(#first.done, #second.done, tostring(second.failed[1].problem), second:values()[11].place)
            return second:status()]])
        for _, runner in ipairs { join(script), join(script) } do
            local result = runner:wait(20)
            assert.are.equal(3, result.status, result.stderr)
            assert.are.equal("batch\t1\t4\t1\nbatch\t2\t7\t0\n12\t11\tso it is\t12\n", result.stdout)
        end
        assert.are.equal(12 * 2 + 11, (changes_of "update_target_latency"))
    end)

    it("refuse to be given other arguments than the others, and take only a store that all reach", function()
        serve { world = 48 }
        local script = runbook(retuning:format("0.3"))
        local first = join(script, { "a b" })
        eventually_done(1)
        local other = join(script, { "c" }):wait()
        assert.are.equal(2, other.status)
        assert.matches("job 'j' is run with other arguments by postgres@.+: 'a b'; give the same to join it",
            other.stderr)
        local alone = line({}, script, { "a b" })
        for i, word in ipairs(alone) do
            if word == "--join" then table.remove(alone, i) end
        end
        other = support.run(alone)
        assert.are.equal(2, other.status)
        assert.matches("job 'j' is running", other.stderr)
        assert.are.equal(0, first:wait(20).status)
        alone[6] = "alone"
        first = support.start(alone)
        local joining = line({}, script, { "a b" })
        joining[6] = "alone"
        local before = changes_of "update_target_latency"
        eventually_done(before + 1)
        other = support.run(joining)
        assert.are.equal(2, other.status, other.stderr)
        assert.matches("job 'alone' is running by postgres on .+, without %-%-join: wait until", other.stderr)
        first:stop()
        local at_home = line({}, script)
        at_home[4] = support.temporary("jobs.db")
        other = support.run(at_home)
        assert.are.equal(2, other.status)
        assert.matches("^kmirror: %-%-join needs a store that the other machines reach, too: give %-%-store "
            .. "postgresql://HOST/DATABASE", other.stderr)
    end)

    it("refuse a runbook of another text, and two lists at once that the others could not tell apart", function()
        serve { world = 24 }
        local script = runbook(retuning:format("0.4"))
        local first = join(script)
        eventually_done(1)
        support.write(script, "-- a new line\n" .. support.read(script))
        local other = join(script):wait()
        assert.are.equal(2, other.status)
        assert.matches("with another text of the runbook .+: give all runners the same", other.stderr)
        assert.are.equal(0, first:wait(20).status)

        local at_once = [[
            local bulk, task = require "kmirror.bulk", require "task"
            local group <close> = task.group()
            for _, name in ipairs { "a", "b" } do
                group:spawn(function()
                    print(#bulk.each({ name }, function() task.sleep(0.1) end, { shared = %s }).done)
                end)
            end]]
        local words = line({}, runbook(at_once:format("true")))
        words[6] = "at-once"
        other = support.run(words)
        assert.are.equal(2, other.status)
        assert.matches("two at once cannot be told apart by the other runners: give each options.shared", other.stderr)
        words = line({}, runbook(at_once:format("name")))
        words[6] = "named"
        other = support.run(words)
        assert.are.equal("1\n1\n", other.stdout, other.stderr)
    end)

    it("refuse to be about another cluster, or without the approval that the others wait for", function()
        serve { world = 24 }
        local script = runbook(retuning:format("0.5"))
        local first = join(script)
        eventually_done(1)
        local elsewhere = line({ "--cluster", support.us_west }, script)
        local home = support.temporary_directory("config")
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua", ([[return { profiles = { p = { clusters = {
            east = { connect = "%s", kafka = "5a9b1c52-0000-4000-8000-000000000002", alias = "us-east" } } } } }]])
            :format(support.us_east))
        local with_profile = line({ "--profile", "p" }, script)
        with_profile.env.XDG_CONFIG_HOME = home
        for words, said in pairs {
            [elsewhere] = "with another cluster, version of the API, or profile: give all runners the same --cluster",
            [line({ "--api", "v2" }, script)] = "with another cluster, version of the API",
            [line({ "--approval" }, script)] = "without --approval: join it without",
        } do
            local result = support.run(words)
            assert.are.equal(2, result.status, result.stderr)
            assert.is_truthy(result.stderr:find(said, 1, true), result.stderr)
        end
        assert.are.equal(0, support.run(with_profile).status)
        assert.are.equal(0, first:wait(20).status)
        is_done("update_target_latency", 24)
    end)

    it("are not kept out by a run of their own machine and process number that has long been gone", function()
        serve { world = 3 }
        local script = runbook(retuning:format("0"))
        assert.are.equal(0, join(script):wait().status)
        local name = store:match("[^/]+$")
        -- a container that is started again: its host and process number are what they were
        server:sql("CREATE FUNCTION kmirror.same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE kmirror.runs "
            .. "SET ended = NULL, status = NULL, host = new.host, pid = new.pid, version = '0.0.1', digest = NULL "
            .. "WHERE number = 1; RETURN new; END $$; ALTER TABLE kmirror.runs ALTER digest DROP NOT NULL; CREATE "
            .. "TRIGGER same BEFORE INSERT ON kmirror.leases FOR EACH ROW EXECUTE FUNCTION kmirror.same()", name)
        local again = join(script):wait()
        assert.are.equal(0, again.status, again.stderr)
    end)

    it("may begin at the same instant, with the same arguments or, but for one of them, with others", function()
        serve { world = 10 }
        local script = runbook(retuning:format("0.1"))
        local runners = {}
        for i = 1, 4 do runners[i] = join(script, { i % 2 == 1 and "x" or "y" }) end
        local statuses = {}
        for _, runner in ipairs(runners) do
            local result = runner:wait(20)
            statuses[result.status] = (statuses[result.status] or 0) + 1
        end
        assert.are.equal(4, (statuses[0] or 0) + (statuses[2] or 0))
        assert.is_true(statuses[0] >= 2)
        is_done("update_target_latency", 10)
    end)

    -- Fails for the items whose numbers are given, each after a while.
    local failing = [[
        local bulk, task = require "kmirror.bulk", require "task"
        local items = {}
        for i = 1, 30 do items[i] = "item " .. i end
        local result = bulk.each(items, function(item, place)
            task.sleep(0.1)
            if %s then error("so it is", 0) end
        end, { concurrency = 2, batches = { 6, 24 }, max_failures = "%s" })
        print(result.batch, #result.failed, result.stopped)
        return result:status()]]

    it("count failures for the batch that they are of, also one that joins when a later one has some", function()
        serve()
        local script = runbook(failing:format("place > 6 and place <= 10", "20%"))
        local first = join(script)
        support.eventually("four failures", function()
            return server:sql("SELECT count(*) FROM kmirror.items WHERE state = 'failed'", store:match("[^/]+$")) == "4"
        end)
        for _, runner in ipairs { join(script), first } do
            local result = runner:wait(20)
            assert.are.same({ 3, "2\t4\tnil\n" }, { result.status, result.stdout }, result.stderr)
        end
    end)

    it("all stop when too many have failed, whosever items they were", function()
        serve()
        local script = runbook(failing:format("place % 3 == 0", "10%"))
        local runners = { join(script), join(script), join(script) }
        for _, runner in ipairs(runners) do
            local result = runner:wait(20)
            assert.are.equal(3, result.status, result.stderr)
            assert.matches("^1\t[12]\t%d of %d items? failed, more than 10%%\n", result.stdout)
        end
    end)

    it("all stop when the gate of one of them stays closed, and go on from there when it is open", function()
        serve()
        local closed = support.temporary("closed", "")
        local script = runbook(([[
            local bulk, host, task = require "kmirror.bulk", require "host", require "task"
            local items = {}
            for i = 1, 40 do items[i] = "item " .. i end
            local result = bulk.each(items, function() task.sleep(0.1) end, {
                concurrency = 2, batches = { 8, 32 }, gate = function(batch)
                    local file = batch.number == 1 and io.open(%q, "r+")
                    if not file then return true end
                    local first = file:read("a") == ""
                    file:write("looked\n")
                    file:close()
                    if first then task.sleep(0.5) end
                    return not first, "the lag grows"
                end })
            print(result.stopped, #result.done < 40)
            return result:status()]]):format(closed))
        for _, runner in ipairs { join(script), join(script) } do
            local result = runner:wait(20)
            assert.are.equal(3, result.status, result.stderr)
            assert.matches("^the lag grows[^\n]*\ttrue\n$", result.stdout)
        end
        os.remove(closed)
        local resumed = support.run { "jobs", "resume", "j", "--store", store, env = sandbox:env() }
        assert.are.equal(0, resumed.status, resumed.stderr)
        assert.are.equal("nil\tfalse\n", resumed.stdout)
    end)

    it("go on where all of them were killed", function()
        serve { world = 30 }
        local script = runbook(retuning:format("0.2"))
        local killed = { join(script), join(script) }
        eventually_done(10)
        for _, runner in ipairs(killed) do runner:signal("KILL") end
        for _, runner in ipairs(killed) do runner:wait() end
        local resumed = { "jobs", "resume", "j", "--store", store, env = sandbox:env() }
        resumed.env.KMIRROR_LEASE = "2"
        local runners = { support.start(resumed), support.start(resumed) }
        for _, runner in ipairs(runners) do
            local result = runner:wait(20)
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("^30 done, 0 failed, 0 not begun", result.stdout)
        end
        is_done("update_target_latency", 30, 8)
    end)

    it("go on with what one had done alone, and send nothing of that again", function()
        serve { world = 30 }
        local script = runbook(retuning:format("0.2"))
        local alone = line({}, script)
        table.remove(alone, 7)
        assert.is_nil(table.concat(alone, " "):find("--join", 1, true))
        local first = support.start(alone)
        eventually_done(12)
        first:signal("KILL")
        first:wait()
        local runners = { join(script), join(script) }
        for _, runner in ipairs(runners) do
            local result = runner:wait(20)
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("^30 done, 0 failed, 0 not begun", result.stdout)
        end
        is_done("update_target_latency", 30, 4)
    end)

    -- A CSV file of so many mirrors.
    local function fleet(count)
        local lines = { "sourceAlias,kafkaSource,to,topicsRegex,useRenaming,usePrivateIps,maxTasks,targetLatency\n" }
        for i = 1, count do
            lines[i + 1] = ("us-west,5a9b1c52-0000-4000-8000-000000000001,%s,new-%d\\..*,false,false,3,%d\n"):format(
                support.us_east, i, 20000 + i)
        end
        return support.temporary("fleet.csv", table.concat(lines))
    end

    it("migrate mirrors together, each created once, also when one is killed amid creates", function()
        serve { creating_seconds = 0.5, list_delay = 1, rate = 60 }
        rate = "60"
        local file = fleet(90)
        local runners = { join("migrate", { file }), join("migrate", { file }), join("migrate", { file }) }
        support.eventually("some creates", function() return changes_of "create" >= 30 end, 20)
        runners[1]:signal("KILL")
        runners[1]:wait()
        for i = 2, 3 do
            local result = runners[i]:wait(60)
            assert.are.equal(0, result.status, result.stderr .. result.stdout)
            assert.matches("90 of 90 mirrors up, %d+ created, %d+ adopted", result.stdout)
            assert.matches("by this runner, %d+ by others", result.stdout)
        end
        is_done("create", 90)
        local listed = support.run { "list", "--json", env = sandbox:env() }
        assert.are.equal(90, select(2, listed.stdout:gsub('"topicsRegex"', "")))
    end)

    it("retune together", function()
        serve { world = 60, creating_seconds = 0 }
        rate = "60"
        local runners = {}
        for i = 1, 2 do
            runners[i] = support.start(line({ "--yes" }, "retune", { "--latency", "9000" }))
        end
        for _, runner in ipairs(runners) do
            local result = runner:wait(20)
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("by this runner, %d+ by others", result.stderr)
        end
        is_done("update_target_latency", 60)
    end)

    it("go on where the database was restarted meanwhile", function()
        serve { world = 40 }
        local script = runbook(retuning:format("0.2"))
        local runners = { join(script), join(script) }
        eventually_done(8)
        server:restart()
        for _, runner in ipairs(runners) do
            local result = runner:wait(30)
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("^40 done, 0 failed, 0 not begun", result.stdout)
        end
        is_done("update_target_latency", 40)
    end)

    it("all go on after the database was away for longer than their leases", function()
        serve { world = 60 }
        local script = runbook(retuning:format("0.3"))
        local runners = { join(script), join(script), join(script) }
        eventually_done(12)
        server:stop()
        support.sleep(3)
        server:run()
        for _, runner in ipairs(runners) do
            local result = runner:wait(30)
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("^60 done, 0 failed, 0 not begun", result.stdout)
        end
        is_done("update_target_latency", 60)
    end)

    it("create each mirror once where answers are lost, one is killed and one is cut off", function()
        local faults = support.temporary("faults.lua", [[return {
            { fault = "drop", when = "after", operation = "create", probability = 0.2 },
            { fault = "drop", when = "before", probability = 0.1 },
        }]])
        serve { faults = faults, seed = 1 }
        local script = runbook([[
            local bulk = require "kmirror.bulk"
            local api = require("mirrors").connect { settle = 0.5, backoff = 0.02, retries = 20 }
            local names = {}
            for i = 1, 60 do names[i] = "new-" .. i end
            local result = bulk.each(names, function(name)
                require("task").sleep(0.1)
                return api:create { sourceType = "instaclustr", maxTasks = 1, kafkaSource =
                    "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west", topicsRegex = name,
                    useRenaming = false, usePrivateIps = false }
            end, { concurrency = 8, rounds = 10, pause = 0.1 })
            local ids = {}
            for _, id in ipairs(result:values()) do ids[id] = true end
            for _, mirror in ipairs(api:list()) do ids[mirror.id] = nil end
            print(#result.done, next(ids))
            return result:status()]])
        local killed, hung, survivor = join(script), join(script), join(script)
        support.eventually("some creates", function() return changes_of "create" >= 20 end, 20)
        killed:signal("KILL")
        killed:wait()
        hung:signal("STOP")
        local result = survivor:wait(40)
        hung:signal("CONT")
        hung:wait(20)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("60\tnil\n", result.stdout)
        local made, distinct = 0, {}
        for _, request in ipairs(sandbox:requests()) do
            if request.effect and request.effect.change == "created" then
                made, distinct[request.effect.topicsRegex] = made + 1, true
            end
        end
        local count = 0
        for _ in pairs(distinct) do count = count + 1 end
        assert.are.same({ 60, 60 }, { made, count })
    end)

    it("make the changes of a plain loop once, though each of them runs it, and one is killed", function()
        serve()
        local script = runbook([[
            local api = require("mirrors").connect { settle = 0.3 }
            for i = 1, 15 do
                local id = api:create { sourceType = "instaclustr", maxTasks = 1, kafkaSource =
                    "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west", topicsRegex = "new-" .. i,
                    useRenaming = false, usePrivateIps = false }
                api:update_target_latency(id, 9000)
            end
            print(#api:list())]])
        local killed, others = join(script), { join(script), join(script) }
        support.eventually("some creates", function() return changes_of "create" >= 4 end, 20)
        killed:signal("KILL")
        killed:wait()
        for _, runner in ipairs(others) do
            local result = runner:wait(30)
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal("15\n", result.stdout)
        end
        assert.are.equal(15, (changes_of "create"))
        is_done("update_target_latency", 15, 1)
    end)
end)
