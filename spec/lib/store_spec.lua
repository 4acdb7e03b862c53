local support = require("spec.support")

-- Runs Lua in the host, with a store's file as `path`; returns what it printed.
local function run(path, script, options)
    options = options or {}
    local result = support.run { "run", "-", env = options.env, stdin = ([[
        local stores, sqlite = require "kmirror.store", require "kmirror.store.sqlite"
        local path = %q
        local job = { name = "j", script = "failover", target = "here", created = 1.5 }
        local first = { number = 1, args = { "--to", "us-east", "" }, directory = "/tmp", settings = { rate = 5 },
            started = 2.25 }
        local function change(fields)
            local made = { number = 1, order = 2, key = "k", operation = "create", cluster = "c",
                arguments = { topicsRegex = "a\"\\.*\n" }, state = "sent", run = 1, sent = 3.125, asked = true }
            for key, value in pairs(fields or {}) do made[key] = value end
            return made
        end
        local function show(value)
            print(require("kmirror.json").encode(value))
        end
        %s]]):format(path, script) }
    if options.fails then
        assert.are.equal(options.fails, result.status)
        return result.stderr
    end
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

local function place()
    return support.temporary_directory("store") .. "/jobs.db"
end

local function shell(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("%s+$", ""))
end

local function sqlite3(path, statement)
    return shell(("sqlite3 %s %s"):format(support.quote(path), support.quote(statement)))
end

