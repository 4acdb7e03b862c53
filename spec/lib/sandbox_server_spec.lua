-- `kmirror sandbox`: the real executable, over real HTTP, with its files.
local cjson = require("cjson")
local http = require("socket.http")
local ltn12 = require("ltn12")
local mime = require("mime")
local socket = require("socket")
local support = require("spec.support")

local KEY = "sandbox-full-key"
local PATH = "/provisioning/v1/" .. support.us_east .. "/kafka-connect/mirrors"
local SPEC = {
    sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", usePrivateIps = true,
    sourceAlias = "us-west", topicsRegex = "orders\\..*", useRenaming = false, maxTasks = 3,
}

--- Sends a request; gives status, body and headers, or nil and why there was no answer.
local function send(sandbox, method, path, body, key)
    body = type(body) == "table" and cjson.encode(body) or body or ""
    local received = {}
    local done, status, headers = http.request {
        url = sandbox.url .. path,
        method = method,
        headers = {
            authorization = "Basic " .. mime.b64("sandbox:" .. (key or KEY)),
            ["content-type"] = "application/json",
            ["content-length"] = #body,
        },
        source = ltn12.source.string(body),
        sink = ltn12.sink.table(received),
    }
    if not done then return nil, status end
    return status, table.concat(received), headers
end

local function list(sandbox)
    local status, body = send(sandbox, "GET", PATH)
    assert.equal(200, status)
    return cjson.decode(body).mirrors
end

local function eventually_answers(sandbox)
    support.eventually("an answer", function()
        return (send(sandbox, "GET", PATH)) == 200
    end)
end

