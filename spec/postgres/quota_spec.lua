-- The rate of an account, shared by runners through PostgreSQL, judged by the log of a server that counts.
local postgres = require("spec.support.postgres")
local support = require("spec.support")

local client = [[
local mirrors, task = require "mirrors", require "task"
local api = mirrors.connect()
local id = api:list()[1].id
local seconds = tonumber((...))
pcall(task.timeout, seconds, function()
    local g <close> = task.group()
    for _ = 1, 16 do
        g:spawn(function() while true do api:get(id) end end)
    end
end)
]]

describe("the quota in a PostgreSQL store", function()
    local server, sandbox, database, url, script

    setup(function()
        server = postgres.start()
        script = support.temporary("client.lua", client)
    end)
    teardown(function() server:stop() end)

    before_each(function()
        database = server:database()
        url = server:url(database)
        assert.are.equal(0, support.run { "store", "init", env = { KMIRROR_STORE = url } }.status)
    end)
    after_each(function() sandbox:stop() end)

    -- Each as if on a machine of its own: nothing but the database is shared.
    local function environment(more)
        local env = { KMIRROR_STORE = url, KMIRROR_ENDPOINT = sandbox.url, KMIRROR_USERNAME = "sandbox",
            KMIRROR_API_KEY = "sandbox-full-key", KMIRROR_CLUSTER = support.us_east,
            XDG_STATE_HOME = support.temporary_directory("state") }
        for name, value in pairs(more or {}) do env[name] = value end
        return env
    end

    local function runner(seconds, options)
        local words = { "run", script, seconds, env = environment(options and options.env) }
        if options and options.rate then
            words = { "--rate", options.rate, "run", script, seconds, env = words.env }
        end
        return support.start(words)
    end

    local function counts()
        local accepted, rejected = 0, 0
        for _, entry in ipairs(sandbox:requests()) do
            if entry.status == 429 then rejected = rejected + 1 else accepted = accepted + 1 end
        end
        return accepted, rejected
    end

    it("is one for four runners: none is rejected, and the limit is used, with the database 5 ms away", function()
        sandbox = support.sandbox { rate = 35 }
        local proxy = support.start { command = "lua5.4", "spec/support/delay.lua", server.port, 5 }
        local port = support.eventually("the proxy's port", function() return proxy:stdout():match("(%d+)\n") end)
        local far = url:gsub(":%d+/", ":" .. port .. "/")
        local runners = {}
        for i = 1, 4 do runners[i] = runner(6, { env = { KMIRROR_STORE = far } }) end
        for _, each in ipairs(runners) do assert.are.equal("", each:wait(20).stderr) end
        local accepted, rejected = counts()
        assert.are.equal(0, rejected)
        assert.is_true(accepted > 35 * 4, accepted) -- 210 where the machine is quiet
        proxy:signal("TERM")
        proxy:wait()
    end)

    it("goes on when a runner is killed that holds moments", function()
        sandbox = support.sandbox { rate = 35 }
        local killed, other = runner(20), runner(6)
        support.eventually("requests", function() return counts() > 40 end)
        killed:signal("KILL")
        killed:wait()
        local before = counts()
        assert.are.equal("", other:wait(20).stderr)
        local accepted, rejected = counts()
        assert.are.equal(0, rejected)
        assert.is_true(accepted - before > 50, accepted - before)
    end)

    it("is not shared while the database is away, says so, keeps to a fraction of the rate, and comes back", function()
        sandbox = support.sandbox { rate = 35 }
        local process = runner(14, { env = { KMIRROR_QUOTA_AWAY = "0.2" } })
        support.eventually("requests", function() return counts() > 20 end)
        server:stop()
        support.eventually("it to be apart", function()
            return process:stderr():find("the quota is not shared, as its database is away (", 1, true)
        end)
        local before = counts()
        support.sleep(3)
        local apart = counts() - before
        assert.is_true(apart > 4 and apart < 30, apart) -- 7 a second, of which a second's worth goes out at once
        server:run()
        local result = process:wait(30)
        assert.matches("until it is back, this process sends no more than 0%.2 of the rate %(%-%-quota%-away%)",
            result.stderr)
        assert.matches("the database of the quota is back: the rate is shared again", result.stderr)
        local accepted, rejected = counts()
        assert.are.equal(0, rejected)
        assert.is_true(accepted - before - apart > 40, accepted)
    end)

    it("with --quota-away stop sends nothing while the database is away", function()
        sandbox = support.sandbox { rate = 35 }
        local process = support.start { "--quota-away", "stop", "list", env = environment {
            KMIRROR_STORE = "postgresql://127.0.0.1:1/none" } }
        support.eventually("it to say so", function() return process:stderr():find("this process sends nothing") end)
        assert.are.equal(0, #sandbox:requests())
        process:signal("INT")
        process:wait(10)
        assert.are.equal(0, #sandbox:requests())
    end)

    it("finds a rate out once for all: who comes later begins with it, and a 429 to one slows down all", function()
        sandbox = support.sandbox { rate = 12 }
        assert.are.equal(0, runner(5, { rate = "auto" }):wait(20).status)
        local learnt = tonumber(server:sql("SELECT rate FROM kmirror.quota", database))
        assert.is_true(learnt > 8 and learnt < 16, learnt)
        local _, before = counts()
        runner(4, { rate = "auto" }):wait(20)
        local _, after = counts()
        assert.is_true(after - before <= 3, after - before)
    end)

    it("refuses a setting that is none", function()
        sandbox = support.sandbox()
        for _, wrong in ipairs { "0", "2", "half" } do
            local result = support.run { "--quota-away", wrong, "list", env = environment() }
            assert.are.equal(2, result.status)
            assert.matches("%-%-quota%-away .*: expected a fraction of the rate, over 0 and up to 1, or stop",
                result.stderr)
            result = support.run { "list", env = environment { KMIRROR_QUOTA_AWAY = wrong } }
            assert.are.equal(2, result.status)
            assert.matches("KMIRROR_QUOTA_AWAY is .*: expected a fraction of the rate", result.stderr)
        end
    end)
end)
