local postgres = require("spec.support.postgres")
local support = require("spec.support")

describe("a store in PostgreSQL", function()
    local server, name, store

    setup(function()
        server = postgres.start()
        server:sql("CREATE ROLE runner LOGIN; CREATE ROLE stranger LOGIN; "
            .. "CREATE ROLE with_password LOGIN PASSWORD 's3cret'")
    end)
    teardown(function() server:stop() end)

    before_each(function()
        name = server:database()
        store = server:url(name)
    end)

    local function kmirror(...)
        return support.run { ... }
    end

    local function as(user)
        return server:url(name, user)
    end

    local function job(url, ...)
        return kmirror("--sandbox", "--store", url, "--job", "j", "--yes", "run",
            support.temporary("runbook.lua", [[
                local api = require("mirrors").connect {}
                api:update_target_latency(api:list()[1].id, 7000)]]), ...)
    end

    it("is made by init, told of by status, and ready for jobs", function()
        local before = kmirror("store", "status", "--store", store)
        assert.are.equal(1, before.status)
        assert.matches("PostgreSQL %d+.*, as postgres; it has no schema of kmirror's: kmirror store init",
            before.stdout)
        local refused = job(store)
        assert.are.equal(2, refused.status)
        local advice = "has no schema of kmirror's yet: kmirror store init --store " .. store
        assert.is_truthy(refused.stderr:find(advice, 1, true), refused.stderr)
        assert.matches("is ready %(version %d+%)", kmirror("store", "init", "--store", store).stderr)
        assert.matches("is up to date", kmirror("store", "init", "--store", store).stderr)
        local after = kmirror("store", "status", "--store", store)
        assert.are.equal(0, after.status)
        assert.matches("version %d+, 0 jobs\n$", after.stdout)
        local ran = job(store)
        assert.are.equal(0, ran.status, ran.stderr)
        local shown = require("cjson").decode(kmirror("jobs", "--json", "--store", store).stdout)[1]
        assert.are.same({ "j", "done", "postgres" }, { shown.name, shown.state, shown.user })
        assert.are.equal("0", server:sql("SELECT count(*) FROM kmirror.leases", name))
    end)

    it("is refused where the schema is another program's, or a table of it is gone", function()
        server:sql("CREATE SCHEMA kmirror; CREATE TABLE kmirror.jobs (x int)", name)
        for _, result in ipairs({ kmirror("store", "init", "--store", store), job(store) }) do
            assert.are.equal(2, result.status)
            assert.matches("its schema kmirror has tables, but not this program's", result.stderr, 1, true)
        end
        local other = server:database()
        kmirror("store", "init", "--store", server:url(other))
        server:sql("DROP TABLE kmirror.changes", other)
        for _, result in ipairs({ kmirror("store", "status", "--store", server:url(other)), job(server:url(other)) }) do
            assert.are.equal(2, result.status)
            assert.matches("it has no table kmirror.changes", result.stderr, 1, true)
        end
    end)

    it("is brought up to date by migrate, and says that it must be", function()
        local missing = kmirror("store", "migrate", "--store", store)
        assert.are.equal(2, missing.status)
        assert.matches("has no schema of kmirror's to migrate: kmirror store init", missing.stderr)
        kmirror("store", "init", "--store", store, "--grant", "runner")
        local newest = server:sql("SELECT number FROM kmirror.version", name)
        server:sql("UPDATE kmirror.version SET number = 0", name)
        local old = job(store)
        assert.are.equal(2, old.status)
        assert.matches("its schema has version 0, and this kmirror needs " .. newest .. ": kmirror store migrate",
            old.stderr)
        server:sql("UPDATE kmirror.version SET number = 99", name)
        for _, action in ipairs { "init", "migrate" } do
            local newer = kmirror("store", action, "--store", store)
            assert.are.equal(2, newer.status)
            assert.matches("a newer kmirror has made its schema %(version 99", newer.stderr)
        end
    end)

    it("lets those work in it whom it was granted to, who can change nothing about its tables", function()
        kmirror("store", "init", "--store", store, "--grant", "runner")
        local ran = job(as "runner")
        assert.are.equal(0, ran.status, ran.stderr)
        assert.are.equal("runner", server:sql("SELECT \"user\" FROM kmirror.runs", name))
        assert.are.equal(0, kmirror("jobs", "forget", "j", "--store", as "runner").status)
        for _, statement in ipairs { "DROP TABLE kmirror.jobs", "ALTER TABLE kmirror.jobs ADD x text",
            "CREATE TABLE kmirror.x (a text)", "DROP SCHEMA kmirror CASCADE", "UPDATE kmirror.version SET number = 7",
            "UPDATE kmirror.secret SET key = ''" } do
            local result = support.run { command = "psql", "-X", "-d", as "runner", "-c", statement }
            assert.are_not.equal(0, result.status, statement)
        end
    end)

    it("tells whom it was not granted to who can change that, as doctor does", function()
        kmirror("store", "init", "--store", store)
        local refused = job(as "stranger")
        assert.are.equal(2, refused.status)
        assert.matches("permission denied for schema kmirror", refused.stderr)
        assert.matches("kmirror store init %-%-grant ROLE", refused.stderr)
        local doctor = kmirror("doctor", "--sandbox", "--store", as "stranger")
        assert.matches("store\tfail\t[^\n]*permission denied", doctor.stdout)
        server:sql("GRANT USAGE ON SCHEMA kmirror TO stranger; "
            .. "GRANT SELECT ON ALL TABLES IN SCHEMA kmirror TO stranger", name)
        doctor = kmirror("doctor", "--sandbox", "--store", as "stranger")
        assert.matches("store\tfail\t[^\n]*without the right to INSERT in kmirror.jobs", doctor.stdout)
        doctor = kmirror("doctor", "--sandbox", "--store", store)
        assert.matches("store\tok\tpostgresql://[^\n]* as postgres, with 0 jobs", doctor.stdout)
    end)

    it("is told of by doctor: the version of its tables, its clock, and how much of the quota is used", function()
        kmirror("store", "init", "--store", store)
        local sandbox = support.sandbox { rate = 35 }
        local env = sandbox:env()
        local function doctor(more)
            for each, value in pairs(more or {}) do env[each] = value end
            return support.run({ "doctor", "--store", store, env = env }).stdout
        end
        local first = doctor()
        assert.matches("; its tables have version %d+; its clock agrees with this machine's\t\n", first)
        assert.matches("\nshared quota\tok\t%d+ requests so far, %d+ in the last second; no 429 so far\t\n", first)
        local account = server:sql("SELECT account FROM kmirror.quota", name)
        server:sql("UPDATE kmirror.quota SET throttled_at = extract(epoch FROM now()) - 120, number = 5000", name)
        assert.are_not.equal("", account)
        local ahead = doctor(support.preload("hour_ahead", {}))
        assert.matches("its clock, which leases go by, is 3600 seconds behind this machine's", ahead)
        assert.matches("shared quota\tok\t50%d%d requests so far, %d+ in the last second; the last 429 was 2 min",
            ahead)
        sandbox:stop()
    end)

    it("tells whose rights do not suffice for the database itself, and keeps odd names from the terminal", function()
        local poor = kmirror("store", "init", "--store", as "stranger")
        assert.are.equal(2, poor.status)
        assert.matches("permission denied for database .*; whoever owns it has to run this, or GRANT CREATE",
            poor.stderr)
        kmirror("store", "init", "--store", store)
        local evil = "e\27[31mvil\nkmirror: \"all\" well"
        server:sql(("CREATE ROLE \"%s\" LOGIN"):format(evil:gsub('"', '""')))
        assert.are.equal(0, kmirror("store", "init", "--store", store, "--grant", evil).status)
        local refused = kmirror("store", "init", "--store", store, "--grant", "")
        assert.are.equal(2, refused.status)
        assert.matches("%-%-grant '': expected the name of a role", refused.stderr)
        local url = store:gsub("postgres@", "")
        for _, words in ipairs { { "store", "status" }, { "jobs" }, { "jobs", "show", "j" }, { "jobs", "forget", "j" },
            { "--sandbox", "doctor" } } do
            local line = { "--sandbox", "--job", "j", "run", "-", stdin = "return 1" }
            for _, each in ipairs { line, words } do
                each.env = { KMIRROR_STORE = url, PGUSER = evil }
                local result = support.run(each)
                assert.is_nil((result.stdout .. result.stderr):find("[\27\r]"), table.concat(each, " "))
                assert.is_nil((result.stdout .. result.stderr):find("\nkmirror: \"all", 1, true))
            end
        end
    end)

    it("is refused with a password in its URL, in whatever way it is named, and no output holds it", function()
        for _, url in ipairs { "postgresql://me:s3cret@127.0.0.1/db", "postgres://me@127.0.0.1/db?password=s3cret",
            "postgresql://127.0.0.1/db?passw%6Frd=s3cret", "POSTGRESQL://me:s3cret@h/db",
            "postgresql://me:s3cret%ZZ@h/db", "postgresql://127.0.0.1/db?sslpassword=s3cret",
            "postgresql://me:s3cret/x@127.0.0.1:1/db", "postgresql://me:s3cret#x@127.0.0.1:1/db" } do
            for _, words in ipairs { { "jobs" }, { "store", "status" }, { "store", "init" }, { "jobs", "resume", "j" },
                { "--sandbox", "--job", "j", "run", "failover" }, { "report", "j" } } do
                local given = table.move(words, 1, #words, 1, {})
                given.env = { KMIRROR_STORE = url }
                local result = support.run(given)
                assert.are.equal(2, result.status, url .. " " .. table.concat(words, " ") .. result.stderr)
                assert.matches("holds a password.*~/.pgpass, PGPASSWORD", result.stderr)
                assert.is_nil((result.stdout .. result.stderr):find("s3cret", 1, true), url)
            end
            local doctor = support.run { "doctor", "--sandbox", env = { KMIRROR_STORE = url } }
            assert.matches("store\tfail\t[^\n]*holds a password", doctor.stdout)
            assert.is_nil((doctor.stdout .. doctor.stderr):find("s3cret", 1, true))
        end
    end)

    it("is reached with a password from ~/.pgpass or a service file, as libpq does it", function()
        kmirror("store", "init", "--store", store, "--grant", "with_password")
        local home = support.temporary_directory "home"
        local service = "postgresql:///?service=team"
        support.write(home .. "/.pg_service.conf", ("[team]\nhost=127.0.0.1\nport=%d\ndbname=%s\nuser=with_password\n")
            :format(server.port, name))
        local refused = support.run { "jobs", "--store", service, env = { HOME = home } }
        assert.are.equal(2, refused.status)
        assert.matches("no password supplied; give it in ~/.pgpass", refused.stderr)
        support.write(home .. "/.pgpass", "*:*:*:with_password:s3cret\n")
        os.execute("chmod 600 " .. home .. "/.pgpass")
        local known = support.run { "jobs", "--store", service, env = { HOME = home } }
        assert.are.equal(0, known.status, known.stderr)
    end)

    it("says what is in the way when it cannot be reached", function()
        for url, pattern in pairs {
            ["postgresql://127.0.0.1:1/kmirror"] = "Connection refused.*is PostgreSQL up there",
            [server:url "nothing"] = 'database "nothing" does not exist.*create it first',
            [server:url(nil, "nobody_here")] = 'role "nobody_here" does not exist.*create it first',
        } do
            local result = kmirror("store", "status", "--store", url)
            assert.are.equal(2, result.status)
            assert.matches(pattern, result.stderr)
            assert.is_truthy(result.stderr:find(url, 1, true), result.stderr)
        end
    end)
end)
