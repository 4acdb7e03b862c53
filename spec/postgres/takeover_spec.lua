local postgres = require("spec.support.postgres")
local support = require("spec.support")

-- A job in PostgreSQL whose runner is lost, or whose database is: what the sandbox was asked tells what was done.
describe("a job in PostgreSQL", function()
    local server, sandbox, store
    local mirrors <const> = 24

    setup(function() server = postgres.start() end)
    teardown(function() server:stop() end)

    local function init(url)
        local made = support.run { "store", "init", "--store", url }
        assert.are.equal(0, made.status, made.stderr)
    end

    before_each(function()
        store = server:url(server:database())
        init(store)
        sandbox = support.sandbox { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 0 }
    end)

    after_each(function() sandbox:stop() end)

    -- Creates mirrors one after the other, as fast as it is told to.
    local source = [[
        local api = require("mirrors").connect {}
        for i = 1, %d do
            api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                sourceAlias = "us-west", topicsRegex = "topic" .. i, useRenaming = true, usePrivateIps = false,
                maxTasks = 1 }
            require("task").sleep(%s)
        end
        print "all there"]]

    local function words(script, env)
        local line = { "--rate", "0", "--store", store, "--job", "j", "run", script, env = sandbox:env() }
        line.env.KMIRROR_LEASE, line.env.KMIRROR_STORE_PATIENCE = "1.5", "20"
        for name, value in pairs(env or {}) do line.env[name] = value end
        return line
    end

    local function runbook(pause)
        return support.temporary("runbook.lua", source:format(mirrors, pause or "0.1"))
    end

    local function resume(env)
        local line = words("", env)
        return support.run { "jobs", "resume", "j", "--store", store, env = line.env }
    end

    local function created()
        local count, by_topic = 0, {}
        for _, request in ipairs(sandbox:requests()) do
            if request.operation == "create" then
                local topic = request.effect and request.effect.topicsRegex or "refused"
                count, by_topic[topic] = count + 1, (by_topic[topic] or 0) + 1
            end
        end
        return count, by_topic
    end

    local function some_are_made()
        support.eventually("the first mirrors", function() return created() >= 4 end, 20)
    end

    local function each_is_made_once()
        local count, by_topic = created()
        for topic, times in pairs(by_topic) do assert.are.equal(1, times, topic) end
        assert.are.equal(mirrors, count)
    end

    it("is taken over, and its first runner, which comes back too late, sends nothing more", function()
        local first = support.start(words(runbook()))
        some_are_made()
        first:signal("STOP")
        local second = resume()
        assert.are.equal(0, second.status, second.stderr)
        assert.matches("did not renew its lease: this run takes it over", second.stderr)
        each_is_made_once()
        first:signal("CONT")
        local result = first:wait(20)
        assert.are.equal(1, result.status)
        assert.matches("this run has lost job 'j', as its lease ran out before it was renewed", result.stderr)
        local command = "goes on: kmirror jobs resume j --store " .. store
        assert.is_truthy(result.stderr:find(command, 1, true), result.stderr)
        each_is_made_once()
    end)

    it("cannot be forgotten while it runs, and each command that is advised is about its store", function()
        local script = runbook()
        local first = support.start(words(script))
        some_are_made()
        for _, options in ipairs { {}, { "--yes" } } do
            local refused = support.run { "jobs", "forget", "j", "--store", store, table.unpack(options) }
            assert.are.equal(2, refused.status)
            assert.matches("job 'j' is running by postgres on .+ %(process " .. first.pid .. "%)", refused.stderr)
        end
        assert.are.equal(0, first:wait(30).status)
        local forget = "over: kmirror jobs forget j --store " .. store
        for _, result in ipairs { resume(), support.run(words(runbook())), support.run(words(script)) } do
            assert.is_truthy(result.stderr:find(forget, 1, true), result.stderr)
        end
    end)

    it("goes on elsewhere when its runner was killed", function()
        local first = support.start(words(runbook()))
        some_are_made()
        first:signal("KILL")
        local began = support.now()
        local second = resume()
        assert.are.equal(0, second.status, second.stderr)
        assert.is_true(support.now() - began < 1.5 + mirrors * 0.1 + 5)
        each_is_made_once()
    end)

    it("is not taken over from a runner that is well, and that one is named", function()
        local first = support.start(words(runbook()))
        some_are_made()
        local second = resume()
        assert.are.equal(2, second.status)
        assert.matches("job 'j' is running by postgres on .+ %(process " .. first.pid .. "%)", second.stderr)
        assert.are.equal(0, first:wait(30).status)
        each_is_made_once()
    end)

    it("is held by the database's clock alone: that of another runner may be an hour ahead", function()
        local ahead = support.preload("hour_ahead", {})
        local first = support.start(words(runbook()))
        some_are_made()
        local second = resume(ahead)
        assert.are.equal(2, second.status)
        assert.matches("job 'j' is running by postgres on ", second.stderr)
        first:signal("STOP")
        second = resume(ahead)
        assert.are.equal(0, second.status, second.stderr)
        first:signal("CONT")
        assert.are.equal(1, first:wait(20).status)
        each_is_made_once()
        local started = server:sql("SELECT max(started) - min(started) > 3000 FROM kmirror.runs", store:match("[^/]+$"))
        assert.are.equal("t", started)
    end)

    it("waits for its database, which is started again, and goes on", function()
        local first = support.start(words(runbook()))
        some_are_made()
        server:stop()
        local before = created()
        support.sleep(2.5) -- longer than the lease
        assert.is_true(created() <= before + 1, "changes went out that could not be written down")
        server:run()
        local result = first:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("does not answer", result.stderr)
        assert.matches("answers again", result.stderr)
        each_is_made_once()
    end)

    it("goes on after its database has crashed, and after its connections were cut again and again", function()
        local first = support.start(words(runbook()))
        some_are_made()
        server:stop("crash")
        server:run()
        for _ = 1, 10 do
            server:sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kmirror'")
            support.sleep(0.1)
        end
        local result = first:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        each_is_made_once()
    end)

    it("ends, and says how to continue, when its database stays away; what it has sent is in it", function()
        local first = support.start(words(runbook(), { KMIRROR_STORE_PATIENCE = "1" }))
        some_are_made()
        server:stop()
        local result = first:wait(20)
        server:run()
        assert.are.equal(1, result.status)
        assert.matches("it was waited for 1 s", result.stderr)
        assert.matches("to continue: kmirror jobs resume j %-%-store postgresql://", result.stderr)
        local second = resume()
        assert.are.equal(0, second.status, second.stderr)
        each_is_made_once()
    end)

    it("waits, while the database hangs, no longer than it is allowed to, and sends nothing meanwhile", function()
        local first = support.start(words(runbook()))
        some_are_made()
        server:signal("STOP", true)
        support.sleep(0.3)
        local before = created()
        support.sleep(2)
        local after = created()
        server:signal("CONT", true)
        assert.are.equal(before, after)
        local result = first:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        each_is_made_once()
    end)

    it("goes on over to a standby that is promoted", function()
        local main = postgres.start()
        local name = main:database()
        init(main:url(name))
        local standby = main:standby()
        store = ("postgresql://postgres@127.0.0.1:%d,127.0.0.1:%d/%s?target_session_attrs=read-write"):format(main.port,
            standby.port, name)
        main:sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        main:sql("SELECT pg_reload_conf()")
        support.eventually("the standby to follow", function()
            return main:sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
        end)
        local first = support.start(words(runbook()))
        some_are_made()
        main:stop("crash")
        standby:promote()
        local result = first:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        each_is_made_once()
        assert.are.equal(tostring(mirrors),
            standby:sql("SELECT count(*) FROM kmirror.changes WHERE state = 'done'", name))
        standby:stop()
    end)
end)
