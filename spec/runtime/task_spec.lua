-- task: only inside the host, as stock Lua has no such module.

local task = require("task")
local support = require("spec.support")

local function fails_with(kind, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.are.equal(kind, type(e) == "table" and e.kind or e)
    return e
end

-- A task that waits until it is cancelled, and a log of what became of it.
local function waiter(log, name)
    return function()
        local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = name .. " closed" end })
        task.sleep(60)
        log[#log + 1] = name .. " finished"
    end
end

describe("task #native", function()
    local before

    before_each(function() before = task.live() end)

    after_each(function()
        collectgarbage()
        assert.are.equal(before, task.live())
    end)

    describe("spawn and join", function()
        it("give the function its arguments and the joiner its results, nils included", function()
            local t = task.spawn(function(...) return select("#", ...), ... end, 1, nil, 3, nil)
            assert.are.same({ 4, 1, nil, 3, nil, n = 5 }, table.pack(t:join()))
        end)

        it("let a task be joined more than once, and after it has ended", function()
            local t = task.spawn(function() return "done" end)
            assert.are.equal("done", t:join())
            assert.are.equal("done", t:join())
            assert.are.equal("succeeded", t:status())
        end)

        it("run tasks side by side", function()
            local order = {}
            local slow = task.spawn(function() task.sleep(0.02) order[#order + 1] = "slow" end)
            local quick = task.spawn(function() order[#order + 1] = "quick" end)
            slow:join()
            quick:join()
            assert.are.same({ "quick", "slow" }, order)
        end)

        it("re-raise the very error value that the task died of", function()
            local value = {}
            local t = task.spawn(function() error(value) end)
            local ok, e = pcall(t.join, t)
            assert.is_false(ok)
            assert.are.equal(value, e)
            assert.are.equal("failed", t:status())
        end)

        it("re-raise nil too", function()
            local t = task.spawn(function() error(nil) end)
            local outcome = table.pack(pcall(t.join, t))
            assert.is_false(outcome[1])
            assert.is_nil(outcome[2])
        end)

        it("wake every joiner", function()
            local t = task.spawn(function() task.sleep(0.01) return 7 end)
            local joiners = {}
            for i = 1, 5 do joiners[i] = task.spawn(t.join, t) end
            for i = 1, 5 do assert.are.equal(7, joiners[i]:join()) end
        end)

        it("refuse what is no function, by name", function()
            local e = fails_with("invalid", task.spawn, 42)
            assert.are.equal("task.spawn: expected a function, got number", tostring(e))
        end)

        it("refuse a task that joins itself", function()
            local t
            t = task.spawn(function() return t:join() end)
            fails_with("invalid", t.join, t)
        end)
    end)

    describe("cancel", function()
        it("ends the wait that the task is in, and runs its <close> variables", function()
            local log = {}
            local t = task.spawn(waiter(log, "a"))
            task.sleep(0)
            t:cancel()
            fails_with("cancelled", t.join, t)
            assert.are.same({ "a closed" }, log)
            assert.are.equal("cancelled", t:status())
        end)

        it("holds: a task that catches it is cancelled again at its next wait", function()
            local caught = 0
            local t = task.spawn(function()
                while caught < 3 do
                    local ok = pcall(task.sleep, 60)
                    if not ok then caught = caught + 1 end
                end
                return caught
            end)
            task.sleep(0)
            t:cancel()
            assert.are.equal(3, t:join())
        end)

        it("keeps a task that has not started from starting", function()
            local started = false
            local t = task.spawn(function() started = true end)
            t:cancel()
            fails_with("cancelled", t.join, t)
            assert.is_false(started)
        end)

        it("does nothing to a task that has ended", function()
            local t = task.spawn(function() return 1 end)
            t:join()
            t:cancel()
            assert.are.equal(1, t:join())
        end)

        it("ends a wait for another task, which goes on", function()
            local slow = task.spawn(function() task.sleep(0.03) return "slow" end)
            local joiner = task.spawn(slow.join, slow)
            task.sleep(0)
            joiner:cancel()
            fails_with("cancelled", joiner.join, joiner)
            assert.are.equal("slow", slow:join())
        end)

        it("keeps a cancelled task from spawning", function()
            local t = task.spawn(function()
                pcall(task.sleep, 60)
                task.spawn(print)
            end)
            task.sleep(0)
            t:cancel()
            fails_with("cancelled", t.join, t)
        end)
    end)

    describe("sleep", function()
        it("takes the time it is given", function()
            local before_it = task.now()
            task.sleep(0.03)
            local took = task.now() - before_it
            assert.is_true(took >= 0.03, "slept for " .. took)
        end)

        it("wakes the tasks in the order of their times", function()
            local order = {}
            do
                local g <close> = task.group()
                for _, ms in ipairs { 40, 10, 30, 20, 10 } do
                    g:spawn(function() task.sleep(ms / 1000) order[#order + 1] = ms end)
                end
            end
            assert.are.same({ 10, 10, 20, 30, 40 }, order)
        end)

        it("refuses what is no number of seconds", function()
            fails_with("invalid", task.sleep, -1)
            fails_with("invalid", task.sleep, 0 / 0)
            assert.has_error(function() task.sleep("soon") end)
        end)
    end)

    describe("timeout", function()
        it("returns what the function returns in time", function()
            assert.are.same({ 1, nil, 3, n = 3 }, table.pack(task.timeout(5, function(...) return ... end, 1, nil, 3)))
        end)

        it("raises timeout, after the function has cleaned up", function()
            local log = {}
            local e = fails_with("timeout", task.timeout, 0.01, waiter(log, "a"))
            assert.are.equal("gave up after 0.01 seconds", tostring(e))
            assert.are.same({ "a closed" }, log)
        end)

        it("raises what the function raises", function()
            local ok, e = pcall(task.timeout, 5, error, "mine", 0)
            assert.is_false(ok)
            assert.are.equal("mine", e)
        end)

        it("cancels the function when the caller is cancelled", function()
            local log = {}
            local t = task.spawn(task.timeout, 60, waiter(log, "inner"))
            task.sleep(0.01)
            t:cancel()
            fails_with("cancelled", t.join, t)
            assert.are.same({ "inner closed" }, log)
        end)

        it("nests: the inner one does not end the outer", function()
            assert.are.equal("fine", task.timeout(5, function()
                fails_with("timeout", task.timeout, 0.01, task.sleep, 60)
                return "fine"
            end))
        end)
    end)

    describe("group", function()
        it("waits for its tasks when its scope is left", function()
            local done = 0
            do
                local g <close> = task.group()
                for _ = 1, 10 do
                    g:spawn(function() task.sleep(0.005) done = done + 1 end)
                end
            end
            assert.are.equal(10, done)
        end)

        it("runs no more at once than its concurrency", function()
            local running, most, total = 0, 0, 0
            do
                local g <close> = task.group { concurrency = 3 }
                for _ = 1, 20 do
                    g:spawn(function()
                        running = running + 1
                        most = math.max(most, running)
                        task.sleep(0.001)
                        running = running - 1
                        total = total + 1
                    end)
                end
            end
            assert.are.equal(3, most)
            assert.are.equal(20, total)
        end)

        it("cancels the siblings on the first failure, starts nothing queued, and raises that failure", function()
            local log, started, failure = {}, 0, {}
            local ok, e = pcall(function()
                local g <close> = task.group { concurrency = 2 }
                g:spawn(waiter(log, "sibling"))
                g:spawn(function() task.sleep(0.005) error(failure) end)
                for _ = 1, 5 do
                    g:spawn(function() started = started + 1 end)
                end
            end)
            assert.is_false(ok)
            assert.are.equal(failure, e)
            assert.are.same({ "sibling closed" }, log)
            assert.are.equal(0, started)
        end)

        it("raises the failure of nil as well", function()
            local outcome = table.pack(pcall(function()
                local g <close> = task.group()
                g:spawn(function() error(nil) end)
            end))
            assert.is_false(outcome[1])
            assert.is_nil(outcome[2])
        end)

        it("raises the first failure from wait(), and again on leaving the scope", function()
            local failure, from_wait = {}, nil
            local ok, e = pcall(function()
                local g <close> = task.group()
                g:spawn(error, failure)
                from_wait = select(2, pcall(g.wait, g))
            end)
            assert.is_false(ok)
            assert.are.equal(failure, e)
            assert.are.equal(failure, from_wait)
        end)

        it("cancels its tasks when its scope is left by an error, and raises that error", function()
            local log = {}
            local ok, e = pcall(function()
                local g <close> = task.group()
                g:spawn(waiter(log, "a"))
                task.sleep(0)
                error("mine", 0)
            end)
            assert.is_false(ok)
            assert.are.equal("mine", e)
            assert.are.same({ "a closed" }, log)
        end)

        it("cancels its tasks when the task that owns it is cancelled", function()
            local log = {}
            local t = task.spawn(function()
                local g <close> = task.group()
                g:spawn(waiter(log, "a"))
                g:spawn(waiter(log, "b"))
            end)
            task.sleep(0.005)
            t:cancel()
            fails_with("cancelled", t.join, t)
            table.sort(log)
            assert.are.same({ "a closed", "b closed" }, log)
        end)

        it("does not fail when one of its tasks is cancelled by itself, and goes on with the queue", function()
            local ran = 0
            do
                local g <close> = task.group { concurrency = 1 }
                local first = g:spawn(task.sleep, 60)
                local second = g:spawn(function() ran = ran + 1 end)
                g:spawn(function() ran = ran + 1 end)
                second:cancel()
                first:cancel()
            end
            assert.are.equal(1, ran)
        end)

        it("lets a task that is cancelled clean up with calls that wait for others", function()
            local cleaned = false
            local ok = pcall(function()
                local g <close> = task.group()
                g:spawn(function()
                    local inner <close> = task.group()
                    inner:spawn(function() task.sleep(60) end)
                    local _ <close> = setmetatable({}, { __close = function() cleaned = true end })
                    task.sleep(60)
                end)
                g:spawn(function() task.sleep(0.005) error("x") end)
            end)
            assert.is_false(ok)
            assert.is_true(cleaned)
        end)

        it("hands out tasks whose results can be joined", function()
            local g <close> = task.group { concurrency = 1 }
            local tasks = {}
            for i = 1, 3 do
                tasks[i] = g:spawn(function() return i * i end)
            end
            for i = 1, 3 do assert.are.equal(i * i, tasks[i]:join()) end
        end)

        it("refuses unknown options and a wrong concurrency, by name", function()
            assert.matches("unknown option 'limit'", tostring(fails_with("invalid", task.group, { limit = 1 })))
            for _, wrong in ipairs { 0, -1, 1.5, "2" } do
                fails_with("invalid", task.group, { concurrency = wrong })
            end
        end)

        it("takes no task after its scope has been left", function()
            local kept
            do
                local g <close> = task.group()
                kept = g
            end
            fails_with("invalid", kept.spawn, kept, print)
        end)
    end)

    describe("scope", function()
        it("is what the task, or the one that spawned it, has entered last", function()
            local found = {}
            local function note(name)
                found[name] = task.scope() or "none"
            end
            task.spawn(note, "before"):join()
            task.spawn(function()
                task.enter("outer")
                local inner = task.spawn(function()
                    note("inherited")
                    task.enter("inner")
                    task.spawn(note, "of inner"):join()
                end)
                inner:join()
                note("outer")
                local group <close> = task.group()
                group:spawn(note, "in a group")
                task.timeout(1, note, "with a timeout")
                task.enter(nil)
                group:spawn(note, "left")
            end):join()
            note("main")
            assert.are.same({ before = "none", inherited = "outer", ["of inner"] = "inner", outer = "outer",
                ["in a group"] = "outer", ["with a timeout"] = "outer", left = "none", main = "none" }, found)
        end)
    end)

    describe("a wait in an odd place", function()
        it("works inside pcall", function()
            assert.is_true(pcall(task.sleep, 0.001))
        end)

        it("works in a coroutine that the script drives itself: it blocks there", function()
            local drive = coroutine.wrap(function()
                task.sleep(0.001)
                coroutine.yield("between")
                task.sleep(0.001)
                return "end"
            end)
            assert.are.equal("between", drive())
            assert.are.equal("end", drive())
        end)

        it("works in a callback of string.gsub, in a metamethod and in a finalizer", function()
            local text = ("a"):gsub("a", function() task.sleep(0.001) return "b" end)
            assert.are.equal("b", text)
            local object = setmetatable({}, { __index = function() task.sleep(0.001) return "field" end })
            assert.are.equal("field", object.anything)
            local finalized = false
            setmetatable({}, { __gc = function() task.sleep(0.001) finalized = true end })
            collectgarbage()
            assert.is_true(finalized)
        end)

        it("is refused by join there, as no other task could run", function()
            local t = task.spawn(task.sleep, 0.001)
            local e = coroutine.wrap(function() return fails_with("invalid", t.join, t) end)()
            assert.matches("cannot wait for a task here", tostring(e), 1, true)
            t:join()
        end)

        it("lets a task pass its turn with coroutine.yield()", function()
            local order = {}
            local t = task.spawn(function() order[#order + 1] = "other" end)
            coroutine.yield()
            order[#order + 1] = "this"
            t:join()
            assert.are.same({ "other", "this" }, order)
        end)
    end)

    it("holds ten thousand sleeping tasks in less than 60 MB", function()
        collectgarbage()
        local began, memory = task.now(), collectgarbage "count"
        do
            local g <close> = task.group()
            for _ = 1, 10000 do g:spawn(task.sleep, 0.2) end
            assert.is_true(collectgarbage "count" - memory < 60 * 1024)
        end
        assert.is_true(task.now() - began >= 0.2)
    end)
end)

describe("a run #native", function()
    local function run(source, ...)
        return support.run { "run", support.temporary("runbook.lua", source), ... }
    end

    it("reports a failure that nobody joined, and exits with 1", function()
        local result = run [[require("task").spawn(error, "lost and found", 0)]]
        assert.are.equal(1, result.status)
        assert.matches("a task failed that nobody waited for:\nkmirror: lost and found", result.stderr, 1, true)
    end)

    it("waits for the tasks that it has spawned", function()
        local result = run [[
            local task = require "task"
            task.spawn(function() task.sleep(0.02) print("late") end)
            print("early")]]
        assert.are.equal(0, result.status)
        assert.are.equal("early\nlate\n", result.stdout)
    end)

    it("does not hang when all tasks wait for one another", function()
        local result = run [[
            local task = require "task"
            local a, b
            a = task.spawn(function() task.sleep(0) return b:join() end)
            b = task.spawn(function() return a:join() end)
            a:join()]]
        assert.are.equal(1, result.status)
        assert.matches("deadlock: every task that is left waits for another one", result.stderr, 1, true)
    end)

    it("does not hang either while progress is told now and then", function()
        local result = run [[
            local task = require "task"
            local a, b
            require("kmirror.steps").new():run("a step", function()
                a = task.spawn(function() task.sleep(0) return b:join() end)
                b = task.spawn(function() return a:join() end)
                a:join()
            end)]]
        assert.are.equal(1, result.status)
        assert.matches("deadlock: every task that is left waits for another one", result.stderr, 1, true)
    end)

    it("shows with --traceback where the task failed, not where it was joined", function()
        local source = [[
            local task = require "task"
            local function culprit() error("here") end
            task.spawn(function() culprit() end):join()]]
        local result = run(source, "--traceback")
        assert.is_nil(result.stderr:find("culprit", 1, true))
        result = support.run { "--traceback", "run", support.temporary("runbook.lua", source) }
        assert.are.equal(1, result.status)
        assert.matches("culprit", result.stderr, 1, true)
    end)
end)
