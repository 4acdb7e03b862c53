--- support.server: a server that answers as scripted, well or badly, and keeps the exact bytes of what it was
--- asked. It runs rawserver.lua in a process of its own, so that a client that blocks is served all the same.

---@class support.answer
---@field status integer? 200
---@field body string?
---@field type string? Content-Type; application/json
---@field headers string[]? further header lines
---@field raw string? exactly these bytes instead of an answer built from the above
---@field close string? "before" reading the request (but after sending `raw`), or "after" it
---@field reset boolean? a close is a TCP reset
---@field wait number? seconds before the first byte
---@field hang boolean? no answer, ever
---@field truncate integer? announce the whole body, send so many bytes of it, close
---@field huge integer? a body of so many bytes
---@field chunked integer? send the body in chunks of so many bytes
---@field gzip boolean? compress the body
---@field drip number? bytes a second
---@field keep boolean? false: close after the answer

---@class support.request
---@field raw string every byte of it
---@field method string
---@field target string as it stands in the request line
---@field headers table<string, string> by lower-case name
---@field lines string[] the header lines as sent
---@field body string
---@field connection integer which connection it came on, from 1
---@field at number when it was read, in seconds since the epoch

local function literal(value)
    if type(value) ~= "table" then return ("%q"):format(value) end
    local parts = {}
    for key, each in pairs(value) do parts[#parts + 1] = ("[%q]=%s"):format(key, literal(each)) end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function parse(raw)
    local head, body = raw:match("^(.-)\r\n\r\n(.*)$")
    local method, target = head:match("^(%S+) (%S+) HTTP/1%.1\r?\n?")
    local request = { raw = raw, method = method, target = target, body = body, headers = {}, lines = {} }
    for line in head:gmatch("\r\n([^\r]*)") do
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        request.lines[#request.lines + 1] = line
        request.headers[name:lower()] = value
    end
    return request
end

return function(support)
    local server = {}
    server.__index = server

    local function gzip(body)
        local source = support.temporary("body", body)
        local pipe <close> = assert(io.popen("gzip -c < " .. source))
        return pipe:read("a")
    end

    local function prepared(answer)
        local copy = {}
        for key, value in pairs(answer) do copy[key] = value end
        if copy.gzip then
            copy.body = gzip(copy.body)
            copy.headers = table.move(answer.headers or {}, 1, #(answer.headers or {}), 2,
                { "Content-Encoding: gzip" })
        end
        return copy
    end

    -- What the log says, event by event: "open N TIME", "request N TIME LENGTH" and the bytes, "close N
    -- TIME", …
    function server:events()
        local log, events, at = support.read(self.log_path), {}, 1
        while true do
            local kind, connection, time, rest, after = log:match("^(%S+) (%d+) (%S+) ?([^\n]*)\n()", at)
            if not kind then return events end
            local event = { kind = kind, connection = math.tointeger(connection), at = tonumber(time) }
            event.detail = rest
            at = after
            if kind == "request" then
                local length = math.tointeger(rest) --[[@as integer]]
                event.raw = log:sub(at, at + length - 1)
                at = at + length + 1
            end
            events[#events + 1] = event
        end
    end

    ---The requests so far, in the order in which they were read.
    ---@return support.request[]
    function server:requests()
        local requests = {}
        for _, event in ipairs(self:events()) do
            if event.kind == "request" then
                local request = parse(event.raw)
                request.connection, request.at = event.connection, event.at
                requests[#requests + 1] = request
            end
        end
        return requests
    end

    ---How many connections were made so far.
    ---@return integer
    function server:connections()
        local count = 0
        for _, event in ipairs(self:events()) do
            if event.kind == "open" then count = count + 1 end
        end
        return count
    end

    ---The protocol that the first connection agreed on, of the plan's `protocols`.
    ---@return string?
    function server:negotiated()
        for _, event in ipairs(self:events()) do
            if event.kind == "protocol" then return event.detail end
        end
    end

    ---Ends it.
    function server:stop()
        return self.process:stop()
    end

    ---Starts one: support.server{ { status = 404, body = "{}" }, { hang = true }, tls = certificate }. Each
    ---request takes the next answer, on whatever connection; the last answer serves all that follow. `tls` is
    ---{ certificate = file, key = file, client_ca = file or nil }; `protocols` are those of ALPN that it takes.
    ---With `handler`, the name of a module, what its new(settings) gives answers each request: fun(raw): answer.
    ---@param plan table
    return function(plan)
        local answers = {}
        for i, answer in ipairs(plan) do answers[i] = prepared(answer) end
        local self = setmetatable({ log_path = support.temporary("server.log", "") }, server)
        local script = "return " .. literal { answers = answers, tls = plan.tls, protocols = plan.protocols,
            handler = plan.handler, settings = plan.settings }
        self.process = support.start {
            command = "lua5.4",
            "spec/support/rawserver.lua", support.temporary("plan.lua", script), self.log_path,
        }
        self.port = support.eventually("the server's port", function()
            if not self.process:alive() then
                error("the server ended: " .. self.process:wait().stderr, 0)
            end
            return self.process:stdout():match("^(%d+)\n")
        end)
        self.url = ("%s:%s"):format(plan.tls and "https://localhost" or "http://127.0.0.1", self.port)
        return self
    end
end
