-- mirrors: the policy of the five operations on top of mirrors.c: options, retries, lost creates.
local native, new_error, task, reconcile = ...

---@class mirrors
local mirrors = {}

-- ---- errors ----

---Makes an error object; `error(mirrors.error(...), 0)` raises it.
---@type fun(kind: mirrors.kind, message: string, fields?: table): mirrors.Error
mirrors.error = new_error

local function invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
end

-- What to do about it, where that is known.
local hints = {
    unauthorized = "check KMIRROR_USERNAME and KMIRROR_API_KEY: it takes a provisioning API key",
    tls = "is the endpoint right? A private CA goes into ca_file",
}

local function hint_for(e)
    if e.kind == "forbidden" and e.operation ~= "list" and e.operation ~= "get" then
        return "is the API key read-only?"
    elseif e.kind == "not_found" then
        return e.id and "is it on this cluster, and not deleted yet?"
            or "is this the id of the Kafka Connect cluster, not of the Kafka cluster?"
    elseif e.kind == "rate_limited" then
        return "another client uses this account, or its limit is lower: try a lower rate"
    elseif e.kind == "transport" and not e.status then
        return "is the endpoint right and within reach?"
    end
    return hints[e.kind]
end

-- The text without any of the secrets, should the server have sent one back.
local function redact(text, secrets)
    for _, secret in ipairs(secrets) do
        local from, to = text:find(secret, 1, true)
        while from do
            text = text:sub(1, from - 1) .. "[hidden]" .. text:sub(to + 1)
            from, to = text:find(secret, from + 8, true)
        end
    end
    return text
end

local function redact_all(value, secrets)
    if type(value) == "string" then return redact(value, secrets) end
    if type(value) == "table" then
        for key, inner in pairs(value) do value[key] = redact_all(inner, secrets) end
    end
    return value
end

-- Passwords are a few characters at least; shorter values would hide ordinary words.
local SHORTEST_SECRET = 4

local function secrets_in(properties)
    local secrets = { properties }
    for value in properties:gmatch("[=:]%s*([^\r\n]+)") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*\"([^\"]+)\"") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*'([^']+)'") do secrets[#secrets + 1] = value end
    return secrets
end

