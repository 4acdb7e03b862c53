local json = require("kmirror.json")
local support = require("spec.support")

local LIST = { body = '{"mirrors":[]}' }
local AWAY = { status = 503, body = '{"message":"Service Unavailable"}' }

-- A server that is away for so many requests, and then answers.
local function away_for(count)
    local answers = {}
    for i = 1, count do answers[i] = AWAY end
    answers[count + 1] = LIST
    return support.server(answers)
end

-- A runbook that lists so many times, all at once, and waits out an outage as quickly as it may.
local lists = [[
    local mirrors, task = require "mirrors", require "task"
    local count, outage, concurrency = ...
    local api = mirrors.connect { outage = tonumber(outage), backoff = 0.02, concurrency = tonumber(concurrency) }
    local g <close> = task.group()
    for _ = 1, tonumber(count) do g:spawn(api.list, api) end]]

local function environment(url)
    return { KMIRROR_ENDPOINT = url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user",
        KMIRROR_API_KEY = "s3cret-key" }
end

local function start(url, ...)
    return support.start { "--rate", "0", "run", support.temporary("lists.lua", lists), env = environment(url), ... }
end

-- A port that nobody listens on.
local function closed_port()
    local socket = assert(require("socket").bind("127.0.0.1", 0))
    local _, port = socket:getsockname()
    socket:close()
    return ("http://127.0.0.1:%d"):format(port)
end

