--- config: the configuration file, `$XDG_CONFIG_HOME/kmirror/config.lua` (`~/.config/kmirror/config.lua`): named
--- profiles, each an account with its clusters and its habits.
---
---     return {
---         profile = "production",                      -- the one to use when none is named
---         profiles = {
---             production = {
---                 endpoint = "https://api.instaclustr.com",
---                 api = "v2",                          -- version of the API; also of a single cluster
---                 username = "alice",
---                 api_key_command = "pass show kmirror", -- or api_key_file = "…", or api_key = "…"
---                 rate = 20,                           -- requests in any one second, or "auto"
---                 store = "postgresql://db/kmirror",   -- where jobs are, and by which the rate is shared
---                 quota_away = 0.25,                   -- of the rate, while the store is away; or "stop"
---                 read_only = true,                    -- as --read-only, unless --writable
---                 cluster = "us-east",                 -- the one to use when none is named
---                 clusters = {
---                     ["us-east"] = { connect = "UUID", kafka = "UUID", alias = "us-east" },
---                     ["us-west"] = { connect = "UUID", kafka = "UUID", alias = "us-west" },
---                     -- One that runs Kafka Connect of one's own has connect_url; see kmirror.config.connects.
---                     ["lab"] = { connect_url = "http://127.0.0.1:8083",
---                         kafka = { ["bootstrap.servers"] = "127.0.0.1:9092" } },
---                 },
---                 aliases = { "north" },               -- of clusters further up: whose heartbeats may come by
---                 hooks = { failed = "slack:file:~/.config/kmirror/slack" }, -- of every run; see kmirror.hooks
---                 runbooks = { failover = { from = "us-west", to = "us-east" } },
---             },
---         },
---     }
---
--- api_key_command is run by sh. What it says on stderr is told when it has ended: what it asks, it must ask on
--- /dev/tty.
---
--- It is read as data: the one function it may call is getenv(). A file with a key in it must not be readable by
--- others than its owner.

local connects = require("kmirror.config.connects")
local meant = require("mirrors").fields.meant
local mirrors = require("mirrors")
local secrets = require("kmirror.secrets")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local M = {}

-- ---- what may stand in it ----------------------------------------------------------------------------------

local function is(kind, expected)
    return { expected = expected, check = function(value)
        return type(value) == kind
    end }
end

local text = { expected = "a non-empty string on one line", check = function(value)
    return type(value) == "string" and value ~= "" and not value:find("%c")
end }

local texts = { expected = "a list of non-empty strings", check = function(value)
    if type(value) ~= "table" then return false end
    for key, each in pairs(value) do
        if math.type(key) ~= "integer" or not text.check(each) then return false end
    end
    return true
end }

local uuid = { expected = "a UUID", check = function(value)
    return type(value) == "string" and value:find("^%x+%-%x+%-%x+%-%x+%-%x+$") ~= nil and #value == 36
end }

local function number(low, expected)
    return { expected = expected, check = function(value)
        return type(value) == "number" and value >= low and value < math.huge
    end }
end

local rate = number(0, "a number of requests per second, 0 for no limit, or 'auto'")
local is_rate = rate.check

function rate.check(value)
    return value == "auto" or is_rate(value)
end

local fraction = { expected = "a fraction of the rate, over 0 and up to 1, or 'stop'", check = function(value)
    return value == "stop" or type(value) == "number" and value > 0 and value <= 1
end }

local defaults_of_runbooks = { expected = "a table of options by runbook, each a table", check = function(value)
    if type(value) ~= "table" then return false end
    for name, options in pairs(value) do
        if type(name) ~= "string" or type(options) ~= "table" then return false end
    end
    return true
end }

local version = { expected = "'v1' or 'v2', the version of the API, or 'connect'", check = function(value)
    return mirrors.backends[value] ~= nil
end }

local cluster_fields = {
    api = version,
    connect = { expected = uuid.expected, check = uuid.check, required = true },
    kafka = uuid,
    alias = text,
}

local own_cluster_fields = {
    connect_url = connects.urls,
    kafka = connects.kafka,
    alias = text,
    metrics = connects.urls,
}

local profile_fields = {
    api = version,
    endpoint = text,
    username = text,
    api_key = is("string", "a string"),
    api_key_file = text,
    api_key_command = text,
    ca_file = text,
    store = text,
    rate = rate,
    quota_away = fraction,
    concurrency = number(1, "an integer from 1 up"),
    timeout = number(0.001, "a number of seconds over 0"),
    outage = number(0, "a number of seconds, 0 not to wait"),
    insecure = is("boolean", "true or false"),
    read_only = is("boolean", "true or false"),
    cluster = text,
    clusters = is("table", "a table of clusters by name"),
    aliases = texts,
    runbooks = defaults_of_runbooks,
    hooks = is("table", "a table of commands by step: start, failed, done"),
}

local file_fields = { profile = text, profiles = is("table", "a table of profiles by name") }