-- Longest first, so that no part of one is left when another is hidden.
local function secrets_of(account, spec)
    local secrets = { account.options.api_key }
    if spec and type(spec.sourceConnectionProperties) == "string" then
        for _, secret in ipairs(secrets_in(spec.sourceConnectionProperties)) do
            if #secret >= SHORTEST_SECRET then secrets[#secrets + 1] = secret end
        end
    end
    table.sort(secrets, function(a, b) return #a > #b end)
    return secrets
end

-- ---- options ----

local function default_endpoint()
    return "https://api.instaclustr.com"
end

local function is_number(lowest)
    return function(value)
        return type(value) == "number" and value >= lowest and value < math.huge, ("a number from %g up"):format(lowest)
    end
end

local function is_integer(lowest, highest)
    return function(value)
        return math.type(value) == "integer" and value >= lowest and value <= highest,
            ("an integer from %d to %d"):format(lowest, highest)
    end
end

local function is_positive(value)
    return type(value) == "number" and value > 0 and value < math.huge, "a number of seconds over 0"
end

local function is_text(value)
    return type(value) == "string" and value ~= "" and not value:find("%c"), "a non-empty string on one line"
end

local function is_user(value)
    return is_text(value) and not value:find(":", 1, true), "a user name, without a colon"
end

local function is_endpoint(value)
    return is_text(value) and native.url_allowed(value) and not value:find("[?#@]"),
        "an https URL (http only for this machine's own addresses), without user, query or fragment"
end

local function is_readable(value)
    local file = is_text(value) and io.open(value)
    if file then file:close() end
    return file, "the name of a readable file"
end

local MAX_RATE <const> = 16384

---@class mirrors.Options
---@field cluster? string          UUID of the Kafka Connect cluster; KMIRROR_CLUSTER
---@field endpoint? string         https://api.instaclustr.com; KMIRROR_ENDPOINT
---@field username? string         KMIRROR_USERNAME
---@field api_key? string          a provisioning API key; KMIRROR_API_KEY, or the file named by KMIRROR_API_KEY_FILE
---@field rate? number             requests in any one second, 0 for no limit; 35
---@field concurrency? integer     requests under way at once; 64
---@field timeout? number          seconds for one attempt; 30
---@field connect_timeout? number  seconds for a connection; 10
---@field deadline? number         seconds for a whole call, from its first attempt on, with all retries; 120
---@field retries? integer         attempts after the first; 4
---@field backoff? number          seconds that the wait before the first retry is drawn from; 0.25, and 4 times as much after a 429
---@field settle? number           seconds within which a mirror whose create was not answered shows in the list; 10
---@field max_body? integer        bytes of one answer; 64 MiB
---@field ca_file? string          CA certificates, PEM, instead of the system's
---@field cert_file? string        client certificate, PEM
---@field key_file? string         its key, PEM
---@field proxy? string            URL; default: libcurl's environment variables
---@field quota_file? string       through which the processes on this machine share one rate; default: none
local checks = {
    cluster = function(value) return native.is_uuid(value), "the UUID of a Kafka Connect cluster" end,
    endpoint = is_endpoint,
    username = is_user,
    api_key = is_text,
    rate = function(value)
        return type(value) == "number" and (value == 0 or value >= 0.01 and value <= MAX_RATE),
            ("a number of requests per second from 0.01 to %d, or 0 for no limit"):format(MAX_RATE)
    end,
    concurrency = is_integer(1, 1000),
    timeout = is_positive,
    connect_timeout = is_positive,
    deadline = is_positive,
    retries = is_integer(0, 100),
    backoff = is_number(0),
    settle = is_number(0),
    max_body = is_integer(1, 1 << 40),
    ca_file = is_readable,
    cert_file = is_readable,
    key_file = is_readable,
    proxy = is_text,
    quota_file = is_text,
}

local defaults = {
    rate = 35,
    concurrency = 64,
    timeout = 30,
    connect_timeout = 10,
    deadline = 120,
    retries = 4,
    backoff = 0.25,
    settle = 10,
    max_body = 64 << 20,
}

local set_by_host = {}

local function check_options(where, options)
    if type(options) ~= "table" then invalid("%s: expected a table of options, got %s", where, type(options)) end
    for name, value in pairs(options) do
        local check = checks[name]
        if not check then
            local known = {}
            for each in pairs(checks) do known[#known + 1] = each end
            table.sort(known)
            invalid("%s: unknown option '%s'; known are %s", where, tostring(name), table.concat(known, ", "))
        end
        local ok, expected = check(value)
        if not ok then
            local secret = name == "api_key" or tostring(value):find("@", 1, true)
            local shown = secret and "something else (not shown)" or ("'%s'"):format(tostring(value))
            invalid("%s: %s must be %s, got %s", where, name, expected, shown)
        end
    end
end

local function read_key(path)
    local file, problem = io.open(path)
    if not file then invalid("cannot read the API key from KMIRROR_API_KEY_FILE: %s", problem) end
    local key = file:read("l")
    file:close()
    if native.is_private(path) ~= true then
        invalid("%s can be read by others than its owner: chmod 600 %s", path, path)
    end
    return key
end

local function from_environment(without_key)
    local function variable(name)
        local value = os.getenv(name)
        return value ~= "" and value or nil
    end
    local file = not without_key and variable("KMIRROR_API_KEY_FILE")
    return {
        endpoint = variable("KMIRROR_ENDPOINT"),
        cluster = variable("KMIRROR_CLUSTER"),
        username = variable("KMIRROR_USERNAME"),
        api_key = not without_key and (variable("KMIRROR_API_KEY") or file and read_key(file)) or nil,
    }
end

---Sets what connect() falls back to where its own options say nothing; these come before the environment.
---@param options mirrors.Options
---Raises `invalid` for an unknown option or a wrong value.
function mirrors.defaults(options)
    check_options("mirrors.defaults", options)
    set_by_host = options
end

local function resolve(options)
    check_options("mirrors.connect", options)
    local environment = from_environment(options.api_key or set_by_host.api_key)
    check_options("the environment", environment)
    local all = {}
    for name in pairs(checks) do
        all[name] = options[name] or set_by_host[name] or environment[name] or defaults[name]
    end
    all.endpoint = (all.endpoint or default_endpoint()):gsub("/+$", "")
    if not all.username then invalid("no user name: set KMIRROR_USERNAME, or username in mirrors.connect{}") end
    if not all.api_key then invalid("no API key: set KMIRROR_API_KEY, or KMIRROR_API_KEY_FILE to a file with it") end
    return all
end

-- ---- what others may listen to, or step in for ----

local tracer, interceptor

---Tells a function of every attempt that was answered or failed, and of every wait before a retry.
---@param fn? fun(event: table)  { what = "attempt"|"retry", operation, cluster, id, attempt, error?, wait?, granted, sent, ended }
function mirrors.trace(fn)
    tracer = fn
end

---@class mirrors.Change
---@field operation "create"|"delete"|"update_target_latency"
---@field cluster string
---@field id? string
---@field spec? table               of a create
---@field newTargetLatency? integer  ms
---@field api mirrors.Api

---Lets a function step in for every change, after its arguments passed the checks.
---@param fn? fun(change: mirrors.Change, proceed: fun(how?: table): any): any  proceed() sends the change
function mirrors.intercept(fn)
    interceptor = fn
end

---How many requests wait for their turn or their answer.
---@type fun(): integer
mirrors.under_way = native.under_way

-- ---- retries ----

-- After AWS's SDKs: a call that has to be retried pays, one that succeeds at once pays back, and when nothing is
-- left an outage is not made worse by retrying.
local BUDGET <const>, RETRY_COST <const>, TIMEOUT_COST <const> = 500, 5, 10

local LONGEST_BACKOFF <const> = 20 -- seconds
local LONGEST_HINT <const> = 300   -- seconds of Retry-After that are believed
local HINT_SLACK <const> = 5       -- seconds that may be added to it
local THROTTLED <const> = 4        -- times the backoff after a 429

local worth_retrying = { rate_limited = true, server = true, timeout = true, transport = true }

local function event_of(call, what, e)
    local granted, sent, ended = native.times(call.native)
    return { what = what, operation = call.operation, cluster = call.cluster, id = call.id, attempt = call.attempts,
        error = e, granted = granted, sent = sent, ended = ended }
end

-- What the error says beside what the answer said.
local function dress(call, e)
    e.operation, e.cluster, e.id, e.attempts = call.operation, call.cluster, call.id, call.attempts
    local secrets = secrets_of(call.account, call.argument_spec)
    e.message, e.details = redact(e.message, secrets), redact_all(e.details, secrets)
    local hint = hint_for(e)
    if hint then e.message = ("%s (%s)"):format(e.message, hint) end
    return e
end

-- How long to wait before another attempt; nil and why when there is to be none.
local function backoff(call, e, hint)
    local account = call.account
    local options = account.options
    if not worth_retrying[e.kind] then return nil end
    if call.attempts > options.retries then return nil end
    local cost = e.kind == "timeout" and TIMEOUT_COST or RETRY_COST
    if account.budget < cost then return nil, "the retry budget is used up: too much has failed lately" end
    local base = options.backoff * (e.kind == "rate_limited" and THROTTLED or 1)
    local wait = math.random() * math.min(LONGEST_BACKOFF, base * 2 ^ (call.attempts - 1))
    if hint then
        hint = math.min(hint, LONGEST_HINT)
        wait = math.max(hint, math.min(wait, hint + HINT_SLACK))
    end
    if task.now() + wait >= call.until_ then return nil, ("the deadline of %g s is over"):format(options.deadline) end
    account.budget = account.budget - cost
    return wait
end

-- Waits before another attempt, or raises the error.
local function again(call, e, hint)
    local wait, why = backoff(call, e, hint)
    if not wait then
        if why then e.message = ("%s; %s"):format(e.message, why) end
        error(e, 0)
    end
    if tracer then
        local event = event_of(call, "retry", e)
        event.wait = wait
        tracer(event)
    end
    task.sleep(wait)
end

-- One attempt, within the call's deadline, which begins when the first attempt is let go: waiting for the quota is
-- not the call's fault.
local function attempt(call)
    local options = call.account.options
    local timeout = options.timeout
    if call.until_ then timeout = math.max(0.001, math.min(timeout, call.until_ - task.now())) end
    call.attempts = call.attempts + 1
    local ok, result, sent, hint = native.attempt(call.native, timeout)
    if not call.until_ then
        local granted = native.times(call.native)
        call.until_ = (granted > 0 and granted or task.now()) + options.deadline
    end
    if not ok then dress(call, result) end
    if tracer then tracer(event_of(call, "attempt", not ok and result or nil)) end
    return ok, result, sent, hint
end

local function refund(account)
    if account.budget < BUDGET then account.budget = account.budget + 1 end
end

-- list, get, delete, latency: sending them again does no harm.
local function perform(call)
    local maybe_done = false
    while true do
        local ok, result, sent, hint = attempt(call)
        if ok then
            refund(call.account)
            return result
        end
        if result.kind == "not_found" and call.operation == "delete" and maybe_done then return nil end
        maybe_done = maybe_done or sent
        again(call, result, hint)
    end
end

-- What an attempt to create came to, in the words of reconcile.lua.
local answered = { invalid = true, unauthorized = true, forbidden = true, not_found = true,
    unsupported_media_type = true, rate_limited = true }

local function outcome_of(ok, result, sent)
    if ok then return "created" end
    if not sent then return "unsent" end
    local refused = answered[result.kind] or result.status and result.status >= 300 and result.status < 500
    return refused and "rejected" or "lost"
end

-- A create is never sent again blindly: the ledger looks first whether it was made.
local function create(call, how)
    local hint
    local function send()
        local ok, result, sent
        ok, result, sent, hint = attempt(call)
        if ok then refund(call.account) end
        return outcome_of(ok, result, sent), result
    end
    return call.account.ledger:create(call.cluster, call.argument_spec, send, function(e) again(call, e, hint) end, how)
end

-- ---- the API object ----

---@class mirrors.Api
---@field cluster string  UUID of the Kafka Connect cluster
local Api = { __name = "mirrors.api" }
Api.__index = Api

function Api:__tostring()
    return ("mirrors of cluster %s at %s"):format(self.cluster or "(none)", self.account.options.endpoint)
end

-- Checks the arguments. Raises `invalid`.
local function prepare(api, operation, id, argument)
    if type(api) ~= "table" or not api.account then
        invalid("%s: call it with a colon, as in api:%s()", operation, operation)
    end
    local ok, call
    if operation == "list" or operation == "create" then
        ok, call = pcall(native.prepare, api.account.native, native.operations[operation], api.cluster, argument)
    else
        ok, call = pcall(native.prepare, api.account.native, native.operations[operation], api.cluster, id, argument)
    end
    if not ok then
        if type(call) == "table" then call.operation, call.cluster = operation, api.cluster end
        error(call, 0)
    end
    return { native = call, account = api.account, operation = operation, cluster = api.cluster, id = id, attempts = 0,
        argument_spec = operation == "create" and argument or nil }
end

local function change(api, call, fields, proceed)
    if not interceptor then return proceed() end
    fields.operation, fields.cluster, fields.id, fields.api = call.operation, call.cluster, call.id, api
    return interceptor(fields, proceed)
end

---All mirrors of the cluster.
---@return { id: string, connectorName: string, topicsRegex: string }[]
---Raises unauthorized, forbidden, not_found (no such Kafka Connect cluster), rate_limited, server, transport, tls,
---timeout, protocol, cancelled.
function Api:list()
    local call, began = prepare(self, "list"), task.now()
    local list = perform(call)
    self.account.ledger:saw(self.cluster, list, began)
    return list
end

---One mirror.
---@param id string
---@return { id: string, status: string, connectorName: string, targetLatency: integer, topicsRegex: string, mirrorStatus: string, checkpointStatus: string, topicStatuses: { name: string, averageLatency: integer, averageRate: number }[] }
---Latencies are in ms, averageRate in records/s. Raises what list() raises; `invalid` for an empty id.
function Api:get(id)
    return perform(prepare(self, "get", id))
end

---Makes a mirror. The API sets it up after it has answered: its status is CREATING until then.
---@param spec { sourceType: "instaclustr"|"custom", kafkaSource: string?, sourceConnectionProperties: string?, usePrivateIps: boolean?, sourceAlias: string, topicsRegex: string, useRenaming: boolean, maxTasks: integer }
---@return string id  of the new mirror
---Raises what list() raises; `invalid` before anything is sent for a missing, unknown or wrong field; `read_only`;
---`unknown_outcome` when the answer was lost and it cannot be told whether the mirror was made.
function Api:create(spec)
    local call = prepare(self, "create", nil, spec)
    return change(self, call, { spec = spec }, function(how) return create(call, how) end)
end

---Deletes a mirror: the API shuts down all its connectors and tasks.
---@param id string  UUID
---Raises what list() raises; `invalid`, `read_only`; `not_found` when it does not exist, unless an earlier attempt of
---this call may have deleted it.
function Api:delete(id)
    local call = prepare(self, "delete", id)
    return change(self, call, {}, function() return perform(call) end)
end

---Sets the latency above which the mirror counts as out of sync.
---@param id string  UUID
---@param ms integer  from 1000 to 2147483647
---Raises what list() raises; `invalid`, `read_only`.
function Api:update_target_latency(id, ms)
    local call = prepare(self, "update_target_latency", id, ms)
    return change(self, call, { newTargetLatency = ms }, function() return perform(call) end)
end

---The same account (credentials, connections, quota), another cluster.
---@param cluster string  UUID of a Kafka Connect cluster
---@return mirrors.Api
---Raises `invalid` when it is no UUID.
function Api:on(cluster)
    check_options("api:on", { cluster = cluster or "" })
    return setmetatable({ account = self.account, cluster = cluster }, Api)
end

-- ---- connecting ----

-- Requests of one user at one endpoint share their rate, however often a script connects.
local governors = {}

local function governor_for(options)
    local key = ("%s\0%s\0%g\0%d\0%s"):format(options.endpoint, options.username, options.rate, options.concurrency,
        options.quota_file or "")
    if not governors[key] then
        governors[key] = native.governor(options.rate, options.concurrency, options.quota_file)
    end
    return governors[key]
end

local function new_account(options)
    local account = { options = options, budget = BUDGET }
    account.native = native.account(options, governor_for(options))
    account.ledger = reconcile.ledger {
        list = function(cluster)
            return perform(prepare({ account = account, cluster = cluster }, "list"))
        end,
        sleep = task.sleep,
        now = task.now,
        settle = options.settle,
        error = new_error,
    }
    return account
end

---Connects to the mirroring API. Nothing is sent yet.
---@param options? mirrors.Options
---@return mirrors.Api
---Raises `invalid` for an unknown option, a wrong value, or missing credentials.
function mirrors.connect(options)
    local all = resolve(options or {})
    return setmetatable({ account = new_account(all), cluster = all.cluster }, Api)
end

return mirrors
