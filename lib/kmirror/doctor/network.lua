--- doctor.network: name, connection, TLS and clock, by one visit to the API's server, without credentials.

local host = require("host")
local mirrors = require("mirrors")
local probe = require("probe")

local visit_seconds <const> = 10
local day <const> = 24 * 3600
local expires_soon <const> = 14 * day
local skew_allowed <const> = 30 -- seconds; the server's date has no fraction, and it took some time to get here

local function host_of(url)
    return url:match("^%a+://%[([^%]]+)%]") or url:match("^%a+://([^/:]+)")
end

local proxy_remedy = "correct the proxy variables: https_proxy, all_proxy, no_proxy"

local function milliseconds(seconds)
    return ("%.0f ms"):format(1000 * seconds)
end

local function note_name(case, seen)
    local name = host_of(case.endpoint)
    if seen.stage == "proxy" then
        case:note("proxy", "fail", seen.reason or "no answer", proxy_remedy)
    elseif seen.proxied then
        case:note("proxy", "ok", ("at %s; it looks up %s"):format(seen.address or "an unknown address", name))
    elseif seen.stage == "dns" then
        case:note("DNS", "fail", seen.reason or "no answer", ("does `getent hosts %s` give an address? See "
            .. "/etc/resolv.conf and the --endpoint"):format(name))
    elseif name == seen.address then
        case:note("DNS", "skip", "not used: the endpoint is an address")
    else
        case:note("DNS", "ok", ("%s is %s (%s)"):format(name, seen.address or "found", milliseconds(seen.name_seconds)))
    end
end

local function note_connection(case, seen)
    if seen.stage == "connect" then
        case:note("connection", "fail", seen.reason or "no answer",
            "is outgoing traffic to that port allowed here? Is a proxy needed (https_proxy)?")
    elseif seen.stage == "http" and seen.status == 0 then
        case:note("connection", "fail", seen.reason or "no answer", "is that the API's address? See --endpoint")
    elseif seen.stage ~= "tls" then
        case:note("connection", "ok", ("answered after %s"):format(milliseconds(math.max(seen.connect_seconds,
            seen.tls_seconds))))
    end
end

local function note_certificate(case, seen)
    local left = seen.expires and seen.expires - host.time()
    if left and left < expires_soon then
        case:note("TLS", "warn", ("the server's certificate expires on %s"):format(os.date("!%Y-%m-%d", seen.expires)),
            "tell those who run the server, or the proxy in between")
    else
        case:note("TLS", "ok", seen.expires and ("the certificate is trusted, until %s"):format(
            os.date("!%Y-%m-%d", seen.expires)) or "the certificate is trusted")
    end
end

local function note_tls(case, seen)
    if seen.stage == "tls" then
        case:note("TLS", "fail", seen.reason or "no answer", "install the package ca-certificates; behind a proxy "
            .. "that looks inside, give its CA with --ca-file; and is the clock right?")
    elseif case.endpoint:find("^https:") then
        note_certificate(case, seen)
    else
        case:note("TLS", "skip", "not used: the endpoint is this machine")
    end
end

local function note_clock(case, seen)
    if not seen.date then
        case:note("clock", "skip", "the server does not say what time it is")
        return
    end
    local ahead = host.time() - seen.date
    local words = ("%.0f seconds %s the server"):format(math.abs(ahead), ahead < 0 and "behind" or "ahead of")
    if math.abs(ahead) > skew_allowed then
        case:note("clock", "warn", words, "set it, as by timedatectl set-ntp true: certificates, logs and jobs "
            .. "go by it")
    else
        case:note("clock", "ok", math.abs(ahead) < 2 and "the same as the server's" or words)
    end
end

local steps = { proxy = 0, dns = 1, connect = 2, tls = 3, http = 4 }

-- What a connection there would be made with; nil, and why, when that cannot be. What has nothing to do with it is not
-- left to the environment, which may have it wrong.
local function options_for(case)
    local ok, api = pcall(mirrors.connect, {
        endpoint = case.endpoint, username = "nobody", api_key = "none", api = "v1",
        cluster = "00000000-0000-4000-8000-000000000000",
        ca_file = case.given.ca_file or case.profile.ca_file,
    })
    if ok then return api.account.options end
    return nil, api.message
end

--- Name, connection, TLS and clock.
---@param case kmirror.doctor.case
return function(case)
    if not case.endpoint then
        case:note("connection", "skip", ("not tried: the endpoint %s"):format(case.refused
            and "may be in the configuration, which is refused" or "is not a URL that may be used"))
        return
    end
    local options, problem = options_for(case)
    if not options and case.blamed_settings then
        case:note("connection", "skip", "not tried: fix the failures above first")
        return
    elseif not options then
        local check = problem:find("proxy", 1, true) and "proxy" or "TLS"
        case:note(check, "fail", problem, "correct what the message names")
        return
    end
    local seen = probe.visit(case.endpoint, case.given.timeout or visit_seconds, options.ca_file, options.ca_dir,
        not options.proxied)
    if options.proxied and (seen.stage == "dns" or seen.stage == "connect") then
        seen.stage = "proxy" -- it is the proxy's name that is looked up, and the proxy that is connected to
    end
    local step = steps[seen.stage]
    note_name(case, seen)
    if step >= steps.connect then note_connection(case, seen) end
    if step >= steps.tls then note_tls(case, seen) end
    case.reached = seen.status > 0
    if case.reached then note_clock(case, seen) end
end
