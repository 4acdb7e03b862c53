local jobs = require("kmirror.jobs")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local refuse = require("kmirror.usage")
local stores = require("kmirror.store")
local text = require("kmirror.text")

local actions = {}

-- Works on the database of a store in PostgreSQL, whose schema may not be there.
local function with_database(url, body)
    local ok, result = pcall(function()
        local database <close>, schema = stores.connect(url)
        return body(database, schema)
    end)
    if ok then return result end
    if type(result) == "table" and result.kind == "store" then refuse("%s", result.message) end
    error(result, 0)
end

-- ---- init and migrate ----------------------------------------------------------------------------------------

local function bring_up(url, options, must_be_there)
    return with_database(url, function(database, schema)
        local from = schema.version(database)
        if must_be_there and not from then
            refuse("the store %s has no schema of kmirror's to migrate: kmirror store init", url)
        end
        schema.refuse_newer(database, from)
        schema.migrate(database)
        if options.grant then schema.grant(database, options.grant) end
        local now = #schema.steps
        log.info("%s", from == now and ("the store %s is up to date (version %d)"):format(url, now)
            or from and ("the store %s went from version %d to %d"):format(url, from, now)
            or ("the store %s is ready (version %d)"):format(url, now))
        if options.grant then log.info("%s may run jobs in it", options.grant) end
        return 0
    end)
end

function actions.init(options, url)
    if not url then refuse("a store in a file needs no init: it is made by the first --job; to make one in PostgreSQL: "
        .. "kmirror store init --store postgresql://HOST/DATABASE") end
    return bring_up(url, options, false)
end

function actions.migrate(options, url)
    if not url then
        refuse("a store in a file needs no migrate: it is brought up to date when it is opened")
    end
    return bring_up(url, options, true)
end

-- ---- status --------------------------------------------------------------------------------------------------

local function database_status(url)
    return with_database(url, function(database, schema)
        local server = database:query(
            [[SELECT session_user AS "user", current_setting('server_version') AS version]])[1]
        local shape = { url = url, kind = "postgresql", user = server.user, server = server.version,
            version = schema.version(database), newest = #schema.steps }
        if shape.version == shape.newest then
            schema.check_whole(database)
            shape.jobs = schema.count_jobs(database)
        end
        return shape
    end)
end

local function file_status(url)
    local path = stores.file_of(url)
    local shape = { url = path and "sqlite:" .. path, kind = "sqlite" }
    if path and os.rename(path, path) then
        local ok, result = pcall(function()
            local store = stores.open(url)
            shape.jobs = #store:jobs()
            store:close()
        end)
        if not ok then
            refuse("%s", type(result) == "table" and result.message or tostring(result))
        end
    end
    return shape
end

local function next_step(shape)
    if not shape.version then return "it has no schema of kmirror's: kmirror store init" end
    if shape.version < shape.newest then
        return ("its schema has version %d, this kmirror needs %d: kmirror store migrate"):format(shape.version,
            shape.newest)
    elseif shape.version > shape.newest then
        return ("its schema has version %d, and this kmirror only knows %d: use a newer kmirror"):format(shape.version,
            shape.newest)
    end
end

local function told(shape)
    if shape.kind == "sqlite" then
        return shape.jobs and ("%s: %s"):format(shape.url, text.count(shape.jobs, "job"))
            or ("%s: none yet; the first --job makes it"):format(shape.url or "no place")
    end
    return ("%s: PostgreSQL %s, as %s; %s"):format(shape.url, shape.server, shape.user, next_step(shape)
        or ("version %d, %s"):format(shape.version, text.count(shape.jobs, "job")))
end

function actions.status(options, url)
    local shape = url and database_status(url) or file_status(options.store)
    if options.json then
        io.stdout:write(json.encode(shape, true), "\n")
    else
        io.stdout:write(mirrors.printable(told(shape)), "\n")
    end
    return url and next_step(shape) and 1 or 0
end

---@type kmirror.command
return {
    name = "store",
    summary = "The store of jobs: make it in PostgreSQL, look at it.",
    details = [[
Jobs are kept in a file of your own unless --store, KMIRROR_STORE or the profile
names a database of PostgreSQL's, which several people and machines can share:
--store postgresql://HOST/DATABASE. libpq's variables (PGHOST, PGUSER, ...),
~/.pgpass and service files (postgresql:///?service=NAME) work; a password in
the URL is refused.

init makes kmirror's tables there, in a schema "kmirror" of their own, and with
--grant ROLE lets a role run jobs, with no right to change the tables. migrate
brings the tables of an older kmirror up to date. Both are for the owner of the
database, and may be run again. status tells what is there; it ends with 1 when
there is something to do first.

With --json, status prints {"url", "kind", "user", "server", "version",
"newest", "jobs"}.]],
    sets = { "store", "results", "messages" },

    define = function(parser)
        parser:argument("action", "What to do."):argname("init|status|migrate")
        parser:option("--grant", "With init or migrate: let this role run jobs."):argname("ROLE")
    end,

    run = function(options)
        if not actions[options.action] then
            refuse("kmirror store cannot '%s': expected init, status or migrate%s", options.action,
                mirrors.fields.meant(options.action, actions))
        elseif options.grant == "" then
            refuse("--grant '': expected the name of a role of the database's")
        elseif options.grant and options.action == "status" then
            refuse("kmirror store status has no --grant; see kmirror help store")
        elseif options.json and options.action ~= "status" then
            refuse("kmirror store %s has no --json; see kmirror help store", options.action)
        end
        options.store = jobs.store_of(options)
        return actions[options.action](options, stores.database_of(options.store))
    end,
}
