local support = require("spec.support")

-- Runs Lua in the host with `fence` at hand, and `api`, whose mirrors are what `seen(id, look)` says at each look.
local function run(script)
    local result = support.run { "run", "-", stdin = [[
        local fence, mirrors, task = require "kmirror.failover.fence", require "mirrors", require "task"
        local function mirror(id, rate, lag, fields)
            local all = { id = id, topicsRegex = id .. ".*", status = "IN_SYNC", mirrorStatus = "RUNNING",
                checkpointStatus = "RUNNING", targetLatency = 30000,
                topicStatuses = { { name = id .. ".x", averageRate = rate, averageLatency = lag } } }
            for name, value in pairs(fields or {}) do all[name] = value end
            return all
        end
        local looks, seen = {}, nil
        local api = { get = function(_, id)
            looks[id] = (looks[id] or 0) + 1
            return seen(id, looks[id])
        end }
        local saved = { mirror("a", 5, 900), mirror("b", 7, 1200) }
        local function guard(low, looked)
            looks = {}
            return fence.new(api, saved, looked or task.now(), low or 100)
        end
        local function quiet(lag)
            local it = guard()
            seen = function(id) return mirror(id, 0, lag or 0) end
            it:still(5, 0)
            looks = {}
            return it
        end
        local function try(it, step, ...)
            local ok, value = pcall(it[step], it, ...)
            print(ok and "ok" or tostring(value))
        end
        ]] .. script }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

