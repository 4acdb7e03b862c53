local json = require("kmirror.json")
local support = require("spec.support")

describe("os.exit in a runbook", function()
    local sandbox, env, count

    setup(function()
        sandbox = support.sandbox { world = "small", rate = 0 }
        env = sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("state")
        count = 0
    end)
    teardown(function() sandbox:stop() end)

    -- Runs Lua that has changed one mirror, and cleans up with a second call.
    local function run(body)
        count = count + 1
        local report = support.temporary("report.json")
        local result = support.run { "--rate", "0", "--job", "exit" .. count, "--report", report, "run", "-", env = env,
            stdin = ([[
                local api, task, bulk = require("mirrors").connect {}, require "task", require "kmirror.bulk"
                local mirrors = api:list()
                local cleanup <close> = setmetatable({}, { __close = function()
                    api:update_target_latency(mirrors[2].id, 2000 + #mirrors)
                    io.stdout:write("cleaned up\n")
                end })
                api:update_target_latency(mirrors[1].id, 1000 + %d)
                %s
                print("went on")]]):format(count, body) }
        result.report = json.decode(support.read(report)).runs[1]
        return result
    end

    local function ends(status, body)
        local result = run(body)
        assert.are.equal(status, result.status, body .. "\n" .. result.stderr)
        assert.are.equal("cleaned up\n", result.stdout, body)
        assert.is_nil(result.stderr:find("traceback", 1, true))
        assert.is_nil(result.stderr:find("failed", 1, true), result.stderr)
        assert.are.equal(status, result.report.status, body)
        assert.are.equal(3, #result.report.calls, body)
        local jobs = support.run { "jobs", env = env }.stdout
        local state = status == 0 and "done" or status == 3 and "done, some items failed" or "failed"
        assert.matches(("exit%d\t%s\t"):format(count, state), jobs)
        assert.are.equal(state, result.report.state, body)
    end

    it("ends it as a return does: job and report whole, and what is to be closed is closed", function()
        ends(0, "os.exit()")
        ends(0, "os.exit(true)")
        ends(1, "os.exit(false)")
        ends(3, "os.exit(3)")
        ends(0, "os.exit(0, true)")
        ends(7, "os.exit(7, true)")
    end)

    it("is passed on by whatever catches errors", function()
        ends(4, "pcall(os.exit, 4)")
        ends(4, "while true do pcall(function() os.exit(4) end) end")
        ends(4, "xpcall(function() os.exit(4) end, debug.traceback)")
        ends(4, "xpcall(function() os.exit(4) end, function() return 'another' end)")
        ends(4, "bulk.each(mirrors, function() os.exit(4) end)")
    end)

    it("ends it from within coroutines and callbacks", function()
        ends(5, "coroutine.wrap(function() os.exit(5) end)()")
        ends(5, "coroutine.resume(coroutine.create(function() os.exit(5) end))")
        ends(5, [[coroutine.wrap(function()
            coroutine.resume(coroutine.create(function() pcall(os.exit, 5) end))
            print("went on")
        end)()]])
        ends(5, "local _ = ('x'):gsub('x', function() os.exit(5) end)")
        ends(5, "load(function() os.exit(5) end)")
        ends(5, [[local co = coroutine.create(function()
            local _ <close> = setmetatable({}, { __close = function() os.exit(5) end })
            coroutine.yield()
        end)
        coroutine.resume(co)
        coroutine.close(co)]])
        ends(5, "table.sort({ 1, 2 }, function() os.exit(5) end)")
        ends(5, "local _ = setmetatable({}, { __index = function() os.exit(5) end }).x")
        ends(5, "debug.sethook(function() debug.sethook() os.exit(5) end, 'l')\nlocal _ = 1")
        ends(5, "local _ <close> = setmetatable({}, { __close = function() os.exit(5) end }) error('x')")
    end)

    it("ends it from within finalizers, as soon as the garbage collector is done", function()
        local finalized = "setmetatable({}, { __gc = function() os.exit(5) end })\n"
        ends(5, finalized .. "collectgarbage()")
        ends(5, finalized .. "pcall(collectgarbage)")
        ends(5, finalized .. "coroutine.wrap(function() collectgarbage() print('went on') end)()")
        ends(5, "while true do " .. finalized .. " end")
        ends(5, "setmetatable({}, { __gc = function() coroutine.wrap(os.exit)(5) end }) collectgarbage()")
    end)

    it("gives the process its status from a finalizer that runs as all is over", function()
        local result = run "kept = setmetatable({}, { __gc = function() os.exit(5) end })"
        assert.are.equal("went on\ncleaned up\n", result.stdout)
        assert.are.equal(5, result.status)
        assert.is_nil(result.stderr:find("__gc", 1, true), result.stderr)
    end)

    it("ends it from within tasks, whatever the others wait for", function()
        ends(6, "task.spawn(os.exit, 6) task.sleep(60)")
        ends(6, "task.spawn(os.exit, 6):join()")
        ends(6, "task.spawn(task.sleep, 60) os.exit(6)")
        ends(6, "do local g <close> = task.group {} g:spawn(task.sleep, 60) g:spawn(os.exit, 6) end")
        ends(6, "task.timeout(60, function() os.exit(6) end)")
        ends(6, "task.spawn(function() os.exit(6) end) pcall(task.sleep, 60)")
    end)

    it("closes what coroutines have open", function()
        local result = run [[
            local function open(name)
                return setmetatable({}, { __close = function() io.stdout:write(name, " closed\n") end })
            end
            coroutine.resume(coroutine.create(function()
                local outer <close> = open "outer"
                coroutine.wrap(function()
                    local inner <close> = open "inner"
                    os.exit(2)
                end)()
            end))]]
        assert.are.equal("inner closed\nouter closed\ncleaned up\n", result.stdout)
        assert.are.equal(2, result.status)
    end)

    it("leaves what fails in cleaning up to be told", function()
        local result = run "local _ <close> = setmetatable({}, { __close = function() error('no way') end }) os.exit(0)"
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("no way", 1, true))
    end)

    it("ends a session at the prompt", function()
        local result = support.run { "repl", env = env, stdin = "1\nos.exit(9)\n2\n" }
        assert.are.equal(9, result.status)
        assert.are.equal("1\n", result.stdout)
    end)
end)

describe("a runbook that returns before its tasks have ended", function()
    it("says so, and its job and report wait for them", function()
        local report = support.temporary("report.json")
        local result = support.run { "--sandbox", "--world", "small", "--job", "late", "--report", report, "run", "-",
            stdin = [[
                local api, task = require("mirrors").connect {}, require "task"
                local id = api:list()[1].id
                for _ = 1, 2 do task.spawn(function() task.sleep(0.1) api:update_target_latency(id, 5000) end) end]] }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("has ended, but 2 tasks of it run still; waiting for them", 1, true))
        assert.is_truthy(result.stderr:find("job late: 2 latency updates in 1 run", 1, true), result.stderr)
        assert.are.equal(3, #json.decode(support.read(report)).runs[1].calls)
    end)

    it("is interrupted with them", function()
        local process = support.start { "run", "-", stdin = "require('task').spawn(require('task').sleep, 60)" }
        support.eventually("the end", function() return process:stderr():find("waiting for it", 1, true) end)
        process:signal("INT")
        assert.are.equal(130, process:wait(5).status)
    end)

    it("ends with what one of them gives os.exit", function()
        local result = support.run { "run", "-", stdin = [[
            local task = require "task"
            task.spawn(function() task.sleep(0.05) os.exit(6) end)
            task.spawn(task.sleep, 60)]] }
        assert.are.equal(6, result.status, result.stderr)
    end)
end)

describe("SIGHUP", function()
    local function start(command)
        local body = [[
            local task = require "task"
            local _ <close> = setmetatable({}, { __close = function() io.stdout:write("cleaned up\n") end })
            io.stdout:write("here\n") io.stdout:flush()
            task.sleep(60)]]
        local process = support.start { command = "sh", "-c", command .. 'exec "$0" run --sandbox "$1"',
            support.executable, support.temporary("hup.lua", body) }
        support.eventually("the runbook", function() return process:stdout():find("here") end)
        return process
    end

    it("ends a runbook as SIGTERM does, even when it comes twice", function()
        local process = start ""
        process:signal("HUP")
        process:signal("HUP")
        local result = process:wait()
        assert.are.equal(130, result.status)
        assert.are.equal("here\ncleaned up\n", result.stdout)
    end)

    it("is ignored where it was when kmirror was started", function()
        local process = start "trap '' HUP; "
        process:signal("HUP")
        support.sleep(0.2)
        assert.is_true(process:alive())
        assert.are.equal(130, process:stop().status)
    end)
end)