describe("kmirror sandbox", function()
    before_each(function()
        http.TIMEOUT = 5
    end)
    after_each(support.stop_all)

    it("prints its address first, and answers there", function()
        local sandbox = support.sandbox()
        assert.matches("^listening on http://127%.0%.0%.1:%d+\n$", sandbox:stdout())
        assert.equal(24, #list(sandbox))
    end)

    it("serves the five operations", function()
        local sandbox = support.sandbox { creating_seconds = 0, sync_seconds = 0 }
        local status, body = send(sandbox, "POST", PATH, SPEC)
        assert.equal(200, status)
        local mirror = PATH .. "/" .. cjson.decode(body).mirrorId
        assert.equal(25, #list(sandbox))
        assert.equal(204, (send(sandbox, "PUT", mirror .. "/targetLatency", { newTargetLatency = 60000 })))
        status, body = send(sandbox, "GET", mirror)
        assert.equal(200, status)
        local seen = cjson.decode(body)
        assert.equal("IN_SYNC", seen.status)
        assert.equal(60000, seen.targetLatency)
        assert.equal(3, #seen.topicStatuses)
        assert.equal(204, (send(sandbox, "DELETE", mirror)))
        assert.equal(404, (send(sandbox, "GET", mirror)))
    end)

    it("answers each mistake of a client with its own status", function()
        local sandbox = support.sandbox()
        local headers = select(3, send(sandbox, "GET", PATH, nil, "wrong"))
        assert.matches("^Basic realm=", headers["www-authenticate"])
        assert.equal(401, (send(sandbox, "GET", PATH, nil, "wrong")))
        assert.equal(403, (send(sandbox, "POST", PATH, SPEC, "sandbox-read-only-key")))
        assert.equal(404, (send(sandbox, "GET", PATH .. "/x")))
        assert.equal(400, (send(sandbox, "POST", PATH, "{")))
        assert.equal(415, select(2, http.request {
            url = sandbox.url .. PATH, method = "POST",
            headers = { authorization = "Basic " .. mime.b64("sandbox:" .. KEY) },
        }))
    end)

    it("accepts no more than its rate in any one second", function()
        local sandbox = support.sandbox { rate = 5 }
        local statuses = {}
        for i = 1, 8 do statuses[i] = send(sandbox, "GET", PATH) end
        assert.same({ 200, 200, 200, 200, 200, 429, 429, 429 }, statuses)
    end)

    it("ends on SIGTERM and on SIGINT, with status 0 and nothing on stderr", function()
        for _, signal in ipairs { "TERM", "INT" } do
            local sandbox = support.sandbox()
            list(sandbox)
            sandbox:signal(signal)
            local result = sandbox:wait()
            assert.equal(0, result.status)
            assert.equal("", result.stderr)
        end
    end)

    it("listens on another address when told so", function()
        local sandbox = support.sandbox { listen = "::1" }
        assert.matches("^http://%[::1%]:%d+$", sandbox.url)
        local client = assert(socket.tcp6())
        assert(client:connect("::1", tonumber(sandbox.url:match("%d+$"))))
        client:close()
    end)

    describe("with a request log", function()
        it("writes a line of JSON for each request, before it is answered, and no key", function()
            local sandbox = support.sandbox()
            send(sandbox, "POST", PATH, {
                sourceType = "custom", sourceAlias = "dc1", topicsRegex = ".*",
                sourceConnectionProperties = "bootstrap.servers=a:1\nsasl.password=hunter2",
            })
            list(sandbox)
            local requests = sandbox:requests()
            assert.equal(2, #requests)
            assert.equal("create", requests[1].operation)
            assert.equal("created", requests[1].effect.change)
            assert.equal("list", requests[2].operation)
            assert.is_true(math.abs(requests[2].time - support.now()) < 5)
            local text = support.read(sandbox.log_path)
            assert.is_nil(text:find(KEY, 1, true) or text:find("hunter2", 1, true))
        end)

        it("says so when it cannot be written", function()
            local result = support.run { "sandbox", "--port", "0", "--request-log", "/no/such/dir/log" }
            assert.equal(2, result.status)
            assert.matches("cannot write the request log /no/such/dir/log: No such file", result.stderr)
        end)
    end)

    describe("with a state file", function()
        local state

        before_each(function()
            state = support.temporary("state.json")
        end)

        it("goes on where it was, also after it was killed", function()
            local sandbox = support.sandbox { state = state }
            local before = list(sandbox)
            send(sandbox, "DELETE", PATH .. "/" .. before[1].id)
            local kept = PATH .. "/" .. before[2].id
            send(sandbox, "PUT", kept .. "/targetLatency", { newTargetLatency = 77000 })
            local _, body = send(sandbox, "POST", PATH, SPEC)
            local after = list(sandbox)
            sandbox:signal("KILL")
            sandbox:wait()
            sandbox = support.sandbox { state = state, world = "small", seed = 2 }
            assert.same(after, list(sandbox))
            assert.equal(cjson.decode(body).mirrorId, after[#after].id)
            _, body = send(sandbox, "GET", kept)
            assert.equal(77000, cjson.decode(body).targetLatency)
        end)

        it("does not take notes of another file of that name for its own", function()
            local sandbox = support.sandbox { state = state }
            local before = list(sandbox)
            local whole = support.read(state)
            send(sandbox, "DELETE", PATH .. "/" .. before[1].id)
            sandbox:stop()
            local notes = support.read(state .. ".log")
            sandbox = support.sandbox { state = state }
            assert.equal(#before - 1, #list(sandbox))
            sandbox:stop()
            support.write(state .. ".log", notes)
            sandbox = support.sandbox { state = state }
            assert.equal(#before - 1, #list(sandbox))
            sandbox:stop()
            support.write(state, whole)
            assert.equal(#before, #list(support.sandbox { state = state }))
        end)

        it("never leaves half a file behind, and none but its notes", function()
            local directory = support.temporary_directory()
            local sandbox = support.sandbox { state = directory .. "/state.json" }
            for _ = 1, 5 do
                send(sandbox, "POST", PATH, SPEC)
                assert.equal(1, cjson.decode(support.read(directory .. "/state.json")).version)
            end
            local pipe <close> = assert(io.popen("ls -A " .. directory))
            assert.equal("state.json\nstate.json.log\n", pipe:read "a")
        end)

        it("refuses one that it cannot go on from", function()
            for content, why in pairs {
                ["{"] = "it is not a JSON object",
                ["[]"] = "its version is nil, expected 1",
                ['{"version":7}'] = "its version is 7, expected 1",
                ['{"version":1}'] = "state.json",
            } do
                local path = support.temporary("state.json", content)
                local result = support.run { "sandbox", "--port", "0", "--state", path }
                assert.equal(2, result.status)
                assert.matches("cannot continue from the state file .*; remove it", result.stderr)
                assert.is_truthy(result.stderr:find(why, 1, true), result.stderr)
                assert.equal(content, support.read(path))
            end
        end)

        it("says so when it cannot be written", function()
            local result = support.run { "sandbox", "--port", "0", "--state", "/no/such/dir/state.json" }
            assert.equal(2, result.status)
            assert.matches("cannot write the state file /no/such/dir", result.stderr)
        end)
    end)

    it("says so when the port is taken", function()
        local port = support.sandbox().url:match("%d+$")
        local result = support.run { "sandbox", "--port", port }
        assert.equal(1, result.status)
        local expected = "cannot listen on 127%.0%.0%.1 port " .. port .. ": Address already in use"
        assert.matches(expected, result.stderr)
        assert.equal("", result.stdout)
    end)

    describe("with faults", function()
        --- A sandbox with a plan, given as the text of its file.
        local function faulty(plan, options)
            options = options or {}
            options.faults = support.temporary("plan.lua", "return " .. plan)
            return support.sandbox(options)
        end

        it("loses an answer after the change, and tells so in the log", function()
            local sandbox = faulty '{ { fault = "drop", when = "after", operation = "create" } }'
            local status, why = send(sandbox, "POST", PATH, SPEC)
            assert.is_nil(status)
            assert.equal("closed", why)
            assert.equal(25, #list(sandbox))
            local lost = sandbox:requests()[1]
            assert.equal("drop after", lost.fault)
            assert.equal("created", lost.effect.change)
            assert.is_nil(lost.status)
        end)

        it("cuts an answer short", function()
            local sandbox = faulty '{ { fault = "truncate", bytes = 10 } }'
            local client = assert(socket.connect("127.0.0.1", sandbox.url:match("%d+$")))
            client:settimeout(5)
            client:send(("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n\r\n"):format(
                PATH, mime.b64("sandbox:" .. KEY)))
            local answer = client:receive "*a"
            client:close()
            assert.is_true(tonumber(answer:match "Content%-Length: (%d+)") > 1000)
            assert.equal('{"mirrors"', answer:match "\r\n\r\n(.*)$")
        end)

        it("answers late, and others in the meantime", function()
            local sandbox = faulty '{ { fault = "stall", seconds = 0.5, nth = 1 } }'
            local client = assert(socket.connect("127.0.0.1", sandbox.url:match("%d+$")))
            client:settimeout(5)
            local began = support.now()
            client:send(("GET %s HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n"):format(
                PATH, mime.b64("sandbox:" .. KEY)))
            support.eventually("the first request", function() return #sandbox:requests() == 1 end)
            list(sandbox)
            assert.is_true(support.now() - began < 0.5)
            assert.matches("^HTTP/1%.[01] 200", client:receive "*a")
            assert.is_true(support.now() - began >= 0.5)
            client:close()
        end)

        it("cannot be reached for a while, after a request or by the clock, and then again", function()
            local sandbox = faulty '{ { fault = "refuse", operation = "create", seconds = 0.4 } }'
            assert.is_nil((send(sandbox, "POST", PATH, SPEC)))
            local _, why = send(sandbox, "GET", PATH)
            assert.equal("connection refused", why)
            eventually_answers(sandbox)
            assert.equal(24, #list(sandbox))

            sandbox = faulty '{ { fault = "refuse", to = 0.6 } }'
            _, why = send(sandbox, "GET", PATH)
            assert.is_true(why == "connection refused" or why == "closed")
            eventually_answers(sandbox)
        end)

        it("is refused a plan that is wrong, before it listens", function()
            local plan = support.temporary("plan.lua", 'return { { fault = "drop" } }')
            local result = support.run { "sandbox", "--port", "0", "--faults", plan }
            assert.equal(2, result.status)
            assert.matches("rule 1: drop needs when = 'before' or 'after'", result.stderr)
            assert.equal("", result.stdout)
        end)

        it("takes the ready-made plans by name", function()
            for _, name in ipairs { "flaky", "lossy", "throttled", "slow", "outage" } do
                local sandbox = support.sandbox { faults = name }
                eventually_answers(sandbox)
                sandbox:stop()
            end
        end)
    end)
end)