describe("an outage #native", function()
    it("is waited out: one asks now and then, the others stand by, and then all is done", function()
        local server = away_for(10)
        local result = start(server.url, "50", "60", "2"):wait(20)
        local requests = server:requests()
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
        -- Five or six fail until it is one, the next are questions, and what was waited for comes after them.
        assert.are.equal(10 + 1 + 50, #requests)
        for i = 8, 11 do
            local pause = requests[i].at - requests[i - 1].at
            assert.is_true(pause > 0.04, ("asked again after %.3f s"):format(pause))
        end
        assert.matches("the API has not answered since %d%d:%d%d:%d%d %(0:00%): list mirrors .- 503 .-; it is asked "
            .. "again in %d+ s, and so on until %d%d:%d%d:%d%d; nothing else is sent meanwhile; Ctrl%-C stops",
            result.stderr)
        assert.matches("the API answers again, after 0:0%d\n", result.stderr)
    end)

    it("is waited out when all that is under way are creates whose answers were lost", function()
        local faults = support.temporary("faults.lua",
            [[return { { fault = "drop", when = "after", operation = "create", times = 6 } }]])
        local sandbox = support.sandbox { rate = 0, world = 0, faults = faults }
        local result = support.run { "--rate", "0", "run", support.temporary("creates.lua", [[
            local mirrors, task = require "mirrors", require "task"
            local api = mirrors.connect { outage = 60, backoff = 0.02, settle = 0.5 }
            local g <close> = task.group()
            for i = 1, 6 do
                g:spawn(function()
                    print(api:create { sourceType = "instaclustr", maxTasks = 1, topicsRegex = "new-" .. i,
                        kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west",
                        useRenaming = false, usePrivateIps = false })
                end)
            end]]), env = sandbox:env(), timeout = 20 }
        sandbox:stop()
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, select(2, result.stdout:gsub("\n", "")))
        assert.matches("the API has not answered since", result.stderr)
    end)

    it("is in the report as what calls have waited for", function()
        local server, report = away_for(8), support.temporary("report.json")
        local script = support.temporary("lists.lua", lists)
        local result = support.run { "--report", report, "run", script, "10", "60", "2", env = environment(server.url) }
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
        local away = 0
        for _, run in ipairs(json.read(report).runs) do
            for _, call in ipairs(run.calls) do
                for _, wait in ipairs(call.waits) do
                    away = away + (wait.reason == "away" and wait.to > wait.from and 1 or 0)
                end
            end
        end
        assert.is_true(away >= 2, away .. " have waited")
    end)

    it("keeps back what already waits for its turn", function()
        local server = away_for(23)
        local result = support.start({ "--rate", "20", "run", support.temporary("lists.lua", lists),
            env = environment(server.url), "60", "60", "64" }):wait(20)
        local requests = server:requests()
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
        -- A second's worth goes out before it is known; then come three questions and the one that ends it.
        assert.are.equal(23 + 1 + 60, #requests)
        for i = 22, 24 do
            local pause = requests[i].at - requests[i - 1].at
            assert.is_true(pause > 0.04, ("request %d after %.3f s"):format(i, pause))
        end
    end)

    it("may also be a refused connection, a gateway's word, or no answer in time, but nothing that stays", function()
        local passing = {
            ["a reset"] = { close = "before", reset = true },
            ["a 502 with HTML"] = { status = 502, type = "text/html", body = "<html>" },
            ["a 504"] = { status = 504 },
            ["no answer"] = { hang = true },
        }
        for name, answer in pairs(passing) do
            local answers = {}
            for i = 1, 12 do answers[i] = answer end
            answers[13] = LIST
            local server = support.server(answers)
            local api = support.connect(server, { outage = 60, backoff = 0.001, timeout = 0.1 })
            local ok, problem = pcall(api.list, api)
            server:stop()
            assert.is_true(ok, ("%s: %s"):format(name, tostring(problem)))
        end
        for kind, answer in pairs {
            unauthorized = { status = 401 }, forbidden = { status = 403 }, invalid = { status = 400 },
            protocol = { status = 200, type = "text/html", body = "<html>" },
        } do
            local server = support.server { answer }
            local api = support.connect(server, { outage = 60, backoff = 0.001 })
            support.raises(kind, api.list, api)
            server:stop()
            assert.are.equal(1, #server:requests(), kind)
        end
        local server = support.server { LIST, tls = support.certificates().good }
        local api = support.connect(server, { outage = 60, backoff = 0.001 })
        support.raises("tls", api.list, api)
        server:stop()
    end)

    it("ends for a call when it gets another answer than was hoped for", function()
        local answers = {}
        for i = 1, 8 do answers[i] = AWAY end
        answers[9] = { status = 403, body = '{"message":"Forbidden"}' }
        local server = support.server(answers)
        local api = support.connect(server, { outage = 60, backoff = 0.001 })
        support.raises("forbidden", api.list, api)
        server:stop()
    end)

    it("is given up after as long as the option says, by all who wait", function()
        local began = support.now()
        local result = start(closed_port(), "20", "0.5", "4"):wait(10)
        assert.is_true(support.now() - began > 0.5)
        assert.are.equal(1, result.status)
        assert.matches("the API has been away for %S+ s: to wait longer than 0%.5 s, give more to %-%-outage",
            result.stderr)
    end)

    it("keeps nobody from stopping: Ctrl-C is obeyed at once", function()
        local url = closed_port()
        local process = start(url, "20", "60", "4")
        support.eventually("the outage", function() return process:stderr():find("has not answered", 1, true) end)
        local began = support.now()
        process:signal("INT")
        assert.are.equal(130, process:wait(5).status)
        assert.is_true(support.now() - began < 2)
    end)

    it("is not waited out, but retried as ever, without the option", function()
        local server = away_for(100)
        local api = support.connect(server, { retries = 5, backoff = 0.001 })
        local problem = support.raises("server", api.list, api)
        server:stop()
        assert.are.equal(6, problem.attempts)
        assert.are.equal(6, #server:requests())
    end)

    it("is waited out for 5 minutes by a job and a shipped runbook, and not by others, unless told so", function()
        local script = support.temporary("option.lua", 'print(require "mirrors".connect().account.options.outage)')
        local home = support.temporary_directory("home")
        local env = environment("http://127.0.0.1:9")
        env.XDG_STATE_HOME, env.XDG_CONFIG_HOME = home, home
        local function outage_of(...)
            local result = support.run { env = env, ... }
            assert.are.equal(0, result.status, result.stderr)
            return tonumber(result.stdout)
        end
        assert.are.equal(0, outage_of("run", script))
        assert.are.equal(300, outage_of("--job", "j", "run", script))
        assert.are.equal(7, outage_of("--outage", "7", "run", script))
        assert.are.equal(0, outage_of("--outage", "0", "--job", "k", "run", script))
        assert(os.execute("mkdir -p " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua", "return { profile = 'p', profiles = { p = { outage = 20 } } }")
        assert.are.equal(20, outage_of("--job", "l", "run", script))
        local audit = support.start { "run", "audit", env = environment(closed_port()) }
        support.eventually("the outage", function() return audit:stderr():find("has not answered", 1, true) end)
        audit:stop()
    end)
end)

describe("what is done while an outage comes and goes #native", function()
    -- Creates and deletes, some of which are on their way when the server goes.
    local changes = [[
        local mirrors, task = require "mirrors", require "task"
        local api = mirrors.connect { outage = 60, backoff = 0.02, settle = 0.3, concurrency = 4 }
        local g <close> = task.group { concurrency = 8 }
        for i = 1, 60 do
            g:spawn(function()
                api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                    usePrivateIps = false, useRenaming = true, sourceAlias = "us-west", maxTasks = 1,
                    topicsRegex = ("topic%d"):format(i) }
            end)
        end]]

    it("is done once, and goes on within the rate", function()
        local state = support.temporary("world.json")
        local options = { rate = 0, world = "empty", state = state, creating_seconds = 0 }
        local sandbox = support.sandbox(options)
        local env = sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("home")
        local script = support.temporary("changes.lua", changes)
        local run = support.start { "--rate", "40", "--job", "changes", "run", script, env = env }
        support.eventually("a few creates", function() return #sandbox:requests() > 20 end)
        sandbox:stop()
        support.eventually("the outage", function() return run:stderr():find("has not answered", 1, true) end)
        options.port = sandbox.url:match("%d+$")
        local again = support.sandbox(options)
        local result = run:wait(20)
        assert.are.equal(0, result.status, result.stderr)
        local list = support.run { "list", "--json", env = env }
        assert.are.equal(0, list.status, list.stderr)
        local seen, count = {}, 0
        for _, mirror in ipairs(json.decode(list.stdout)) do
            assert.is_nil(seen[mirror.topicsRegex], mirror.topicsRegex .. " was made twice")
            seen[mirror.topicsRegex], count = true, count + 1
        end
        assert.are.equal(60, count)
        local requests, in_a_second = again:requests(), 0
        for _, request in ipairs(requests) do
            if request.time < requests[1].time + 0.9 then in_a_second = in_a_second + 1 end
        end
        assert.is_true(in_a_second <= 42, in_a_second .. " requests in the first second")
        again:stop()
    end)
end)
