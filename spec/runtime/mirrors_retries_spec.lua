local support = require("spec.support")

local MIRROR = support.mirror
local EMPTY = { body = '{"mirrors":[]}' }
local GONE = { status = 404, body = '{"status":404,"message":"Mirror not found"}' }
local DONE = { status = 204 }
local LOST = { close = "after" }

local SPEC = {
    sourceType = "instaclustr", useRenaming = true, kafkaSource = "ff4fccf3-2ac0-494b-9f40-e95288dd752d",
    usePrivateIps = false, sourceAlias = "west", topicsRegex = "orders\\..*", maxTasks = 3,
}

-- A list that shows these ids as mirrors of SPEC.
local function listed(...)
    local items = {}
    for i, id in ipairs { ... } do
        items[i] = ('{"id":"%s","connectorName":"west.east.%012d","topicsRegex":"orders\\\\..*"}'):format(id, i)
    end
    return { body = ('{"mirrors":[%s]}'):format(table.concat(items, ",")) }
end

-- An api that retries without losing time.
local function connect(server, overrides)
    local options = { retries = 3, backoff = 0.001, settle = 0.05 }
    for name, value in pairs(overrides or {}) do options[name] = value end
    return support.connect(server, options)
end

-- Runs call(api) against the scripted answers, and returns what it returned (or the error) and what was asked.
local function meet(answers, call, overrides)
    local server = support.server(answers)
    local outcome = table.pack(pcall(call, connect(server, overrides)))
    server:stop()
    local asked = {}
    for i, request in ipairs(server:requests()) do asked[i] = request.method end
    return outcome[1], outcome[2], table.concat(asked, " ")
end

local calls = {
    list = function(api) return api:list() end,
    get = function(api) return api:get(MIRROR) end,
    delete = function(api) return api:delete(MIRROR) end,
    latency = function(api) return api:update_target_latency(MIRROR, 5000) end,
    create = function(api) return api:create(SPEC) end,
}

local good = { list = EMPTY, get = { body = '{"id":"x"}' }, delete = DONE, latency = DONE }
local methods = { list = "GET", get = "GET", delete = "DELETE", latency = "PUT" }

