-- mirrors: what scripts see of it. One attempt of an operation is mirrors.c's; options, retries and lost creates have
-- files of their own.
local load, native, new_error, task = ...

local fields = load("runtime/fields.lua", native, new_error, load("runtime/meant.lua"))
local network = load("runtime/network.lua", native, new_error)
local keys = load("runtime/key.lua", native, fields)
local properties = load("runtime/properties.lua")
local connects = load("runtime/connects.lua", native, fields, properties, load("runtime/uuid.lua"))
local options = load("runtime/options.lua", native, new_error, fields, network, keys, connects)
local wire = load("runtime/wire.lua", native, fields)
local secret = load("runtime/secret.lua", properties)
local complete = load("runtime/failure.lua", secret)
local Outage = load("runtime/outage.lua", task, new_error)
local retry = load("runtime/retry.lua", native, task, complete, new_error, Outage)
local rotation = load("runtime/rotation.lua", native)
local heartbeats = load("runtime/heartbeats.lua")
local several = load("runtime/several.lua", native, retry, task, new_error, wire)

---@class mirrors
local mirrors = {}

-- ---- errors ----

---Makes an error object; `error(mirrors.error(...), 0)` raises it.
---@type fun(kind: mirrors.kind, message: string, fields?: table): mirrors.Error
mirrors.error = new_error

---Sets what connect() falls back to where its own options say nothing; these come before the environment.
---@type fun(options: mirrors.Options)
---Raises `invalid` for an unknown option or a wrong value.
mirrors.defaults = options.set_defaults

---What a value may be, and how it is told when it is not: for whoever takes options and arguments.
mirrors.fields = fields

---The API key in a text or a file, without what surrounds it.
mirrors.key = keys

-- ---- what others may listen to, or step in for ----

local interceptor, observer, watcher

---Tells a function of every attempt that was answered or failed, and of every wait before a retry. With another
---function that says whether attempts are wanted, they are told only then: it is asked before each.
---@type fun(fn?: fun(event: mirrors.Event), wants?: fun(): boolean)
mirrors.trace = retry.trace

---@class mirrors.Change  its argument is a field of its own, named as mirrors.operations says
---@field operation string
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

---Lets a function send every change that is really sent: one that a journal answers, or that is only planned, is not.
---@param fn? fun(operation: string, send: fun(): any): any
function mirrors.watch(fn)
    watcher = fn
end

---From that moment on no change is sent, by no connection of this process; one that is under way then is cut off. For
---who holds what it works on by a lease, and renews it: each time it is told the next moment. Reads go on.
---@param moment? number  on task.now()'s clock; nil: changes may be sent for ever
---@param wait? fun()     called by a change that is late, as often as it still is: waits until it may be sent, or
---                       raises why it may not
function mirrors.changes_until(moment, wait)
    native.changes_until(moment)
    retry.fenced = true
    retry.until_allowed = wait or retry.until_allowed
end

---@class mirrors.Call
---@field operation string
---@field cluster string
---@field id? string
---@field argument? any              spec of a create, newTargetLatency of an update
---@field options mirrors.Options    of the connection, without the key
---@field rate number                requests in any one second as things stand; 0: no limit

---Lets a function stand around every call, after its arguments passed the checks.
---@param fn? fun(call: mirrors.Call, proceed: fun(): any): any  proceed() makes the call
function mirrors.observe(fn)
    observer = fn
end

local recall = {}

---Lets a function tell what an earlier process knew of records left on a Kafka Connect cluster: asked once for each
---cluster, when that is of use.
---@param fn? fun(cluster: string): table<string, table<string, { offset: integer, since: number }>>  by id and
---           "topic-partition": the last record copied (-1: none), and since when others were left behind it
function mirrors.recall(fn)
    recall.left = fn
end

---How many requests wait for their turn or their answer.
---@type fun(): integer
mirrors.under_way = native.under_way

---Text from outside as it may be shown: what a terminal would obey (control characters, marks of direction) as escapes,
---what is not UTF-8 replaced. With `lines`, line feeds and tabs stay.
---@type fun(text: string, lines?: boolean): string
mirrors.printable = native.printable

---Whether a topic is MirrorMaker's own heartbeats topic, which each mirror carries whatever its topics regex says, and
---which never falls silent: `heartbeats`, behind any of the aliases that are given. A user's team.heartbeats is none,
---but without aliases, as MirrorMaker sees it, it is.
---@type fun(topic: string, aliases?: string[]): boolean
mirrors.is_heartbeats = heartbeats.is

