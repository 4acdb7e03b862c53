local postgres = require("spec.support.postgres")
local support = require("spec.support")

-- What older kmirrors have made is in versionN.sql, as their store init made it.
describe("a store in PostgreSQL that an older kmirror has made", function()
    local server, sandbox

    setup(function()
        server = postgres.start()
        server:sql "CREATE ROLE alice LOGIN"
    end)
    teardown(function() server:stop() end)
    before_each(function()
        sandbox = support.sandbox { world = 0, rate = 0, creating_seconds = 0, sync_seconds = 0 }
    end)
    after_each(function() sandbox:stop() end)

    local function kmirror(...)
        local words = { ... }
        words.env = sandbox:env()
        words.env.KMIRROR_LEASE = "1"
        return support.run(words)
    end

    local runbook = support.temporary("runbook.lua", [[
        local api = require("mirrors").connect { settle = 0.2 }
        for i = 1, 6 do
            api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                sourceAlias = "us-west", topicsRegex = "topic" .. i, useRenaming = false, usePrivateIps = false,
                maxTasks = 1 }
            if i == 3 and (...) == "fail" then error("half of it", 0) end
        end]])

    -- A database with the tables of that version, and in them a job that is half done.
    local function older(version)
        local now, before = server:database(), server:database()
        assert.are.equal(0, kmirror("store", "init", "--store", server:url(now)).status)
        assert.are.equal(1, kmirror("--rate", "0", "--store", server:url(now), "--job", "j", "run", runbook,
            "fail").status)
        server:sql(support.read(("spec/postgres/version%d.sql"):format(version)), before)
        local tables = ""
        for _, each in ipairs { "jobs", "runs", "changes", "seen", "secret" } do
            tables = tables .. " -t kmirror." .. each
        end
        server:sql("DELETE FROM kmirror.secret", before)
        local copy = "bash -o pipefail -c 'pg_dump --data-only%s -d %s | psql -Xqv ON_ERROR_STOP=1 -d %s' > /dev/null"
        local moved = os.execute(copy:format(tables, server:url(now), server:url(before)))
        assert.is_true(moved)
        return before
    end

    local function columns(database)
        return server:sql("SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
                .. "WHERE table_schema = 'kmirror' ORDER BY 1, 2", database)
            .. server:sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'kmirror' ORDER BY 1", database)
            .. server:sql("SELECT table_name, privilege_type FROM information_schema.role_table_grants "
                .. "WHERE grantee = 'alice' ORDER BY 1, 2", database)
    end

    it("says that it has to be migrated, is, by several at once, and its jobs go on", function()
        local new = server:database()
        kmirror("store", "init", "--store", server:url(new), "--grant", "alice")
        for version = 1, 2 do
            local name = older(version)
            local store, before = server:url(name, "alice"), sandbox:asked "create"
            local refused = kmirror("jobs", "resume", "j", "--store", store)
            assert.are.equal(2, refused.status)
            assert.matches(("its schema has version %d, and this kmirror needs %%d: kmirror store migrate"):format(
                version), refused.stderr)
            assert.are.equal(1, kmirror("store", "status", "--store", store).status)
            local by_runner = kmirror("store", "migrate", "--store", store)
            assert.are.equal(2, by_runner.status)
            assert.matches("its schema is postgres's, who has to run this", by_runner.stderr)
            local several = {}
            for i = 1, 3 do
                several[i] = support.start { "store", "migrate", "--store", server:url(name) }
            end
            for _, each in ipairs(several) do
                assert.are.equal(0, each:wait(20).status, each:stderr())
            end
            assert.are.equal(columns(new), columns(name))
            local resumed = kmirror("--rate", "0", "--store", store, "--job", "j", "run", runbook)
            assert.are.equal(0, resumed.status, resumed.stderr)
            assert.are.equal(before + 3, sandbox:asked "create")
            local joined = kmirror("--rate", "0", "--store", store, "--job", "k", "--join", "run", runbook)
            assert.are.equal(0, joined.status, joined.stderr)
        end
    end)
end)
