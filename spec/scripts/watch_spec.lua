local support = require("spec.support")

describe("the watch runbook", function()
    local sandbox

    local function start(options)
        local given = { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 3 }
        for name, value in pairs(options or {}) do given[name] = value end
        sandbox = support.sandbox(given)
    end

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    local function arguments(...)
        return { "--rate", "0", "run", "watch", "--interval", "0.1", env = sandbox:env(), ... }
    end

    local function watch(...)
        return support.run(arguments(...))
    end

    local function mirrors()
        local ids = {}
        for id in support.run { "list", env = sandbox:env() }.stdout:gmatch("(%S+)[^\n]*\n") do
            ids[#ids + 1] = id
        end
        return ids
    end

    it("refuses a condition that could never hold, or always would, before it asks anything", function()
        start()
        for condition, problem in pairs {
            insync = "unknown name 'insync'. Did you mean 'in-sync'?",
            ["lagg < 1"] = "unknown name 'lagg'. Did you mean 'lag'?",
            ["status == 'FAILED' and sttus"] = "unknown name 'sttus'. Did you mean 'status'?",
            ["status == 'INSYNC'"] = "unknown status 'INSYNC'. Did you mean 'IN_SYNC'?",
            ["mirrorStatus ~= \"RUNING\""] = "unknown mirrorStatus 'RUNING'. Did you mean 'RUNNING'?",
            status = "it is 'IN_SYNC'",
        } do
            local result = watch("--until", condition, "--for", "0")
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find(problem, 1, true), result.stderr)
        end
        assert.are.equal(0, #sandbox:requests())
        assert.are.equal(0, watch("--until", "IN_SYNC").status)
        assert.are.equal(0, watch("--until", "topicsRegex:find('.') ~= nil and status == 'IN_SYNC'").status)
    end)

    it("writes one round after the other where nobody looks, and ends after the time it is given", function()
        start()
        local result = watch("--for", "0.35")
        assert.are.equal(0, result.status, result.stderr)
        local rounds = select(2, result.stdout:gsub("3 mirrors: 3 IN_SYNC; highest lag %d+ ms; [%d.]+ records/s\n", ""))
        assert.is_true(rounds >= 3 and rounds <= 5, result.stdout)
        assert.are.equal(rounds, select(2, result.stdout:gsub("\norders\\%..* +IN_SYNC +%d+ +[%d.]+ +30000\n", "")) > 0
            and rounds)
        assert.is_nil(result.stdout:find("\27", 1, true))
    end)

    it("ends when its condition holds", function()
        start { creating_seconds = 2, sync_seconds = 0.4, world = "empty" }
        for _, regex in ipairs { "orders", "payments" } do
            support.run { "create", "-", env = sandbox:env(), stdin = ([[{ "sourceType": "instaclustr", "maxTasks": 1,
                "kafkaSource": "5a9b1c52-0000-4000-8000-000000000001", "sourceAlias": "us-west", "useRenaming": false,
                "topicsRegex": "%s\\..*" }]]):format(regex) }
        end
        local result = watch("--until", "in-sync", "--for", "10")
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("2 mirrors: 2 CREATING; ", 1, true))
        assert.is_truthy(result.stdout:find("2 mirrors: 2 IN_SYNC; [^\n]*\n[^;]*$"))
        assert.is_truthy(result.stderr:find("in-sync holds\n", 1, true))
        assert.are.equal(0, watch("--until", "up", "--for", "5").status)
    end)

    it("takes an expression that must be true of every mirror", function()
        start()
        assert.are.equal(0, watch("--until", "lag < 30000 and topicsRegex:find '%.'", "--for", "1").status)
        assert.are.equal(0, watch("--until", "rate > 0 and targetLatency == 30000", "--for", "1").status)
        local result = watch("--until", "topicsRegex:find '^orders'", "--for", "0.3")
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find(
            "%-%-until topicsRegex:find '%^orders' does not hold after 0.3 seconds: %S+ of '%S+' %(IN_SYNC%), "))
    end)

    it("waits until nothing flows, and until there are none left", function()
        start()
        assert.are.equal(1, watch("--until", "idle", "--for", "0.2").status)
        local stop = sandbox.url .. "/sandbox/producers/us-west/stop"
        support.run { "-fsS", "-X", "POST", stop, command = "curl" }
        assert.are.equal(0, watch("--until", "idle", "--for", "5").status)
        local run = support.start(arguments("--until", "gone", "--for", "20"))
        support.eventually("a round", function() return run:stdout():find("3 mirrors", 1, true) end)
        support.run { "delete", "--yes", env = sandbox:env(), table.unpack(mirrors()) }
        assert.are.equal(0, run:wait(10).status)
        assert.is_truthy(run:stdout():find("  0 mirrors; ", 1, true))
        assert.are.equal(1, watch("--until", "in-sync", "--for", "0.2").status)
    end)

    it("puts first what needs a look", function()
        start { fail_every = 1, world = 2 }
        support.run { "create", "-", env = sandbox:env(), stdin = [[{ "sourceType": "instaclustr", "maxTasks": 1,
            "kafkaSource": "5a9b1c52-0000-4000-8000-000000000001", "sourceAlias": "us-west", "useRenaming": false,
            "topicsRegex": "zz" }]] }
        local result = watch("--for", "0")
        assert.is_truthy(result.stdout:find("3 mirrors: 1 FAILED, 2 IN_SYNC; [^\n]*\nTOPICS[^\n]*\nzz +FAILED +%- "))
    end)

    it("watches several clusters", function()
        start()
        local result = watch("--for", "0", support.us_east, support.us_west)
        assert.is_truthy(result.stdout:find("\nCLUSTER +TOPICS"))
        assert.are.equal(3, select(2, result.stdout:gsub("\n" .. support.us_east:gsub("%-", "%%-"), "%0")))
    end)

    it("goes on when a look fails, and says so", function()
        start { faults = support.temporary("faults.lua", [[
            return { { fault = "garbage", operation = "list", nth = 2 } }]]) }
        local result = watch("--for", "1")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(1, select(2, result.stdout:gsub("cannot refresh, this is older: list ", "")))
        assert.is_truthy(result.stdout:find("cannot refresh.*3 mirrors: 3 IN_SYNC"))
    end)

    it("uses no more than half of the rate", function()
        start { world = 20 }
        local run = support.start { "--rate", "20", "run", "watch", "--interval", "0.1", env = sandbox:env() }
        support.sleep(6)
        run:signal("INT")
        local result = run:wait(10)
        assert.are.equal(130, result.status)
        local requests = #sandbox:requests()
        assert.is_true(requests > 40 and requests < 85, requests)
    end)

    it("says what is wrong with how it is called", function()
        start()
        local result = watch("--until", "lag <")
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("--until 'lag <': expected in-sync, up, idle, gone, or an", 1, true))
        result = watch("--until", "lagg < 5", "--for", "1")
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("--until 'lagg < 5': ", 1, true))
        assert.are.equal(2, watch("--interval", "0").status)
        local env = { KMIRROR_USERNAME = "u", KMIRROR_API_KEY = "k" }
        assert.are.equal(2, support.run { "run", "watch", env = env }.status)
        assert.are.equal(2, watch("nowhere").status)
    end)

    -- ---- on a terminal ------------------------------------------------------------------------------------

    -- What it writes to a terminal of that size, with that kind of terminal.
    local function on_terminal(columns, rows, env, ...)
        local words = { support.quote(support.executable) }
        for _, word in ipairs { "--rate", "0", "run", "watch", "--interval", "0.1", "--for", "0.35", ... } do
            words[#words + 1] = support.quote(word)
        end
        local all = sandbox:env()
        for name, value in pairs(env) do all[name] = value end
        local log = support.temporary("typescript")
        local result = support.run { command = "script", env = all, "-qefc",
            ("stty cols %d rows %d; %s"):format(columns, rows, table.concat(words, " ")), log }
        assert.are.equal(0, result.status, support.read(log))
        local text = support.read(log):gsub("^Script started[^\n]*\n", ""):gsub("\nScript done[^\n]*\n$", "")
        return (text:gsub("\r\n", "\n"))
    end

    it("draws in the same place on a terminal, with the lag against its target", function()
        start()
        local screen = on_terminal(100, 20, { TERM = "xterm" })
        assert.is_truthy(screen:find("LAG / TARGET", 1, true))
        assert.is_truthy(screen:find("▁", 1, true))
        assert.is_truthy(screen:find("\27[5A\r", 1, true), screen) -- a summary, the titles, three mirrors
        assert.is_truthy(screen:find("\27[32m", 1, true))
        screen = on_terminal(100, 20, { TERM = "xterm", NO_COLOR = "1", LC_ALL = "C" })
        assert.is_nil(screen:find("\27%[%d+m"))
        assert.is_nil(screen:find("[\x80-\xFF]"), screen)
        assert.is_truthy(screen:find("\27[5A\r", 1, true))
    end)

    it("keeps within a terminal that is small", function()
        start { world = 24 }
        local screen = on_terminal(32, 10, { TERM = "xterm", NO_COLOR = "1" })
        assert.is_truthy(screen:find("and 18 more", 1, true))
        assert.is_truthy(screen:find("\27[9A\r", 1, true))
        for line in screen:gsub("\27%[[%d;]*%a\r?", ""):gmatch("[^\n]+") do
            assert.is_true(utf8.len(line) <= 32, line)
        end
    end)

    it("writes round after round on a terminal that cannot be drawn on", function()
        start()
        local screen = on_terminal(80, 20, { TERM = "dumb" })
        assert.is_nil(screen:find("\27", 1, true))
        assert.is_true(select(2, screen:gsub("3 mirrors: ", "")) >= 3)
    end)
end)