---Whether nobody but its owner can read a file; nil when it cannot be looked at.
---@type fun(path: string): boolean?
mirrors.is_private = native.is_private

-- ---- the API object ----

---@class mirrors.Summary what list() says of a mirror
---@field id string
---@field connectorName string     <source alias>.<target alias>.<random>
---@field topicsRegex string
---@field cluster? string          UUID of its Kafka Connect cluster: from kmirror.bulk and others that look at several
---@field targetLatency? integer   ms; this and what follows: with v2 of the API, and with "connect"
---@field sourceType? "instaclustr"|"custom"
---@field kafkaSource? string
---@field usePrivateIps? boolean
---@field sourceConnectionProperties? mirrors.Secret
---@field sourceAlias? string
---@field useRenaming? boolean
---@field maxTasks? integer

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
---@field cause? string            with "connect": why it is not IN_SYNC, where that is known
---@field sourceKafka? string      with "connect": UUID of the Kafka cluster that it copies from, where the options tell
---@field foreign? boolean         with "connect": true of one that kmirror has not made

---@class mirrors.Spec what create() takes
---@field sourceType "instaclustr"|"custom"
---@field kafkaSource? string      UUID of the source Kafka cluster; with "instaclustr"
---@field usePrivateIps? boolean   with "instaclustr"
---@field sourceConnectionProperties? string|mirrors.Secret  Kafka client properties, a line each; with "custom"
---@field sourceAlias string
---@field topicsRegex string
---@field useRenaming boolean      prefix the topics with the alias
---@field maxTasks integer         from 1 to 2147483647
---@field targetLatency? integer   ms, 1000 or more; only where api:can "target_latency_at_create"
---@field initialState? "RUNNING"|"STOPPED"  only where api:can "initial_state"; one that is stopped waits for resume()

---@class mirrors.Api  what the operations take, give and raise is told in operations.lua
---@field cluster string  UUID of the Kafka Connect cluster
local Api = { __name = "mirrors.api" }
Api.__index = Api

function Api:__tostring()
    local all = self.account.options
    local own = connects.of(all, self.cluster)
    return ("mirrors of cluster %s at %s"):format(self.cluster or "(none)", own and own.urls[1] or all.endpoint)
end

-- ---- what a call sends ----

-- The backends there are, each a file that says how the operations go over the wire.
local specification = load("runtime/specification.lua", fields, properties)

---A text that does not show: it prints as "(hidden)", and create() takes it.
---@type fun(text: string): mirrors.Secret
mirrors.secret = secret.new

---The text of a secret, for whoever has to send it; any other value as it is.
---@type fun(value: any): any
mirrors.reveal = secret.text

---A text of a server's without these secrets, should it repeat one: "[hidden]" stands in their place.
---@type fun(text: string, hidden: string[]): string
mirrors.hide = secret.hide

---How a URL that is not the API's is reached: which CA certificates are trusted there, and which variable's proxy is
---between. The rules are those of the API's endpoint.
---@type fun(url: string, insecure?: boolean): { ca_file?: string, ca_dir?: string, proxied?: string }
---Raises `invalid` for a URL that may not be used, and for a proxy or a file of the environment that cannot be.
mirrors.way = options.way

---The UUID by which a create names the Kafka cluster beside a Kafka Connect cluster of one's own as its kafkaSource.
---@type fun(cluster: string): string
mirrors.kafka_id = connects.kafka_id

---What is told of Kafka client properties without showing them.
mirrors.properties = properties

local function json(value)
    if type(value) == "number" then return ("%d"):format(value) end
    value = secret.text(value)
    return type(value) == "string" and native.json_string(value) or tostring(value)
end

local function load_backend(name)
    if name == "v1" or name == "v2" then
        return load("runtime/" .. name .. ".lua", json, fields, specification, secret, properties)
    elseif name == "connect" then
        return load("runtime/connect.lua", load, native, json, fields, specification, secret, properties, task,
            heartbeats, recall)
    end
end

local function compile(backend)
    backend.requests = {}
    for _, operation in ipairs(mirrors.operations) do
        local its = backend.operations[operation.name]
        backend.requests[operation.name] = its and wire.compile(operation, its)
    end
    backend.compiled = wire.compile_parts(backend.parts or {})
    return backend
end

-- Each is made when somebody asks for it: most runs speak to one.
local backends = setmetatable({}, { __index = function(made, name)
    local backend = load_backend(name)
    if backend then made[name] = compile(backend) end
    return backend
end })

