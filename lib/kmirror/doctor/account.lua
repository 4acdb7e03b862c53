--- doctor.account: who the API takes us for, what we may do there, and what of the rate there is.

local events = require("kmirror.events")
local host = require("host")
local mirrors = require("mirrors")
local state = require("kmirror.state")
local task = require("task")
local text = require("kmirror.text")

local requests <const> = 5 -- to see the rate
local attempt_seconds <const> = 10

local remedies = {
    unauthorized = "the key must be the *provisioning* API key of that very user, from the Instaclustr console under "
        .. "Account > API Keys; see KMIRROR_USERNAME and KMIRROR_API_KEY_FILE",
    forbidden = "ask for access to that cluster, or give another --cluster",
    not_found = "--cluster takes the id of the Kafka *Connect* cluster, not that of the Kafka cluster",
    rate_limited = "other programs of the account use its rate up: wait, or give all of them a lower --rate",
    server = "the API is in trouble, or a proxy before it: try again later",
    protocol = "something else answers at that address: see --endpoint and the proxy variables",
}

-- A UUID that no mirror has: 122 of its bits were just drawn.
local function nobody()
    local hex = host.random(16):gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end)
    return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), hex:sub(18, 20), hex:sub(21, 32))
end

-- Whether the endpoint has the paths of that version: also where it refuses what is asked of them.
local function answers(api, version)
    local options = api.account.options
    local other = mirrors.connect({
        api = version, apis = {}, retries = 0, timeout = options.timeout, deadline = options.deadline,
    })
    local ok, problem = pcall(other.list, other)
    if not ok and problem.kind == "cancelled" then error(problem, 0) end
    return ok or problem.status ~= nil and not problem.other_api and problem.kind ~= "server", problem
end

-- Which versions of the API the endpoint answers. `problem` is what the one that is used came to, when it failed.
local function look_at_versions(case, api, problem)
    local options = api.account.options
    local used = options.apis and options.apis[api.cluster] or options.api
    local other = used == "v1" and "v2" or "v1"
    local does, why_not = answers(api, other)
    if problem then
        case:note("API version", "fail", ("%s is not answered: %s%s"):format(used, tostring(problem),
            does and (", but %s is"):format(other) or (", and neither is %s"):format(other)),
            does and ("give --api %s, set KMIRROR_API=%s, or api = \"%s\" in the profile"):format(other, other, other)
            or "is that the API's address? See --endpoint; and is --cluster the id of a Kafka *Connect* cluster?")
    elseif does then
        case:note("API version", "ok", ("v1 and v2 are answered; %s is used, --api chooses"):format(used))
    else
        case:note("API version", "ok", ("%s is answered and used; %s is not: %s"):format(used, other,
            why_not.status or why_not.kind))
    end
end

local function look_at_authentication(case, api)
    local account = case.own and "by Kafka Connect's REST API" or "as " .. api.account.options.username
    local ok, list = pcall(api.list, api)
    if not ok and list.other_api then look_at_versions(case, api, list) end
    if ok then
        case:note("authentication", "ok", ("%s; %s on %s"):format(account,
            text.count(#list, "mirror"), api.cluster))
    elseif list.kind == "cancelled" then
        error(list, 0)
    elseif list.kind == "rate_limited" then
        case:note("rate", "fail", tostring(list), remedies.rate_limited)
    elseif list.other_api then
        case:note("authentication", "skip", "not asked: the API's version has to be right first")
    else
        case:note("authentication", "fail", tostring(list), remedies[list.kind])
    end
    if ok and not case.own then look_at_versions(case, api) end
    return ok
end

-- A read-only key is refused (403) for any change, a full one is told that there is no such mirror (404): so the
-- target latency of a mirror that does not exist is set.
local function look_at_permission(case, api)
    if case.given.read_only or case.given.dry_run then
        case:note("permission", "skip", "not asked, because of --read-only or --dry-run, or a read-only profile")
        return
    end
    local ok, problem = pcall(api.update_target_latency, api, nobody(), 30000)
    local kind = not ok and problem.kind
    if kind == "cancelled" then
        error(problem, 0)
    elseif kind == "not_found" then
        case:note("permission", "ok", "a full key: it may make changes")
    elseif kind == "forbidden" then
        case:note("permission", "warn", "a read-only key: the API will refuse every change",
            "to look around that is best; to make changes, use a full provisioning key")
    else
        case:note("permission", "warn", "cannot tell: " .. tostring(problem), remedies[kind])
    end
end

local function ask_often(api)
    local refused, began, group <close> = 0, task.now(), task.group()
    events.listen(function(event)
        local throttled = event.what == "attempt" and event.error and event.error.kind == "rate_limited"
        refused = refused + (throttled and 1 or 0)
    end)
    for _ = 1, requests do
        group:spawn(function()
            pcall(api.list, api)
        end)
    end
    group:wait()
    return refused, task.now() - began
end

local function limit_of(account)
    local rate = account.rate()
    if account.options.rate == "auto" then
        return ("--rate auto: %.0f a second, as far as it has found out"):format(rate)
    end
    return rate == 0 and "no limit of our own" or ("our own limit is %g a second"):format(rate)
end

local function look_at_rate(case, api)
    local refused, seconds = ask_often(api)
    local limit = limit_of(api.account)
    local words = ("%s in %.2f seconds; %s"):format(text.count(requests, "request"), seconds, limit)
    if refused > 0 then
        case:note("rate", "warn", ("%s; %d were refused (429)"):format(words, refused), remedies.rate_limited)
    elseif not case.given.sandbox and not state.directory() then
        case:note("rate", "warn", words .. "; kmirror's processes here cannot share it", "set HOME or XDG_STATE_HOME "
            .. "to a directory that can be written")
    else
        case:note("rate", "ok", words .. ", none refused")
    end
end

-- A quota file that cannot be used stops nothing, but then nobody knows of the others' requests.
local function look_at_quota_file(case, api)
    local problem, file = api.account.alone(), api.account.options.quota_file
    if problem then
        case:note("quota file", "warn", ("%s: %s; each process counts its requests alone"):format(file, problem),
            "remove it, or make it a file that you can write: it holds nothing but the times of recent requests")
    end
end

local function connect(case)
    local ok, api = pcall(mirrors.connect, {
        retries = 1, timeout = case.given.timeout or attempt_seconds, deadline = 2 * attempt_seconds,
        outage = 0,
    })
    if ok then return api end
    case:note("authentication", "fail", api.message, "see kmirror help")
end

--- Authentication, permission and rate.
---@param case kmirror.doctor.case
return function(case)
    if not (case.prepared and case.reached) or case:has("fail") then
        case:note("authentication", "skip", "not asked: fix the failures above first")
        return
    end
    local api = connect(case)
    if api and case.own then -- there are no keys, and no quota
        look_at_authentication(case, api)
        return
    elseif api then
        look_at_quota_file(case, api)
    end
    if api and look_at_authentication(case, api) then
        look_at_permission(case, api)
        look_at_rate(case, api)
    end
end
