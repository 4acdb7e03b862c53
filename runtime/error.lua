-- The error object: what a failed call raises, and how it reads.
local load_operations, printable = ...

---@alias mirrors.kind
---| "invalid"                 # an argument, or what the API answered 400 to (then with a status)
---| "unauthorized"            # 401
---| "forbidden"               # 403
---| "not_found"               # 404
---| "unsupported_media_type"  # 415
---| "rate_limited"            # 429
---| "server"                  # 5xx, and the likes of 408: it passes by itself
---| "transport"               # no connection, or it broke
---| "tls"                     # no TLS session
---| "timeout"                 # an attempt, the whole call, or task.timeout ran out of time
---| "protocol"                # an answer that is not the API's
---| "unknown_outcome"         # a create whose answer was lost and that cannot be decided
---| "cancelled"               # the task was cancelled
---| "read_only"               # a change under --read-only
---| "unsupported"             # the backend cannot do it: see api:can()
---| "failed"                  # of kmirror.wait: a mirror that is waited for is FAILED or STALE_TOPIC

---@class mirrors.Error
---@field kind mirrors.kind
---@field message string          one line: what happened, and what to do where that is known
---@field operation? string       a name of mirrors.operations
---@field cluster? string         UUID of the Kafka Connect cluster
---@field id? string              of the mirror
---@field status? integer         HTTP status, when an answer came
---@field code? integer           the API's own code
---@field details? table          the API's errorDetails; for unknown_outcome { candidates = … }
---@field link? string            the API's link to its documentation
---@field attempts? integer       how often it was tried
---@field other_api? "v1"|"v2"    version of the API to try, where the endpoint does not seem to have this one's paths
local Error = { __name = "kmirror.error" }
Error.__index = Error

local statuses = {
    [400] = "Bad Request",
    [401] = "Not Authorized",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [413] = "Content Too Large",
    [415] = "Unsupported Media Type",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [425] = "Too Early",
    [429] = "Too Many Requests",
    [500] = "Internal Server Error",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
}

-- One line, with nothing in it that a terminal would obey, whatever the server or a script wrote.
local function one_line(text)
    return printable((tostring(text):gsub("%s*[\r\n]+%s*", " ")))
end

local operations -- loaded for the first error that names one

-- What was tried: "get mirror 1f… on cluster 0c…".
local function subject(e)
    operations = operations or load_operations()
    local known = operations[e.operation]
    local words = { known and known.title or e.operation }
    if e.id then words[#words + 1] = one_line(e.id) end
    if e.cluster then words[#words + 1] = "on cluster " .. e.cluster end
    return table.concat(words, " ")
end

function Error:__tostring()
    local parts = {}
    if self.operation then parts[#parts + 1] = subject(self) .. ": " end
    if self.status then
        parts[#parts + 1] = ("%d %s: "):format(self.status, statuses[self.status] or self.kind)
    end
    parts[#parts + 1] = one_line(self.message or self.kind)
    if (self.attempts or 1) > 1 then
        parts[#parts + 1] = (" (after %d attempts)"):format(self.attempts)
    end
    return table.concat(parts)
end

---Makes an error object; `error(new(...))` raises it.
---@param kind mirrors.kind
---@param message string
---@param fields? table  further fields, which it takes over
---@return mirrors.Error
return function(kind, message, fields)
    local e = fields or {}
    e.kind, e.message = kind, message
    return setmetatable(e, Error)
end
