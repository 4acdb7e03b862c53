-- mirrors: what scripts see of it. One attempt of an operation is mirrors.c's; options, retries and lost creates have
-- files of their own.
local load, native, new_error, task = ...

local options = load("runtime/options.lua", native, new_error)
local complete = load("runtime/failure.lua")
local retry = load("runtime/retry.lua", native, task, complete)

---@class mirrors
local mirrors = {}

-- ---- errors ----

---Makes an error object; `error(mirrors.error(...), 0)` raises it.
---@type fun(kind: mirrors.kind, message: string, fields?: table): mirrors.Error
mirrors.error = new_error

local function invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
end

---Sets what connect() falls back to where its own options say nothing; these come before the environment.
---@type fun(options: mirrors.Options)
---Raises `invalid` for an unknown option or a wrong value.
mirrors.defaults = options.set_defaults

-- ---- what others may listen to, or step in for ----

local interceptor, observer

---Tells a function of every attempt that was answered or failed, and of every wait before a retry.
---@type fun(fn?: fun(event: mirrors.Event))
mirrors.trace = retry.trace

---@class mirrors.Change
---@field operation "create"|"delete"|"update_target_latency"
---@field cluster string
---@field id? string
---@field spec? table               of a create
---@field newTargetLatency? integer  ms
---@field api mirrors.Api
---@field ledger reconcile.ledger    what is known of the account's creates

---Lets a function step in for every change, after its arguments passed the checks.
---@param fn? fun(change: mirrors.Change, proceed: fun(how?: table): any): any  proceed() sends the change
function mirrors.intercept(fn)
    interceptor = fn
end

---@class mirrors.Call
---@field operation "list"|"get"|"create"|"delete"|"update_target_latency"
---@field cluster string
---@field id? string
---@field argument? any              spec of a create, newTargetLatency of an update
---@field options mirrors.Options    of the connection, without the key

---Lets a function stand around every call, after its arguments passed the checks.
---@param fn? fun(call: mirrors.Call, proceed: fun(): any): any  proceed() makes the call
function mirrors.observe(fn)
    observer = fn
end

---How many requests wait for their turn or their answer.
---@type fun(): integer
mirrors.under_way = native.under_way

---Whether nobody but its owner can read a file; nil when it cannot be looked at.
---@type fun(path: string): boolean?
mirrors.is_private = native.is_private

-- ---- the API object ----

---@class mirrors.Summary what list() says of a mirror
---@field id string
---@field connectorName string     <source alias>.<target alias>.<random>
---@field topicsRegex string

---@class mirrors.Topic
---@field name string
---@field averageLatency integer   ms
---@field averageRate number       records/s; 0 when idle

---@class mirrors.Mirror: mirrors.Summary
---@field status string            CREATING, IN_SYNC, OUT_OF_SYNC, STALE_TOPIC, FAILED
---@field targetLatency integer    ms
---@field mirrorStatus string      of the source connector: RUNNING, PAUSED, UNASSIGNED, FAILED, …
---@field checkpointStatus string  of the checkpoint connector, likewise
---@field topicStatuses mirrors.Topic[]

---@class mirrors.Spec what create() takes
---@field sourceType "instaclustr"|"custom"
---@field kafkaSource? string      UUID of the source Kafka cluster; with "instaclustr"
---@field usePrivateIps? boolean   with "instaclustr"
---@field sourceConnectionProperties? string  Kafka client properties, a line each; with "custom". Kept secret
---@field sourceAlias string
---@field topicsRegex string
---@field useRenaming boolean      prefix the topics with the alias
---@field maxTasks integer         from 1 to 2147483647

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
        spec = operation == "create" and argument or nil }
end

local function observed(call, argument, proceed)
    return observer({ operation = call.operation, cluster = call.cluster, id = call.id, argument = argument,
        options = call.account.options }, proceed)
end

local function change(api, call, argument, proceed)
    local function intercepted()
        return interceptor({ operation = call.operation, cluster = call.cluster, id = call.id, api = api,
            ledger = api.account.ledger, spec = call.spec, newTargetLatency = not call.spec and argument or nil },
            proceed)
    end
    local work = interceptor and intercepted or proceed
    if observer then return observed(call, argument, work) end
    return work()
end

-- A list may spare the next create a look of its own; a longer one is not worth the room for that.
local LONGEST_KEPT <const> = 10000

