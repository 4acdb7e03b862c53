--- store.postgres.schema: kmirror's tables in a PostgreSQL database: a schema of their own, so that they stand beside
--- others'. They are made and changed by their owner, with `kmirror store init` and `migrate`; whoever only runs jobs
--- needs no more than the rights that grant() gives.

local approvals = require("kmirror.store.postgres.approvals")
local items = require("kmirror.store.postgres.items")
local mirrors = require("mirrors")
local quotas = require("kmirror.store.postgres.quotas")
local shell = require("kmirror.shell")

local M = {}

-- What nobody else's advisory lock in the same database will be.
M.lock = 0x6b6d6972

-- One step for each version of the schema. A step that was ever published is not changed any more; new ones go to the
-- end. Times are seconds since the epoch; those of leases are by the server's clock alone.
M.steps = {
    {
        "CREATE TABLE kmirror.version (number integer NOT NULL)",
        "INSERT INTO kmirror.version VALUES (0)",
        "CREATE TABLE kmirror.secret (key text NOT NULL)",
        -- of two random identifiers: 244 bits that nobody guesses
        "INSERT INTO kmirror.secret VALUES (gen_random_uuid()::text || gen_random_uuid()::text)",
        [[CREATE TABLE kmirror.jobs (
            name text COLLATE "C" PRIMARY KEY,
            script text NOT NULL,
            target text NOT NULL,
            created double precision NOT NULL,
            digest text NOT NULL
        )]],
        [[CREATE TABLE kmirror.runs (
            job text COLLATE "C" NOT NULL REFERENCES kmirror.jobs ON DELETE CASCADE,
            number bigint NOT NULL,
            args text NOT NULL,
            directory text NOT NULL,
            settings text NOT NULL,
            started double precision NOT NULL,
            ended double precision,
            status bigint,
            "user" text,
            host text,
            pid bigint,
            version text,
            reason text,
            digest text NOT NULL,
            PRIMARY KEY (job, number)
        )]],
        [[CREATE TABLE kmirror.changes (
            job text COLLATE "C" NOT NULL REFERENCES kmirror.jobs ON DELETE CASCADE,
            number bigint NOT NULL,
            position bigint NOT NULL,
            key text NOT NULL,
            operation text NOT NULL,
            cluster text NOT NULL,
            id text,
            arguments text NOT NULL,
            state text NOT NULL CHECK (state IN ('sent', 'done', 'failed')),
            problem text,
            run bigint NOT NULL,
            sent double precision NOT NULL,
            answered double precision,
            asked bigint NOT NULL,
            item text,
            digest text NOT NULL,
            PRIMARY KEY (job, number)
        )]],
        [[CREATE TABLE kmirror.seen (
            job text COLLATE "C" NOT NULL REFERENCES kmirror.jobs ON DELETE CASCADE,
            cluster text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            position bigint NOT NULL,
            digest text NOT NULL,
            PRIMARY KEY (job, cluster, id)
        )]],
        "CREATE SEQUENCE kmirror.tokens",
        -- Who holds a job, and until when: see store.postgres.lease.
        [[CREATE TABLE kmirror.leases (
            job text COLLATE "C" NOT NULL,
            runner uuid NOT NULL,
            token bigint NOT NULL DEFAULT nextval('kmirror.tokens'),
            shared boolean NOT NULL,
            "user" text NOT NULL DEFAULT session_user,
            host text NOT NULL,
            pid bigint NOT NULL,
            since timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires timestamptz NOT NULL,
            PRIMARY KEY (job, runner)
        )]],
    },
    items.step,
    approvals.step,
    quotas.step,
}

-- What a runner reads and writes of its jobs.
local written = { "jobs", "runs", "changes", "seen", "leases" }