describe("retries #native", function()
    local passing = {
        ["a 429"] = { status = 429, body = '{"status":429,"message":"Rate Limit Exceeded"}' },
        ["a 500"] = { status = 500, body = "{}" },
        ["a 408, of a gateway that gave up"] = { status = 408, type = "text/html", body = "<html>" },
        ["a 421"] = { status = 421 },
        ["a 425"] = { status = 425, body = '{"message":"Too Early"}' },
        ["a 499"] = { status = 499 },
        ["a 520"] = { status = 520 },
        ["a 503 without a body"] = { status = 503 },
        ["a 502 with HTML"] = { status = 502, type = "text/html", body = "<html>" },
        ["a connection closed without an answer"] = LOST,
        ["a connection reset"] = { close = "after", reset = true },
        ["a body cut short"] = { body = ("x"):rep(100), truncate = 10 },
    }
    for what, failure in pairs(passing) do
        it(("after %s send list, get, delete and latency again"):format(what), function()
            local answers, expected = {}, {}
            for name, answer in pairs(good) do
                table.move({ failure, failure, answer }, 1, 3, #answers + 1, answers)
                expected[#expected + 1] = (methods[name] .. " "):rep(3)
            end
            local ok, e, asked = meet(answers, function(api)
                for name in pairs(good) do calls[name](api) end
            end)
            assert.is_true(ok, tostring(e))
            assert.are.equal(table.concat(expected), asked .. " ")
        end)
    end

    it("after an attempt that took too long, too", function()
        local ok, e, asked = meet({ { hang = true }, EMPTY }, calls.list, { timeout = 0.1 })
        assert.is_true(ok, tostring(e))
        assert.are.equal("GET GET", asked)
    end)

    it("are never made after an answer that says no", function()
        for _, status in ipairs { 400, 401, 403, 404, 415, 409, 302, 405, 410, 413, 422, 428, 431 } do
            local ok, e, asked = meet({ { status = status, body = "{}" }, EMPTY }, calls.list)
            assert.is_false(ok)
            assert.are.equal(status, e.status)
            assert.are.equal(1, e.attempts)
            assert.are.equal("GET", asked)
        end
    end)

    it("are never made after an answer that makes no sense", function()
        local ok, e, asked = meet({ { body = "<html>" }, EMPTY }, calls.list)
        assert.is_false(ok)
        assert.are.equal("protocol", e.kind)
        assert.are.equal("GET", asked)
    end)

    it("end after `retries`, and the error says how often it was tried", function()
        local ok, e, asked = meet({ { status = 503 } }, calls.get, { retries = 2 })
        assert.is_false(ok)
        assert.are.equal("server", e.kind)
        assert.are.equal(3, e.attempts)
        assert.matches("(after 3 attempts)", tostring(e), 1, true)
        assert.are.equal("GET GET GET", asked)
    end)

    it("end when the deadline would be over, and the error says so", function()
        local ok, e = meet({ { status = 503, headers = { "Retry-After: 60" } } }, calls.get, { deadline = 5 })
        assert.is_false(ok)
        assert.are.equal(1, e.attempts)
        assert.matches("the deadline of 5 s is over", e.message, 1, true)
    end)

    it("hand what is left of the deadline to the attempt", function()
        local began = support.now()
        local ok, e = meet({ { hang = true } }, calls.get, { deadline = 0.3, timeout = 0.2, retries = 100 })
        assert.is_false(ok)
        assert.are.equal("timeout", e.kind)
        assert.is_true(support.now() - began < 2)
    end)

    -- The waits before retries when chance is always `chance`, and the times at which the requests came.
    local function waits(answer, overrides, chance)
        local mirrors, random, found, times = require("mirrors"), stub(math, "random"), {}, {}
        random.returns(chance)
        local server = support.server { answer }
        mirrors.trace(function(event) found[#found + 1] = event.what == "retry" and event.wait or nil end)
        pcall(calls.list, connect(server, overrides))
        random:revert()
        mirrors.trace(nil)
        server:stop()
        for i, request in ipairs(server:requests()) do times[i] = request.at end
        return found, times
    end

    it("come after waits of which the longest doubles from one attempt to the next", function()
        local found, times = waits({ status = 503 }, { backoff = 0.02 }, 1)
        assert.are.same({ 0.02, 0.04, 0.08 }, found)
        for i, wait in ipairs(found) do
            assert.is_true(times[i + 1] - times[i] >= wait - 0.001, ("after attempt %d"):format(i))
        end
    end)

    it("wait four times as long after a 429, but never longer than 20 s", function()
        assert.are.same({ 0.08, 0.16, 0.32 }, (waits({ status = 429 }, { backoff = 0.02 }, 1)))
        assert.are.same({ 0.02, 0.02, 0.02 }, (waits({ status = 503 }, { backoff = 1000 }, 0.001)))
    end)

    it("wait for a share of that which is left to chance, each time anew", function()
        assert.are.same({ 0.01, 0.02, 0.04 }, (waits({ status = 503 }, { backoff = 0.04 }, 0.25)))
        local mirrors, shares, different = require("mirrors"), {}, {}
        mirrors.trace(function(event)
            if event.what == "retry" then
                shares[event.attempt] = event.wait / (0.001 * 2 ^ (event.attempt - 1))
            end
        end)
        meet({ { status = 503 } }, calls.list, { retries = 5 })
        mirrors.trace(nil)
        assert.are.equal(5, #shares)
        for _, share in ipairs(shares) do
            assert.is_true(share >= 0 and share < 1)
            different[share] = true
        end
        assert.is_truthy(next(different, next(different)), "all the same share")
    end)

    it("come no sooner for a Retry-After that is shorter, by 5 s at most, and believe 300 s of a longer one", function()
        local function first_wait(seconds)
            local mirrors, random, found = require("mirrors"), stub(math, "random"), nil
            random.returns(1)
            mirrors.trace(function(event)
                found = event.wait
                if found then error("the wait is known", 0) end
            end)
            meet({ { status = 503, headers = { "Retry-After: " .. seconds } } }, calls.list,
                { backoff = 15, deadline = 1000 })
            random:revert()
            mirrors.trace(nil)
            return found
        end
        assert.are.same({ 6, 12, 15, 300 }, { first_wait(1), first_wait(7), first_wait(12), first_wait(3000) })
    end)

    it("wait as long as Retry-After says", function()
        local server = support.server { { status = 503, headers = { "Retry-After: 1" } }, EMPTY }
        connect(server):list()
        server:stop()
        local requests = server:requests()
        assert.is_true(requests[2].at - requests[1].at >= 0.99)
    end)

    it("take a Retry-After that is a date, too", function()
        local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 2)
        local server = support.server { { status = 503, headers = { "Retry-After: " .. date } }, EMPTY }
        connect(server):list()
        server:stop()
        local requests = server:requests()
        local waited = requests[2].at - requests[1].at
        assert.is_true(waited >= 0.5 and waited < 4, "waited " .. waited)
    end)

    it("stop when the retry budget is used up, so that an outage is not made worse", function()
        local server = support.server { { status = 503 } }
        local api = connect(server, { retries = 100, deadline = 60, backoff = 0 })
        local first = support.raises("server", api.list, api)
        assert.are.equal(101, first.attempts)
        local second = support.raises("server", api.list, api)
        assert.are.equal(1, second.attempts)
        assert.matches("retry budget", second.message, 1, true)
        server:stop()
    end)

    it("take twice as much of it after an attempt that took too long", function()
        local ok, e = meet({ { hang = true } }, calls.list, { retries = 100, timeout = 0.001, backoff = 0 })
        assert.is_false(ok)
        assert.are.equal(51, e.attempts)
    end)

    it("get a little of it back with each call that succeeds", function()
        local down = { status = 503 }
        local server = support.server { down, down, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, down }
        local api = connect(server, { retries = 100, deadline = 60, backoff = 0 })
        for _ = 1, 5 do api:list() end
        local e = support.raises("server", api.list, api)
        assert.are.equal(100, e.attempts)
        server:stop()
    end)

    it("are told to whoever traces, with their reason", function()
        local mirrors = require("mirrors")
        local events = {}
        mirrors.trace(function(event)
            events[#events + 1] = event.what .. ":" .. (event.error and event.error.kind or "fine")
        end)
        local ok = meet({ { status = 503 }, EMPTY }, calls.list)
        mirrors.trace(nil)
        assert.is_true(ok)
        assert.are.same({ "attempt:server", "retry:server", "attempt:fine" }, events)
    end)

    it("are told while whoever traces wants no attempts, which are told as soon as they are wanted", function()
        local mirrors = require("mirrors")
        local events, wanted = {}, false
        mirrors.trace(function(event)
            events[#events + 1] = event.what
            wanted = true
        end, function() return wanted end)
        local ok = meet({ { status = 503 }, EMPTY }, calls.list)
        mirrors.trace(nil)
        assert.is_true(ok)
        assert.are.same({ "retry", "attempt" }, events)
    end)

    describe("of a delete", function()
        it("take a 404 for success when an earlier attempt may have worked", function()
            local ok, e, asked = meet({ LOST, GONE }, calls.delete)
            assert.is_true(ok, tostring(e))
            assert.are.equal("DELETE DELETE", asked)
        end)

        it("take a 410 for success then, too, but not on the first attempt: it may be about the endpoint", function()
            for _, first in ipairs { LOST, { status = 408 }, { status = 499 }, { status = 503 }, { status = 520 } } do
                local ok, e = meet({ first, { status = 410 } }, calls.delete)
                assert.is_true(ok, tostring(e))
            end
            for _, answers in ipairs { { { status = 410 } }, { { status = 429 }, { status = 410 } } } do
                local ok, e = meet(answers, calls.delete)
                assert.is_false(ok)
                assert.are.equal(410, e.status)
            end
        end)

        it("take a 404 on the first attempt for what it is", function()
            local ok, e = meet({ GONE }, calls.delete)
            assert.is_false(ok)
            assert.are.equal("not_found", e.kind)
        end)

        it("take a 404 for what it is when all earlier attempts were refused", function()
            local ok, e, asked = meet({ { status = 429 }, { status = 425 }, GONE }, calls.delete)
            assert.is_false(ok)
            assert.are.equal("not_found", e.kind)
            assert.are.equal("DELETE DELETE DELETE", asked)
        end)
    end)

    describe("of a create", function()
        local CREATED = { body = '{"mirrorId":"11111111-0000-4000-8000-000000000001"}' }
        local ID = "11111111-0000-4000-8000-000000000001"

        it("are made when the answer says that it was not done", function()
            local ok, id, asked = meet({ EMPTY, { status = 429, body = "{}" }, CREATED }, calls.create)
            assert.is_true(ok, tostring(id))
            assert.are.equal(ID, id)
            assert.are.equal("GET POST POST", asked)
        end)

        it("are not made after a 400", function()
            local ok, e, asked = meet({ EMPTY, { status = 400, body = '{"message":"no such topic"}' } }, calls.create)
            assert.is_false(ok)
            assert.are.equal("invalid", e.kind)
            assert.are.equal("GET POST", asked)
        end)

        for what, loss in pairs {
            ["a connection closed"] = LOST,
            ["a 500"] = { status = 500 },
            ["a body cut short"] = { body = CREATED.body, truncate = 5 },
            ["garbage"] = { body = "OK" },
            ["an answer without the id"] = { body = "{}" },
        } do
            it(("after %s look whether the mirror is there, and adopt it"):format(what), function()
                local ok, id, asked = meet({ EMPTY, loss, listed(ID) }, calls.create)
                assert.is_true(ok, tostring(id))
                assert.are.equal(ID, id)
                assert.are.equal("GET POST GET", asked)
            end)
        end

        it("after an answer that does not prove that it was not done look for the mirror, and adopt it", function()
            local statuses = {
                201, 202, 204, 206, 300, 302, 303, 402, 406, 408, 409, 418, 423, 424, 440, 460, 499, 500, 501, 502,
                503, 504, 505, 511, 520, 524, 599, 999,
            }
            local answers, ids = { EMPTY }, {}
            for i, status in ipairs(statuses) do
                ids[i] = ("11111111-0000-4000-8000-%012d"):format(i)
                answers[2 * i], answers[2 * i + 1] = { status = status, keep = false }, listed(ids[i])
            end
            local ok, found, asked = meet(answers, function(api)
                local found = {}
                for i in ipairs(statuses) do found[i] = api:create(SPEC) end
                return found
            end, { settle = 0 })
            assert.is_true(ok, tostring(found))
            assert.are.same(ids, found)
            assert.are.equal("GET" .. (" POST GET"):rep(#statuses), asked)
        end)

        it("after such an answer that is not transient raise it when the mirror is not there", function()
            local ok, e, asked = meet({ EMPTY, { status = 409, body = '{"message":"exists"}' }, EMPTY }, calls.create,
                { settle = 0 })
            assert.is_false(ok)
            assert.are.equal(409, e.status)
            assert.are.equal("GET POST GET", asked)
        end)

        it("after an answer that says that it was done, but is spoiled, are made again when the mirror is not there",
            function()
                for _, spoiled in ipairs { { body = "OK" }, { body = "{}" }, { status = 204 }, { body = "" } } do
                    local ok, id, asked = meet({ EMPTY, spoiled, EMPTY, CREATED }, calls.create, { settle = 0 })
                    assert.is_true(ok, tostring(id))
                    assert.are.equal("GET POST GET POST", asked)
                end
            end)

        it("after an answer that proves that it was not done do not look for the mirror", function()
            local statuses = {
                301, 307, 308, 400, 401, 403, 404, 405, 407, 410, 411, 413, 414, 415, 417, 422, 426, 428, 431, 451,
            }
            local answers = { EMPTY }
            for i, status in ipairs(statuses) do answers[i + 1] = { status = status } end
            local ok, met, asked = meet(answers, function(api)
                local met = {}
                for i in ipairs(statuses) do
                    met[i] = select(2, pcall(api.create, api, SPEC)).status
                end
                return met
            end)
            assert.is_true(ok, tostring(met))
            assert.are.same(statuses, met)
            assert.are.equal("GET" .. (" POST"):rep(#statuses), asked)
        end)

        it("after a refusal that is transient are made without a look", function()
            for _, status in ipairs { 421, 425, 429 } do
                local ok, id, asked = meet({ EMPTY, { status = status }, CREATED }, calls.create)
                assert.is_true(ok, tostring(id))
                assert.are.equal("GET POST POST", asked)
            end
        end)

        it("after a loss are made only when no mirror has appeared in time", function()
            local ok, id, asked = meet({ EMPTY, LOST, EMPTY, CREATED }, calls.create, { settle = 0 })
            assert.is_true(ok, tostring(id))
            assert.are.equal(ID, id)
            assert.are.equal("GET POST GET POST", asked)
        end)

        it("are not made when it cannot be told; the candidates are named", function()
            local other = "22222222-0000-4000-8000-000000000002"
            local ok, e, asked = meet({ EMPTY, LOST, listed(ID, other) }, calls.create, { settle = 0 })
            assert.is_false(ok)
            assert.are.equal("unknown_outcome", e.kind)
            assert.are.equal("GET POST GET", asked)
            assert.are.equal(2, #e.details.candidates)
            assert.matches(ID, tostring(e), 1, true)
            assert.matches(other, tostring(e), 1, true)
        end)

        it("may look for the mirror though the retry budget is used up", function()
            local answers = {}
            for i = 1, 153 do answers[i] = { status = 503 } end
            answers[102], answers[103], answers[154] = EMPTY, LOST, listed(ID)
            local ok, id = meet(answers, function(api)
                support.raises("server", api.list, api)
                return api:create(SPEC)
            end, { retries = 100, backoff = 0, deadline = 60 })
            assert.is_true(ok, tostring(id))
            assert.are.equal(ID, id)
        end)

        it("are made when nothing was sent: the server could not be reached", function()
            local server = support.server { EMPTY }
            local api = connect(server)
            api:list()
            server:stop()
            local e = support.raises("transport", api.create, api, SPEC)
            assert.are.equal(4, e.attempts)
        end)
    end)
end)

describe("after a 401 #native", function()
    local refused = { status = 401, body = '{"status":401,"message":"Not authorized"}' }

    -- The keys that were sent in turn, when renew_key gives others each time.
    local function keys_sent(answers, call)
        local server, read = support.server(answers), 0
        local function renew_key()
            read = read + 1
            return "key-number-" .. read
        end
        local api = connect(server, { api_key = "key-number-0", renew_key = renew_key })
        local ok, e = pcall(call, api)
        server:stop()
        local keys = {}
        for i, request in ipairs(server:requests()) do
            local coded = request.headers.authorization:match("^Basic (.+)$")
            keys[i] = request.method .. " " .. require("mime").unb64(coded):match(":key%-number%-(%d)$")
        end
        return table.concat(keys, ", "), ok, e
    end

    it("a call is sent once more, with the key as it is by then", function()
        for name, call in pairs(calls) do
            local created = { body = ('{"mirrorId":"%s"}'):format(MIRROR) }
            local answers = name == "create" and { EMPTY, refused, created } or { refused, good[name] }
            local sent, ok, e = keys_sent(answers, call)
            assert.is_true(ok, tostring(e))
            local method = methods[name] or "POST"
            local expected = ("%s 0, %s 1"):format(method, method)
            assert.are.equal(name == "create" and "GET 0, " .. expected or expected, sent)
        end
    end)

    it("which is done again when that key was accepted, and is replaced in its turn", function()
        local sent, ok = keys_sent({ refused, EMPTY, refused, EMPTY }, function(api)
            api:list()
            api:list()
        end)
        assert.is_true(ok)
        assert.are.equal("GET 0, GET 1, GET 1, GET 2", sent)
    end)

    it("which is not done again for a key that was never accepted", function()
        local sent, _, e = keys_sent({ refused }, function(api)
            pcall(api.list, api)
            api:list()
        end)
        assert.are.equal("GET 0, GET 1, GET 1", sent)
        assert.are.equal("unauthorized", e.kind)
        assert.matches("the key was read again before, and is not accepted", e.message, 1, true)
        assert.is_nil(tostring(e):find("key-number", 1, true))
    end)
end)
