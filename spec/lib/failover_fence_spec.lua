local support = require "spec.support"

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
        local function try(fn, ...)
            local ok, value = pcall(fn, api, saved, ...)
            print(ok and "ok" or tostring(value))
        end
        ]] .. script }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

describe("the fence", function()
    it("holds when the rates have fallen to zero, for as long and over as many looks as it must", function()
        assert.are.equal("ok\ntrue\n", (run [[
            seen = function(id, look) return mirror(id, look > 3 and 0 or 4, 10) end
            local began = task.now()
            try(fence.still, 5, 0.3)
            print(looks.a >= 6 and looks.b >= 6 and task.now() - began > 0.3)]]))
    end)

    it("begins again when the rates come back", function()
        local stdout, stderr = run [[
            seen = function(id, look) return mirror(id, id == "b" and look == 3 and 4 or 0, 10) end
            try(fence.still, 5, 0.1)
            print(looks.a >= 6)]]
        assert.are.equal("ok\ntrue\n", stdout)
        assert.is_truthy(stderr:find("warning: the rates came back: b.x 4.0/s", 1, true))
    end)

    it("names what is still written, when it takes too long", function()
        assert.are.equal("the fence cannot be confirmed after 0.2 seconds: something is still written: b.x 7.0/s, a.x "
            .. "5.0/s; no mirror was deleted\n", (run [[
            seen = function(id) return mirror(id, id == "b" and 7 or 5, 10) end
            try(fence.still, 0.2, 0.1)]]))
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
                try(fence.still, 1, 0)
            end]]
        local problems = {}
        for line in stdout:gmatch("mirror b of 'b%.%*' ([^\n]+); no mirror was deleted\n") do
            problems[#problems + 1] = line
        end
        assert.are.same({
            "has vanished: somebody else deletes mirrors",
            "is FAILED, its mirror connector RUNNING, its checkpoint connector RUNNING",
            "is IN_SYNC, its mirror connector PAUSED, its checkpoint connector RUNNING",
            "is IN_SYNC, its mirror connector RUNNING, its checkpoint connector UNASSIGNED",
            "does not list the topic 'b.x' any more",
            "cannot be read: no answer",
        }, problems)
    end)

    it("passes on what is about more than one mirror", function()
        assert.are.equal("the key is wrong\n", (run [[
            seen = function() error(mirrors.error("unauthorized", "the key is wrong"), 0) end
            try(fence.still, 1, 0)]]))
    end)

    it("is drained when no lag is left, and does not hold when something is written meanwhile", function()
        assert.are.equal("ok\nnot drained after 0 seconds: the highest lag is 900 ms, more than 100; "
            .. "no mirror was deleted\n"
            .. "the fence does not hold: a.x 1.0/s, b.x 1.0/s; no mirror was deleted\n", (run [[
            seen = function(id, look) return mirror(id, 0, look > 1 and 100 or 900) end
            try(fence.drained, 5, 100)
            seen = function(id) return mirror(id, 0, 900) end
            try(fence.drained, 0, 100)
            seen = function(id) return mirror(id, 1, 0) end
            try(fence.drained, 0, 100)]]))
    end)

    it("is looked at more than once while it must hold", function()
        assert.are.equal("the fence does not hold: b.x 2.5/s; no mirror was deleted\nok\n2\n", (run [[
            seen = function(id, look) return mirror(id, id == "b" and look == 2 and 2.5 or 0, 0) end
            try(fence.hold, 0.2)
            looks, seen = {}, function(id) return mirror(id, 0, 0) end
            try(fence.hold, 0)
            print(looks.a)]]))
    end)

    it("waits for a lag as low as it is told, or as the targets are", function()
        assert.are.equal("ok\nthe lag does not fall: 900 ms after 0 seconds, more than 500; nothing was changed\n",
            (run [[
            seen = function(id) return mirror(id, 5, 900) end
            try(fence.caught_up, 0)
            try(fence.caught_up, 0, 500)]]))
    end)

    it("shows how far it is: topics on which nothing flows, mirrors that lag no more, and the time", function()
        assert.are.equal("wait 1/2 of 5, 4.0 records/s\nwait 2/2 of 5, quiet for 0 of 0.1 s\n"
            .. "drain 1/2 of 6, lag 900 ms\nhold 0/nil of nil, nil, 0.2 s\n", (run [[
            local works, shown = require("kmirror.progress.display").works, nil
            local function show(more)
                local work = works[#works]
                local line = ("%s %d/%s of %s, %s%s"):format(work.title, work.count, work.total, work.limit,
                    work.text, more or "")
                if line ~= shown and (work.total or more) then print(line) end
                shown = line
            end
            local steps = require("kmirror.steps").new()
            seen = function(id, look)
                if id == "a" then show() end
                return mirror(id, id == "b" and look == 1 and 4 or 0, 10)
            end
            steps:run("wait", function() fence.still(api, saved, 5, 0.1) return "" end)
            looks, seen = {}, function(id, look)
                if id == "a" then show() end
                return mirror(id, 0, id == "b" and look == 1 and 900 or 10)
            end
            steps:run("drain", function() fence.drained(api, saved, 6, 100) return "" end)
            looks, seen = {}, function(id, look)
                if id == "a" and look == 1 then show((", %g s"):format(works[#works].seconds)) end
                return mirror(id, 0, 0)
            end
            steps:run("hold", function() fence.hold(api, saved, 0.2) return "" end)]]))
    end)
end)
