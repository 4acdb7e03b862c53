local postgres = require("spec.support.postgres")
local support = require("spec.support")

-- A database belongs to somebody who sets it up as he needs it: what he may set must not change what a job does.
describe("a job in a database", function()
    local server, name, store, sandbox

    setup(function()
        server = postgres.start { durable = true, settings = "wal_writer_delay = 10s\n" }
    end)
    teardown(function() server:stop() end)

    before_each(function()
        name = server:database()
        store = server:url(name)
        local made = support.run { "store", "init", "--store", store }
        assert.are.equal(0, made.status, made.stderr)
        sandbox = support.sandbox { world = 0, rate = 0, creating_seconds = 0, sync_seconds = 0 }
    end)
    after_each(function() sandbox:stop() end)

    local function set(setting)
        server:sql(("ALTER DATABASE %s SET %s"):format(name, setting))
    end

    -- Creates a dozen mirrors, one after the other.
    local runbook = support.temporary("runbook.lua", [[
        local api, task = require("mirrors").connect { settle = 0.2 }, require("task")
        for i = 1, 12 do
            api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                sourceAlias = "us-west", topicsRegex = "topic" .. i, useRenaming = false, usePrivateIps = false,
                maxTasks = 1 }
            task.sleep(tonumber((...)))
        end]])

    local function env()
        local found = sandbox:env()
        found.KMIRROR_LEASE, found.KMIRROR_STORE_PATIENCE = "2", "20"
        return found
    end

    local function start(pause, url)
        return support.start { "--rate", "0", "--store", url or store, "--job", "j", "run", runbook, pause,
            env = env() }
    end

    local function is_well(result)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(12, sandbox:asked "create")
    end

    it("that tells times to fewer digits is not damaged by that", function()
        set "extra_float_digits = 0"
        is_well(start(0):wait(20))
        local shown = support.run { "jobs", "show", "j", "--store", store }
        assert.are.equal(0, shown.status, shown.stderr)
    end)

    it("in which transactions see what was there when they began is one runner's all the same", function()
        for _, level in ipairs { "repeatable read", "serializable" } do
            set(("default_transaction_isolation = '%s'"):format(level))
            local holder = support.start { command = "psql", "-X", "-q", "-d", store, "-c",
                "SELECT pg_advisory_lock(hashtextextended('kmirror job j', 0)), pg_sleep(60)" }
            local function waiting(mode)
                return server:sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND " .. mode)
            end
            support.eventually("the lock", function() return waiting "granted" == "1" end)
            local runners = { start(0.2), start(0.2) }
            support.eventually("both to wait", function() return waiting "NOT granted" == "2" end)
            server:sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            holder:stop()
            local statuses = { runners[1]:wait(20).status, runners[2]:wait(20).status }
            table.sort(statuses)
            assert.are.same({ 0, 2 }, statuses, level)
            assert.are.equal(12, sandbox:asked "create")
            sandbox:stop()
            sandbox = support.sandbox { world = 0, rate = 0, creating_seconds = 0, sync_seconds = 0 }
            assert.are.equal(0, support.run({ "jobs", "forget", "j", "--store", store }).status)
        end
    end)

    it("that answers before its disk has it loses nothing when it crashes", function()
        set "synchronous_commit = off"
        local first = start(0.1)
        support.eventually("the first mirrors", function() return sandbox:asked "create" >= 5 end)
        first:signal("KILL")
        server:stop("crash")
        server:run()
        first:wait()
        is_well(support.run { "jobs", "resume", "j", "--store", store, env = env() })
    end)

    it("with time limits waits for what is locked", function()
        for _, limit in ipairs { "lock_timeout = '20ms'", "statement_timeout = '50ms'" } do
            set(limit)
        end
        local first = start(0.1)
        support.eventually("the first mirrors", function() return sandbox:asked "create" >= 2 end)
        server:sql("SET statement_timeout = 0; BEGIN; LOCK kmirror.changes; SELECT pg_sleep(1); COMMIT", name)
        local result = first:wait(20)
        is_well(result)
        assert.matches("cannot be used now %(canceling statement due to lock timeout%).*its lock_timeout",
            result.stderr)
        assert.matches("answers again", result.stderr)
    end)

    it("is taken over soon from a runner that was cut off amid a transaction, whose locks the server holds", function()
        for _, times in ipairs { 1, 2 } do -- when the lease is taken, and when the run is written down
            local proxy = support.start { command = "lua5.4", "spec/support/cut.lua", server.port, "COMMIT", times }
            local port = support.eventually("the proxy's port", function() return proxy:stdout():match("(%d+)\n") end)
            local cut = start(0, (store:gsub(":%d+/", ":" .. port .. "/")))
            support.eventually("the cut", function() return proxy:stdout():find("cut", 1, true) end)
            local began = support.now()
            local result = start(0):wait(25)
            assert.are.equal(0, result.status, result.stderr)
            assert.is_true(support.now() - began < 12, support.now() - began)
            assert.are.equal(12, sandbox:asked "create")
            cut:signal("KILL")
            cut:wait()
            proxy:stop()
        end
    end)

    it("is not begun where not all text can be kept", function()
        server:sql "CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0"
        local result = support.run { "store", "init", "--store", server:url "latin" }
        assert.are.equal(2, result.status)
        assert.matches("its encoding is LATIN1, in which not all text can be kept: make a database in UTF8",
            result.stderr)
    end)
end)
