local support = require("spec.support")

local CLUSTER, MIRROR = support.cluster, support.mirror

local SPEC = {
    sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=h:9092\nsasl.password=hunter2",
    sourceAlias = "on-prem", topicsRegex = ".*", useRenaming = true, maxTasks = 1,
}

local OPERATIONS = {
    list = function(api) return api:list() end,
    create = function(api) return api:create(SPEC) end,
    get = function(api) return api:get(MIRROR) end,
    delete = function(api) return api:delete(MIRROR) end,
    update_target_latency = function(api) return api:update_target_latency(MIRROR, 30000) end,
}

local function api_error(status, message)
    local body = [[{"status":%d,"message":"%s","errorDetails":{"field":"why"},"code":77,
        "link":"https://docs.example.org/"}]]
    return { status = status, body = body:format(status, message) }
end

local LIST = { body = '{"mirrors":[]}' }

-- Lets one call meet one answer; returns the error that it must raise. A create looks at the list first.
local function meet(kind, answer, call, options)
    local server = support.server(call == OPERATIONS.create and { LIST, answer } or { answer })
    local problem = support.raises(kind, call or OPERATIONS.get, support.connect(server, options))
    server:stop()
    return problem
end

local function has(text, part)
    assert.truthy(tostring(text):find(part, 1, true), ("'%s' is not in: %s"):format(part, text))
end

-- One line, without anything secret.
local function presentable(problem)
    local line = tostring(problem)
    assert.is_nil(line:find("[\r\n]"))
    for _, secret in ipairs { "s3cret-key", "dXNlcjpzM2NyZXQta2V5", "hunter2" } do
        assert.is_nil(line:find(secret, 1, true), "a secret is in: " .. line)
    end
    return line
end

