--- doctor.configuration: the configuration file, where the API key comes from, and whether both together will do.

local config = require("kmirror.config")
local files = require("kmirror.file")
local mirrors = require("mirrors")

local default_endpoint <const> = "https://api.instaclustr.com"

local function variable(name)
    local value = (os.getenv(name) or ""):match("^%s*(.-)%s*$")
    return value ~= "" and value or nil
end

local function message_of(problem)
    return type(problem) == "table" and problem.message or tostring(problem)
end

local function look_at_file(case)
    local path = config.path()
    local ok, name, profile = pcall(config.choose, case.given.profile or variable("KMIRROR_PROFILE"))
    if not ok then
        case.refused = true
        case:note("configuration", "fail", message_of(name), "correct " .. (path or "the configuration file"))
        return
    end
    case.profile_name, case.profile = name, profile
    if name then
        case:note("configuration", "ok", ("profile %s of %s"):format(name, path))
    elseif path and files.exists(path) then
        case:note("configuration", "ok", ("%s; no profile is chosen"):format(path))
    else
        case:note("configuration", "ok", ("no configuration file (%s); the environment is used"):format(
            path or "no HOME"))
    end
end

-- Reads the key, and tells where it is, or what is wrong with it.
local function note_key(case, where, read, ...)
    local ok, problem = pcall(read, ...)
    if ok then
        case:note("API key", "ok", where)
    else
        local words = message_of(problem)
        case:note("API key", "fail", words, words:match("chmod 600 [^;]+")
            or "it is a provisioning API key from the Instaclustr console, alone in its place")
    end
end

local function look_at_key_file(case, path, from)
    note_key(case, ("in %s, which only its owner can read"):format(path), mirrors.key.read, path, from)
end

local function expand(path)
    return (path:gsub("^~/", (os.getenv("HOME") or "") .. "/"))
end

-- The command is not run just to look: it may ask for a passphrase. What became of it shows when all is set up.
local function look_at_command(case)
    local failed = case.problem and case.problem:find("api_key_command", 1, true)
    if case.prepared then
        case:note("API key", "ok", "its command gives one")
    elseif failed then
        case:note("API key", "fail", case.problem, "run the profile's api_key_command by hand to see why")
    end
end

local function look_at_profiles_key(case)
    local name = ("profile %s: "):format(case.profile_name or "")
    if case.profile.api_key then
        note_key(case, "in the configuration file, which only its owner can read", mirrors.key.of, case.profile.api_key,
            name .. "api_key")
    elseif case.profile.api_key_file then
        look_at_key_file(case, expand(case.profile.api_key_file), name .. "api_key_file")
    elseif case.profile.api_key_command then
        look_at_command(case)
    elseif case.refused then
        case:note("API key", "skip", "not looked at: it may be in the configuration, which is refused")
    else
        case:note("API key", "fail", "there is none", "set KMIRROR_API_KEY_FILE to the name of a file with a "
            .. "provisioning API key from the Instaclustr console, chmod 600")
    end
end

-- The order is that in which the command line looks, too.
local function look_at_key(case)
    if case.own then return end
    local key, file = variable("KMIRROR_API_KEY"), variable("KMIRROR_API_KEY_FILE")
    if case.given.sandbox then
        case:note("API key", "ok", "the sandbox's own")
    elseif key then
        note_key(case, "in KMIRROR_API_KEY", mirrors.key.of, key, "KMIRROR_API_KEY")
    elseif file then
        look_at_key_file(case, file, "KMIRROR_API_KEY_FILE")
    else
        look_at_profiles_key(case)
    end
end

local function look_at_user(case)
    if case.own then return end
    local given = case.given.sandbox or variable("KMIRROR_USERNAME") or case.profile.username
    if not given and case.refused then
        case:note("user name", "skip", "not looked at: it may be in the configuration, which is refused")
    elseif not given then
        case:note("user name", "fail", "there is none", "set KMIRROR_USERNAME, or username in the profile")
    end
end

-- `kmirror list` wants one.
local function look_at_cluster(case)
    local given = case.own or case.given.sandbox or case.given.cluster or variable("KMIRROR_CLUSTER")
        or case.profile.cluster
    if not given and case.refused then
        case:note("cluster", "skip", "not looked at: it may be in the configuration, which is refused")
    elseif not given then
        case:note("cluster", "fail", "none is named", "give --cluster, or set KMIRROR_CLUSTER, to the id of a Kafka "
            .. "Connect cluster")
    end
end

-- Sends nothing: the options are checked when a connection is made ready, and none of them is left to the environment.
local function may_be_asked(endpoint)
    local ok, problem = pcall(mirrors.connect, {
        endpoint = endpoint, username = "nobody", api_key = "none", cluster = "00000000-0000-4000-8000-000000000000",
    })
    return ok or not problem.message:find("endpoint must be", 1, true)
end

local function prepare(case)
    local ok, problem = pcall(case.prepare, case.given)
    case.prepared, case.problem = ok, not ok and message_of(problem) or nil
    local connected, api = pcall(mirrors.connect, {})
    local own = ok and connected and api.account.options.clusters
    case.own = own and api.cluster and own[api.cluster:lower()]
    if case.own then case.endpoint = case.own.urls[1] end
end

--- The configuration, and the key.
---@param case kmirror.doctor.case
return function(case)
    look_at_file(case)
    case.endpoint = case.given.endpoint or variable("KMIRROR_ENDPOINT") or case.profile.endpoint or default_endpoint
    prepare(case)
    look_at_key(case)
    look_at_user(case)
    look_at_cluster(case)
    if case.prepared and case.given.sandbox then
        case.endpoint = require("kmirror.profile").current().endpoint
    elseif not case.prepared and not case:has("fail") then
        case.blamed_settings = true
        case:note("settings", "fail", case.problem, "correct what the message names; see kmirror help doctor")
    end
    local is_known = case.given.endpoint or variable("KMIRROR_ENDPOINT") or case.given.sandbox
    if case.refused and not is_known or not may_be_asked(case.endpoint) then case.endpoint = nil end
end