local function sorted_names(names)
    local sorted = {}
    for name in pairs(names) do sorted[#sorted + 1] = tostring(name) end
    table.sort(sorted)
    return table.concat(sorted, ", ")
end

-- Refuses what is not in `fields`, naming where it stands. Values are not shown: one may be a key.
local function check(path, where, given, fields)
    if type(given) ~= "table" then
        refuse("%s: %s must be a table, got a %s", path, where == "" and "what it returns" or where, type(given))
    end
    local prefix = where == "" and "" or where .. "."
    for name, value in pairs(given) do
        local field = fields[name]
        if not field then
            refuse("%s: unknown field %s%s; known are %s", path, prefix, tostring(name), sorted_names(fields))
        elseif not field.check(value) then
            refuse("%s: %s%s must be %s", path, prefix, name, field.expected)
        end
    end
    for name, field in pairs(fields) do
        if field.required and given[name] == nil then
            refuse("%s: %s%s is missing: expected %s", path, prefix, name, field.expected)
        end
    end
end

local function check_profile(path, name, given)
    local where = "profiles." .. tostring(name)
    check(path, where, given, profile_fields)
    local holds_secret = given.api_key
    for cluster, fields in pairs(given.clusters or {}) do
        local is_own = type(fields) == "table" and fields.connect_url
        check(path, ("%s.clusters.%s"):format(where, tostring(cluster)), fields,
            is_own and own_cluster_fields or cluster_fields)
        holds_secret = holds_secret or is_own and fields.kafka and connects.holds_secret(fields.kafka)
    end
    if holds_secret and mirrors.is_private(path) ~= true then
        refuse("%s holds %s and can be read by others than its owner: chmod 600 %s", path,
            given.api_key and "an API key" or "a secret", path)
    end
end

-- ---- reading it --------------------------------------------------------------------------------------------

--- Where the configuration file is looked for.
---@return string|nil path nil when there is no home to look in
function M.path()
    local base = os.getenv("XDG_CONFIG_HOME")
    local home = os.getenv("HOME")
    if not base or base == "" then base = home and home .. "/.config" end
    return base and base .. "/kmirror/config.lua"
end

--- Reads the file; an absent one holds nothing. Raises usage, naming file and field, for what is wrong in it.
---@param path string
---@return { profile: string|nil, profiles: table<string, table> }
function M.read(path)
    local file = io.open(path, "rb")
    if not file then return { profiles = {} } end
    file:close()
    local source = textfile.read(path, "a file in Lua that returns profiles")
    local ok, given = textfile.evaluate(source, path, { getenv = os.getenv })
    if not ok then refuse("%s", tostring(given)) end
    check(path, "", given, file_fields)
    for name, fields in pairs(given.profiles or {}) do check_profile(path, name, fields) end
    return { profile = given.profile, profiles = given.profiles or {} }
end

-- ---- the key -----------------------------------------------------------------------------------------------

local function expand(path)
    return (path:gsub("^~/", (os.getenv("HOME") or "") .. "/"))
end

-- The first line that holds something: `pass show` tells more behind it.
local function key_from_command(name, command)
    local where = ("profile %s: api_key_command"):format(name)
    local line = (secrets.printed(command, where) or ""):match("[^\r\n]*%S[^\r\n]*")
    if not line then refuse("%s gave no key: run it by hand to see why: %s", where, command) end
    return mirrors.key.of(line, ("profile %s: what api_key_command printed"):format(name))
end

local function find_key(name, profile)
    if profile.api_key then
        return mirrors.key.of(profile.api_key, ("profile %s: api_key"):format(name))
    elseif profile.api_key_file then
        return mirrors.key.read(expand(profile.api_key_file), ("profile %s: api_key_file"):format(name))
    end
    return profile.api_key_command and key_from_command(name, profile.api_key_command) or nil
end

--- The profile's API key, from wherever it says; nil when it says nothing of one. Raises usage when what it names holds
--- none.
---@param name string of the profile, for errors
---@param profile table
---@return string|nil
function M.key(name, profile)
    local ok, key = pcall(find_key, name, profile)
    if not ok and type(key) == "table" and key.kind == "invalid" then
        refuse("%s", key.message)
    elseif not ok then
        error(key, 0)
    end
    return key
end

--- A profile's clusters, as runbooks take them; and those of them with Kafka Connect of one's own, as mirrors.connect{}
--- takes them. Raises usage for a secret of theirs that is not where it is said to be.
---@param name string|nil of the profile, for errors
---@param profile table
---@return table<string, kmirror.cluster>
---@return table<string, mirrors.ConnectCluster>|nil
function M.clusters(name, profile)
    return connects.of(name, profile.clusters or {})
end

--- The profile to use: the one named, else the one that the file names, else none. Raises usage for an unknown name.
---@param name string|nil
---@return string|nil name
---@return table profile empty when there is none
function M.choose(name)
    local path = M.path()
    local config = path and M.read(path) or { profiles = {} }
    name = name or config.profile
    if not name then return nil, {} end
    local profile = config.profiles[name]
    if not profile then
        local known = sorted_names(config.profiles)
        refuse("unknown profile '%s': %s", name, known == ""
            and ("%s has none, or is not there"):format(path or "~/.config")
            or "known are " .. known .. meant(name, config.profiles))
    end
    return name, profile
end

return M
