--- http: asks other systems, and tells them: a ticket, a chat, an inventory. A task that waits for an answer holds up
--- no other one.
---
---     local http = require("kmirror.http")
---     local answer = http.get("https://inventory.example.com/teams?region=us-west", { timeout = 5 })
---     for _, team in ipairs(answer:json()) do print(team.name) end
---     http.post("https://tickets.example.com/api/tickets", { title = "failover", state = "open" },
---         { headers = { Authorization = mirrors.secret("Bearer " .. os.getenv("TICKETS_TOKEN")) } })
---
--- It knows nothing of the API's account: its key is never sent, its quota not used, and a job does not write down what
--- was sent: a runbook that goes on sends it again. As for the API, TLS is verified, proxies are those of the
--- environment, http is for this machine only unless `insecure` says otherwise, and redirects are not followed.

local changes = require("kmirror.changes")
local fetch = require("fetch")
local fields = require("mirrors").fields
local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local sensitive = require("kmirror.sensitive")
local task = require("task")
local text = require("kmirror.text")

local M = {}

---@class kmirror.http.options
---@field headers? table<string, string|mirrors.Secret> by name; Accept and Content-Type are application/json unless
---  they are among these
---@field username? string|mirrors.Secret for Basic authentication
---@field password? string|mirrors.Secret
---@field timeout? number seconds that all of it may take; 30
---@field max_body? integer bytes of the answer; 1 MiB
---@field any_status? boolean an answer that is no success is returned; without it, it raises
---@field reads? boolean it changes nothing there: it is sent under --dry-run and --read-only, too, as a get always is
---@field insecure? boolean http may go to another machine, too: whoever is in between reads and changes it all

---@class kmirror.http.answer
---@field status integer of HTTP; without `any_status` from 200 to 299
---@field body string
---@field type? string Content-Type
---@field location? string where it leads to, which is not followed
---@field planned? boolean true under --dry-run: nothing was sent
local Answer = {}
Answer.__index = Answer

--- Its JSON as a value: integers as integers, null as nil. Raises `protocol` when it is something else.
---@return any
function Answer:json()
    if self.planned then return {} end
    local value, problem = json.decode(self.body)
    if problem then
        error(mirrors.error("protocol", "the answer is not JSON: " .. problem, { operation = self.what,
            status = self.status }), 0)
    end
    return value
end

-- ---- what is sent -----------------------------------------------------------------------------------------

-- Those that libcurl makes by itself, from what is sent and where.
local own_headers = { host = true, connection = true, expect = true, upgrade = true, te = true, trailer = true,
    ["content-length"] = true, ["transfer-encoding"] = true, ["accept-encoding"] = true }

local function check_header(name, value)
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") or own_headers[name:lower()]
        or name:lower():find("^proxy%-") then
        fields.invalid("http: a header cannot be named %s: expected a name such as X-Token; what is about the "
            .. "connection is not set by runbooks", fields.shown(name))
    elseif type(value) ~= "string" or value == "" or value:find("[%c\x7F]") then
        fields.invalid("http: the header %s must be a text on one line (not shown)", name)
    end
end