describe("a store in SQLite", function()
    it("gives back, opened anew, what was written into it", function()
        local path = place()
        run(path, [[
            local store = stores.open(path)
            store:begin_run(job, first)
            store:write_changes("j", { change() })
            store:write_changes("j", { change { number = 2, order = 4, operation = "delete", id = "m", state = "failed",
                problem = "no such mirror; sorry ☹", answered = 4.5 } })
            store:write_changes("j", { change { order = 2, state = "done", id = "made", answered = 5 } })
            store:write_seen("j", { order = 1, cluster = "c", ids = { "m2", "m1" } })
            store:write_seen("j", { order = 3, cluster = "c", ids = { "m3" } })
            store:write_seen("j", { order = 3, cluster = "d", ids = { "m3" } })
            first.ended, first.status = 9, 130
            store:end_run("j", first, { 2 })
            store:begin_run(job, { number = 2, args = {}, directory = "/", settings = {}, started = 10 })
            store:close()
            store:close()]])
        assert.are.equal([[
{"created":1.5,"name":"j","script":"failover","target":"here"}
[{"args":["--to","us-east",""],"directory":"/tmp","ended":9,"number":1,"settings":{"rate":5},]]
            .. [["started":2.25,"status":130},]]
            .. [[{"args":{},"directory":"/","number":2,"settings":{},"started":10}]
[{"answered":5,"arguments":{"topicsRegex":"a\"\\.*\n"},"asked":true,"cluster":"c","id":"made","key":"k","number":1,]]
            .. [["operation":"create","order":2,"run":1,"sent":3.125,"state":"done"},]]
            .. [[{"answered":4.5,"arguments":{"topicsRegex":"a\"\\.*\n"},"asked":false,"cluster":"c","id":"m",]]
            .. [["key":"k","number":2,"operation":"delete",]]
            .. [["order":4,"problem":"no such mirror; sorry ☹","run":1,"sent":3.125,]]
            .. [["state":"failed"}]
[{"cluster":"c","ids":["m1","m2"],"order":1},{"cluster":"c","ids":["m3"],"order":3},]]
            .. [[{"cluster":"d","ids":["m3"],"order":3}]
]], run(path, [[
            local store = stores.open("sqlite:" .. path)
            show(store:job("j"))
            show(store:runs("j"))
            show(store:changes("j"))
            show(store:seen("j"))
            store:close()]]))
    end)

    it("forgets a job with all that belongs to it, and no other", function()
        local path = place()
        run(path, [[
            local store = stores.open(path)
            for _, name in ipairs { "j", "k" } do
                job.name = name
                store:begin_run(job, first)
                store:write_changes(name, { change() })
                store:write_seen(name, { order = 1, cluster = "c", ids = { "m" } })
            end
            store:forget("j")]])
        local count = "SELECT group_concat(job || count, ' ') FROM (SELECT job, count(*) AS count FROM %s GROUP BY job)"
        for _, name in ipairs { "runs", "changes", "seen" } do
            assert.are.equal("k1", sqlite3(path, count:format(name)))
        end
        assert.are.equal("k", sqlite3(path, "SELECT name FROM jobs"))
    end)

    it("is its owner's alone, and so are its directory, its key and its locks", function()
        local directory = support.temporary_directory("state") .. "/a b/it's"
        local path = directory .. "/jobs.db"
        run(path, [[
            local store = stores.open(path)
            store:secret()
            store:begin_run(job, first)
            store:lock("j")]])
        local modes = shell(("umask 0; stat -c '%%a %%n' %s %s/*"):format(support.quote(directory),
            support.quote(directory)))
        assert.are.equal(("700 %s\n600 %s\n600 %s.j.lock\n600 %s.key"):format(directory, path, path, path), modes)
    end)

    it("is found where the environment says", function()
        local home = support.temporary_directory("home")
        local function url(env)
            return run("", "print('sqlite:~' .. stores.open().url:sub(#'sqlite:' + #os.getenv('HOME') + 1))",
                { env = { HOME = home, XDG_STATE_HOME = env.state, KMIRROR_STORE = env.store } })
        end
        assert.are.equal("sqlite:~/.local/state/kmirror/jobs.db\n", url {})
        assert.are.equal("sqlite:~/.local/state/kmirror/jobs.db\n", url { store = "" })
        assert.are.equal("sqlite:~/s/kmirror/jobs.db\n", url { state = home .. "/s" })
        assert.are.equal("sqlite:~/x.db\n", url { state = home .. "/s", store = "sqlite:" .. home .. "/x.db" })
        assert.are.equal("sqlite:~/y.db\n", url { store = "sqlite://" .. home .. "/y.db" })
    end)

    it("refuses the URL of what it cannot be kept in, without the password in it", function()
        local problem = run("", "stores.open('mysql://user:s3cret@host/jobs')", { fails = 2 })
        assert.are.equal("kmirror: a store 'mysql:…' is not known: expected sqlite:FILE or "
            .. "postgresql://HOST/DATABASE\n", problem)
        for _, mistyped in ipairs { " postgresql://me:s3cret@h/db", "host=h password=s3cret" } do
            problem = run("", ("stores.open(%q)"):format(mistyped), { fails = 2 })
            assert.are.equal("kmirror: the store is no file and no URL that is known: expected FILE, sqlite:FILE or "
                .. "postgresql://HOST/DATABASE\n", problem)
        end
        run("", "stores.open('sqlite:')", { fails = 2 })
        assert.matches("no place to keep jobs in: .*HOME.*; give %-%-store sqlite:FILE",
            run("", "stores.open()", { fails = 2, env = { HOME = false } }))
    end)

    it("says what to install when LuaDBI is missing, or its driver", function()
        for _, missing in ipairs { "DBI", "dbd.sqlite3" } do
            local problem = run(place(), ([[
                local _, globals = debug.getupvalue(sqlite.open, 1)
                for i = 2, 9 do
                    local name, value = debug.getupvalue(sqlite.open, i)
                    if name == "_ENV" then globals = value end
                end
                local find = globals.require
                globals.require = function(name)
                    if name == %q then error("module not found") end
                    return find(name)
                end
                stores.open(path)]]):format(missing), { fails = 1 })
            assert.matches("^kmirror: jobs need LuaDBI.*: apt install lua%-dbi%-sqlite3\n$", problem)
        end
    end)

    -- What may be in the way of opening a store, and what is said then.
    local function refused(path, pattern)
        local problem = run(path, "stores.open(path)", { fails = 1 })
        assert.matches(pattern, problem)
        assert.is_truthy(problem:find(path, 1, true))
    end

    it("refuses a file that is no database, and leaves it as it is", function()
        local path = place()
        support.write(path, ("this is a letter to my aunt\n"):rep(100))
        refused(path, "file is not a database; it is damaged, or no store: move it away, or give %-%-store")
        assert.are.equal(2800, #support.read(path))
    end)

    it("refuses the database of another program", function()
        local path = place()
        sqlite3(path, "CREATE TABLE jobs (a)")
        refused(path, "the database of another program")
    end)

    it("refuses a database that a newer kmirror has made", function()
        local path = place()
        run(path, "stores.open(path)")
        sqlite3(path, "PRAGMA user_version = 99")
        refused(path, "a newer kmirror has made it")
    end)

    it("refuses a damaged database", function()
        local path = place()
        run(path, [[
            local store = stores.open(path)
            store:begin_run(job, first)
            for number = 1, 500 do store:write_changes("j", { change { number = number } }) end
            store:close()]])
        local content = support.read(path)
        support.write(path, content:sub(1, 8192) .. ("\xa5"):rep(20000) .. content:sub(28193))
        refused(path, "it is damaged")
    end)

    -- A job with a run, two changes and what was seen.
    local function fill(path)
        run(path, [[
            local store = stores.open(path)
            store:begin_run(job, first)
            store:write_changes("j", { change { state = "done", id = "m", answered = 4, problem = "\0\xff" } })
            store:write_changes("j", { change { number = 2 } })
            store:write_seen("j", { order = 1, cluster = "c", ids = { "m1" } })]])
    end

    local read_all = [[
        local store = stores.open(path)
        for _, name in ipairs { "jobs", "runs", "changes", "seen" } do show(store[name](store, "j")) end]]

    it("names what is damaged, whichever part of a row it is, and concludes nothing from it", function()
        local path = place()
        fill(path)
        run(path, read_all)
        local whole = support.read(path)
        local columns = {
            jobs = "script target created",
            runs = "args directory settings started ended status user host pid version reason",
            changes = "position key operation cluster id arguments problem run sent answered asked item",
            seen = "position cluster id",
        }
        for name, list in pairs(columns) do
            for column in list:gmatch("%S+") do
                local value = ("1 + COALESCE(%s, 0)"):format(column)
                sqlite3(path, ("UPDATE %s SET %s = %s WHERE rowid = 1"):format(name, column, value))
                local problem = run(path, read_all, { fails = 1 })
                assert.matches("^kmirror: the store .+: job 'j': .+ is damaged, so nothing can be concluded", problem,
                    name .. "." .. column)
                support.write(path, whole)
            end
        end
        assert.are.equal("", sqlite3(path, "UPDATE changes SET state = 'failed' WHERE number = 2"))
        assert.matches("change 2 is damaged", run(path, read_all, { fails = 1 }))
    end)

    -- Of the time before runs said who runs them.
    local function drop_who(path)
        for column in ("user host pid version reason"):gmatch("%S+") do
            sqlite3(path, ("ALTER TABLE runs DROP COLUMN %s"):format(column))
        end
        sqlite3(path, "ALTER TABLE changes DROP COLUMN item")
    end

    it("reads what a kmirror without digests has written, and is still writing", function()
        local path = place()
        fill(path)
        local before = run(path, read_all)
        for name in ("jobs runs changes seen"):gmatch("%S+") do
            sqlite3(path, ("ALTER TABLE %s DROP COLUMN digest"):format(name))
        end
        drop_who(path)
        sqlite3(path, "PRAGMA user_version = 1")
        assert.are.equal(before, run(path, read_all))
        assert.are.equal("64", sqlite3(path, "SELECT DISTINCT length(digest) FROM changes"))
        sqlite3(path, "UPDATE changes SET digest = NULL, problem = 'from then' WHERE number = 2")
        assert.matches("from then", run(path, read_all))
    end)

    it("reads what a kmirror has written that did not say who runs it, and adds who does from then on", function()
        local path = place()
        fill(path)
        local before = run(path, read_all)
        local digest = sqlite3(path, "SELECT digest FROM runs")
        drop_who(path)
        sqlite3(path, "PRAGMA user_version = 2")
        assert.are.equal(before, run(path, read_all))
        assert.are.equal(digest, sqlite3(path, "SELECT digest FROM runs"))
        run(path, [[
            stores.open(path):begin_run(job, { number = 2, args = {}, directory = "/", settings = {}, started = 10,
                user = "alice", host = "jump", pid = 17, version = "9.9", reason = "OPS-17" })]])
        assert.are.equal([[{"args":{},"directory":"/","host":"jump","number":2,"pid":17,"reason":"OPS-17",]]
            .. [["settings":{},"started":10,"user":"alice","version":"9.9"}]] .. "\n",
            run(path, "show(stores.open(path):runs('j')[2])"))
        sqlite3(path, "UPDATE runs SET user = NULL WHERE number = 2")
        assert.matches("run 2 is damaged", run(path, read_all, { fails = 1 }))
    end)

    it("has an error with a name for whatever else has been done to it", function()
        local path = place()
        fill(path)
        run(path, read_all)
        local whole = support.read(path)
        for _, statement in ipairs {
            "DROP TABLE seen", "DROP TABLE changes", "ALTER TABLE runs DROP COLUMN settings", "DELETE FROM runs",
            "UPDATE runs SET args = '{', digest = NULL", "UPDATE runs SET started = 'x', digest = NULL",
            "UPDATE runs SET number = 3, digest = NULL", "UPDATE changes SET operation = 'x', digest = NULL",
            "UPDATE changes SET run = 'x', digest = NULL", "PRAGMA user_version = -1",
        } do
            assert.are.equal("", sqlite3(path, statement))
            local problem = run(path, read_all, { fails = 1 })
            assert.matches("^kmirror: the store [^\n]+ is damaged[^\n]+\n$", problem, statement)
            support.write(path, whole)
        end
    end)

    it("refuses a row that its index lacks, which would be sent again", function()
        local path = place()
        fill(path)
        local content, size = support.read(path), tonumber(sqlite3(path, "PRAGMA page_size"))
        local index = tonumber(sqlite3(path, "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'changes' "
            .. "AND name LIKE 'sqlite_autoindex%'"))
        local page = content:sub((index - 1) * size + 1, index * size)
        support.write(path, content:sub(1, (index - 1) * size) .. page:gsub("j", "k") .. content:sub(index * size + 1))
        refused(path, "it is damaged")
    end)

    it("refuses a place that cannot be written", function()
        refused("/proc/none/jobs.db", "its directory cannot be used")
        refused(support.temporary("file", "x") .. "/jobs.db", "its directory cannot be used")
        refused(support.temporary_directory("jobs.db"), "it is a directory")
    end)

    it("says so when another process writes for too long", function()
        local path = place()
        run(path, "stores.open(path)")
        local problem = run(path, [[
            local writer = assert(require "DBI".Connect("SQLite3", path))
            writer:autocommit(true)
            writer:prepare("BEGIN IMMEDIATE"):execute()
            sqlite.open(path, 100):begin_run(job, first)]], { fails = 1 })
        assert.matches("database is locked; another process has been writing to it for too long", problem)
    end)

    it("has all of a call's work undone when a part of it fails, and goes on", function()
        local path = place()
        assert.are.equal("false\tstore\n[]\n0\n", run(path, [[
            local store = stores.open(path)
            local ok, problem = pcall(store.write_seen, store, "unknown", { order = 1, cluster = "c", ids = { "m" } })
            print(ok, problem.kind)
            print("[" .. table.concat(store:seen("unknown")) .. "]")
            store:begin_run(job, first)
            print(#store:changes("j"))]]))
    end)

    it("says when the disk is full, and keeps what was written before", function()
        local path = place()
        run(path, "stores.open(path):begin_run(job, first)")
        local full = support.run { command = "sh", "-c", ("trap '' XFSZ; ulimit -f 2000; exec %s run -"):format(
            support.quote(support.executable)), stdin = ([[
            local store = require "kmirror.store".open(%q)
            local written = 0
            local ok, problem = pcall(function()
                while true do
                    store:write_changes("j", { { number = written + 1, order = 1, key = "k", operation = "create",
                        cluster = "c", arguments = { pad = ("x"):rep(500) }, state = "sent", run = 1, sent = 1,
                        asked = true } })
                    written = written + 1
                end
            end)
            print(written, problem.kind)
            io.stderr:write(tostring(problem), "\n")
            os.exit(0, false)]]):format(path) }
        assert.are.equal(0, full.status, full.stderr)
        local written, kind = full.stdout:match("^(%d+)\t(%a+)\n$")
        assert.are.equal("store", kind)
        assert.matches("disk", full.stderr)
        assert.is_true(tonumber(written) > 10)
        assert.are.equal(written .. "\n", run(path, "print(#stores.open(path):changes('j'))"))
    end)

    it("has one key for all that use it", function()
        local path = place()
        local key = [[
            local key = stores.open(path):secret()
            print(#key, require("host").hmac_sha256(key, "x"))]]
        local first = run(path, key)
        assert.matches("^32\t", first)
        assert.are.equal(first, run(path, key))
        assert.are_not.equal(first, run(place(), key))
    end)

    it("is of no use with another key, or without one", function()
        local path = place()
        run(path, "stores.open(path):secret()")
        local key = support.read(path .. ".key")
        for _, other in ipairs { ("x"):rep(32), "short" } do
            support.write(path .. ".key", other)
            assert.matches("put the key back", run(path, "stores.open(path):secret()", { fails = 1 }))
        end
        support.write(path .. ".key", "")
        assert.matches("jobs%.db%.key: it has 0 bytes of 32, .+ put the key back .+ kmirror jobs shows what was done; "
            .. ".+ mv %S+/jobs%.db %S+/jobs%.db%.old", run(path, "stores.open(path):secret()", { fails = 1 }))
        os.remove(path .. ".key")
        assert.matches("put the key back", run(path, "stores.open(path):secret()", { fails = 1 }))
        support.write(path .. ".key", key)
        run(path, "stores.open(path):secret()")
    end)

    it("locks a job for one process, which lets go of it however it ends", function()
        local path = place()
        local try = "print(stores.open(path):lock('j') ~= nil, stores.open(path):lock('k') ~= nil)"
        run(path, "stores.open(path)")
        local holder = support.start { "run", "-", stdin = ([[
            local lock = require "kmirror.store".open(%q):lock("j")
            print("locked")
            io.stdout:flush()
            require "task".sleep(60)
            lock:close()]]):format(path) }
        support.eventually("the lock", function() return holder:stdout() == "locked\n" end)
        assert.are.equal("false\ttrue\n", run(path, try))
        holder:signal("KILL")
        holder:wait()
        assert.are.equal("true\ttrue\n", run(path, try))
    end)
end)
