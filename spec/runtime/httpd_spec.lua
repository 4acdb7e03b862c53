-- httpd: the sandbox's HTTP server, in a kmirror process of its own, seen from plain sockets.
local socket = require("socket")
local support = require("spec.support")

local SERVER = [[
local httpd = require "httpd"
local task = require "task"
local server

local function describe(request)
    local lines = { request.method, request.path, request.query or "-", request.remote,
        request.username or "-", request.password or "-", request.headers["x-thing"] or "-",
        request.headers.authorization or "-", request.body }
    return { headers = { ["X-Answer"] = "yes" }, body = table.concat(lines, "|") }
end

local answers = {
    ["/teapot"] = { status = 418, body = "short and stout" },
    ["/nothing"] = { status = 204 },
    ["/plain"] = {},
    ["/late"] = { delay = 0.3, body = "late" },
    ["/stall"] = { delay = 3600 },
    ["/drop"] = { drop = true, body = "never" },
    ["/late-drop"] = { drop = true, delay = 0.2 },
    ["/cut"] = { truncate = 4, body = "0123456789" },
    ["/cut-all"] = { truncate = 0, body = "0123456789" },
    ["/cut-nothing"] = { truncate = 99, body = "0123456789" },
    ["/drip"] = { drip = 100, body = ("x"):rep(50) },
    ["/slow-drip"] = { drip = 5, body = "abc" },
    ["/drip-cut"] = { drip = 100, truncate = 30, body = ("x"):rep(50) },
    ["/big"] = { body = ("0123456789"):rep(100000) },
    ["/bad-status"] = { status = "200" },
    ["/bad-status-range"] = { status = 600 },
    ["/bad-body"] = { body = 12 },
    ["/bad-header"] = { headers = { ["X-Number"] = 12 }, body = "x" },
    ["/evil-header"] = { headers = { ["X"] = "a\r\nSet-Cookie: b" }, body = "x" },
    ["/bad-delay"] = { delay = -1 },
    ["/bad-drip"] = { drip = 0 / 0 },
    ["/no-table"] = "text",
}

local function handler(request)
    if request.path == "/raise" then error("the handler's own words") end
    if request.path == "/raise-object" then
        error(setmetatable({}, { __tostring = function() return "an object" end }))
    end
    if request.path == "/collect" then collectgarbage() end
    if request.path == "/close" then server:close() server:close() end
    if request.path == "/refuse" then
        task.spawn(function()
            server:refuse(true)
            server:refuse(true)
            task.sleep(0.5)
            server:refuse(false)
        end)
    end
    return answers[request.path] or describe(request)
end

do
    local listener <close> = httpd.listen { handler = handler, max_body = 1000 }
    server = listener
    io.stdout:write(server:port(), "\n")
    io.stdout:flush()
    local ended, why = pcall(server.wait, server)
    io.stdout:write(ended and "closed" or why.kind, "\n")
    io.stdout:flush()
end
return 0
]]

local process, port

local function start()
    process = support.start { "run", support.temporary("server.lua", SERVER) }
    port = support.eventually("the server's port", function()
        return tonumber(process:stdout():match("^(%d+)\n"))
    end)
end

local function connect()
    local client = assert(socket.connect("127.0.0.1", port))
    client:settimeout(5)
    return client
end

--- Sends bytes on a new connection, and gives all that came back until it was closed.
local function exchange(bytes)
    local client <close> = setmetatable({ it = connect() }, { __close = function(self) self.it:close() end })
    client.it:send(bytes)
    local all, _, part = client.it:receive("*a")
    return all or part
end

--- A request that is the last on its connection; `headers` end in a line break each.
local function request(line, headers, body)
    local fixed = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return exchange(line .. fixed .. (headers or "") .. "\r\n" .. (body or ""))
end

local function get(path, headers)
    return request("GET " .. path, headers)
end

local function body_of(answer)
    return answer:match("\r\n\r\n(.*)$")
end