---The same, for whoever serves what they ask for.
---@type table<string, mirrors.Backend>
mirrors.backends = backends

local function backend_of(account, cluster)
    if connects.of(account.options, cluster) then return backends.connect end
    local apis = account.options.apis
    return backends[apis and apis[cluster] or account.options.api]
end

local function check_object(api, name)
    if type(api) ~= "table" or not api.account then
        fields.invalid("%s: call it with a colon, as in api:%s()", name, name)
    end
end

-- Checks the arguments. Raises `invalid`.
local function prepare(api, operation, id, argument)
    local name = operation.name
    check_object(api, name)
    local account = api.account
    local backend = backend_of(account, api.cluster)
    local request = backend.requests[name]
    if not request then
        error(new_error("unsupported", operation.missing .. "; it takes Kafka Connect of your own (--api connect)",
            { operation = name, cluster = api.cluster, id = id }), 0)
    end
    local ok, call = pcall(request.prepare, account, api.cluster, id, argument)
    if not ok then
        if type(call) == "table" then call.operation, call.cluster = name, api.cluster end
        error(call, 0)
    end
    return { native = call, read = request.read, steps = request.steps, backend = backend, account = account,
        operation = name, cluster = api.cluster, id = id, argument = argument, attempts = 0,
        request = request, signed = account.native,
        spec = name == "create" and argument or nil, outage = not request.steps and account.outage or nil }
end

-- ---- how a call is made ----

local function observed(call, argument, proceed)
    return observer({ operation = call.operation, cluster = call.cluster, id = call.id, argument = argument,
        options = call.account.options, rate = call.account.rate() }, proceed)
end

-- A list may spare the next create a look of its own; a longer one is not worth the room for that.
local LONGEST_KEPT <const> = 10000

-- Where it takes more than attempts.
local performers = {
    list = function(call)
        local began = call.account.ledger.now()
        local found = retry.perform(call)
        if #found <= LONGEST_KEPT then call.account.ledger:saw(call.cluster, found, began) end
        return found
    end,
    create = retry.create,
}

local function perform(api, operation, id, argument)
    if type(argument) == "table" then argument = secret.revealed(argument) end
    local call = prepare(api, operation, id, argument)
    local performer = call.steps and several.perform or performers[operation.name] or retry.perform
    local is_watched = watcher and operation.effect ~= "reads"
    if not observer and not is_watched and (not interceptor or operation.effect == "reads") then
        return performer(call)
    end
    local function proceed(how)
        if not is_watched then return performer(call, how) end
        return watcher(operation.name, function() return performer(call, how) end)
    end
    local function intercepted()
        local change = { operation = call.operation, cluster = call.cluster, id = call.id, api = api,
            ledger = api.account.ledger }
        if operation.argument then change[operation.argument] = argument end
        return interceptor(change, proceed)
    end
    local work = interceptor and operation.effect ~= "reads" and intercepted or proceed
    if observer then return observed(call, argument, work) end
    return work()
end

---All operations, in the order in which they are shown; by their names, too.
---@type table<integer|string, mirrors.Operation>
mirrors.operations = load("runtime/operations.lua", Api, perform)

-- What their arguments may be, whichever the backend.
local declared = {
    on = { "cluster", fields.text }, can = { "what", fields.string }, create = { "spec", specification.kind },
    update_target_latency = { "id", fields.any_id, "ms", specification.target_latency },
}
for _, operation in ipairs(mirrors.operations) do
    local id = operation.takes_id and { "id", fields.any_id } or {}
    if not operation.argument then declared[operation.name] = declared[operation.name] or id end
end
for name, arguments in pairs(declared) do fields.declare("api:" .. name, arguments) end

---Whether the backend can do what not every one can: "specification" (list and get tell a mirror's whole
---specification), "target_latency_at_create", "initial_state" (create takes initialState), or the name of a method that
---not every backend has: "lag", "groups", "offsets", "target_ends", "pause", "resume", "stop", "restart", "set_topics",
---"set_offsets".
---@param what string
---@return boolean
function Api:can(what)
    check_object(self, "can")
    fields.check("api:can: what", fields.string, what)
    return backend_of(self.account, self.cluster).can[what] == true
end

---The same account (credentials, connections, quota), another cluster.
---@param cluster string  UUID of a Kafka Connect cluster, or the name of one that the options tell of
---@return mirrors.Api
---Raises `invalid` when it is none.
function Api:on(cluster)
    check_object(self, "on")
    options.check("api:on", { cluster = cluster or "" }, self.account.options)
    if self.account.options.api == "connect" and not connects.of(self.account.options, cluster) then
        fields.invalid("api:on: %s", fields.unknown("cluster", cluster, self.account.options.clusters))
    end
    return setmetatable({ account = self.account, cluster = cluster }, Api)
