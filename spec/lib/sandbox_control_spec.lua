-- The sandbox's own path: its producers stop and go on. The clock is the spec's own.
local cjson = require("cjson")
local requests = require("kmirror.sandbox.requests")
local sandbox = require("kmirror.sandbox")
local options = require("kmirror.sandbox.options")
local support = require("spec.support")

local EAST = sandbox.clusters["us-east"]

describe("the sandbox's control path", function()
    local now, it_, events, saved

    local function new(given, state)
        local all = { world = 6, sync_seconds = 4 }
        for name, value in pairs(given or {}) do all[name] = value end
        events, saved = {}, 0
        return requests.new(options.read(all), function() return now end, {
            log = function(event) events[#events + 1] = event end,
            changed = function() saved = saved + 1 end,
            saved = state,
        })
    end

    before_each(function()
        now = 1000000
        it_ = new()
    end)

    local function ask(method, path)
        local answer = it_:handle { method = method, path = "/sandbox" .. path, headers = {}, body = "" }
        return answer.status, cjson.decode(answer.body)
    end

    --- Rate and highest lag of all forward mirrors.
    local function traffic()
        local rate, lag = 0, 0
        for _, listed in ipairs(it_.world:list(EAST.connect)) do
            for _, topic in ipairs(it_.world:describe(EAST.connect, listed.id).topicStatuses) do
                rate, lag = rate + topic.averageRate, math.max(lag, topic.averageLatency)
            end
        end
        return rate, lag
    end

    it("changes how many requests a second are accepted", function()
        it_ = new { rate = 1 }
        assert.is_true(it_.api:accept("sandbox", now))
        assert.is_false(it_.api:accept("sandbox", now))
        assert.are.same({ 200, { rate = 2 } }, { ask("POST", "/rate/2") })
        assert.is_true(it_.api:accept("sandbox", now))
        assert.is_false(it_.api:accept("sandbox", now))
        assert.are.equal("rate 2", events[1].control)
        assert.are.equal(404, (ask("POST", "/rate/many")))
    end)

    it("lets rates and lag fall to zero once the producers have stopped", function()
        local before = traffic()
        assert.is_true(before > 0)
        assert.are.same({ 200, { ["us-west"] = "stopped", ["us-east"] = "running" } },
            { ask("POST", "/producers/us-west/stop") })
        now = now + 2
        local rate, lag = traffic()
        assert.is_true(rate > 0.3 * before and rate < 0.7 * before)
        assert.is_true(lag > 0)
        now = now + 2
        assert.are.same({ 0, 0 }, { traffic() })
        assert.are.same({ 200, { ["us-west"] = "running", ["us-east"] = "running" } },
            { ask("POST", "/producers/us-west/start") })
        assert.is_true(traffic() > 0)
    end)

    it("stops the producers of one region only", function()
        ask("POST", "/producers/us-east/stop")
        now = now + 100
        assert.is_true(traffic() > 0)
    end)

    it("does nothing a second time", function()
        ask("POST", "/producers/us-west/stop")
        now = now + 4
        ask("POST", "/producers/us-west/stop")
        assert.are.equal(0, (traffic()))
    end)

    it("tells whether they run, and changes nothing by that", function()
        assert.are.same({ 200, { ["us-west"] = "running", ["us-east"] = "running" } }, { ask("GET", "/producers") })
        assert.are.equal(0, saved)
        ask("POST", "/producers/us-west/stop")
        assert.are.equal(1, saved)
    end)

    it("keeps that in the world's state", function()
        ask("POST", "/producers/us-west/stop")
        it_ = new({}, cjson.decode(cjson.encode(it_.world:state())))
        assert.are.equal("stopped", select(2, ask("GET", "/producers"))["us-west"])
    end)

    it("goes on from a state that was saved before there were such things", function()
        local state = it_.world:state()
        state.stopped = nil
        it_ = new({}, cjson.decode(cjson.encode(state)))
        assert.are.equal("running", select(2, ask("GET", "/producers"))["us-west"])
    end)

    it("is told of in the log, as nothing that the API did", function()
        ask("POST", "/producers/us-west/stop")
        assert.are.same({ { time = now, seq = 1, method = "POST", path = "/sandbox/producers/us-west/stop",
            status = 200, control = "stop us-west" } }, events)
    end)

    it("meets no fault and no limit", function()
        it_ = new { rate = 1, faults = "flaky" }
        for _ = 1, 50 do assert.are.equal(200, (ask("GET", "/producers"))) end
    end)

    it("refuses what it does not know", function()
        assert.are.equal(404, (ask("POST", "/producers/us-north/stop")))
        assert.are.equal(404, (ask("POST", "/producers/us-west/explode")))
        assert.are.equal(404, (ask("GET", "/nothing")))
        assert.are.equal(405, (ask("GET", "/producers/us-west/stop")))
        assert.are.equal(0, saved)
    end)

    it("is reached by curl, and by the hook that needs none", function()
        local server = support.sandbox { world = 3 }
        local function producers()
            local result = support.run { "-fsS", server.url .. "/sandbox/producers", command = "curl" }
            return cjson.decode(result.stdout)["us-west"]
        end
        local function fence(region)
            return support.run { "run", "-", server.url, region, stdin = ([[
                local endpoint, region = ...
                require("kmirror.hooks").new({ "fence" }, { { step = "fence", command = %q } })
                    :run("fence", { KMIRROR_ENDPOINT = endpoint, KMIRROR_FROM = region })]]):format(
                sandbox.runbooks.failover.hooks.fence) }
        end
        local result = fence("us-west")
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find('%[fence%] {.*"us%-west":"stopped".*}\n'))
        assert.are.equal("stopped", producers())
        local start = server.url .. "/sandbox/producers/us-west/start"
        assert.are.equal(0, support.run { "-fsS", "-X", "POST", start, command = "curl" }.status)
        assert.are.equal("running", producers())
        assert.are.equal(1, fence("nowhere").status)
        server:stop()
    end)
end)