describe("httpd", function()
    setup(start)
    teardown(function()
        process:stop()
    end)

    describe("a request", function()
        it("shows method, path, query, headers, body and where it came from", function()
            local answer = request("PUT /a/b?c=d&e", "X-Thing: some thing\r\nContent-Length: 5\r\n", "hello")
            assert.equal("PUT|/a/b|c=d&e|127.0.0.1|-|-|some thing|-|hello", body_of(answer))
        end)

        it("shows its path as it was sent", function()
            assert.equal("GET|/a%2Fb/%00/../c|-|127.0.0.1|-|-|-|-|", body_of(get("/a%2Fb/%00/../c")))
        end)

        it("shows user name and password of Basic auth, and not the header they came in", function()
            local basic = require("mime").b64("me:pass:word")
            local answer = get("/", "Authorization: Basic " .. basic .. "\r\n")
            assert.equal("GET|/|-|127.0.0.1|me|pass:word|-|-|", body_of(answer))
        end)

        it("may name Basic auth in any case", function()
            local basic = require("mime").b64("me:pass")
            for _, scheme in ipairs { "basic ", "BASIC ", "bAsIc   " } do
                local answer = get("/", "authorization: " .. scheme .. basic .. "\r\n")
                assert.equal("GET|/|-|127.0.0.1|me|pass|-|-|", body_of(answer))
            end
        end)

        it("shows a password to its last byte, also after a zero", function()
            local basic = require("mime").b64("me:pass\0junk")
            local answer = get("/", "Authorization: Basic " .. basic .. "\r\n")
            assert.equal("GET|/|-|127.0.0.1|me|pass\0junk|-|-|", body_of(answer))
        end)

        it("shows every header, however many there are", function()
            local headers = {}
            for i = 1, 150 do headers[i] = ("X-%d: %d\r\n"):format(i, i) end
            local answer = get("/", table.concat(headers) .. "X-Thing: the last\r\n")
            assert.equal("GET|/|-|127.0.0.1|-|-|the last|-|", body_of(answer))
        end)

        it("has no user when the Authorization header makes no sense", function()
            for _, header in ipairs { "Basic", "Basic !!!", "Bearer abc", "Basic " .. ("A"):rep(4000) } do
                local answer = get("/", "Authorization: " .. header .. "\r\n")
                assert.equal("GET|/|-|127.0.0.1|-|-|-|-|", body_of(answer))
            end
        end)

        it("may send its body in chunks", function()
            local chunks = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
            local answer = request("POST /", "Transfer-Encoding: chunked\r\n", chunks)
            assert.equal("POST|/|-|127.0.0.1|-|-|-|-|abcdefg", body_of(answer))
        end)

        it("may have a body up to the limit, and is answered 413 above it", function()
            local function post(size)
                return request("POST /plain", ("Content-Length: %d\r\n"):format(size), ("x"):rep(size))
            end
            assert.matches("^HTTP/1.1 200", post(1000))
            assert.matches("^HTTP/1.1 413", post(1001))
            assert.matches("^HTTP/1.1 413", post(1000000))
        end)

        it("that is not HTTP does not harm the server", function()
            for _, bytes in ipairs {
                "", "\0\1\2 garbage\r\n\r\n", "GET", "GET / HTTP/9.9\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
            } do
                local client = connect()
                client:send(bytes)
                client:close()
            end
            assert.matches("^HTTP/1.1 200", get("/plain"))
        end)
    end)

    describe("an answer", function()
        it("has the handler's status, headers and body", function()
            local answer = get("/teapot")
            assert.matches("^HTTP/1.1 418", answer)
            assert.equal("short and stout", body_of(answer))
            assert.matches("\r\nX%-Answer: yes\r\n", get("/"))
        end)

        it("is 200 without a body when the handler says nothing", function()
            assert.matches("^HTTP/1.1 200.*\r\nContent%-Length: 0\r\n", get("/plain"))
        end)

        it("may be 204", function()
            assert.matches("^HTTP/1.1 204", get("/nothing"))
        end)

        it("may be large", function()
            assert.equal(1000000, #body_of(get("/big")))
        end)

        it("leaves the connection open for the next request", function()
            local client = connect()
            for _ = 1, 3 do
                client:send("GET /teapot HTTP/1.1\r\nHost: x\r\n\r\n")
                local line
                repeat line = assert(client:receive("*l")) until line == ""
                assert.equal("short and stout", client:receive(15))
            end
            client:close()
        end)
    end)

    describe("a fault", function()
        it("can be a delay, during which others are answered", function()
            local client = connect()
            local began = support.now()
            client:send("GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert.matches("^HTTP/1.1 200", get("/plain"))
            local meanwhile = support.now() - began
            assert.equal("late", body_of((client:receive("*a"))))
            assert.is_true(meanwhile < 0.3 and support.now() - began >= 0.3)
            client:close()
        end)

        it("can be a connection that is closed without an answer", function()
            assert.equal("", get("/drop"))
        end)

        it("can be a connection that is closed after a while", function()
            local began = support.now()
            assert.equal("", get("/late-drop"))
            assert.is_true(support.now() - began >= 0.2)
        end)

        it("can cut the body short of what was announced", function()
            local answer = get("/cut")
            assert.matches("\r\nContent%-Length: 10\r\n", answer)
            assert.equal("0123", body_of(answer))
        end)

        it("can cut off all of the body", function()
            local answer = get("/cut-all")
            assert.matches("\r\nContent%-Length: 10\r\n", answer)
            assert.equal("", body_of(answer))
        end)

        it("that would cut nothing leaves the answer whole", function()
            assert.equal("0123456789", body_of(get("/cut-nothing")))
        end)

        it("can send the body drop by drop", function()
            local began = support.now()
            assert.equal(50, #body_of(get("/drip")))
            local seconds = support.now() - began
            assert.is_true(seconds >= 0.35 and seconds < 2, "took " .. seconds)
        end)

        it("can drip less than a byte per tenth of a second", function()
            local began = support.now()
            assert.equal("abc", body_of(get("/slow-drip")))
            assert.is_true(support.now() - began >= 0.4)
        end)

        it("can drip and then cut", function()
            assert.equal(30, #body_of(get("/drip-cut")))
        end)

        it("is survived by the server when the client leaves first", function()
            for _, path in ipairs { "/late", "/drip", "/stall", "/big" } do
                local client = connect()
                client:send("GET " .. path .. " HTTP/1.1\r\nHost: x\r\n\r\n")
                client:close()
            end
            support.sleep(0.6)
            assert.matches("^HTTP/1.1 200", get("/collect"))
        end)
    end)

    describe("a handler that fails", function()
        local function fails(path, words)
            assert.matches("^HTTP/1.1 500", get(path))
            support.eventually("the message", function()
                return process:stderr():find(words, 1, true)
            end)
            assert.matches("^HTTP/1.1 200", get("/plain"))
        end

        it("is answered 500, and its error and traceback are on stderr", function()
            fails("/raise", "the handler's own words")
            assert.matches("error while answering GET /raise: .*stack traceback", process:stderr())
        end)

        it("may raise an object", function()
            fails("/raise-object", "an object")
        end)

        it("by a wrong answer is told what was wrong", function()
            fails("/bad-status", "answer.status must be a number")
            fails("/bad-status-range", "answer.status must be at most 599")
            fails("/bad-body", "answer.body must be a string, not number")
            fails("/bad-header", "answer.headers must be strings by name")
            fails("/evil-header", "answer.headers: 'X' cannot be sent")
            fails("/bad-delay", "answer.delay must be a number")
            fails("/bad-drip", "answer.drip must be a number")
            fails("/no-table", "the handler must return a table, not string")
        end)
    end)

    describe("idle connections", function()
        local idle

        before_each(function()
            process:stop()
            idle = {}
            process = support.start { command = "sh", "-c", 'ulimit -n 120; exec "$@"', "sh", support.executable, "run",
                support.temporary("server.lua", SERVER) }
            port = support.eventually("the server's port", function() return process:stdout():match("^(%d+)\n") end)
        end)

        after_each(function()
            for _, client in ipairs(idle) do client:close() end
            process:stop()
            start()
        end)

        it("make room for new ones: first those unused for longest, never those with a request", function()
            local used, busy = connect(), connect()
            busy:send("GET /drip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            for i = 1, 300 do
                idle[i] = connect()
                if i % 20 == 0 then
                    used:send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert.equal("HTTP/1.1 204 No Content", (used:receive("*l")))
                    repeat local line = used:receive("*l") until line == "" or line == nil
                end
            end
            assert.matches("^HTTP/1.1 418", get("/teapot"))
            assert.equal(("x"):rep(50), body_of(busy:receive("*a")))
            idle[1]:settimeout(1)
            assert.equal("closed", select(2, idle[1]:receive("*l")))
            used:close()
            busy:close()
        end)
    end)

    describe("refusing", function()
        it("refuses connects, cuts who is connected, and ends on the same port", function()
            local idle = connect()
            idle:send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
            assert(idle:receive("*l"))
            assert.matches("^HTTP/1.1 200", get("/refuse"))
            support.eventually("a refused connect", function()
                local client, why = socket.connect("127.0.0.1", port)
                if client then client:close() end
                return why == "connection refused"
            end)
            assert.is_nil((idle:receive("*a") or ""):match("HTTP/1.1"))
            idle:close()
            support.eventually("an accepted connect", function()
                local client = socket.connect("127.0.0.1", port)
                if client then client:close() end
                return client
            end)
            assert.matches("^HTTP/1.1 200", get("/plain"))
        end)
    end)

    describe("closing", function()
        before_each(function()
            process:stop()
            start()
        end)

        it("from a handler ends wait(), also with answers under way", function()
            local stalled, dripping = connect(), connect()
            stalled:send("GET /stall HTTP/1.1\r\nHost: x\r\n\r\n")
            dripping:send("GET /slow-drip HTTP/1.1\r\nHost: x\r\n\r\n")
            assert(dripping:receive("*l"))
            get("/close")
            local result = process:wait()
            assert.equal(0, result.status)
            assert.matches("\nclosed\n$", result.stdout)
            stalled:close()
            dripping:close()
        end)

        it("happens on SIGTERM, also with answers under way", function()
            local stalled = connect()
            stalled:send("GET /stall HTTP/1.1\r\nHost: x\r\n\r\n")
            get("/plain")
            process:signal("TERM")
            local result = process:wait()
            assert.matches("\ncancelled\n$", result.stdout)
            assert.equal("", result.stderr)
            stalled:close()
        end)
    end)

    describe("in Lua", function()
        local function run(code)
            local script = support.temporary("script.lua", 'local httpd = require "httpd"\n' .. code)
            local result = support.run { "run", script }
            assert.equal(0, result.status, result.stderr)
            return result.stdout
        end

        it("refuses wrong options by name", function()
            local said = run [[
                local function handler() end
                for _, options in ipairs {
                    { handler = handler, hots = "127.0.0.1" }, { handler = handler, port = 70000 },
                    { handler = handler, port = "x" }, { handler = handler, max_body = -1 }, {},
                    { handler = handler, host = "no such host" },
                } do
                    local _, why = pcall(httpd.listen, options)
                    print(why.kind, why.message)
                end
                return 0]]
            assert.matches("invalid\t[^\n]*unknown option 'hots'", said)
            assert.matches("invalid\t[^\n]*port must be an integer from 0 to 65535", said)
            assert.matches("invalid\t[^\n]*max_body", said)
            assert.matches("invalid\t[^\n]*handler must be a function", said)
            assert.matches("invalid\t[^\n]*cannot listen on 'no such host'", said)
        end)

        it("says why it cannot listen", function()
            local said = run [[
                local first <close> = httpd.listen { handler = print }
                local _, why = pcall(httpd.listen, { handler = print, port = first:port() })
                print(why.kind, why.message)
                return 0]]
            assert.matches("^transport\tcannot listen on 127.0.0.1 port %d+: Address already in use\n", said)
        end)

        it("closes twice without harm, and says so when used after that", function()
            local said = run [[
                local server = httpd.listen { handler = print }
                server:close()
                server:close()
                print(pcall(server.wait, server))
                print(select(2, pcall(server.port, server)).message)
                print(select(2, pcall(server.refuse, server, true)).message)
                return 0]]
            assert.equal("true\nthis server has been closed\nthis server has been closed\n", said)
        end)

        it("lets one task wait, and cancels its wait", function()
            local said = run [[
                local task = require "task"
                local server <close> = httpd.listen { handler = print }
                local waiting = task.spawn(server.wait, server)
                task.sleep(0)
                print(select(2, pcall(server.wait, server)).message)
                waiting:cancel()
                print(select(2, pcall(waiting.join, waiting)).kind)
                print(select(2, pcall(task.timeout, 0.05, server.wait, server)).kind)
                task.spawn(server.close, server)
                print(pcall(server.wait, server))
                return 0]]
            assert.equal("another task waits for this server already\ncancelled\ntimeout\ntrue\n", said)
        end)

        it("is closed with the Lua state when nobody closed it", function()
            assert.equal("", run "httpd.listen { handler = print } return 0")
        end)
    end)
end)
