-- The sandbox's faults: which requests meet them and what they do, with the spec's own clock and no network.
local cjson = require("cjson")
local options = require("kmirror.sandbox.options")
local plans = require("kmirror.sandbox.fault_plans")
local sandbox = require("kmirror.sandbox")

local EAST = sandbox.clusters["us-east"]
local PATH = "/provisioning/v1/" .. EAST.connect .. "/kafka-connect/mirrors"
local BODY = cjson.encode {
    sourceType = "instaclustr", kafkaSource = sandbox.clusters["us-west"].kafka, sourceAlias = "us-west",
    topicsRegex = "orders\\..*", maxTasks = 1,
}
local START = 1000000

local now, it_, events

--- A sandbox with that plan, and without a rate limit unless told otherwise.
local function new(plan, overrides)
    now = START
    events = {}
    local given = { rate = 0, world = "3" }
    for name, value in pairs(overrides or {}) do given[name] = value end
    local read = options.read(given)
    read.faults = plans.check(plan, "spec")
    it_ = require("kmirror.sandbox.requests").new(read, function() return now end, {
        log = function(event) events[#events + 1] = event end,
        changed = function() end,
    })
end

local function send(method, path, body)
    return it_:handle {
        method = method, path = path, body = body or "",
        headers = { ["content-type"] = "application/json" },
        username = sandbox.username, password = sandbox.api_key,
    }
end

local requests = {
    list = function() return send("GET", PATH) end,
    get = function(id) return send("GET", PATH .. "/" .. (id or "x")) end,
    create = function() return send("POST", PATH, BODY) end,
    delete = function(id) return send("DELETE", PATH .. "/" .. id) end,
    update_target_latency = function(id)
        return send("PUT", PATH .. "/" .. id .. "/targetLatency", '{"newTargetLatency":5000}')
    end,
}

--- How many mirrors there are, whatever is answered.
local function mirror_count()
    return #it_.world:list(EAST.connect, 0)
end

local function ids()
    local found = {}
    for i, mirror in ipairs(cjson.decode(requests.list().body).mirrors) do found[i] = mirror.id end
    return found
end

--- Which of the next `count` lists are dropped, as numbers.
local function dropped(count, request)
    local hit = {}
    for i = 1, count do
        if (request or requests.list)().drop then hit[#hit + 1] = i end
    end
    return hit
end

describe("a fault rule", function()
    it("without a selector is for every request", function()
        new { { fault = "drop", when = "before" } }
        assert.same({ 1, 2, 3 }, dropped(3))
        assert.is_true(requests.create().drop)
    end)

    it("can be for one operation, or some", function()
        new { { fault = "drop", when = "before", operation = "create" } }
        assert.same({}, dropped(3))
        assert.same({ 1, 2 }, dropped(2, requests.create))
        new { { fault = "drop", when = "before", operation = { "list", "get" } } }
        assert.same({ 1 }, dropped(1))
        assert.same({ 1 }, dropped(1, requests.get))
        assert.same({}, dropped(1, requests.create))
    end)

    it("can be for the n-th of its requests, or some", function()
        new { { fault = "drop", when = "before", operation = "list", nth = 2 } }
        requests.create()
        assert.same({ 2 }, dropped(5))
        new { { fault = "drop", when = "before", nth = { 1, 3, 4 } } }
        assert.same({ 1, 3, 4 }, dropped(6))
    end)

    it("can be for each so many of its requests", function()
        new { { fault = "drop", when = "before", every = 3 } }
        assert.same({ 3, 6, 9 }, dropped(10))
    end)

    it("can be for a share of its requests, by the seed", function()
        local plan = { { fault = "drop", when = "before", probability = 0.3 } }
        new(plan, { seed = 5 })
        local first = dropped(1000)
        assert.is_true(#first > 250 and #first < 350, #first)
        new(plan, { seed = 5 })
        assert.same(first, dropped(1000))
        new(plan, { seed = 6 })
        assert.are_not.same(first, dropped(1000))
    end)

    it("of probability 0 never comes, of probability 1 always", function()
        new { { fault = "drop", when = "before", probability = 0 } }
        assert.same({}, dropped(100))
        new { { fault = "drop", when = "before", probability = 1 } }
        assert.equal(100, #dropped(100))
    end)

    it("can be for a time, in seconds since the start", function()
        new { { fault = "drop", when = "before", from = 10, to = 12 } }
        local function drops_after(seconds)
            now = START + seconds
            return #dropped(1) == 1
        end
        assert.is_false(drops_after(9.9))
        assert.is_true(drops_after(10))
        assert.is_true(drops_after(11.9))
        assert.is_false(drops_after(12))
    end)

    it("counts only the requests of its time", function()
        new { { fault = "drop", when = "before", from = 10, nth = 1 } }
        assert.same({}, dropped(3))
        now = START + 10
        assert.same({ 1 }, dropped(3))
    end)

    it("can be limited to so many times", function()
        new { { fault = "drop", when = "before", every = 2, times = 2 } }
        assert.same({ 2, 4 }, dropped(10))
    end)

    it("that comes first is carried out, and the next one does not depend on it", function()
        local second = { fault = "drop", when = "before", probability = 0.5 }
        new { { fault = "throttle", probability = 0 }, second }
        local alone = dropped(100)
        new { { fault = "throttle", every = 2 }, second }
        local odd = {}
        for _, i in ipairs(alone) do odd[#odd + 1] = i % 2 == 1 and i or nil end
        assert.same(odd, dropped(100))
    end)

    it("is not for what is no operation", function()
        new { { fault = "drop", when = "before" } }
        assert.equal(404, send("GET", "/").status)
    end)
end)

describe("the fault", function()
    describe("drop", function()
        it("before the change: no answer and no change", function()
            new { { fault = "drop", when = "before" } }
            assert.same({ drop = true }, requests.create())
            assert.equal(3, mirror_count())
            assert.equal("drop before", events[1].fault)
            assert.is_nil(events[1].effect)
            assert.is_nil(events[1].status)
        end)

        it("after the change: no answer, but the change, and the log says so", function()
            local changes = { "create", "delete", "update_target_latency" }
            new { { fault = "drop", when = "after", operation = changes } }
            assert.same({ drop = true }, requests.create())
            assert.equal(4, mirror_count())
            assert.equal("drop after", events[1].fault)
            assert.equal("created", events[1].effect.change)
            assert.equal(events[1].effect.id, events[1].id)
            assert.is_nil(events[1].status)
            local id = ids()[1]
            requests.update_target_latency(id)
            assert.equal(5000, it_.world:find(EAST.connect, id).targetLatency)
            requests.delete(id)
            assert.equal(3, mirror_count())
        end)
    end)

    it("truncate cuts the body by half, or after so many bytes, never leaving it whole", function()
        new { { fault = "truncate", nth = 1 }, { fault = "truncate", bytes = 5, nth = 2 },
            { fault = "truncate", bytes = 1e6, nth = 3 }, { fault = "truncate", bytes = 0, nth = 4 } }
        local whole = #requests.list().body
        assert.equal(5, requests.list().truncate)
        assert.equal(whole - 1, requests.list().truncate)
        assert.equal(0, requests.list().truncate)
        assert.equal("truncate after", events[1].fault)
        assert.equal(200, events[1].status)
    end)

    it("truncate of an answer without a body leaves nothing of it", function()
        new { { fault = "truncate", operation = "delete" } }
        assert.is_true(requests.delete(ids()[1]).drop)
        assert.equal(2, mirror_count())
    end)

    it("stall holds the answer back, for so long or a time drawn from a range", function()
        new { { fault = "stall", nth = 1 }, { fault = "stall", seconds = 7, nth = 2 },
            { fault = "stall", seconds = { 2, 3 } } }
        assert.equal(3600, requests.list().delay)
        local answer = requests.list()
        assert.equal(7, answer.delay)
        assert.equal(200, answer.status)
        local least, most = 9, 0
        for _ = 1, 100 do
            local delay = requests.list().delay
            least, most = math.min(least, delay), math.max(most, delay)
        end
        assert.is_true(least >= 2 and least < 2.2 and most < 3 and most > 2.8)
    end)

    it("stall before the change never changes anything", function()
        new { { fault = "stall", when = "before", seconds = 1 } }
        assert.same({ drop = true, delay = 1 }, requests.create())
        assert.equal(3, mirror_count())
    end)

    it("drip sends the answer slowly", function()
        new { { fault = "drip", nth = 1 }, { fault = "drip", rate = 7 } }
        assert.equal(100, requests.list().drip)
        assert.equal(7, requests.list().drip)
    end)

    it("throttle answers 429, with and without Retry-After, in seconds or as a date", function()
        new { { fault = "throttle", nth = 1 }, { fault = "throttle", retry_after = 1.5, nth = 2 },
            { fault = "throttle", retry_after = 30, date = true } }
        local answer = requests.create()
        assert.equal(429, answer.status)
        assert.equal("Rate Limit Exceeded", cjson.decode(answer.body).message)
        assert.is_nil(answer.headers["Retry-After"])
        assert.equal("2", requests.create().headers["Retry-After"])
        assert.equal("Mon, 12 Jan 1970 13:47:10 GMT", requests.create().headers["Retry-After"])
        assert.equal(3, mirror_count())
    end)

    it("server_error answers 5xx with JSON, HTML or nothing, before or after the change", function()
        new {
            { fault = "server_error", nth = 1 },
            { fault = "server_error", nth = 2, status = 502, body = "html", when = "after" },
            { fault = "server_error", nth = 3, status = 504, body = "nothing" },
        }
        local answer = requests.create()
        assert.equal(503, answer.status)
        assert.equal(503, cjson.decode(answer.body).status)
        assert.equal(3, mirror_count())
        answer = requests.create()
        assert.equal(502, answer.status)
        assert.equal("text/html", answer.headers["Content-Type"])
        assert.matches("<h1>502</h1>", answer.body)
        assert.equal(4, mirror_count())
        answer = requests.create()
        assert.equal(504, answer.status)
        assert.equal("", answer.body)
        assert.equal(4, mirror_count())
    end)

    it("garbage and wrong_shape answer 200 with what cannot be used, after the change", function()
        new { { fault = "garbage", operation = "create" }, { fault = "wrong_shape" } }
        local answer = requests.create()
        assert.equal(200, answer.status)
        assert.is_false(pcall(cjson.decode, answer.body))
        assert.equal(4, mirror_count())
        local shapes = {}
        for _ = 1, 100 do
            answer = requests.list()
            local shape = cjson.decode(answer.body)
            local mirrors = type(shape) == "table" and shape.mirrors
            assert.is_false(type(mirrors) == "table" and type(mirrors[1]) == "table")
            shapes[answer.body] = true
        end
        assert.is_true(shapes["null"] and shapes["[]"] and shapes['{"mirrors":null}'])
    end)

    it("stale_list shows the list of a while ago, where the other lists are fresh", function()
        new { { fault = "stale_list", operation = "list", seconds = 3, every = 2 } }
        local created = cjson.decode(requests.create().body).mirrorId
        local deleted = ids()[1]
        requests.delete(deleted)
        local stale = ids()
        assert.equal(3, #stale)
        assert.equal(deleted, stale[3])
        local fresh = ids()
        assert.equal(3, #fresh)
        assert.equal(created, fresh[3])
        now = now + 3
        assert.same(fresh, ids())
    end)

    describe("refuse", function()
        it("closes the door for a time", function()
            new { { fault = "refuse", from = 10, to = 15 } }
            assert.is_false(it_:refusing())
            now = START + 10
            assert.is_true(it_:refusing())
            now = START + 15
            assert.is_false(it_:refusing())
        end)

        it("lets no request in on an old connection meanwhile", function()
            new { { fault = "refuse", from = 10, to = 15 }, { fault = "throttle" } }
            assert.equal(429, requests.create().status)
            now = START + 10
            assert.same({ drop = true }, requests.create())
            assert.equal("refuse before", events[2].fault)
            assert.equal(3, mirror_count())
        end)

        it("can follow a request, for some seconds", function()
            new {
                { fault = "refuse", operation = "create", nth = 2, seconds = 4 },
                { fault = "refuse", nth = 4 },
            }
            assert.equal(200, requests.create().status)
            assert.is_true(requests.create().drop)
            assert.equal(4, mirror_count())
            assert.is_true(it_:refusing())
            now = now + 4
            assert.is_false(it_:refusing())
            requests.list()
            assert.is_true(requests.list().drop)
            now = now + 0.9
            assert.is_true(it_:refusing())
            now = now + 0.1
            assert.is_false(it_:refusing())
        end)
    end)

    describe("other_creates", function()
        it("makes a mirror before the request is looked at, and says so in the log", function()
            new { { fault = "other_creates", operation = "list", nth = 1 } }
            assert.equal(4, #ids())
            local other, list = table.unpack(events)
            assert.equal("another operator", other.user)
            assert.equal("create", other.operation)
            assert.equal("created", other.effect.change)
            assert.equal("other_creates", other.fault)
            assert.is_nil(other.method)
            assert.equal("list", list.operation)
            assert.is_nil(list.fault)
        end)

        it("can make one of the same look as the request's", function()
            new { { fault = "other_creates", same = true, operation = "create", when = "after" } }
            requests.create()
            local ours, theirs = events[1].effect, events[2].effect
            assert.equal(ours.topicsRegex, theirs.topicsRegex)
            assert.equal(ours.sourceAlias, theirs.sourceAlias)
            assert.are_not.equal(ours.id, theirs.id)
            assert.matches("^us%-west%.us%-east%.", theirs.connectorName)
            assert.equal(5, mirror_count())
        end)

        it("comes on top of another fault", function()
            new { { fault = "other_creates" }, { fault = "drop", when = "after" } }
            assert.is_true(requests.create().drop)
            assert.equal(5, mirror_count())
        end)

        it("leaves clusters alone that are not there, and takes a broken body for none", function()
            new { { fault = "other_creates", same = true } }
            assert.equal(404, send("GET", PATH:gsub("c2", "c9")).status)
            assert.equal(400, send("POST", PATH, "{").status)
            assert.equal(400, send("POST", PATH, '{"topicsRegex":"("}').status)
            assert.equal(5, mirror_count())
        end)
    end)

    describe("other_deletes", function()
        it("takes only what others made", function()
            new { { fault = "other_creates", nth = 2 }, { fault = "other_deletes", nth = { 1, 3, 4 } } }
            local before = ids()
            assert.equal(4, #ids())
            assert.same(before, ids())
            assert.same(before, ids())
            assert.equal("deleted", events[4].effect.change)
            assert.equal(events[2].effect.id, events[4].effect.id)
        end)

        it("can take any", function()
            new { { fault = "other_deletes", any = true, times = 2 } }
            for _ = 1, 3 do requests.get() end
            assert.equal(1, mirror_count())
        end)
    end)

    describe("eats_quota", function()
        local function accepted_in_a_second(plan)
            new(plan, { rate = "35" })
            now = now + 10
            local accepted = 0
            for _ = 1, 64 do
                accepted = accepted + (requests.get().status == 404 and 1 or 0)
                now = now + 1 / 64
            end
            return accepted
        end

        it("leaves less of the window", function()
            assert.equal(35, accepted_in_a_second {})
            local left = accepted_in_a_second { { fault = "eats_quota", rate = 20 } }
            assert.is_true(left >= 14 and left <= 18, left)
        end)

        it("does so only in its time, and also for requests without credentials", function()
            assert.equal(35, accepted_in_a_second { { fault = "eats_quota", rate = 30, to = 5 } })
            new { { fault = "eats_quota" } }
            assert.equal(401, it_:handle({ method = "GET", path = PATH, headers = {}, body = "" }).status)
        end)
    end)
end)

describe("the ready-made plans", function()
    --- Many requests of all operations, three every third of a second: what the sandbox said it did to each.
    local function run(name, seed)
        new(plans.load(name), { seed = seed, rate = "35", world = "10" })
        local shape = {}
        for i = 1, 400 do
            now = now + 0.35
            local id = it_.world:list(EAST.connect, 0)[1].id
            local change = i % 4 == 0 and "create" or i % 4 == 2 and "delete" or "update_target_latency"
            for _, operation in ipairs { "list", "get", change } do requests[operation](id) end
        end
        for i, event in ipairs(events) do
            shape[i] = ("%s %s %s %s"):format(event.operation, event.status, event.fault, event.id)
        end
        return shape
    end

    for _, name in ipairs { "flaky", "lossy", "throttled", "slow", "outage" } do
        it(name .. " does the same for the same seed and requests", function()
            assert.same(run(name, 3), run(name, 3))
        end)

        it(name .. " does harm, but lets most requests through in the end", function()
            run(name, 1)
            local harmed, good_late = 0, 0
            for i, event in ipairs(events) do
                harmed = harmed + ((event.fault or event.status == 429) and 1 or 0)
                good_late = good_late + (i > #events / 2 and event.status and event.status < 429 and 1 or 0)
            end
            assert.is_true(harmed > 10, harmed)
            assert.is_true(good_late > #events / 2 * 0.6, good_late)
        end)
    end
end)