describe("the fence", function()
    it("holds when the rates have fallen to zero, for as long and over as many looks as it must", function()
        assert.are.equal("ok\ntrue\n", (run [[
            seen = function(id, look) return mirror(id, look > 1 and 0 or 4, 10) end
            local began = task.now()
            try(guard(), "still", 5, 0.3)
            print(looks.a >= 4 and looks.b >= 4 and task.now() - began > 1.3)]]))
    end)

    it("begins again when the rates come back", function()
        local stdout, stderr = run [[
            seen = function(id, look) return mirror(id, id == "b" and look == 3 and 4 or 0, 10) end
            try(guard(), "still", 5, 0.1)
            print(looks.a >= 5, looks.b >= 6)]]
        assert.are.equal("ok\ntrue\ttrue\n", stdout)
        assert.is_truthy(stderr:find("warning: the rates came back: b.x 4.0/s", 1, true))
    end)

    it("names what is still written, when it takes too long", function()
        assert.are.equal("the fence cannot be confirmed after 0.2 seconds: something is still written: b.x 7.0/s, a.x "
            .. "5.0/s; no mirror was deleted\n", (run [[
            seen = function(id) return mirror(id, id == "b" and 7 or 5, 10) end
            try(guard(), "still", 0.2, 0.1)]]))
    end)

    it("says so when the rates were at zero for too short a time", function()
        assert.are.equal("the fence cannot be confirmed after 0.2 seconds: the rates were not at zero for long enough; "
            .. "no mirror was deleted\n", (run [[
            seen = function(id) return mirror(id, 0, 10) end
            try(guard(), "still", 0.2, 0.6)]]))
    end)

    it("does not take for silence a mirror that has vanished, failed, stopped or lost a topic", function()
        local stdout = run [[
            for _, now in ipairs {
                function() error(mirrors.error("not_found", "gone"), 0) end,
                function(id) return mirror(id, 0, 0, { status = "FAILED" }) end,
                function(id) return mirror(id, 0, 0, { mirrorStatus = "PAUSED" }) end,
                function(id) return mirror(id, 0, 0, { checkpointStatus = "UNASSIGNED" }) end,
                function(id) return mirror(id, 0, 0, { topicStatuses = {} }) end,
                function() error(mirrors.error("server", "no answer"), 0) end,
            } do
                seen = function(id) return id == "b" and now(id) or mirror(id, 0, 0) end
                try(guard(), "still", 1, 0)
                local it = quiet()
                seen = function(id) return id == "b" and now(id) or mirror(id, 0, 0) end
                try(it, "hold", 0, 1)
            end]]
        local problems = {}
        for line in stdout:gmatch("mirror b of 'b%.%*' ([^\n]+); no mirror was deleted\n") do
            problems[#problems + 1] = line
        end
        local expected = {}
        for _, problem in ipairs {
            "has disappeared: somebody else is deleting mirrors",
            "is FAILED, its mirror connector RUNNING, its checkpoint connector RUNNING",
            "is IN_SYNC, its mirror connector PAUSED, its checkpoint connector RUNNING",
            "is IN_SYNC, its mirror connector RUNNING, its checkpoint connector UNASSIGNED",
            "does not list the topic 'b.x' any more",
            "cannot be read: no answer; that may pass by itself: run it again",
        } do
            expected[#expected + 1], expected[#expected + 2] = problem, problem
        end
        assert.are.same(expected, problems)
    end)

    it("passes on what is about more than one mirror", function()
        assert.are.equal("the key is wrong\n", (run [[
            seen = function() error(mirrors.error("unauthorized", "the key is wrong"), 0) end
            try(guard(), "still", 1, 0)]]))
    end)

    it("is drained when no lag is left, and does not hold when something is written meanwhile", function()
        assert.are.equal("ok\nnot drained after 0 seconds: the highest lag is 900 ms, more than 100; "
            .. "no mirror was deleted\n"
            .. "the fence does not hold: a.x 1.0/s; no mirror was deleted\n", (run [[
            local it = quiet(900)
            seen = function(id) return mirror(id, 0, 100) end
            try(it, "drained", 5)
            try(quiet(900), "drained", 0)
            it = quiet(900)
            seen = function(id) return mirror(id, id == "a" and 1 or 0, 0) end
            try(it, "drained", 0)]]))
    end)

    it("looks again at what was drained before a moment that it is told", function()
        assert.are.equal("ok\tnil\tnil\nok\t1\t1\n", (run [[
            local it = quiet()
            print(pcall(it.drained, it, 5) and "ok", looks.a, looks.b)
            print(pcall(it.drained, it, 5, task.now()) and "ok", looks.a, looks.b)]]))
    end)

    it("looks at every mirror once more when it has held for as long", function()
        assert.are.equal("the fence does not hold: b.x 2.5/s; no mirror was deleted\nok\ntrue\ttrue\n", (run [[
            local it = quiet()
            seen = function(id) return mirror(id, id == "b" and 2.5 or 0, 0) end
            try(it, "hold", 0, 1)
            local began = task.now()
            it = quiet()
            try(it, "hold", 0.4, 1)
            print(looks.a >= 1 and looks.b >= 1, task.now() - began > 0.4)]]))
    end)

    it("begins to count anew for a mirror that turns out not to be drained", function()
        assert.are.equal("ok\n3\nnot drained after 0 seconds: the highest lag is 900 ms, more than 100; no mirror "
            .. "was deleted\n", (run [[
            local it = quiet()
            seen = function(id, look) return mirror(id, 0, id == "b" and look == 1 and 900 or 0) end
            try(it, "hold", 0, 5)
            print(looks.b)
            it = quiet()
            seen = function(id) return mirror(id, 0, id == "b" and 900 or 0) end
            try(it, "hold", 0, 0)]]))
    end)

    it("waits for a lag as low as it is told, or as the targets are", function()
        assert.are.equal("ok\nthe lag does not fall: 900 ms after 0 seconds, more than 500; nothing was changed\n",
            (run [[
            seen = function(id) return mirror(id, 5, 900) end
            try(guard(), "caught_up", 0)
            try(guard(), "caught_up", 0, 500)]]))
    end)

    -- ---- MirrorMaker's own ------------------------------------------------------------------------------------

    local beating = [[
        local function beat(id, rate, lag, more)
            local all = mirror(id, rate, lag, { connectorName = "us-west.us-east.abc", topicsRegex = ".*" })
            local one = { name = "heartbeats", averageRate = 1, averageLatency = 900 }
            for name, value in pairs(more or {}) do one[name] = value end
            table.insert(all.topicStatuses, 1, one)
            return all
        end
        saved = { beat("a", 5, 900), beat("b", 7, 1200) }
    ]]

    it("holds while MirrorMaker's heartbeats go on, as late as they always are", function()
        assert.are.equal("ok\nok\nok\n0\t0\n", (run(beating .. [[
            seen = function(id) return beat(id, 0, 0) end
            local it = guard()
            try(it, "still", 1, 0)
            try(it, "drained", 1)
            try(it, "hold", 0, 1)
            print(it:lag(), it:rate())]])))
    end)

    it("does not when these are later than their mirror may be, or more than MirrorMaker writes", function()
        assert.are.equal("ok\nnot drained after 0 seconds: the highest lag is 30001 ms, more than 100; no mirror was "
            .. "deleted\nthe fence cannot be confirmed after 0 seconds: something is still written: heartbeats 50.0/s, "
            .. "heartbeats 50.0/s; no mirror was deleted\n", (run(beating .. [[
            seen = function(id) return beat(id, 0, 0, { averageLatency = 30001 }) end
            local it = guard()
            try(it, "still", 1, 0)
            try(it, "drained", 0)
            seen = function(id) return beat(id, 0, 0, { averageRate = 50 }) end
            try(guard(), "still", 0, 0)]])))
    end)

    it("waits for a user's topic of such a name, and says when it may be MirrorMaker's", function()
        local said = run(beating .. [[
            local names = { a = { name = "team.heartbeats" }, b = { name = "us-west.heartbeats" } }
            seen = function(id) return beat(id, 0, 0, names[id]) end
            saved = { beat("a", 5, 900, names.a), beat("b", 7, 1200, names.b) }
            try(guard(), "still", 0, 0)]])
        assert.are.equal("the fence cannot be confirmed after 0 seconds: something is still written: team.heartbeats "
            .. "1.0/s (team.heartbeats is MirrorMaker's own where 'team' is a cluster: then the profile has to say "
            .. "aliases = {'team'}); no mirror was deleted\n", said)
    end)

    it("does not miss a heartbeats topic that is not listed any more", function()
        assert.are.equal("ok\n", (run(beating .. [[
            seen = function(id) return mirror(id, 0, 0) end
            try(guard(), "still", 1, 0)]])))
    end)

    -- ---- requests -----------------------------------------------------------------------------------------

    local six = [[
        saved = {}
        for i, id in ipairs { "a", "b", "c", "d", "e", "f" } do saved[i] = mirror(id, i, i) end
        local function counts()
            local line = {}
            for i, each in ipairs(saved) do line[i] = looks[each.id] or 0 end
            looks = {}
            return table.concat(line, " ")
        end
    ]]

    it("asks the busiest few until they are quiet, then the others: these once, and once at the end", function()
        assert.are.equal("1 1 1 4 4 4\n0 0 0 0 0 0\n1 1 1 1 1 1\n", (run(six .. [[
            seen = function(id, look) return mirror(id, id >= "d" and look == 1 and 4 or 0, 0) end
            local it = guard()
            it:still(5, 0)
            print(counts())
            seen = function(id) return mirror(id, 0, 0) end
            it:drained(5)
            print(counts())
            it:hold(0, 5)
            print(counts())]])))
    end)

    it("takes nothing for silence that was seen before the producers were stopped", function()
        assert.are.equal("ok\nthe fence cannot be confirmed after 0.2 seconds: something is still written: a.x 4.0/s; "
            .. "no mirror was deleted\n", (run(six .. [[
            local it = guard(100, task.now() - 100)
            seen = function(id) return mirror(id, 0, 0) end
            try(it, "caught_up", 5)
            seen = function(id) return mirror(id, id == "a" and 4 or 0, 0) end
            try(it, "still", 0.2, 0)]])))
    end)

    it("asks only those again that were not quiet, or not drained", function()
        assert.are.equal("1 2 1 3 3 3\n0 0 1 0 0 0\n", (run(six .. [[
            seen = function(id, look)
                return mirror(id, id == "b" and look == 1 and 4 or 0, id == "c" and look == 1 and 900 or 0)
            end
            local it = guard()
            it:still(5, 0)
            local before = looks.c
            print(counts())
            looks.c = before
            it:drained(5)
            looks.c = looks.c - before
            print(counts())]])))
    end)

    it("asks nothing about a lag that is known, and everybody when that was long ago", function()
        assert.are.equal("0 0 0 0 0 0\n0 0 0 1 1 1\n1 1 1 1 1 1\n", (run(six .. [[
            seen = function(id) return mirror(id, 0, 0) end
            guard():caught_up(5)
            print(counts())
            guard():caught_up(5, 3)
            print(counts())
            guard(100, task.now() - 100):caught_up(5)
            print(counts())]])))
    end)

    it("looks at the busiest while it waits for the end", function()
        assert.are.equal("true\n", (run(six .. [[
            local it = quiet()
            it:hold(0.6, 1)
            print(looks.a == 1 and looks.d > 1 and looks.f > 1)]])))
    end)

    it("shows how far it is: topics on which nothing flows, mirrors that lag no more, and the time", function()
        assert.are.equal("wait 0/2 of 5, 9.0 records/s\n"
            .. "drain 1/2 of 6, lag 900 ms\nhold 0/nil of nil, nil, 0.2 s\n", (run [[
            local works, shown = require("kmirror.progress.display").works, nil
            local function show(more)
                local work = works[#works]
                local line = ("%s %d/%s of %s, %s%s"):format(work.title, work.count, work.total, work.limit,
                    work.text, more or "")
                if line ~= shown and (work.total or more) then print(line) end
                shown = line
            end
            local steps, it = require("kmirror.steps").new(), guard()
            seen = function(id, look)
                if id == "a" then show() end
                return mirror(id, id == "b" and look == 1 and 4 or 0, id == "b" and 900 or 800)
            end
            steps:run("wait", function() it:still(5, 0.1) return "" end)
            looks, seen = {}, function(id, look)
                if id == "b" then show() end
                return mirror(id, 0, id == "b" and look == 1 and 900 or 10)
            end
            steps:run("drain", function() it:drained(6) return "" end)
            looks, seen = {}, function(id, look)
                if id == "a" and look == 1 then show((", %g s"):format(works[#works].seconds)) end
                return mirror(id, 0, 0)
            end
            steps:run("hold", function() it:hold(0.2, 1) return "" end)]]))
    end)
end)