-- What a runner may do, by table. None of it is a change of the schema.
local rights = {
    { "USAGE", "SCHEMA kmirror" },
    { "SELECT", "kmirror.version, kmirror.secret" },
    { "SELECT, INSERT, UPDATE, DELETE", "kmirror." .. table.concat(written, ", kmirror.") },
    { "USAGE", "SEQUENCE kmirror.tokens" },
    items.rights,
    quotas.rights,
}
table.move(approvals.rights, 1, #approvals.rights, #rights + 1, rights)

--- Which version the schema has; nil when there is none, or this user may not see it.
---@param database kmirror.store.postgres.database
---@return integer|nil
function M.version(database)
    if not database:query("SELECT to_regclass('kmirror.version') IS NOT NULL AS there")[1].there then
        return nil
    end
    return database:query("SELECT number FROM kmirror.version")[1].number
end

-- Raises `store` when the schema of that name is another program's.
local function check_owner(database, version)
    local tables = "SELECT count(*) AS count FROM pg_catalog.pg_tables WHERE schemaname = 'kmirror'"
    if not version and database:query(tables)[1].count > 0 then
        error(mirrors.error("store", ("the store %s: its schema kmirror has tables, but not this program's: give the "
            .. "URL of another database, or make one: createdb"):format(database.name)), 0)
    end
end

-- Raises `store` unless this user may change the schema: it is its owner's, or a superuser's.
local function check_may_change(database)
    local schema = database:query([[SELECT pg_get_userbyid(nspowner) AS owner, pg_has_role(nspowner, 'USAGE') AS may
        FROM pg_catalog.pg_namespace WHERE nspname = 'kmirror']])[1]
    if schema and not schema.may then
        error(mirrors.error("store", ("the store %s: its schema is %s's, who has to run this: give --store with that "
            .. "user"):format(database.name, schema.owner)), 0)
    end
end

-- Names and messages come in any script. One in SQL_ASCII keeps the bytes as they are.
local function check_encoding(database)
    local encoding = database:query("SELECT current_setting('server_encoding') AS name")[1].name
    if encoding ~= "UTF8" and encoding ~= "SQL_ASCII" then
        error(mirrors.error("store", ("the store %s: its encoding is %s, in which not all text can be kept: make a "
            .. "database in UTF8 (createdb --encoding UTF8 --template template0), and give its URL"):format(
            database.name, encoding)), 0)
    end
end

-- Several may be the first at once: the lock lets one after the other in, and the second has nothing left to do.
local function step(number)
    local statements = {
        { "SELECT pg_advisory_xact_lock(?)", { M.lock } },
        { ("DO $$ BEGIN IF to_regclass('kmirror.version') IS NOT NULL THEN "
            .. "IF (SELECT number >= %d FROM kmirror.version) THEN "
            .. "RAISE EXCEPTION USING ERRCODE = 'KM001', MESSAGE = 'done already'; END IF; END IF; END $$")
            :format(number) },
    }
    if number == 1 then statements[#statements + 1] = { "CREATE SCHEMA IF NOT EXISTS kmirror" } end
    for _, statement in ipairs(M.steps[number]) do statements[#statements + 1] = { statement } end
    statements[#statements + 1] = { "UPDATE kmirror.version SET number = ?", { number } }
    return statements
end

-- Who was let in, so that new tables are for them, too.
local function regrant(database)
    local roles = database:query("SELECT DISTINCT grantee AS role FROM information_schema.role_table_grants "
        .. "WHERE table_schema = 'kmirror' AND table_name = 'jobs' AND privilege_type = 'UPDATE' "
        .. "AND grantee <> grantor")
    for _, each in ipairs(roles) do M.grant(database, each.role) end
end

--- Brings the schema to this kmirror's version, from whatever it is, or from nothing; who was let in stays so. Raises
--- `store`.
---@param database kmirror.store.postgres.database
function M.migrate(database)
    local from = M.version(database)
    check_owner(database, from)
    if not from then check_encoding(database) end
    if (from or 0) < #M.steps then check_may_change(database) end
    for number = (from or 0) + 1, #M.steps do
        local ok, e = pcall(database.transaction, database, step(number))
        if not ok and not tostring(e):find("done already", 1, true) then error(e, 0) end
    end
    if from and from < #M.steps then regrant(database) end
end

--- Which of them this user does not have: "INSERT into kmirror.jobs"; nil when none lacks.
---@param database kmirror.store.postgres.database
---@return string|nil
function M.lacking(database)
    for _, name in ipairs(written) do
        for _, right in ipairs({ "SELECT", "INSERT", "UPDATE", "DELETE" }) do
            if not database:query("SELECT has_table_privilege(?, ?) AS yes", "kmirror." .. name, right)[1].yes then
                return ("%s in kmirror.%s"):format(right, name)
            end
        end
    end
end

--- The statements that give a role what a runner needs, and nothing more.
---@param role string
---@return string[]
function M.grants(role)
    local statements = {}
    local quoted = '"' .. role:gsub('"', '""') .. '"'
    for i, each in ipairs(rights) do
        statements[i] = ("GRANT %s ON %s TO %s"):format(each[1], each[2], quoted)
    end
    return statements
end

--- Gives them.
---@param database kmirror.store.postgres.database
---@param role string
function M.grant(database, role)
    check_may_change(database)
    local statements = { { "SELECT pg_advisory_xact_lock(?)", { M.lock } } } -- two at once would collide
    for i, each in ipairs(M.grants(role)) do statements[i + 1] = { each } end
    database:transaction(statements)
end

local function refuse(database, what, ...)
    error(mirrors.error("store", ("the store %s: "):format(database.name) .. what:format(...)), 0)
end

--- Raises `store` for a schema that a newer kmirror has made.
---@param database kmirror.store.postgres.database
---@param version integer|nil
function M.refuse_newer(database, version)
    if version and version > #M.steps then
        refuse(database, "a newer kmirror has made its schema (version %d; this one knows %d): use that kmirror",
            version, #M.steps)
    end
end

---@param database kmirror.store.postgres.database
---@return integer
function M.count_jobs(database)
    return database:query("SELECT count(*) AS count FROM kmirror.jobs")[1].count
end

-- All that the steps make.
local function tables()
    local names = {}
    for _, statements in ipairs(M.steps) do
        for _, statement in ipairs(statements) do
            names[#names + 1] = statement:match("^CREATE TABLE kmirror%.(%w+)")
        end
    end
    return names
end

--- Raises `store` when a table of the schema is not there.
---@param database kmirror.store.postgres.database
function M.check_whole(database)
    local missing = database:query("SELECT name FROM unnest(string_to_array(?, ' ')) AS name "
        .. "WHERE to_regclass('kmirror.' || name) IS NULL ORDER BY name", table.concat(tables(), " "))
    if #missing > 0 then
        refuse(database, "it has no table kmirror.%s, so what it recorded is not whole: put the database back from a "
            .. "backup, or give the URL of another one", missing[1].name)
    end
end

--- Raises `store` unless the schema is this kmirror's.
---@param database kmirror.store.postgres.database
function M.check(database)
    local version = M.version(database)
    M.refuse_newer(database, version)
    check_owner(database, version)
    if not version then
        refuse(database, "it has no schema of kmirror's yet: kmirror store init --store %s", shell.word(database.name))
    elseif version < #M.steps then
        refuse(database, "its schema has version %d, and this kmirror needs %d: kmirror store migrate --store %s",
            version, #M.steps, shell.word(database.name))
    end
    M.check_whole(database)
end

return M
