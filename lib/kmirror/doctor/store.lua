--- doctor.store: where jobs are kept. One that is not there yet is not made.

local files = require("kmirror.file")
local host = require("host")
local mirrors = require("mirrors")
local moment = require("kmirror.moment")
local profile = require("kmirror.profile")
local quota = require("kmirror.quota")
local stores = require("kmirror.store")
local text = require("kmirror.text")

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

local function open_and_count(url)
    local store = stores.open(url)
    local count = #store:jobs()
    if count > 0 then
        store:secret() -- raises when the store's key is lost: then no job can go on
    end
    store:close()
    return count
end

local function look_inside(case, url, path)
    local ok, result = pcall(open_and_count, url)
    if ok and path and mirrors.is_private(path) == false then
        case:note("store", "warn", path .. " can be read by others than its owner", "chmod 600 " .. path)
    elseif ok then
        case:note("store", "ok", ("%s, with %d %s"):format(path or "the database", result,
            result == 1 and "job" or "jobs"))
    else
        case:note("store", "fail", type(result) == "table" and result.message or tostring(result),
            "give another --store, or unset KMIRROR_STORE")
    end
end

local skew_worth_telling <const> = 2 -- seconds

-- Its clock is the one that leases go by; this machine's is in what is written down.
local function clock_of(store)
    local before = host.time()
    local ahead = store:time() - (before + host.time()) / 2
    if math.abs(ahead) < skew_worth_telling then return "its clock agrees with this machine's" end
    return ("its clock, which leases go by, is %.0f seconds %s this machine's"):format(math.abs(ahead),
        ahead < 0 and "behind" or "ahead of")
end

-- What all runners of the account share.
local function quota_of(case, store)
    local current = profile.current()
    local row = case.prepared and current.endpoint and current.username
        and store:quota(quota.account(current.endpoint, current.username))
    if not row then return "nobody has asked for any of it so far" end
    return ("%d requests so far, %d in the last second; %s"):format(row.number, row.now,
        row.since_rejected and "the last 429 was " .. moment.span(row.since_rejected) .. " ago" or "no 429 so far")
end

-- One in PostgreSQL: whether it can be reached, has the tables of this kmirror, and lets this user write to them.
local function look_at_database(case, url)
    local ok, result = pcall(function()
        local store = stores.open(url)
        local lacking, count, user = store:lacking(), #store:jobs(), store.user
        local shape = { lacking = lacking, user = user, quota = not lacking and quota_of(case, store),
            words = ("%s as %s, with %s"):format(url, user, text.count(count, "job")) }
        shape.more = ("; its tables have version %d; %s"):format(store:version(), clock_of(store))
        store:close()
        return shape
    end)
    if not ok then
        local message = type(result) == "table" and result.message or tostring(result)
        case:note("store", "fail", message:match("^(.*);[^;]*$") or message, message:match("; ([^;]*)$")
            or message:match("kmirror store .*$") or "kmirror store status tells more")
    elseif result.lacking then
        case:note("store", "fail", ("%s, but without the right to %s"):format(result.words, result.lacking),
            ("the owner of the database: kmirror store init --grant %s"):format(result.user))
    else
        case:note("store", "ok", result.words .. result.more)
        case:note("shared quota", "ok", result.quota)
    end
end

--- The store of jobs.
---@param case kmirror.doctor.case
return function(case)
    local url = case.given.store or variable("KMIRROR_STORE") or case.profile.store
    local known, database = pcall(stores.database_of, url)
    if not known then
        case:note("store", "fail", database.message or tostring(database),
            "correct --store, KMIRROR_STORE or the profile")
        return
    elseif database then
        look_at_database(case, database)
        return
    end
    local path = stores.file_of(url)
    if not pcall(require, "DBI") then
        case:note("store", "warn", "LuaDBI is not installed: --job does not work",
            "install the package lua-dbi-sqlite3")
    elseif not path then
        look_inside(case, url)
    elseif not files.exists(path) then
        case:note("store", "ok", ("none yet; the first --job makes %s"):format(path))
    else
        look_inside(case, url, path)
    end
end
