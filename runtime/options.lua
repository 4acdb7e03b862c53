-- options: what mirrors.connect{} takes, what it checks, and where the rest comes from.
local native, new_error, fields, network, key, connects = ...

local function invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
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

local function is_endpoint(value, given)
    local own = given.api == "connect" and ", or with insecure = true in the profile" or ""
    return is_text(value) and native.url_allowed(value, given.insecure) and not value:find("[?#@]"),
        ("an https URL (http only for this machine's own addresses%s), without user, query or fragment"):format(own)
end

local function is_readable(value)
    return is_text(value) and not network.unreadable(value), "the name of a readable file"
end

local function is_version(value)
    return value == "v1" or value == "v2" or value == "connect",
        "'v1' or 'v2', the version of the API, or 'connect', Kafka Connect's own"
end

local function is_proxy(value)
    return is_text(value) and native.proxy_allowed(value), network.PROXY_FORM
end

local MAX_RATE <const> = 16384

---@alias mirrors.api "v1"|"v2"|"connect"

---@class mirrors.Options
---@field api? mirrors.api         the version of the API; v1, KMIRROR_API
---@field apis? table<string, mirrors.api>  of single clusters, by UUID
---@field cluster? string          UUID of the Kafka Connect cluster, with "connect" any name; KMIRROR_CLUSTER
---@field endpoint? string         https://api.instaclustr.com; KMIRROR_ENDPOINT
---@field username? string         KMIRROR_USERNAME
---@field api_key? string          a provisioning API key; KMIRROR_API_KEY, or the file named by KMIRROR_API_KEY_FILE
---@field renew_key? fun(): string  reads the key again, once after a 401: it may have been replaced; that of a file
---@field rate? number|"auto"      requests in any one second, 0 for no limit, "auto": it is found out; 35
---@field concurrency? integer     requests under way at once; 64
---@field timeout? number          seconds for one attempt; 30
---@field connect_timeout? number  seconds for a connection; 10
---@field deadline? number         seconds for a whole call, from its first attempt on, with all retries; 120
---@field outage? number           seconds for which calls wait when the API is away: no connection, no answer in time,
---                                or 502 to 504. One asks now and then, the others stand by; the deadline does not
---                                count that. 0: none waits; 0, 300 for a job or a shipped runbook
---@field retries? integer         attempts after the first; 6
---@field backoff? number          seconds: the wait before the first retry is drawn from 0 to this; 0.25, 1 after a 429
---@field settle? number           seconds within which a mirror whose create was not answered shows in the list; 10
---@field max_body? integer        bytes of one answer; 64 MiB
---@field ca_file? string          CA certificates, PEM, instead of the system's; CURL_CA_BUNDLE or SSL_CERT_*
---@field cert_file? string        client certificate, PEM
---@field key_file? string         its key, PEM
---@field proxy? string            URL; default: libcurl's environment variables
---@field insecure? boolean        http may go to another machine, too: whoever is in between reads and changes it all
---@field alias? string            with "connect": what mirrors call the cluster that they run into; the cluster's name
---@field kafka? string            with "connect": client properties of the Kafka cluster they run into, a line each
---@field metrics? string|string[]  with "connect": URLs of Jolokia at its workers, where latency and rate come from
---@field clusters? table<string, mirrors.ConnectCluster>  Kafka Connect clusters by name, which need none of the above
---@field quota_file? string       through which the processes on this machine share one rate; default: none
local checks = {
    api = is_version,
    apis = function(value)
        for cluster, version in pairs(type(value) == "table" and value or { value }) do
            if not (native.is_uuid(cluster) and is_version(version)) then value = nil end
        end
        return type(value) == "table", "a table of versions of the API by the UUID of a Kafka Connect cluster"
    end,
    cluster = function(value, given)
        if connects.may_have_names(given) then
            return connects.is_name(value), connects.NAME_FORM
        end
        return native.is_uuid(value), "the UUID of a Kafka Connect cluster"
    end,
    endpoint = is_endpoint,
    username = is_user,
    api_key = is_text,
    renew_key = function(value) return type(value) == "function", "a function that returns the API key" end,
    rate = function(value)
        return value == "auto" or type(value) == "number" and (value == 0 or value >= 0.01 and value <= MAX_RATE),
            ("a number of requests per second from 0.01 to %d, 0 for no limit, or 'auto'"):format(MAX_RATE)
    end,
    concurrency = is_integer(1, 1000),
    timeout = is_positive,
    connect_timeout = is_positive,
    deadline = is_positive,
    outage = is_number(0),
    retries = is_integer(0, 100),
    backoff = is_number(0),
    settle = is_number(0),
    max_body = is_integer(1, 1 << 40),
    ca_file = is_readable,
    cert_file = is_readable,
    key_file = is_readable,
    proxy = is_proxy,
    quota_file = is_text,
    insecure = function(value) return type(value) == "boolean", "true or false" end,
    alias = is_text,
    kafka = connects.check_kafka,
    metrics = function(value, given)
        return connects.each(value, function(url) return (is_endpoint(url, given)) end),
            "the URL of Jolokia at a worker, or a list of them, as endpoint takes them"
    end,
    clusters = function(value) return type(value) == "table", "a table of Kafka Connect clusters by name" end,
}

local defaults = {
    api = "v1",
    endpoint = "https://api.instaclustr.com",
    rate = 35,
    concurrency = 64,
    timeout = 30,
    connect_timeout = 10,
    deadline = 120,
    outage = 0,
    retries = 6,
    backoff = 0.25,
    settle = 10,
    max_body = 64 << 20,
}