local function header_lines(headers)
    local lines = {}
    for name, value in pairs(headers) do
        value = mirrors.reveal(value)
        check_header(name, value)
        lines[#lines + 1] = ("%s: %s"):format(name, value)
    end
    return lines
end

-- As RFC 7617 has it: a colon would begin the password.
local function check_user(username)
    local plain = mirrors.reveal(username)
    if plain and plain:find("[:%c\x7F]") then
        fields.invalid("http: username must be without a colon and on one line (not shown)")
    end
end

local function as_json(body)
    local ok, text_or_why = pcall(json.encode, body)
    return ok and text_or_why or fields.invalid("http: body: %s", tostring(text_or_why))
end

-- A body as it is sent; what in it is a secret goes to `secrets`.
local function plain_body(value, secrets, depth)
    local plain = mirrors.reveal(value)
    if plain ~= value then
        secrets[#secrets + 1] = plain
    elseif type(value) == "table" and depth < 1000 then -- deeper, the JSON is refused
        plain = setmetatable({}, getmetatable(value)) -- which tells an array
        for key, each in pairs(value) do plain[key] = plain_body(each, secrets, depth + 1) end
    end
    return plain
end

local function is_secret_header(name, value)
    local lower = name:lower()
    return mirrors.reveal(value) ~= value or lower == "cookie" or lower:find("key") or lower:find("sign")
        or sensitive.may_hold(name)
end

local function add_headers(secrets, headers)
    for name, value in pairs(headers) do
        local plain = mirrors.reveal(value)
        if is_secret_header(name, value) and #plain > 3 then
            secrets[#secrets + 1] = plain
            secrets[#secrets + 1] = plain:match("^%a+ (....+)$")
        end
    end
end

-- What is behind a question mark may be a token, and so may all of a secret URL.
local function add_url(secrets, url)
    local plain = mirrors.reveal(url)
    secrets[#secrets + 1] = plain:match("%?([^#]+)")
    for value in (plain:match("%?([^#]+)") or ""):gmatch("=([^&]+)") do
        if #value > 3 then secrets[#secrets + 1] = value end
    end
    if plain ~= url then
        secrets[#secrets + 1] = plain
        secrets[#secrets + 1] = plain:match("^%a+://[^/]+/(....+)$")
    end
end

-- What must not be told, should the server send it back.
local function add_secrets(secrets, url, options)
    local password = mirrors.reveal(options.password)
    if password then
        secrets[#secrets + 1] = password
        secrets[#secrets + 1] = host.base64(("%s:%s"):format(mirrors.reveal(options.username) or "", password))
    end
    add_headers(secrets, options.headers or {})
    add_url(secrets, url)
    return secrets
end

-- Its two parts, and how it may be shown: what is behind a question mark, and all of a secret one but its host, may be
-- a token.
local function parts_of(url)
    local plain = mirrors.reveal(url)
    local base, target = plain:match("^(%a+://[^/?#]+)([^#]*)")
    if not base then return plain, "/", "(not shown)" end
    target = target:sub(1, 1) == "/" and target or "/" .. target
    local is_secret = plain ~= url
    return base, target, base .. (is_secret and "/…" or target:match("^[^?]*"))
end

-- ---- what comes back --------------------------------------------------------------------------------------

-- What a refusal says of itself, in a line.
local function first_words(body, secrets)
    local line = mirrors.hide(body:sub(1, 4096), secrets):match("[^\r\n]*%S[^\r\n]*")
    return line and not line:find("^%s*<") and (": " .. text.cut(text.clean(line), 200)) or ""
end

local function leads_to(location)
    return location and (" to " .. location:gsub("^(%a+://)[^/?#]*@", "%1"):match("^[^?#]*")) or ""
end

local function refusal(answer, kind, secrets)
    local words = (answer.status >= 300 and answer.status < 400)
        and ("the answer is a redirect%s, which is not followed"):format(leads_to(answer.location))
        or "the answer is no success" .. first_words(answer.body, secrets)
    return mirrors.error(kind, mirrors.hide(words, secrets), { operation = answer.what, status = answer.status })
end

local function not_answered(what, kind, reason, sent, secrets)
    local words = mirrors.hide(reason, secrets)
    if kind ~= "cancelled" and not sent then words = words .. " (it was not sent)" end
    return mirrors.error(kind, words, { operation = what })
end

-- ---- one request ------------------------------------------------------------------------------------------

local function planned(what, options)
    if options.reads or not changes.harmless() then
        return nil
    elseif not changes.planned() then
        error(mirrors.error("read_only", "refused: --read-only allows no changes", { operation = what }), 0)
    end
    io.stdout:write("would send ", what, "\n")
    return setmetatable({ status = 200, body = "", planned = true, what = what }, Answer)
end

local function send(what, request, options, secrets)
    local began = task.now()
    local status, body, kind_of_type, location, kind = fetch(request)
    if not status then error(not_answered(what, body, kind_of_type, location, secrets), 0) end
    log.debug("%s: %d after %.0f ms", what, status, 1000 * (task.now() - began))
    local answer = setmetatable({ status = status, body = body, type = kind_of_type, location = location, what = what },
        Answer)
    if (status < 200 or status > 299) and not options.any_status then
        error(refusal(answer, kind, secrets), 0)
    end
    return answer
end

--- Sends a request, and waits for the answer.
---@param method "GET"|"POST"|"PUT"|"PATCH"|"DELETE"
---@param url string|mirrors.Secret https, or http to this machine; of a secret one messages show but the host
---@param body? string|table|mirrors.Secret a table is sent as JSON, with the text of secrets in it; a text as it is
---@param options? kmirror.http.options
---@return kmirror.http.answer
---Raises an error object: its kind by the status of an answer that is no success, such as `not_found`; `transport`,
---`tls`, `timeout`, `protocol` without an answer; `invalid` for arguments; `read_only`, `cancelled`.
function M.request(method, url, body, options)
    options = options or {}
    local base, target, shown = parts_of(url)
    local what = ("%s %s"):format(method, text.clean(shown))
    local way, secrets = mirrors.way(mirrors.reveal(url), options.insecure), {}
    body = plain_body(body, secrets, 0)
    check_user(options.username)
    local request = {
        method = method, base = base, path = target, body = type(body) == "table" and as_json(body) or body,
        headers = header_lines(options.headers or {}), username = mirrors.reveal(options.username),
        password = mirrors.reveal(options.password), ca_file = way.ca_file, ca_dir = way.ca_dir,
        insecure = options.insecure, timeout = options.timeout or 30, max_body = options.max_body or 1 << 20,
    }
    return planned(what, { reads = options.reads or method == "GET" })
        or send(what, request, options, add_secrets(secrets, url, options))
end

--- Asks for what is there.
---@param url string|mirrors.Secret
---@param options? kmirror.http.options
---@return kmirror.http.answer
---Raises what request() raises.
function M.get(url, options)
    return M.request("GET", url, nil, options)
end

--- Tells something. Under --dry-run it is not sent, unless it `reads`: what would be sent is printed.
---@param url string|mirrors.Secret
---@param body? string|table|mirrors.Secret a table is sent as JSON, with the text of secrets in it; a text as it is
---@param options? kmirror.http.options
---@return kmirror.http.answer
---Raises what request() raises.
function M.post(url, body, options)
    return M.request("POST", url, body or "", options)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local function is_secret(value)
    return mirrors.reveal(value) ~= value
end

local secret_text = { expected = "a text, or one that mirrors.secret() made", secret = true, fits = function(value)
    return type(value) == "string" or is_secret(value)
end }
local body = { expected = "a text, or a table that is sent as JSON", fits = function(value)
    return type(value) == "string" or type(value) == "table" or is_secret(value)
end }
local most = { expected = "an integer from 1 to 1073741824, in bytes", fits = function(value)
    return math.type(value) == "integer" and value >= 1 and value <= 1 << 30
end }
local seconds = { expected = "a number of seconds over 0, to 86400", fits = function(value)
    return type(value) == "number" and value > 0 and value <= 86400
end }
local options = fields.options({
    headers = fields.table, username = secret_text, password = secret_text, timeout = seconds, max_body = most,
    any_status = fields.boolean, reads = fields.boolean, insecure = fields.boolean,
})

fields.guard_methods("answer", Answer, { json = {} })

return fields.guard("http", M, {
    request = {
        "method", fields.one_of("GET", "POST", "PUT", "PATCH", "DELETE"), "url", secret_text, "body?", body,
        "options?", options,
    },
    get = { "url", secret_text, "options?", options },
    post = { "url", secret_text, "body?", body, "options?", options },
})