local function list(call)
    local began = task.now()
    local found = retry.perform(call)
    if #found <= LONGEST_KEPT then call.account.ledger:saw(call.cluster, found, began) end
    return found
end

---All mirrors of the cluster.
---@return mirrors.Summary[]
---Raises unauthorized, forbidden, not_found (no such Kafka Connect cluster), rate_limited, server, transport, tls,
---timeout, protocol, cancelled.
function Api:list()
    local call = prepare(self, "list")
    if observer then return observed(call, nil, function() return list(call) end) end
    return list(call)
end

---One mirror.
---@param id string
---@return mirrors.Mirror
---Raises what list() raises; `invalid` for an empty id.
function Api:get(id)
    local call = prepare(self, "get", id)
    if observer then return observed(call, nil, function() return retry.perform(call) end) end
    return retry.perform(call)
end

---Makes a mirror. The API sets it up after it has answered: its status is CREATING until then.
---@param spec mirrors.Spec
---@return string id  of the new mirror
---Raises what list() raises; `invalid` before anything is sent for a missing, unknown or wrong field; `read_only`;
---`unknown_outcome` when the answer was lost and it cannot be told whether the mirror was made.
function Api:create(spec)
    local call = prepare(self, "create", nil, spec)
    return change(self, call, spec, function(how) return retry.create(call, how) end)
end

---Deletes a mirror: the API shuts down all its connectors and tasks.
---@param id string  UUID
---Raises what list() raises; `invalid`, `read_only`; `not_found` when it does not exist, unless an earlier attempt of
---this call may have deleted it.
function Api:delete(id)
    local call = prepare(self, "delete", id)
    change(self, call, nil, function() return retry.perform(call) end)
end

---Sets the latency above which the mirror counts as out of sync.
---@param id string  UUID
---@param ms integer  from 1000 to 2147483647
---Raises what list() raises; `invalid`, `read_only`.
function Api:update_target_latency(id, ms)
    local call = prepare(self, "update_target_latency", id, ms)
    change(self, call, ms, function() return retry.perform(call) end)
end

---The same account (credentials, connections, quota), another cluster.
---@param cluster string  UUID of a Kafka Connect cluster
---@return mirrors.Api
---Raises `invalid` when it is no UUID.
function Api:on(cluster)
    options.check("api:on", { cluster = cluster or "" })
    return setmetatable({ account = self.account, cluster = cluster }, Api)
end

-- ---- connecting ----

-- Requests of one user at one endpoint share their rate, however often a script connects.
local governors = {}

local function governor_for(o)
    local key = ("%s\0%s\0%g\0%d\0%s"):format(o.endpoint, o.username, o.rate, o.concurrency, o.quota_file or "")
    if not governors[key] then governors[key] = native.governor(o.rate, o.concurrency, o.quota_file) end
    return governors[key]
end

-- Likewise what is known of the creates of an account, or two apis would take each other's for somebody else's.
local reconcile
local ledgers = {}

local function ledger_for(account)
    reconcile = reconcile or load("runtime/reconcile.lua")
    local o = account.options
    local key = ("%s\0%s\0%g"):format(o.endpoint, o.username, o.settle)
    ledgers[key] = ledgers[key] or reconcile.ledger {
        list = function(cluster)
            local call = prepare({ account = account, cluster = cluster }, "list")
            call.unbudgeted = true -- so much depends on it
            return retry.perform(call)
        end,
        sleep = task.sleep,
        now = task.now,
        settle = o.settle,
        error = new_error,
        tell = retry.tell,
    }
    return ledgers[key]
end

-- The key is in a closure, so that nobody who prints an api prints it.
local function new_account(all)
    local key = all.api_key
    local account = { options = all, budget = retry.BUDGET, secret = function() return key end }
    account.native = native.account(all, governor_for(all))
    account.ledger = ledger_for(account)
    all.api_key = nil
    return account
end

---Connects to the mirroring API. Nothing is sent yet.
---@param given? mirrors.Options
---@return mirrors.Api
---Raises `invalid` for an unknown option, a wrong value, or missing credentials.
function mirrors.connect(given)
    local all = options.resolve(given or {})
    return setmetatable({ account = new_account(all), cluster = all.cluster }, Api)
end

return mirrors
