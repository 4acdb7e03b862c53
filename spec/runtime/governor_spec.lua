local http = require("socket.http")
local support = require("spec.support")

-- The most events in any one second.
local function most_in_a_second(times)
    table.sort(times)
    local first, most = 1, 0
    for last = 1, #times do
        while times[last] - times[first] >= 1 do first = first + 1 end
        most = math.max(most, last - first + 1)
    end
    return most
end

-- A runbook that gets one mirror so many times, all at once.
local many_gets = [[
    local mirrors, task = require "mirrors", require "task"
    local count, options = tonumber((...)), { quota_file = select(2, ...) }
    local api = mirrors.connect(options)
    local id = "5a9b1c52-0000-4000-8000-00000000abcd"
    local g <close> = task.group()
    for _ = 1, count do g:spawn(function() pcall(api.get, api, id) end) end]]

local function gets_at(rate, sandbox, count, ...)
    return support.start { "run", "--rate", rate, support.temporary("gets.lua", many_gets), tostring(count), ...,
        env = sandbox:env() }
end

local function gets(...) return gets_at("20", ...) end

-- When requests went out. When they come to be served says little of that: a busy server lets them wait.
local Sends = {}
Sends.__index = Sends

local function new_sends()
    return setmetatable({ path = support.temporary("sends", "") }, Sends)
end

-- The environment of a process whose requests count; it is killed just before the step `killed_at`, when that is
-- given, of those by which a place in the log is taken and a request sent.
function Sends:env(sandbox, killed_at, stalled)
    local env = support.preload("sends", { SENDS = self.path, KILLED_AT = killed_at and tostring(killed_at),
        STALLED = stalled and tostring(stalled) })
    for name, value in pairs(sandbox:env()) do env[name] = value end
    return env
end