describe("an error answer of the API", function()
    local kinds = {
        [400] = "invalid", [401] = "unauthorized", [403] = "forbidden", [404] = "not_found",
        [415] = "unsupported_media_type", [429] = "rate_limited", [500] = "server", [502] = "server",
        [503] = "server", [504] = "server", [421] = "server", [425] = "server",
    }

    for status, kind in pairs(kinds) do
        it(("of status %d is raised as %s by each operation, with all that it said"):format(status, kind),
            function()
                for operation, call in pairs(OPERATIONS) do
                    -- A create that met a 5xx may have been done: what is raised then is not in this table.
                    if not (operation == "create" and status >= 500) then
                        local problem = meet(kind, api_error(status, "what the API said"), call)
                        assert.are.equal(operation, problem.operation)
                        assert.are.equal(status, problem.status)
                        assert.are.equal(CLUSTER, problem.cluster)
                        assert.are.equal(77, problem.code)
                        assert.are.same({ field = "why" }, problem.details)
                        assert.are.equal("https://docs.example.org/", problem.link)
                        has(presentable(problem), "what the API said")
                        has(tostring(problem), CLUSTER)
                        has(tostring(problem), tostring(status))
                        if operation ~= "list" and operation ~= "create" then
                            assert.are.equal(MIRROR, problem.id)
                            has(tostring(problem), MIRROR)
                        end
                    end
                end
            end)
    end

    it("of another 4xx is a protocol error that names the status", function()
        for _, status in ipairs { 402, 405, 409, 410, 451 } do
            local problem = meet("protocol", api_error(status, "no such thing"))
            assert.are.equal(status, problem.status)
            has(problem, tostring(status))
        end
    end)

    it("hints at what to do where that is known", function()
        has(meet("forbidden", api_error(403, "Forbidden"), OPERATIONS.delete), "read-only")
        has(meet("not_found", api_error(404, "Not found"), OPERATIONS.list), "Kafka Connect")
        has(meet("unauthorized", api_error(401, "Not Authorized")), "KMIRROR_API_KEY")
    end)

    it("says which version of the API to try, where the endpoint does not seem to have this one's paths", function()
        local html, spring = "<html><body>nothing here</body></html>",
            '{"timestamp":"now","status":404,"error":"Not Found","message":"no handler","path":"/x"}'
        local own = { v1 = api_error(404, "no such cluster").body, v2 = '{"errors":[{"name":"id","message":"none"}]}' }
        for version, other in pairs { v1 = "v2", v2 = "v1" } do
            local options = { api = version }
            for _, answer in ipairs {
                { status = 404, body = "" }, { status = 404, body = html }, { status = 404, body = spring },
                { status = 404, body = "{}" }, { status = 404, body = own[other] }, { status = 410, body = html },
                { status = 410, body = "" }, { status = 405, body = "" },
                { status = 301, headers = { "Location: /elsewhere" } }, { status = 308 },
            } do
                local server = support.server { answer }
                local kind = answer.status == 404 and "not_found" or "protocol"
                for operation, call in pairs(OPERATIONS) do
                    local problem = support.raises(kind, call, support.connect(server, options))
                    assert.are.equal(other, problem.other_api, operation .. answer.status)
                    has(problem, ("%s of the API only? Try --api %s, or KMIRROR_API=%s"):format(other, other, other))
                end
                server:stop()
            end
            for kind, answer in pairs {
                not_found = { status = 404, body = own[version] }, forbidden = { status = 403, body = html },
                rate_limited = { status = 429, body = "" },
            } do
                local server = support.server { answer }
                local api = support.connect(server, { api = version, retries = 0 })
                local problem = support.raises(kind, OPERATIONS.list, api)
                assert.is_nil(problem.other_api)
                assert.is_nil(tostring(problem):find("--api", 1, true))
                server:stop()
            end
        end
    end)

    it("is known by its status, whatever its body", function()
        local bodies = {
            "", "nope", "<html><body>denied</body></html>", "[]", "null", "17", '"text"', "{",
            '{"message":null}', '{"message":{"a":1}}', '{"status":"x","code":"y","errorDetails":5,"link":[]}',
            ("x"):rep(100000),
        }
        for _, body in ipairs(bodies) do
            local problem = meet("not_found", { status = 404, body = body })
            assert.are.equal(404, problem.status)
            assert.is_true(#presentable(problem) < 1000)
        end
    end)

    it("shows a message of several lines and control characters as one line", function()
        local body = [[{"message":"first\r\nsecond\u001b[31m\tthird\u0000"}]]
        presentable(meet("invalid", { status = 400, body = body }))
    end)
end)

describe("an answer that is not the API's", function()
    -- Each of them, where the answer should have been the body of a 200.
    local bad = {
        ["an empty 200"] = { body = "" },
        ["a body that is not JSON"] = { body = "OK" },
        ["JSON that is cut off, though the length is right"] = { body = '{"mirrors":[' },
        ["JSON with something after it"] = { body = '{"mirrors":[],"id":"x","mirrorId":"x"} trailing' },
        ["HTML from a proxy"] = { type = "text/html", body = "<html><h1>Please log in</h1></html>" },
        ["JSON in the wrong shape: a list"] = { body = "[]" },
        ["JSON in the wrong shape: a string"] = { body = '"ok"' },
        ["JSON in the wrong shape: null"] = { body = "null" },
        ["JSON without what was asked for"] = { body = '{"something":"else"}' },
        ["what was asked for, but null"] = { body = '{"mirrors":null,"id":null,"mirrorId":null}' },
        ["what was asked for in another type"] = { body = '{"mirrors":{"a":1},"id":17,"mirrorId":17}' },
        ["JSON nested too deeply"] = { body = ("["):rep(5000) .. ("]"):rep(5000) },
        ["a 204"] = { status = 204 },
        ["a 202"] = { status = 202, body = '{"mirrors":[],"id":"x","mirrorId":"x"}' },
    }

    for name, answer in pairs(bad) do
        it(("(%s) is a protocol error of list and get"):format(name), function()
            for _, operation in ipairs { "list", "get" } do
                local problem = meet("protocol", answer, OPERATIONS[operation])
                assert.are.equal(operation, problem.operation)
                presentable(problem)
            end
        end)
    end

    it("(a list with something else than mirrors in it) is a protocol error", function()
        for _, items in ipairs {
            '1', '"x"', '{}', '{"id":5}', '{"id":null}', '{"id":"x"},[]', '[]', 'null', 'null,{"id":"x"}',
            '{"id":"x"},null',
        } do
            meet("protocol", { body = '{"mirrors":[' .. items .. "]}" }, OPERATIONS.list)
        end
    end)

    it("(a mirror whose parts have the wrong type) is a protocol error", function()
        for _, fields in ipairs { '"topicStatuses":5', '"topicStatuses":[1]', '"topicStatuses":{"a":1}',
            '"targetLatency":"30000"', '"status":5', '"topicStatuses":[{"name":5}]',
            '"topicStatuses":[{"name":"a","averageLatency":"fast"}]' } do
            meet("protocol", { body = '{"id":"x",' .. fields .. "}" })
        end
    end)

    it("(a field whose name is written with escapes) is judged as that field", function()
        for _, body in ipairs { '{"\\u0069d":"x","\\u0073tatus":5}', '{"id\\u0000":"x"}', '{"id\\"":"x"}',
            '{"\\u0069d":null}' } do
            meet("protocol", { body = body })
        end
        local server = support.server { { body = '{"status":"IN_SYNC","\\u0069d":"x"}' } }
        assert.are.same({ id = "x", status = "IN_SYNC" }, support.connect(server):get(support.mirror))
        server:stop()
    end)

    it("(fields in any order, known and unknown) is read, and judged by each of its objects", function()
        local topic = '{"averageRate":0.25,"new":[{}],"averageLatency":3,"name":"a"}'
        local body = ('{"topicStatuses":[%s,{},%s],"future":{"id":5},"status":"FAILED","id":"x"}'):format(topic, topic)
        local server = support.server { { body = body }, { body = body:gsub("3", '"3"') } }
        local api = support.connect(server)
        local expected = { averageRate = 0.25, new = { {} }, averageLatency = 3, name = "a" }
        assert.are.same({ id = "x", status = "FAILED", future = { id = 5 },
            topicStatuses = { expected, {}, expected } }, api:get(support.mirror))
        has(support.raises("protocol", api.get, api, support.mirror), "'averageLatency' is a string")
        server:stop()
    end)

    it("(JSON that is broken behind what does not fit) is told as broken", function()
        has(meet("protocol", { body = '{"id":5,"status":' }), "not JSON")
    end)

    it("(a redirect) is not followed, and is a protocol error that names the place", function()
        local other = support.server { { body = '{"mirrors":[]}' } }
        for _, status in ipairs { 301, 302, 303, 307, 308 } do
            local problem = meet("protocol", {
                status = status, headers = { "Location: " .. other.url .. "/elsewhere?token=s3cret-token" },
            }, OPERATIONS.list)
            assert.are.equal(status, problem.status)
            has(problem, other.url .. "/elsewhere, which is not followed")
            assert.is_nil(problem.message:find("s3cret", 1, true))
        end
        has(meet("protocol", { status = 301, headers = { "Location: https://alice:s3cret@elsewhere.test/x" } }),
            "https://elsewhere.test/x")
        local careless = meet("protocol", { status = 302, headers = { "Location: https://al:p@s3cret@else.test" } })
        assert.is_nil(careless.message:find("s3cret", 1, true), careless.message)
        has(meet("protocol", { status = 301 }), "a redirect, which")
        assert.are.equal(0, other:connections())
        other:stop()
    end)

    it("(a body where there should be none) does not matter to delete and update_target_latency", function()
        local server = support.server { { status = 204 } }
        local api = support.connect(server)
        api:delete(MIRROR)
        api:update_target_latency(MIRROR, 1000)
        server:stop()
    end)

    it("(a 200 where a 204 should be) is a protocol error of delete and update_target_latency", function()
        for _, operation in ipairs { "delete", "update_target_latency" } do
            meet("protocol", { status = 200, body = "<html>Please log in</html>", type = "text/html" },
                OPERATIONS[operation])
        end
    end)

    it("(bytes that are not HTTP) is a protocol error", function()
        meet("protocol", { raw = "SSH-2.0-OpenSSH_9.2p1\r\n" })
        meet("protocol", { raw = "\0\1\2\3\255\254" })
    end)

    it("(HTML from a proxy) is said to be that", function()
        has(meet("protocol", { type = "text/html", body = "<html></html>" }), "HTML")
        has(meet("server", { status = 502, type = "text/html", body = "<html></html>" }), "502")
    end)
end)

describe("an answer that does not come:", function()
    it("a connection that is refused is a transport error that names the address", function()
        local server = support.server { {} }
        server:stop()
        local problem = support.raises("transport", OPERATIONS.get, support.connect(server))
        has(presentable(problem), tostring(server.port))
        assert.is_nil(problem.status)
    end)

    it("a name that does not exist is a transport error that names it", function()
        local problem = support.raises("transport", OPERATIONS.get,
            support.connect { url = "https://no-such-host.invalid" })
        has(presentable(problem), "no-such-host.invalid")
    end)

    it("a connection closed before or after the request was read is a transport error", function()
        meet("transport", { close = "before" })
        meet("transport", { close = "after" })
    end)

    it("a connection that is reset is a transport error", function()
        meet("transport", { close = "after", reset = true })
    end)

    it("an answer cut short is a transport error", function()
        meet("transport", { body = '{"mirrors":[]}' .. (" "):rep(1000), truncate = 500 }, OPERATIONS.list)
        local head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        meet("transport", { raw = head .. "5\r\n[1,2" }, OPERATIONS.list)
    end)

    it("an answer cut short within its head, which libcurl lets pass, is a protocol error", function()
        meet("protocol", { raw = "HTTP/1.1 200 OK\r\nContent-Le" }, OPERATIONS.list)
    end)

    it("silence is a timeout, after as long as was allowed", function()
        local started = support.now()
        local problem = meet("timeout", { hang = true }, nil, { timeout = 0.4 })
        local took = support.now() - started
        assert.is_true(took >= 0.4 and took < 3, "took " .. took)
        presentable(problem)
    end)

    it("an answer that drips too slowly is a timeout", function()
        meet("timeout", { body = '{"mirrors":[]}', drip = 20 }, OPERATIONS.list, { timeout = 0.4 })
    end)

    it("a port that takes connections and never answers a handshake is a timeout", function()
        local silent = support.server { { hang = true } }
        support.raises("timeout", OPERATIONS.get,
            support.connect({ url = "https://127.0.0.1:" .. silent.port }, { timeout = 0.4 }))
        silent:stop()
    end)
end)

describe("an answer larger than 64 MiB", function()
    it("is a protocol error, announced or not, and is not read to its end", function()
        local size = 65 * 1024 * 1024
        local patient = { timeout = 60 }
        has(meet("protocol", { huge = size }, OPERATIONS.list, patient), "large")
        has(meet("protocol", { huge = size, chunked = 1024 * 1024 }, OPERATIONS.list, patient), "large")
    end)

    it("is a protocol error when its header is too large, as a whole or in a line, with a hint at that", function()
        local lines = {}
        for i = 1, 300 do lines[i] = ("X-%d: %s"):format(i, ("x"):rep(1000)) end
        has(meet("protocol", { body = "{}", headers = lines }), "larger than allowed")
        has(meet("protocol", { body = "{}", headers = { "X: " .. ("x"):rep(400000) } }), "header of the answer")
        has(meet("protocol", { raw = "HTTP/1.1 200 " .. ("x"):rep(400000) .. "\r\n\r\n" }), "header of the answer")
        has(meet("protocol", { raw = "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n{}" }), "header of the answer")
    end)

    it("is a protocol error when it only becomes that large by decompression", function()
        local bomb = { body = (" "):rep(65 * 1024 * 1024), gzip = true }
        meet("protocol", bomb, OPERATIONS.list, { timeout = 60 })
    end)
end)

describe("a create whose answer was lost", function()
    -- Sent again it may make a second mirror; so it never looks like a plain failure, and one request goes
    -- out.
    local lost = {
        ["closed"] = { close = "after" },
        ["reset"] = { close = "after", reset = true },
        ["silence"] = { hang = true },
        ["truncated"] = { body = '{"mirrorId":"x"}' .. (" "):rep(100), truncate = 20 },
        ["not JSON"] = { body = "OK" },
        ["a 500"] = api_error(500, "oops"),
        ["HTML"] = { status = 502, body = "<html>" },
    }

    for name, answer in pairs(lost) do
        it(("(%s) is not sent a second time"):format(name), function()
            local server = support.server { LIST, answer, LIST }
            local api = support.connect(server, { timeout = 0.5 })
            local ok, problem = pcall(api.create, api, SPEC)
            server:stop()
            assert.is_false(ok)
            assert.are.equal("table", type(problem))
            presentable(problem)
            local posts = 0
            for _, request in ipairs(server:requests()) do
                if request.method == "POST" then posts = posts + 1 end
            end
            assert.are.equal(1, posts)
        end)
    end
end)

describe("credentials", function()
    it("are in no tostring, and in no field of an error", function()
        local server = support.server { LIST, api_error(401, "user s3cret-key hunter2") }
        local api = support.connect(server)
        local problem = support.raises("unauthorized", OPERATIONS.create, api)
        server:stop()

        local seen = {}
        local function search(value, where)
            if type(value) == "string" then
                for _, secret in ipairs { "s3cret-key", "dXNlcjpzM2NyZXQta2V5", "hunter2" } do
                    assert.is_nil(value:find(secret, 1, true), "a secret is in " .. where)
                end
            elseif type(value) == "table" and not seen[value] then
                seen[value] = true
                for key, each in pairs(value) do
                    search(key, where)
                    search(each, where .. "." .. tostring(key))
                end
            end
        end
        search(problem, "the error")
        search(tostring(api), "the api's tostring")
        search(tostring(problem), "the error's tostring")
    end)
end)

describe("an error object", function()
    it("survives pcall, error and a coroutine as the same value", function()
        local server = support.server { api_error(404, "gone") }
        local api = support.connect(server)
        local thread = coroutine.wrap(function() return pcall(api.get, api, MIRROR) end)
        local ok, problem = thread()
        assert.is_false(ok)
        assert.are.equal("not_found", problem.kind)
        local _, again = pcall(error, problem)
        assert.are.equal(problem, again)
        server:stop()
    end)

    it("counts the attempts", function()
        assert.are.equal(1, meet("not_found", api_error(404, "gone")).attempts)
    end)
end)
