local socket = require("socket")

local postgres = require("spec.support.postgres")
local support = require("spec.support")

local server

-- Runs Lua in the host, with the server's URL as `url`; returns what it printed.
local function run(script, options)
    options = options or {}
    local result = support.run { "run", "-", env = options.env, stdin = ([[
        local postgres, task = require "postgres", require "task"
        local url = %q
        local function show(...)
            local parts = table.pack(...)
            for i = 1, parts.n do
                parts[i] = parts[i] == nil and "nil" or require("kmirror.json").encode(parts[i])
            end
            print(table.concat(parts, " "))
        end
        %s]]):format(options.url or server:url(), script) }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("a connection to PostgreSQL", function()
    setup(function() server = postgres.start() end)
    teardown(function() server:stop() end)

    it("answers with rows by column: numbers and booleans as such, text as it is, null as nil", function()
        assert.are.equal([=[
[{"big":9007199254740993,"eighth":0.125,"large":"{\"a\": 1}","name":"it's ☹","yes":true}]
[{"one":1},{"one":2},{"one":3}] 3
{"count":2} 2
]=], run [[
            local connection <close> = assert(postgres.connect(url, 5))
            show(connection:query([=[SELECT 9007199254740993::bigint AS big, 0.125::float8 AS eighth, NULL AS missing,
                true AS yes, $1::text AS name, $2::json AS large]=], { "it's ☹", '{"a": 1}' }, 5))
            local rows = connection:query("SELECT generate_series(1, $1::integer) AS one", { 3 }, 5)
            show(rows, rows.count)
            connection:query("CREATE TEMPORARY TABLE t (a text, b boolean, c float8)", nil, 5)
            rows = connection:query("INSERT INTO t VALUES ($1, $2, $3), ('', NULL, NULL)",
                { nil, false, 0.1, n = 3 }, 5)
            show(rows, rows.count)
            rows = connection:query("SELECT a IS NULL AND NOT b AND c = 0.1 AS same FROM t WHERE a IS NULL", nil, 5)
            assert(rows[1].same)]])
    end)

    it("tells what the server has against a statement, and goes on", function()
        assert.are.equal([=[
nil {"lost":false,"message":"relation \"nothing\" does not exist","sqlstate":"42P01"}
nil {"lost":false,"message":"division by zero","sqlstate":"22012"}
[{"one":1}]
]=], run [[
            local connection <close> = assert(postgres.connect(url, 5))
            show(connection:query("SELECT * FROM nothing", nil, 5))
            show(connection:query("SELECT 1 / $1::integer", { 0 }, 5))
            show(connection:query("SELECT 1 AS one", nil, 5))]])
    end)

    it("makes all of a transaction, or nothing", function()
        assert.are.equal([=[
[{"count":1},[{"a":1}]]
nil {"detail":"Key (a)=(1) already exists.","lost":false,"message":"two rows of one key","sqlstate":"23505"}
[{"count":1}]
]=], run [[
            local connection <close> = assert(postgres.connect(url, 5))
            connection:query("CREATE TEMPORARY TABLE t (a integer PRIMARY KEY)", nil, 5)
            show(connection:transaction({ { "INSERT INTO t VALUES ($1)", { 1 } }, { "SELECT a FROM t" } }, 5))
            local _, problem = connection:transaction({ { "INSERT INTO t VALUES (2)" },
                { "INSERT INTO t VALUES (1)" } }, 5)
            assert(problem.message:find "duplicate key")
            problem.message = "two rows of one key"
            show(nil, problem)
            show(connection:query("SELECT count(*) FROM t", nil, 5))]])
    end)

    it("lets other tasks go on while the server is at work", function()
        local ticks, longest = run([[
            local connection <close> = assert(postgres.connect(url, 5))
            local ticks, longest, last = 0, 0, task.now()
            local ticker = task.spawn(function()
                while true do
                    task.sleep(0.001)
                    longest, last, ticks = math.max(longest, task.now() - last), task.now(), ticks + 1
                end
            end)
            assert(connection:query("SELECT pg_sleep(0.3)", nil, 5))
            ticker:cancel()
            pcall(ticker.join, ticker)
            print(ticks, longest)]]):match("(%d+)\t(%S+)")
        assert.is_true(tonumber(ticks) > 30, ticks)
        assert.is_true(tonumber(longest) < 0.1, longest)
    end)

    it("asks what several tasks ask in the order of their asking, one after the other", function()
        assert.are.equal("123", run [[
            local connection <close> = assert(postgres.connect(url, 5))
            local done = {}
            do
                local group <close> = task.group()
                for i, seconds in ipairs { 0.1, 0, 0.02 } do
                    group:spawn(function()
                        assert(connection:query("SELECT pg_sleep($1)", { seconds }, 5))
                        done[#done + 1] = i
                    end)
                end
            end
            io.write(table.concat(done))]])
    end)

    it("can be written to by a task that was cancelled, also while it waits for an answer", function()
        assert.are.equal("2", run [[
            local connection <close> = assert(postgres.connect(url, 5))
            connection:query("CREATE TEMPORARY TABLE t (a integer)", nil, 5)
            local writer = task.spawn(function()
                local ending <close> = setmetatable({}, { __close = function()
                    assert(connection:query("INSERT INTO t VALUES (2)", nil, 5))
                end })
                assert(connection:query("INSERT INTO t SELECT 1 FROM pg_sleep(0.1)", nil, 5))
                task.sleep(60)
            end)
            task.sleep(0.02)
            writer:cancel()
            pcall(writer.join, writer)
            io.write(math.tointeger(connection:query("SELECT count(*) FROM t", nil, 5)[1].count))]])
    end)

    it("is given up when a statement is not answered in time, and says so to all who ask over it", function()
        assert.are.equal([=[
nil {"lost":true,"message":"no answer in time"}
nil {"lost":true,"message":"another statement was not answered in time"}
nil {"lost":true,"message":"the connection is closed"}
]=], run [[
            local connection <close> = assert(postgres.connect(url, 5))
            local second = task.spawn(function() return connection:query("SELECT 2", nil, 5) end)
            local began = task.now()
            show(connection:query("SELECT pg_sleep(5)", nil, 0.1))
            assert(task.now() - began < 2)
            show(second:join())
            show(connection:query("SELECT 1", nil, 5))]])
    end)

    it("waits in the queue no longer than its deadline, which harms nobody else", function()
        assert.are.equal('nil {"lost":false,"message":"no answer in time"}\ntrue\n', run [[
            local connection <close> = assert(postgres.connect(url, 5))
            local first = task.spawn(function() return connection:query("SELECT pg_sleep(0.2)", nil, 5) end)
            task.sleep(0)
            show(connection:query("SELECT 2", nil, 0.05))
            print(first:join() ~= nil)]])
    end)

    it("says that the server has ended it", function()
        assert.are.equal([=[
nil {"lost":true,"message":"terminating connection due to administrator command","sqlstate":"57P01"}
]=], run [[
            local connection <close> = assert(postgres.connect(url, 5))
            local other <close> = assert(postgres.connect(url, 5))
            local pid = connection:query("SELECT pg_backend_pid() AS pid", nil, 5)[1].pid
            local waiting = task.spawn(function() return connection:query("SELECT pg_sleep(5)", nil, 5) end)
            task.sleep(0.05)
            other:query("SELECT pg_terminate_backend($1)", { pid }, 5)
            show(waiting:join())]])
    end)

    it("is not made where nobody listens, nor within longer than was said", function()
        local listener = assert(socket.bind("127.0.0.1", 0)) -- takes connections and says nothing
        local _, port = listener:getsockname()
        local nobody, silent = run([[
            show(postgres.connect("postgresql://127.0.0.1:1/kmirror", 5))
            local began = task.now()
            local _, problem = postgres.connect(url, 0.2)
            assert(task.now() - began < 2)
            show(problem)]], { url = "postgresql://127.0.0.1:" .. port .. "/kmirror" }):match("([^\n]*)\n([^\n]*)")
        listener:close()
        assert.matches("Connection refused", nobody)
        assert.are.equal('{"lost":true,"message":"no connection in time"}', silent)
    end)

    it("is made with what the environment and ~/.pgpass say, as libpq does it", function()
        server:sql("CREATE ROLE with_password LOGIN PASSWORD 's3cret'")
        local home = support.temporary_directory("home")
        local asks = 'io.write(assert(postgres.connect("", 5)):query("SELECT session_user AS me", nil, 5)[1].me)'
        local env = { PGHOST = "127.0.0.1", PGPORT = server.port, PGUSER = "with_password", PGDATABASE = "postgres" }
        env.PGPASSWORD = "s3cret"
        assert.are.equal("with_password", run(asks, { env = env }))
        support.write(home .. "/.pgpass", "127.0.0.1:*:*:with_password:s3cret\n")
        os.execute("chmod 600 " .. home .. "/.pgpass")
        env.PGPASSWORD, env.HOME = nil, home
        assert.are.equal("with_password", run(asks, { env = env }))
    end)
end)
