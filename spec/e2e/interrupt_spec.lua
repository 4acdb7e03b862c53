local support = require("spec.support")

local WANTED <const> = 40

local RUNBOOK = ([[
    local mirrors, task = require "mirrors", require "task"
    local api = mirrors.connect { settle = 0.5 }
    local closed <close> = setmetatable({}, { __close = function() io.stderr:write("cleaned up\n") end })
    local g <close> = task.group { concurrency = 8 }
    for i = 1, %d do
        g:spawn(api.create, api, { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
            sourceAlias = "us-west", useRenaming = true, topicsRegex = ("team%%03d"):format(i), maxTasks = 3 })
    end]]):format(WANTED)

-- How often each mirror was made, by the server's word, and how many in all.
local function made(sandbox)
    local by_regex, count, most = {}, 0, 0
    for _, request in ipairs(sandbox:requests()) do
        local regex = request.effect and request.effect.change == "created" and request.effect.topicsRegex
        if regex then
            count = count + 1
            by_regex[regex] = (by_regex[regex] or 0) + 1
            most = math.max(most, by_regex[regex])
        end
    end
    return count, most
end

describe("a job that is interrupted", function()
    local sandbox, env

    before_each(function()
        sandbox = support.sandbox { rate = 40, world = "empty", faults = support.temporary("faults.lua",
            [[return { { fault = "stall", operation = "create", seconds = 0.15, probability = 0.7 } }]]) }
        env = sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("state")
    end)

    after_each(function() sandbox:stop() end)

    local function start()
        local process = support.start { "run", "--rate", "40", "--job", "j1",
            support.temporary("runbook.lua", RUNBOOK), env = env }
        support.eventually("some creates", function() return (made(sandbox)) >= 8 end)
        return process
    end

    -- Types what the screen says, and checks that all is there, once.
    local function resume(result)
        local command = result.stderr:match("to continue: kmirror ([^\n]+)\n")
        assert.is_truthy(command, result.stderr)
        local words = { env = env }
        for word in command:gmatch("%S+") do words[#words + 1] = word end
        local resumed = support.run(words)
        assert.are.equal(0, resumed.status, resumed.stderr)
        assert.is_truthy(resumed.stderr:find(("job j1: %d creates in 2 runs"):format(WANTED), 1, true), resumed.stderr)
        local count, most = made(sandbox)
        assert.are.equal(WANTED, count)
        assert.are.equal(1, most)
    end

    for _, signal in ipairs { "INT", "TERM", "HUP" } do
        it(("by SIG%s ends with 130, knows all it did, and goes on with the command that it names"):format(signal),
            function()
                local process = start()
                process:signal(signal)
                local result = process:wait(15)
                assert.are.equal(130, result.status, result.stderr)
                assert.is_truthy(result.stderr:find("cleaned up", 1, true))
                assert.is_truthy(result.stderr:find("kmirror: interrupted\n", 1, true))
                assert.matches("kmirror: interrupted: waiting for the answers to %d+ requests?; another Ctrl%-C ends "
                    .. "at once\n", result.stderr)
                local known = tonumber(result.stderr:match("job j1: (%d+) creates in 1 run"))
                assert.are.equal((made(sandbox)), known) -- what was on its way was waited for
                assert.is_true(known < WANTED)
                resume(result)
            end)
    end

    it("twice ends at once, and still goes on from there", function()
        local process = start()
        process:signal("INT")
        support.sleep(0.02)
        process:signal("INT")
        local result = process:wait(5)
        assert.are.equal(130, result.status)
        resume({ stderr = "to continue: kmirror jobs resume j1\n" })
    end)

    it("by SIGKILL again and again ends up exactly where it should", function()
        local process = start()
        process:signal("KILL")
        process:wait(5)
        for _ = 1, 3 do
            local before = #sandbox:requests()
            process = support.start { "jobs", "resume", "j1", env = env }
            support.eventually("some requests", function() return #sandbox:requests() > before + 3 end)
            process:signal("KILL")
            process:wait(5)
        end
        local result = support.run { "jobs", "resume", "j1", env = env }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find(("%d creates in 5 runs"):format(WANTED), 1, true), result.stderr)
        local count, most = made(sandbox)
        assert.are.equal(WANTED, count)
        assert.are.equal(1, most)
    end)
end)

describe("a runbook that computes for ever", function()
    local env

    setup(function() env = { XDG_STATE_HOME = support.temporary_directory("state") } end)

    -- What is told when SIGTERM comes in the middle of it.
    local function interrupted(body)
        local report = support.temporary("report.json")
        local process = support.start { "--sandbox", "--job", "computes", "--report", report, "run", "-", env = env,
            stdin = [[
                local task = require "task"
                local closed <close> = setmetatable({}, { __close = function() io.stderr:write("cleaned up\n") end })
                task.spawn(io.stderr.write, io.stderr, "computing\n"):join()
                ]] .. body }
        support.eventually("the runbook", function() return process:stderr():find("computing", 1, true) end)
        process:signal("TERM")
        local result = process:wait(10)
        assert.are.equal(130, result.status, body .. result.stderr)
        result.report = require("kmirror.json").decode(support.read(report)).runs[1]
        return result
    end

    for name, body in pairs {
        ["in a loop"] = "while true do end",
        ["in a loop that catches what is raised"] = "while true do pcall(function() while true do end end) end",
        ["in a coroutine"] = "coroutine.wrap(function() repeat pcall(error) until false end)()",
        ["in coroutines, one after the other"] = "while true do coroutine.wrap(coroutine.yield)() end",
        ["in tasks"] = "for _ = 1, 2 do task.spawn(function() while true do end end) end task.sleep(60)",
        ["in a callback"] = "table.sort({ 1, 2, 3 }, function() while true do end end)",
        ["by waits that it does not let end it"] = "while true do pcall(task.sleep, 0.01) end",
        ["by yields"] = "while true do coroutine.yield() end",
    } do
        it(name .. " is ended by a signal, and all is closed", function()
            local result = interrupted(body)
            assert.is_truthy(result.stderr:find("cleaned up", 1, true), result.stderr)
            assert.are.equal(130, result.report.status)
            assert.matches("computes\tinterrupted\t", support.run { "jobs", env = env }.stdout)
        end)
    end

    it("in a function of C is ended, too, and says that nothing was closed", function()
        local result = interrupted "local _ = ('a'):rep(40):find(('a-'):rep(20) .. 'b')"
        assert.is_nil(result.stderr:find("cleaned up", 1, true))
        assert.is_truthy(result.stderr:find("kmirror: interrupted: ended at once, with nothing closed", 1, true),
            result.stderr)
    end)

    it("is not one that only takes a while to clean up", function()
        local result = interrupted [[
            local busy <close> = setmetatable({}, { __close = function()
                local until_ = os.clock() + 0.3
                while os.clock() < until_ do end
                io.stderr:write("took its time\n")
            end })
            task.sleep(60)]]
        assert.is_truthy(result.stderr:find("took its time", 1, true), result.stderr)
        assert.are.equal(130, result.report.status)
    end)
end)
