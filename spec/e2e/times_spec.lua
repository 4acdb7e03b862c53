-- --not-before and --stop-at: when a run begins, and when nothing of it begins any more.
local regions = require("spec.support.regions")
local support = require("spec.support")
local usage_error = support.usage_error

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), part .. "\nis not in\n" .. text)
end

-- In so many seconds, in UTC; what a clock of the specs' time zone shows then.
local function at(seconds)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(support.now() + seconds))
end

local function script(source)
    return support.temporary("runbook.lua", source)
end

describe("--not-before", function()
    it("begins then, and says before what was understood", function()
        local file = script "print(os.time())"
        local start = math.floor(support.now() + 2)
        local clock = os.date("!%H:%M:%S", start)
        local result = support.run { "run", "--not-before", clock, file }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_true(tonumber(result.stdout) >= start, result.stdout)
        says(result.stderr, "--not-before: begins at " .. os.date("!%Y-%m-%d %H:%M:%S", start) .. " +0000, in ")
        says(result.stderr, clock .. " +0000: begins\n")
    end)

    it("is by the clocks of where it runs", function()
        local process = support.start { "run", "--not-before", "2031-07-01T12:00", script "",
            env = { TZ = "America/New_York" } }
        support.eventually("what was understood", function()
            return process:stderr():find("begins at 2031%-07%-01 12:00:00 %-0400, in %d+ d %d+ h\n")
        end)
        process:signal("INT")
        assert.are.equal(130, process:wait().status)
        local result = support.run { "run", "--not-before", "2031-03-30T02:30", script "",
            env = { TZ = "Europe/Berlin" } }
        assert.are.equal(2, result.status)
        says(result.stderr, "--not-before '2031-03-30T02:30': the clocks here are put forward over that time")
    end)

    it("that is over begins at once, and says so", function()
        local result = support.run { "run", "--not-before", "2026-01-02T03:04Z", script "print 'begun'" }
        assert.are.equal("begun\n", result.stdout)
        says(result.stderr, "it is past 2026-01-02 03:04:00 +0000: begins at once")
    end)

    it("sends nothing while it waits, and can be interrupted", function()
        local it_ = regions.start()
        local process = support.start { "run", "--not-before", at(60), script "require('mirrors').connect{}:list()",
            env = it_:env() }
        support.eventually("the wait", function() return process:stderr():find("begins at", 1, true) end)
        process:signal("INT")
        assert.are.equal(130, process:wait().status)
        assert.are.same({}, it_.sandbox:requests())
        it_:stop()
    end)

    it("takes no time where the clock jumps", function()
        local result = support.run { "run", "--sandbox", "--jump", "--not-before", at(9000), script "print 'begun'" }
        assert.are.equal("begun\n", result.stdout, result.stderr)
    end)
end)

describe("--stop-at", function()
    it("begins nothing new after it, waits for what is under way, and ends as an interrupt does", function()
        local it_ = regions.start { world = 16 }
        local file = script [[
            local bulk, mirrors, task = require "kmirror.bulk", require "mirrors", require "task"
            local _ <close> = setmetatable({}, { __close = function() print("closed") end })
            local api = mirrors.connect {}
            bulk.each(api:list(), function(mirror)
                api:update_target_latency(mirror.id, 54321)
                task.sleep(0.4)
            end, { concurrency = 2 })]]
        local env = it_:env()
        local result = support.run { "run", "--stop-at", at(2), "--job", "night", file, env = env }
        assert.are.equal(130, result.status, result.stderr)
        assert.are.equal("closed\n", result.stdout)
        says(result.stderr, "--stop-at: nothing new begins after ")
        says(result.stderr, "the time of --stop-at: nothing new begins; what is under way is waited for")
        says(result.stderr, "kmirror jobs resume night")
        local jobs = support.run { "jobs", env = env }.stdout
        says(jobs, "interrupted")
        local changed = #it_:changes() -- all answered
        assert.is_true(changed > 1 and changed < 16, changed)
        says(jobs, changed .. " latency")
        -- The time was that run's own.
        local resumed = support.run { "jobs", "resume", "night", env = env, timeout = 60 }
        assert.are.equal(0, resumed.status, resumed.stderr)
        assert.are.equal(16, #it_:changes())
        it_:stop()
    end)

    it("does not matter to a run that ends before", function()
        local result = support.run { "run", "--stop-at", at(60), script "print 'done'" }
        assert.are.same({ 0, "done\n" }, { result.status, result.stdout })
    end)

    it("that is over, is none, or comes before the beginning is refused", function()
        local file = script "print 'begun'"
        says(usage_error("run", "--stop-at", "2026-01-02T03:04Z", file),
            "--stop-at '2026-01-02T03:04Z' is over: it was 2026-01-02 03:04:00 +0000, ")
        says(usage_error("run", "--stop-at", "soon", file), "--stop-at 'soon': expected HH:MM, or a date and a time")
        says(usage_error("run", "--not-before", "2040-01-02T03:04Z", "--stop-at", "2039-01-02T03:04Z", file),
            "is not after --not-before 2040-01-02 03:04:00 +0000")
        says(usage_error("list", "--stop-at", "10:00"), "kmirror list has no --stop-at; see kmirror help list")
        says(usage_error("jobs", "--not-before", "10:00"), "kmirror jobs has no --not-before")
    end)

    it("of a time of day is the first one after --not-before", function()
        local process = support.start { "run", "--not-before", "2040-01-02T23:00", "--stop-at", "05:30", script "" }
        support.eventually("what was understood", function()
            return process:stderr():find("nothing new begins after 2040-01-03 05:30:00 +0000", 1, true)
        end)
        process:signal("INT")
        process:wait()
    end)
end)