local set_by_host = {}

-- A URL may hold a password in more places than one thinks; a plain one does not.
local function may_hold_secret(name, text)
    if name == "endpoint" then
        local rest = text:gsub("^%a+://", ""):gsub("^([%w.%-]+):%d+%f[/\0]", "%1")
        return rest:find("[^%w/._%-]")
    end
    return name == "api_key" or name == "proxy" or name == "kafka" or text:find("@", 1, true)
end

-- What one value may be can depend on others, which may be set elsewhere.
local function beside(given, others)
    return setmetatable({}, { __index = function(_, name)
        if given[name] ~= nil then return given[name] end
        return others and others[name]
    end })
end

local function check_options(where, given, others)
    if type(given) ~= "table" then
        invalid("%s: expected a table of options, got %s", where, type(given))
    end
    for name, value in pairs(given) do
        local check = checks[name]
        if not check then invalid("%s: %s", where, fields.unknown("option", name, checks)) end
        local ok, expected = check(value, beside(given, others))
        if not ok then
            local shown = may_hold_secret(name, tostring(value)) and "something else (not shown)"
                or ("'%s'"):format(tostring(value))
            invalid("%s: %s must be %s, got %s", where, name, expected, shown)
        end
    end
end

local variables = { api = "KMIRROR_API", endpoint = "KMIRROR_ENDPOINT", cluster = "KMIRROR_CLUSTER",
    username = "KMIRROR_USERNAME", api_key = "KMIRROR_API_KEY" }

-- Blanks and line ends around a value come from files and shells, and are not meant.
local function variable(name)
    local value = (os.getenv(name) or ""):match("^%s*(.-)%s*$")
    return value ~= "" and value or nil
end

-- What the environment says of what nobody else has set.
local function from_environment(set)
    local found = {}
    for name, its_variable in pairs(variables) do
        if not set[name] then found[name] = variable(its_variable) end
    end
    local file = variable("KMIRROR_API_KEY_FILE")
    if file and not set.api_key and not found.api_key then
        found.renew_key = function() return key.read(file, "KMIRROR_API_KEY_FILE") end
        found.api_key = found.renew_key()
    elseif found.api_key then
        found.api_key = key.of(found.api_key, "KMIRROR_API_KEY")
    end
    return found
end

-- What surrounds a key does not count.
local function with_plain_key(given)
    if type(given) ~= "table" or type(given.api_key) ~= "string" then return given end
    local plain = {}
    for name, value in pairs(given) do plain[name] = value end
    plain.api_key = key.of(given.api_key, "api_key")
    return plain
end

local options = {}

---What they are called, for whoever looks at a connect() that is not made: what each may be depends on the others.
---@type mirrors.fields.kind
options.kind = { expected = "a table of options", fits = function() return true end, known = {} }
for name in pairs(checks) do options.kind.known[name] = fields.any end

---Refuses an unknown option or a wrong value, by name.
---@param where string  for the message
---@param given table
---@param others? table  options that are set already, and do not have to be checked
function options.check(where, given, others)
    check_options(where, given, others)
end

function options.set_defaults(given)
    given = with_plain_key(given)
    check_options("mirrors.defaults", given)
    set_by_host = given
end

---How a URL that is not the API's is reached.
---@param url string
---@param insecure? boolean  http may go to another machine, too
---@return { ca_file?: string, ca_dir?: string, proxied?: string }
function options.way(url, insecure)
    local authority = url:match("^%a+://([^/?#]*)") or ""
    if url:find("[%c%s\x80-\xFF]") or authority:find("@", 1, true) or not native.url_allowed(url, insecure) then
        invalid("the URL must be an https URL, or an http URL of this machine%s, without a user in it, and with what "
            .. "is not ASCII written as %%XX; it is something else (not shown)", insecure and " or another one" or
            " (insecure allows another one)")
    end
    local way = { proxied = network.proxy_variable(url), ca_file = set_by_host.ca_file }
    if not way.ca_file then way.ca_file, way.ca_dir = network.certificates() end
    return way
end

-- What only the vendor's API needs.
local function login_problem(all)
    if not all.username then return "no user name: set KMIRROR_USERNAME" end
    if not all.api_key then
        return "no API key: set KMIRROR_API_KEY, or KMIRROR_API_KEY_FILE to the name of a file with it"
    end
end

---All options of a connection: its own, those of the host, those of the environment, the defaults; in this order.
---@param given mirrors.Options
---@return table
function options.resolve(given)
    given = with_plain_key(given)
    check_options("mirrors.connect", given, set_by_host)
    local all = {}
    for name in pairs(checks) do
        if given[name] ~= nil then all[name] = given[name] else all[name] = set_by_host[name] end
    end
    if given.api_key then all.renew_key = given.renew_key end -- that of another key is none of its own
    local environment = from_environment(all)
    check_options("the environment", environment, all)
    for name in pairs(checks) do all[name] = all[name] or environment[name] end
    connects.resolve(all)
    for name in pairs(checks) do all[name] = all[name] or defaults[name] end
    all.endpoint = all.endpoint:gsub("/+$", "")
    all.proxied = all.proxy and "the option proxy" or network.proxy_variable(all.endpoint)
    local uses_tls = all.endpoint:lower():find("^https:")
    if uses_tls and not all.ca_file then all.ca_file, all.ca_dir = network.certificates() end
    local problem = login_problem(all)
    if problem and not connects.of(all, all.cluster) then invalid("%s", problem) end
    all.login_problem = problem
    return all
end

return options
