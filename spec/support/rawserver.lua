-- rawserver.lua PLAN LOG: the process behind support.server; what it can do is described there. One thread;
-- each connection is a coroutine that yields what it waits for. Writes its port to stdout.
local socket = require("socket")
local ssl_found, ssl = pcall(require, "ssl")

local plan = dofile(arg[1])
package.path = "./?.lua;" .. package.path
local handler = plan.handler and require(plan.handler).new(plan.settings) -- answers requests in place of the plan
local log = assert(io.open(arg[2], "ab"))
log:setvbuf("no")

local function note(kind, connection, detail)
    log:write(("%s %d %.6f %s\n"):format(kind, connection, socket.gettime(), detail or ""))
end

local connections, count = {}, 0 -- coroutine -> { client, what it waits for }

local answered = 0
local function next_answer(only)
    if handler then return nil end
    local answer = plan.answers[math.min(answered + 1, #plan.answers)]
    if only and answer.close ~= only then return nil end
    answered = answered + 1
    return answer
end

-- ---- waiting: a connection yields "read", "write" or the time to go on at ---------------------------------

local function patiently(call, ...)
    while true do
        local result, problem, partial = call(...)
        if problem == "timeout" or problem == "wantread" then
            if partial and #partial > 0 then return partial end
            coroutine.yield("read")
        elseif problem == "wantwrite" then
            coroutine.yield("write")
        else
            return result or (partial and #partial > 0 and partial) or nil, problem
        end
    end
end

local function send(client, bytes)
    local at = 1
    while at <= #bytes do
        local last, problem, partial = client:send(bytes, at, math.min(#bytes, at + 65535))
        at = (last or partial or at - 1) + 1
        if problem == "wantread" then
            coroutine.yield("read")
        elseif problem == "timeout" or problem == "wantwrite" then
            coroutine.yield("write")
        elseif problem then
            return nil, problem
        end
    end
    return true
end

local function pause(seconds)
    coroutine.yield(socket.gettime() + seconds)
end

-- ---- one request ------------------------------------------------------------------------------------------

-- Returns the request's bytes and what came after them; nil when the client has gone.
local function read_request(client, buffer)
    while true do
        local head = buffer:match("^.-\r\n\r\n")
        if head then
            local length = #head + (tonumber(head:lower():match("\ncontent%-length: *(%d+)")) or 0)
            if #buffer >= length then return buffer:sub(1, length), buffer:sub(length + 1) end
        end
        local more = patiently(client.receive, client, 65536)
        if not more then return nil end
        buffer = buffer .. more
    end
end

local function in_chunks(body, size)
    local parts = {}
    for at = 1, #body, size do
        local chunk = body:sub(at, at + size - 1)
        parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#chunk, chunk)
    end
    parts[#parts + 1] = "0\r\n\r\n"
    return table.concat(parts)
end

-- Returns the head and the body as they go out.
local function render(answer)
    if answer.raw then return answer.raw, "" end
    local body = answer.huge and (" "):rep(answer.huge) or answer.body or ""
    local lines = { ("HTTP/1.1 %d Status"):format(answer.status or 200) }
    if #body > 0 then
        lines[#lines + 1] = "Content-Type: " .. (answer.type or "application/json")
    end
    for _, line in ipairs(answer.headers or {}) do lines[#lines + 1] = line end
    if answer.chunked then
        lines[#lines + 1] = "Transfer-Encoding: chunked"
    elseif answer.status ~= 204 then
        lines[#lines + 1] = "Content-Length: " .. #body
    end
    if answer.keep == false then lines[#lines + 1] = "Connection: close" end
    if answer.chunked then body = in_chunks(body, answer.chunked) end
    return table.concat(lines, "\r\n") .. "\r\n\r\n", body
end

local function drip(client, bytes, rate)
    for at = 1, #bytes do
        if not send(client, bytes:sub(at, at)) then return end
        pause(1 / rate)
    end
end

local function hang(client)
    while patiently(client.receive, client, 65536) do end
end

-- Carries an answer out; true when the connection stays.
local function perform(client, answer)
    if answer.wait then pause(answer.wait) end
    if answer.hang then hang(client) return false end
    if answer.close then return false end
    local head, body = render(answer)
    if answer.truncate then body = body:sub(1, answer.truncate) end
    if answer.drip then
        drip(client, head .. body, answer.drip)
    elseif not send(client, head .. body) then
        return false
    end
    return not (answer.raw or answer.truncate or answer.keep == false)
end

-- ---- connections ------------------------------------------------------------------------------------------

-- The protocol that the server likes best of those that the client offers.
local function choose(offered, number)
    for _, wanted in ipairs(plan.protocols) do
        for _, each in ipairs(offered) do
            if each == wanted then
                note("protocol", number, wanted)
                return wanted
            end
        end
    end
end

local function secured(client, number)
    if not plan.tls then return client end
    assert(ssl_found, "lua-sec is missing")
    local wrapped = assert(ssl.wrap(client, {
        mode = "server", protocol = "any", certificate = plan.tls.certificate, key = plan.tls.key,
        cafile = plan.tls.client_ca,
        alpn = plan.protocols and function(offered) return choose(offered, number) end,
        verify = plan.tls.client_ca and { "peer", "fail_if_no_peer_cert" } or "none",
    }))
    wrapped:settimeout(0)
    connections[coroutine.running()].client = wrapped -- it has taken the descriptor over
    local done, problem = patiently(wrapped.dohandshake, wrapped)
    if done then return wrapped end
    note("tls-failed", number, problem)
    wrapped:close()
    return nil
end

local function converse(client, number)
    local rest = ""
    while true do
        local request
        request, rest = read_request(client, rest)
        if not request then return end
        note("request", number, #request)
        log:write(request, "\n")
        local answer = handler and handler(request) or next_answer()
        if not perform(client, answer) then return answer end
    end
end

local function serve(client, number)
    note("open", number)
    local answer = next_answer("before")
    local stream = client
    if answer and answer.raw then send(client, answer.raw) end
    if not answer then
        stream = secured(client, number)
        answer = stream and converse(stream, number)
    end
    if answer and answer.reset and stream == client then
        client:setoption("linger", { on = true, timeout = 0 })
    end
    if stream then stream:close() end
    note("close", number)
end

-- ---- the loop ---------------------------------------------------------------------------------------------

local listener = assert(socket.bind("127.0.0.1", 0, 128))
listener:settimeout(0)

local function resume(thread, ...)
    local ok, wanted = coroutine.resume(thread, ...)
    if not ok then io.stderr:write(debug.traceback(thread, wanted), "\n") end
    if coroutine.status(thread) == "dead" then
        connections[thread] = nil
    else
        connections[thread].wants = wanted
    end
end

local function accept()
    local client = listener:accept()
    if not client then return end
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    count = count + 1
    local thread = coroutine.create(serve)
    connections[thread] = { client = client }
    resume(thread, client, count)
end

local function step()
    local readers, writers, nearest = { listener }, {}, nil
    for _, connection in pairs(connections) do
        if connection.wants == "read" then
            readers[#readers + 1] = connection.client
        elseif connection.wants == "write" then
            writers[#writers + 1] = connection.client
        else
            nearest = math.min(nearest or math.huge, connection.wants)
        end
    end
    local seconds = nearest and math.max(0, nearest - socket.gettime())
    local readable, writable = socket.select(readers, writers, seconds)
    local ready = {}
    for thread, connection in pairs(connections) do
        if readable[connection.client] or writable[connection.client] or
            (type(connection.wants) == "number" and connection.wants <= socket.gettime()) then
            ready[#ready + 1] = thread
        end
    end
    for _, thread in ipairs(ready) do resume(thread) end
    if readable[listener] then accept() end
end

io.stdout:write(select(2, listener:getsockname()), "\n")
io.stdout:flush()
while true do step() end
