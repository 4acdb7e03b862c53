-- The sandbox's latencies and rates, as --metrics-window has them, beside what a mirror on a real Kafka told (two
-- samples of 30 s, looked at each 2 s). spec/kafka/record.lua has written that down. The sandbox's traffic comes in
-- waves, a fifth up and down.
local sandbox = require("kmirror.sandbox")
local world = require("kmirror.sandbox.world")

local EAST = sandbox.clusters["us-east"]
local STEP <const> = 2 -- s
local STEADY <const> = 60 -- s after which a rate is told in full

-- Of each event, what was told at which second after it: { seconds, latency, rate }.
local function trace()
    local found = {}
    for line in io.lines("spec/kafka/traces/mirror.csv") do
        local event, seconds, latency, rate = line:match("^([^,]+),([%d.]+),%u[%u_]*,%u+,(%d*),([%d.]+)")
        if event then
            found[event] = found[event] or {}
            table.insert(found[event], { tonumber(seconds), tonumber(latency), tonumber(rate) })
        end
    end
    return found
end

-- The same of the sandbox, with its samples beginning so many seconds before the first event.
local function simulated(phase)
    local now = 3000000 + phase
    local its = world.new { clock = function() return now end, mirrors = 1, seed = 1, creating_seconds = 0,
        sync_seconds = 0.5, lag_ms = 20, metrics_window = 60, fail_every = 0, stale_every = 0, list_delay = 0,
        memory = 0 }
    local id, found = its:list(EAST.connect)[1].id, {}
    for _, event in ipairs { "started", "stopped", "started again" } do
        its:set_producers("us-west", event ~= "stopped")
        found[event] = {}
        for seconds = 0, 74, STEP do
            local topic = its:describe(EAST.connect, id).topicStatuses[1]
            found[event][#found[event] + 1] = { seconds, topic.averageLatency, topic.averageRate }
            now = now + STEP
        end
    end
    return found
end

local function steady_rate(told)
    return told.started[STEADY // STEP][3]
end

-- When something is so for the first time.
local function first(list, holds)
    for _, each in ipairs(list) do
        if holds(table.unpack(each)) then return each[1] end
    end
    return math.huge
end

local cases = { { "a real mirror", trace() } }
for _, phase in ipairs { 0, 7, 15, 29 } do
    cases[#cases + 1] = { ("the sandbox, %d s into a sample"):format(phase), simulated(phase) }
end

for _, case in ipairs(cases) do
    local name, told = table.unpack(case)

    describe("what is told of " .. name, function()
        it("is a rate that is zero from half a minute to a minute after producers have stopped, no sooner", function()
            local zero = first(told.stopped, function(_, _, rate) return rate == 0 end)
            assert.is_true(zero >= 30 and zero <= 62, ("%g s"):format(zero))
        end)

        it("is a rate that does not rise once producers have stopped", function()
            local last = math.huge
            for _, each in ipairs(told.stopped) do
                if each[1] >= STEP then
                    assert.is_true(each[3] <= last * 1.1, ("%g s: %g"):format(each[1], each[3]))
                    last = each[3]
                end
            end
        end)

        it("is still near half of the rate, or more, 20 s after producers have stopped", function()
            local at = told.stopped[20 // STEP + 1]
            assert.is_true(at[3] > 0.3 * steady_rate(told), ("%g of %g"):format(at[3], steady_rate(told)))
        end)

        it("is a latency that stays as it was as long as there is a rate, and then is none", function()
            for _, each in ipairs(told.stopped) do
                local _, latency, rate = table.unpack(each)
                assert.are.equal(rate > 0, latency > 0)
            end
        end)

        it("is at most 3/5 of the rate for the first 12 s after producers go on, and more within a minute", function()
            local full = steady_rate(told)
            local risen = first(told["started again"], function(_, _, rate) return rate > 0.6 * full end)
            assert.is_true(risen > 12 and risen <= 62, ("%g s"):format(risen))
        end)
    end)
end

describe("a real mirror whose source's broker is killed", function()
    it("still is RUNNING and IN_SYNC, and its rate fades as if producers had stopped", function()
        local statuses, last = {}, nil
        for line in io.lines("spec/kafka/traces/mirror.csv") do
            local status, connector, rate = line:match("^broker killed,[%d.]+,([%u_]+),(%u+),%d*,([%d.]+)")
            if status then statuses[status .. " " .. connector], last = true, tonumber(rate) end
        end
        assert.are.same({ ["IN_SYNC RUNNING"] = true }, statuses)
        assert.are.equal(0, last)
    end)
end)