function Sends:times()
    local times = {}
    for line in support.read(self.path):gmatch("[^\n]+") do times[#times + 1] = tonumber(line) end
    return times
end

local function counted_gets(sandbox, sends, count, quota, killed_at, stalled)
    return support.start { "run", "--rate", "20", support.temporary("gets.lua", many_gets), tostring(count), quota,
        env = sends:env(sandbox, killed_at, stalled) }
end

local function counts(sandbox)
    local accepted, refused = 0, 0
    for _, request in ipairs(sandbox:requests()) do
        if request.status == 429 then refused = refused + 1 else accepted = accepted + 1 end
    end
    return accepted, refused
end

describe("the governor #native", function()
    it("lets no more than `rate` requests go out in any second, and goes on as soon as it may", function()
        local sandbox, sends = support.sandbox { rate = 0 }, new_sends()
        local result = counted_gets(sandbox, sends, 50):wait(20)
        assert.are.equal(0, result.status, result.stderr)
        local times = sends:times()
        assert.are.equal(50, #times)
        assert.are.equal(20, most_in_a_second(times))
        sandbox:stop()
    end)

    it("shares one window among processes that name the same file, wherever one of them is killed", function()
        local sandbox, sends, quota = support.sandbox { rate = 0 }, new_sends(), support.temporary("quota")
        -- As it takes the first place: before the moment, the head and the unlocking. As it sends the first requests.
        for _, step in ipairs { 5, 6, 7, 90, 100, 110 } do
            assert.are.equal(137, counted_gets(sandbox, sends, 1000, quota, step):wait(20).status)
        end
        local processes = {}
        for i = 1, 3 do processes[i] = counted_gets(sandbox, sends, 20, quota) end
        for _, process in ipairs(processes) do
            local result = process:wait(20)
            assert.are.equal(0, result.status)
            assert.is_nil(result.stderr:find("quota file", 1, true), result.stderr)
        end
        local times = sends:times()
        assert.is_true(#times > 60, #times .. " went out")
        local most = most_in_a_second(times)
        assert.is_true(most <= 20, most .. " went out in one second")
        sandbox:stop()
    end)

    it("counts what it let go, and what is not sent for a long while, as of when it is", function()
        local sandbox, sends, quota = support.sandbox { rate = 0 }, new_sends(), support.temporary("quota")
        local late = counted_gets(sandbox, sends, 20, quota, nil, 2)
        support.eventually("the places to be taken", function() return #support.read(quota) >= 136 + 20 * 8 end)
        local prompt = counted_gets(sandbox, sends, 20, quota)
        assert.are.equal(0, late:wait(20).status)
        assert.are.equal(0, prompt:wait(20).status)
        local times = sends:times()
        assert.are.equal(40, #times)
        assert.are.equal(20, most_in_a_second(times))
        sandbox:stop()
    end)

    it("starts afresh from a quota file that was emptied, or whose content is nonsense", function()
        local sandbox = support.sandbox { rate = 0 }
        local ours = ("kmirror1"):reverse()
        for _, content in ipairs { "", ("\0"):rep(120), ours .. ("\255"):rep(200000) } do
            local result = gets(sandbox, 3, support.temporary("quota", content)):wait()
            assert.are.equal(0, result.status)
        end
        assert.are.equal(9, #sandbox:requests())
        sandbox:stop()
    end)

    it("leaves a file that is no quota file as it is, and counts alone", function()
        local sandbox = support.sandbox { rate = 0 }
        for _, content in ipairs { "topicsRegex,maxTasks\n", "x", ("\255"):rep(9000) } do
            local path = support.temporary("quota", content)
            local result = gets(sandbox, 3, path):wait()
            assert.are.equal(0, result.status)
            assert.matches("warning: the quota file " .. path .. ": it holds something else", result.stderr, 1, true)
            assert.are.equal(content, support.read(path))
        end
        sandbox:stop()
    end)

    -- A quota file as this version writes it, on this boot's clock unless `clock` says otherwise; times are seconds
    -- from now.
    local function quota_file(sandbox, of)
        local path = support.temporary("quota")
        assert.are.equal(0, gets(sandbox, 1, path):wait().status)
        local now, head = require("mirrors.task").now(), support.read(path)
        local moments = ("<d"):pack(now + (of.moment or -10)):rep(100)
        return support.write(path, head:sub(1, 8) .. (of.clock or head:sub(9, 72)) .. ("<dI8dddddI8"):pack(
            now + (of.written or -0.1), of.next or 100, of.slowness or 1, 0, now + (of.pause or -10), of.rate or 0,
            of.stride or 0, of.paused or 0) .. moments)
    end

    local function learnt_rate(path) return (("<d"):unpack(support.read(path), 113)) end

    it("takes what a clock of another boot has written, and what cannot be true, for nothing", function()
        local sandbox = support.sandbox { rate = 0 }
        local impossible = {
            ["of another boot"] = { clock = ("x"):rep(64), moment = 20, pause = 20 },
            ["written in the future"] = { written = 250, moment = 20, pause = 20 },
            ["held for longer than any 429 may"] = { pause = 250 },
            ["a moment that nobody was given"] = { moment = 2000 },
            ["let go in the future"] = { moment = 2 ^ 33 + 20 },
            ["no number"] = { slowness = 0 / 0, moment = 0 / 0, rate = 0 / 0 },
            ["more requests than there are numbers for"] = { next = -1 },
        }
        for name, of in pairs(impossible) do
            local path, began = quota_file(sandbox, of), support.now()
            local result = gets(sandbox, 1, path):wait()
            assert.are.equal(0, result.status, name)
            assert.are.equal("", result.stderr, name)
            assert.is_true(support.now() - began < 2, name)
        end
        sandbox:stop()
    end)

    it("says for how long it waits when that is longer than a second", function()
        local sandbox = support.sandbox { rate = 0 }
        local path, began = quota_file(sandbox, { moment = 1.3 }), support.now()
        local result = gets(sandbox, 1, path):wait()
        assert.is_true(support.now() - began > 1.3)
        assert.are.equal(0, result.status)
        assert.matches("^%S+ waiting 2%.%d s for the quota of 20 requests a second, which .+ share\n$", result.stderr)
        sandbox:stop()
    end)

    it("takes up nothing of the quota for a request that was given up while it waited", function()
        local sandbox = support.sandbox { rate = 0 }
        local path = quota_file(sandbox, { moment = 3 })
        local given_up = gets(sandbox, 1, path)
        support.eventually("the wait", function() return given_up:stderr():find("waiting", 1, true) end)
        given_up:signal("TERM")
        assert.are.equal(130, given_up:wait().status)
        local next_place = ("<I8"):unpack(support.read(path), 81)
        assert.are.equal(101, next_place)
        local function moment(place) return (("<d"):unpack(support.read(path), 137 + 8 * place)) end
        assert.are.equal(moment(80), moment(100))
        sandbox:stop()
    end)

    it("goes on alone, with a warning that names it, when its quota file cannot be used", function()
        local sandbox = support.sandbox { rate = 0 }
        local link, pipe = support.temporary("link"), support.temporary("pipe")
        assert(os.execute("ln -s /nowhere " .. link) and os.execute("mkfifo " .. pipe))
        local reasons = {
            [link] = "it is a symbolic link", [pipe] = "it is not a regular file",
            ["/dev/full"] = "it is not a regular file",
            [support.temporary_directory("quota")] = "Is a directory", ["/nowhere/quota"] = "No such file or directory",
        }
        for path, reason in pairs(reasons) do
            local result = gets(sandbox, 3, path):wait()
            assert.are.equal(0, result.status, path)
            assert.matches("warning: the quota file " .. path .. ": " .. reason .. "; this process counts its requests "
                .. "alone", result.stderr, 1, true)
            assert.are.equal(1, select(2, result.stderr:gsub("\n", "")), path)
        end
        sandbox:stop()
    end)

    it("goes on when its quota file is locked for ever by somebody else", function()
        local sandbox = support.sandbox { rate = 0 }
        local path = support.temporary("quota", "")
        local holder = support.start { command = "flock", path, "-c", "echo locked; exec sleep 60" }
        support.eventually("the lock", function() return holder:stdout() == "locked\n" end)
        local result = gets(sandbox, 1, path):wait()
        assert.are.equal(0, result.status)
        assert.matches(path .. ": another process keeps it locked; this process", result.stderr, 1, true)
        sandbox:stop()
    end)

    it("survives a quota file that is cut short, or taken over by another machine, while it is used", function()
        local of_another = ("kmirror3"):reverse() .. ("x"):rep(64) .. ("<dI8dddddI8"):pack(1, 0, 1, 0, 0, 0, 0, 0)
        for _, content in ipairs { "", of_another } do
            local sandbox, sends, quota = support.sandbox { rate = 0 }, new_sends(), support.temporary("quota")
            local run = counted_gets(sandbox, sends, 30, quota)
            support.eventually("a few requests", function() return #sends:times() > 5 end)
            support.write(quota, content)
            local result = run:wait(20)
            assert.are.equal(0, result.status, result.stderr)
            local times = sends:times()
            assert.are.equal(30, #times)
            assert.are.equal(20, most_in_a_second(times))
            sandbox:stop()
        end
    end)

    it("has no more under way at once than `concurrency`", function()
        local server = support.server { { body = '{"id":"x"}', wait = 0.02 } }
        local source = [[
            local mirrors, task = require "mirrors", require "task"
            local api = mirrors.connect { rate = 0, concurrency = 3 }
            local g <close> = task.group()
            for i = 1, 12 do g:spawn(api.get, api, "m" .. i) end]]
        local result = support.run { "run", support.temporary("runbook.lua", source), env = {
            KMIRROR_ENDPOINT = server.url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "u",
            KMIRROR_API_KEY = "k",
        } }
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(12, #server:requests())
        assert.is_true(server:connections() <= 3)
    end)

    it("holds what is queued after a 429 and slows down, so that the next ones get through", function()
        local sandbox = support.sandbox { rate = 5 } -- lower than what the client thinks
        local result = gets(sandbox, 12):wait(30)
        assert.are.equal(0, result.status)
        local accepted, refused = counts(sandbox)
        assert.are.equal(12, accepted)
        assert.is_true(refused <= 40, "refused " .. refused)
        sandbox:stop()
    end)

    describe("after a 429 that asks to wait long", function()
        local LIST = { body = '{"mirrors":[]}' }
        local server, quota

        before_each(function()
            server = support.server { { status = 429, headers = { "Retry-After: 3000" } }, LIST }
            quota = support.temporary("quota")
        end)
        after_each(function() server:stop() end)

        local function connect(options)
            options.rate, options.quota_file = 35, quota
            return support.connect(server, options)
        end

        it("fails the call whose deadline is over before that, and says for how long it is to wait", function()
            local api = connect { retries = 6, deadline = 20 }
            local problem = support.raises("rate_limited", api.list, api)
            assert.are.equal(429, problem.status)
            assert.matches("it asks to wait 3000 s, and by then the deadline of 20 s is over", problem.message, 1, true)
        end)

        it("sends nothing of other calls either, and fails them at once when they may not wait so long", function()
            local api = connect { retries = 6, deadline = 5 }
            support.raises("rate_limited", api.list, api)
            local script = support.temporary("list.lua", [[
                local api = require "mirrors".connect { deadline = 5, quota_file = (...) }
                local ok, problem = pcall(api.list, api)
                print(ok, problem.kind, problem.status, problem.message)]])
            local began = support.now()
            local result = support.run { "run", script, quota, env = { KMIRROR_ENDPOINT = server.url,
                KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "s3cret-key" } }
            assert.is_true(support.now() - began < 4)
            assert.matches("^false\trate_limited\tnil\tnot sent: .- another %d%d s", result.stdout, nil, result.stderr)
            assert.are.equal(1, #server:requests())
        end)

        it("says for how long a call waits that may wait so long", function()
            local api = connect { retries = 0 }
            support.raises("rate_limited", api.list, api)
            local script = support.temporary("list.lua", 'require "mirrors".connect { quota_file = (...) }:list()')
            local process = support.start { "run", script, quota, env = { KMIRROR_ENDPOINT = server.url,
                KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "s3cret-key" } }
            support.eventually("word of the wait", function() return process:stderr():find("waiting") end, 5)
            assert.matches("waiting %d%d%.%d s: after an answer 429 the kmirror processes of this user send nothing",
                process:stderr())
            process:signal("INT")
            assert.are.equal(130, process:wait().status)
        end)

        it("fails what is queued already", function()
            local script = support.temporary("queue.lua", [[
                local mirrors, task = require "mirrors", require "task"
                local api = mirrors.connect { deadline = 5, rate = 35, retries = 6, quota_file = (...) }
                local held, g <close> = 0, task.group()
                for _ = 1, 100 do
                    g:spawn(function()
                        local ok, problem = pcall(api.list, api)
                        if not ok and problem.kind == "rate_limited" and not problem.status then held = held + 1 end
                    end)
                end
                g:wait()
                print(held)]])
            local began = support.now()
            local result = support.run { "run", script, quota, env = { KMIRROR_ENDPOINT = server.url,
                KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "s3cret-key" } }
            assert.is_true(support.now() - began < 8)
            assert.are.equal(100 - #server:requests(), math.tointeger(tonumber(result.stdout)), result.stderr)
            assert.is_true(#server:requests() <= 36)
        end)
    end)

    describe("with rate 'auto'", function()
        local quota

        before_each(function() quota = support.temporary("quota") end)

        it("finds out a limit that it is not told, says so, and begins with it the next time", function()
            local sandbox = support.sandbox { rate = 10 }
            local first = gets_at("auto", sandbox, 25, quota):wait(20)
            assert.are.equal(0, first.status, first.stderr)
            assert.matches("the API takes no more than about %d+ requests a second", first.stderr)
            local accepted, refused = counts(sandbox)
            assert.are.equal(25, accepted)
            assert.is_true(refused <= 6, "refused " .. refused) -- one, when nothing else keeps the machine busy
            local rate = learnt_rate(quota)
            assert.is_true(rate >= 7 and rate < 12, "learnt " .. rate)
            local second = gets_at("auto", sandbox, 15, quota):wait(20)
            assert.are.equal(0, second.status, second.stderr)
            local _, refused_in_all = counts(sandbox)
            assert.is_true(refused_in_all - refused <= 2, "refused " .. refused_in_all)
            sandbox:stop()
        end)

        it("starts at 35, and climbs while requests fill the rate and none is rejected", function()
            local sandbox = support.sandbox { rate = 0 }
            assert.are.equal(0, gets_at("auto", sandbox, 1, quota):wait().status)
            assert.are.equal(35, learnt_rate(quota))
            assert.are.equal(0, gets_at("auto", sandbox, 120, quota):wait(20).status)
            assert.is_true(learnt_rate(quota) > 50, "climbed to " .. learnt_rate(quota))
            sandbox:stop()
        end)

        it("does not climb when fewer requests are made than it allows", function()
            local sandbox = support.sandbox { rate = 0 }
            local api = require("mirrors").connect(sandbox:options { rate = "auto", quota_file = quota })
            for _ = 1, 10 do
                api:list()
                support.sleep(0.1)
            end
            assert.are.equal(35, learnt_rate(quota))
            assert.are.equal(35, api.account.rate())
            sandbox:stop()
        end)

        it("shares with other processes what it has found out, and keeps it when the machine starts anew", function()
            local sandbox = support.sandbox { rate = 0 }
            for _, clock in ipairs { false, ("x"):rep(64) } do
                local path = quota_file(sandbox, { rate = 5, clock = clock, paused = 300 })
                local api = require("mirrors").connect(sandbox:options { rate = "auto", quota_file = path })
                assert.are.equal(5, api.account.rate())
                local other = gets_at("auto", sandbox, 4, path)
                local began = support.now()
                for _ = 1, 5 do api:list() end
                assert.are.equal(0, other:wait().status)
                assert.is_true(support.now() - began > (clock and 0.4 or 0.8)) -- it climbs at once after a start
            end
            sandbox:stop()
        end)

        it("takes a rate that cannot be true for nothing", function()
            local sandbox = support.sandbox { rate = 0 }
            for _, rate in ipairs { 0 / 0, -1, 1e300, 0.5 } do
                local path = quota_file(sandbox, { rate = rate })
                local api = require("mirrors").connect(sandbox:options { rate = "auto", quota_file = path })
                assert.are.equal(35, api.account.rate())
            end
            sandbox:stop()
        end)

        it("follows a limit that drops, and one that rises again", function()
            local sandbox = support.sandbox { rate = 240 }
            local path = quota_file(sandbox, { rate = 240 })
            local function many(count, limit)
                assert.are.equal(200, select(2, http.request(sandbox.url .. "/sandbox/rate/" .. limit, "")))
                assert.are.equal(0, gets_at("auto", sandbox, count, path):wait(20).status)
            end
            many(120, 240)
            many(120, 120)
            local low = learnt_rate(path)
            assert.is_true(low > 60 and low < 150, "down to " .. low)
            path = quota_file(sandbox, { rate = low }) -- the 429s are paid for
            many(400, 0)
            assert.is_true(learnt_rate(path) > low + 20, "up to " .. learnt_rate(path))
            sandbox:stop()
        end)
    end)

    it("with rate 0 holds nothing back", function()
        local sandbox = support.sandbox { rate = 0 }
        local began = support.now()
        local api = require("mirrors").connect(sandbox:options { rate = 0 })
        for _ = 1, 100 do api:list() end
        assert.is_true(support.now() - began < 2)
        sandbox:stop()
    end)
end)
