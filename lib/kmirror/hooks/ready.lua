--- hooks.ready: hooks that need no command of the operator's. `webhook:` posts what a command would find in its
--- environment, as JSON; `slack:` posts it in words, in the format of Slack's incoming webhooks.
---
--- Behind the colon is a URL, or where one is kept: env:NAME, file:PATH or command:COMMAND. In it $KMIRROR_FROM and the
--- like stand for what a command would find there.

local http = require("kmirror.http")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local secrets = require("kmirror.secrets")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local longest = 86400 -- seconds

-- ---- what is said -----------------------------------------------------------------------------------------

-- One line for people: "kmirror run failover us-west -> us-east: done, 24 created (alice on jump-1)".
local function words_of(step, context)
    local function part(format, ...)
        local values = { ... }
        for i = 1, select("#", ...) do
            if context[values[i]] == nil or context[values[i]] == "" then return "" end
            values[i] = tostring(context[values[i]])
        end
        return format:format(table.unpack(values))
    end
    return table.concat({
        "kmirror", part(" run %s", "KMIRROR_RUNBOOK"), part(" %s -> %s", "KMIRROR_FROM", "KMIRROR_TO"),
        part(" (job %s)", "KMIRROR_JOB"), ": ", context.KMIRROR_STATE or step, part(", %s", "KMIRROR_CHANGES"),
        part(": %s", "KMIRROR_PROBLEM"), part(" (%s on %s)", "KMIRROR_USER", "KMIRROR_HOST"),
    })
end

local bodies = {}

function bodies.webhook(step, context)
    local body = { hook = step, text = words_of(step, context) }
    for name, value in pairs(context) do body[name:gsub("^KMIRROR_", ""):lower()] = value end
    return body
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

function bodies.slack(step, context)
    return { text = text.clean(words_of(step, context)):gsub("[&<>]", entities) }
end

-- ---- where to ---------------------------------------------------------------------------------------------

local function check_url(url, where)
    local ok, problem = pcall(mirrors.way, (url:gsub("%$[%u_]+", "x")))
    if not ok then refuse("%s: %s", where, problem.message) end
end

-- What may be a secret is never an argument.
local function given_url(kind, url, where)
    if kind == "slack" or url:lower():find("://hooks.slack", 1, true) then
        refuse("%s: the URL of a Slack webhook is a secret, and others can read arguments: expected slack:env:NAME, "
            .. "slack:file:PATH or slack:command:COMMAND, where it is kept", where)
    elseif not url:find("^https?://") and not url:find("^%$KMIRROR_") then
        refuse("%s: expected a URL, or where it is kept: env:NAME, file:PATH or command:COMMAND", where)
    end
    if url:find("^https?:") then check_url(url, where) end
    return url
end

local function kept_url(place, what, where)
    local url = secrets.read(place, what, where)
    check_url(url, where .. ": what is kept there")
    return mirrors.secret(url)
end

-- As it is, but for what cannot be part of a URL.
local function escaped(value)
    return (tostring(value):gsub("[^%w%-._~:/,]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

local function filled(url, context)
    local plain = mirrors.reveal(url)
    local whole = plain:gsub("%$([%u_]+)", function(name) return context[name] and escaped(context[name]) end)
    return plain == url and whole or mirrors.secret(whole)
end

-- ---- a hook -----------------------------------------------------------------------------------------------

---@class kmirror.hooks.ready
---@field step string
---@field kind "webhook"|"slack"
---@field url string|mirrors.Secret
local Ready = {}
Ready.__index = Ready

--- The hook that a text stands for; nil when it is a command for the shell. Raises usage for one that cannot be.
---@param step string
---@param command string "slack:env:SLACK_URL"
---@param looks boolean whether it is read where the URL is kept, which a run that changes nothing need not
---@return kmirror.hooks.ready|nil
function M.of(step, command, looks)
    local kind, target = command:match("^%s*(%l+):(.-)%s*$")
    if not bodies[kind] then return nil end
    local place, what = target:match("^(%l+):(.+)$")
    local is_kept = place == "env" or place == "file" or place == "command"
    local where = ("--hook %s=%s:%s"):format(step, kind, is_kept and place or "…")
    local url = nil
    if not is_kept then
        url = given_url(kind, target, where)
    elseif looks then
        url = kept_url(place, what, where)
    end
    return setmetatable({ step = step, kind = kind, url = url }, Ready)
end

--- Posts it, and tells what was answered. Raises why that cannot be done.
---@param context table<string, string|number>
---@param seconds number that it may take; 0: no limit
function Ready:run(context, seconds)
    local limit = seconds > 0 and math.min(seconds, longest) or longest
    local answer = http.post(filled(self.url, context), bodies[self.kind](self.step, context), { timeout = limit })
    local line = answer.body:match("[^\r\n]*%S[^\r\n]*")
    if line then log.info("[%s] %s", self.step, text.cut(text.clean(line), 200)) end
end

return M