end

-- ---- connecting ----

-- Requests of one user at one endpoint share their rate, however often a script connects.
local governors = {}
local sharer

---From now on, the rate of each account may be shared with other machines: the function is called once for each new
---rate with a limit, before the first request.
---@param fn? fun(governor: userdata, account: table)  account: endpoint, username and rate, a number or "auto"
function mirrors.share(fn)
    sharer = fn
end

local function new_governor(o)
    local governor = native.governor(o.rate, o.concurrency, o.quota_file)
    if sharer and o.rate ~= 0 and o.api ~= "connect" then
        sharer(governor, { endpoint = o.endpoint, username = o.username, rate = o.rate })
    end
    return governor
end

local function governor_for(o)
    local rate = o.rate == "auto" and o.rate or ("%g"):format(o.rate)
    local key = ("%s\0%s\0%s\0%d\0%s"):format(o.endpoint, o.username, rate, o.concurrency, o.quota_file or "")
    governors[key] = governors[key] or new_governor(o)
    return governors[key]
end

-- Likewise whether the API answers.
local outages = {}

local function outage_for(o)
    if o.outage == 0 then return nil end
    local key = ("%s\0%s"):format(o.endpoint, o.username)
    outages[key] = outages[key] or Outage.new()
    return outages[key]
end

-- Likewise what is known of the creates of an account, or two apis would take each other's for somebody else's.
local reconcile
local ledgers = {}

local function ledger_for(account)
    reconcile = reconcile or load("runtime/reconcile.lua", load)
    local o = account.options
    local key = ("%s\0%s\0%s\0%g"):format(o.endpoint, o.api, o.username, o.settle)
    ledgers[key] = ledgers[key] or reconcile.ledger {
        list = function(cluster)
            local call = prepare({ account = account, cluster = cluster }, mirrors.operations.list)
            call.unbudgeted = true -- so much depends on it
            return retry.perform(call)
        end,
        sleep = task.sleep,
        stand_by = account.outage and function(cluster)
            retry.stand_by(prepare({ account = account, cluster = cluster }, mirrors.operations.list))
        end or nil,
        now = account.outage and function() return account.outage:now() end or task.now,
        settle = o.settle,
        error = new_error,
        tell = retry.tell,
        fit = function(cluster) return backend_of(account, cluster).fit end,
    }
    return ledgers[key]
end

-- The key is in a closure, so that nobody who prints an api prints it.
local function new_account(all)
    local account = { options = all, budget = retry.BUDGET }
    local login = rotation.login(account, all)
    account.secret = function() return login.key, login.before end
    account.renew = function(call, e) return login:renew(call, e) end
    account.governor = governor_for(all)
    login.sign(all.api_key)
    account.alone = function() return native.alone(account.governor) end
    account.rate = function() return native.rate(account.governor) end
    account.base = native.base_path(account.native)
    account.outage = outage_for(all)
    account.probe = function(cluster)
        local call = prepare({ account = account, cluster = cluster }, mirrors.operations.list)
        call.outage = nil
        return call
    end
    account.ledger = ledger_for(account)
    account.ways = several.ways(all, account.governor)
    all.api_key, all.renew_key, all.proxy = nil, nil, nil -- the URL of a proxy may hold a password
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

return fields.guard("mirrors", mirrors, {
    error = { "kind", fields.text, "message", fields.string, "fields?", fields.table },
    defaults = { "options", options.kind },
    trace = { "fn?", fields.fn, "wants?", fields.fn },
    intercept = { "fn?", fields.fn },
    recall = { "fn?", fields.fn },
    changes_until = { "moment?", fields.number(0), "wait?", fields.fn },
    observe = { "fn?", fields.fn },
    share = { "fn?", fields.fn },
    watch = { "fn?", fields.fn },
    under_way = {},
    kafka_id = { "cluster", fields.text },
    printable = { "text", fields.string, "lines?", fields.boolean },
    is_private = { "path", fields.string },
    is_heartbeats = { "topic", fields.string, "aliases?", fields.list(fields.string, "a list of aliases") },
    secret = { "text", fields.string },
    reveal = { "value", fields.any },
    hide = { "text", fields.string, "hidden", fields.list(fields.string) },
    way = { "url", fields.string, "insecure?", fields.boolean },
    connect = { "options?", options.kind },
})
