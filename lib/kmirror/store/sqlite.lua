--- sqlite: the store as one SQLite file, through LuaDBI.
---
--- Beside the file FILE there are FILE.key with the key for digests, and FILE.JOB.lock, one for each job,
--- which is locked while a process works on it. All of them are readable by their owner only.

local files = require("kmirror.file")
local host = require("host")
local mirrors = require("mirrors")
local records = require("kmirror.store.records")
local rows = require("kmirror.store.rows")
local shell = require("kmirror.shell")

local M = {}

local application = 0x6b6d6972 -- "kmir", in the file's header
local key_bytes = 32
local default_patience = 5000 -- ms

-- One step for each version of the schema. A step that was ever published is not changed any more.
local migrations = {
    {
        [[CREATE TABLE jobs (
            name TEXT PRIMARY KEY,
            script TEXT NOT NULL,
            target TEXT NOT NULL,
            created REAL NOT NULL
        )]],
        [[CREATE TABLE runs (
            job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
            number INTEGER NOT NULL,
            args TEXT NOT NULL,
            directory TEXT NOT NULL,
            settings TEXT NOT NULL,
            started REAL NOT NULL,
            ended REAL,
            status INTEGER,
            PRIMARY KEY (job, number)
        )]],
        [[CREATE TABLE changes (
            job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
            number INTEGER NOT NULL,
            position INTEGER NOT NULL,
            key TEXT NOT NULL,
            operation TEXT NOT NULL,
            cluster TEXT NOT NULL,
            id TEXT,
            arguments TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('sent', 'done', 'failed')),
            problem TEXT,
            run INTEGER NOT NULL,
            sent REAL NOT NULL,
            answered REAL,
            asked INTEGER NOT NULL,
            PRIMARY KEY (job, number)
        )]],
        [[CREATE TABLE seen (
            job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
            cluster TEXT NOT NULL,
            id TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (job, cluster, id)
        )]],
        [[CREATE TABLE secret (check_value TEXT NOT NULL)]],
    },
    {
        "ALTER TABLE jobs ADD COLUMN digest TEXT",
        "ALTER TABLE runs ADD COLUMN digest TEXT",
        "ALTER TABLE changes ADD COLUMN digest TEXT",
        "ALTER TABLE seen ADD COLUMN digest TEXT",
        "seal", -- what is there already
    },
    {
        "ALTER TABLE runs ADD COLUMN user TEXT",
        "ALTER TABLE runs ADD COLUMN host TEXT",
        "ALTER TABLE runs ADD COLUMN pid INTEGER",
        "ALTER TABLE runs ADD COLUMN version TEXT",
        "ALTER TABLE runs ADD COLUMN reason TEXT",
    },
    {
        "ALTER TABLE changes ADD COLUMN item TEXT",
    },
}

-- ---- errors -----------------------------------------------------------------------------------------------

-- What SQLite says, and what to do about it.
local advice = {
    { "full", "make room on that disk and run it again" },
    { "I/O error", "see to that disk and run it again" },
    { "locked", "another process has been writing to it for too long" },
    { "readonly", "it must be writable, and so must its directory; or give --store sqlite:FILE" },
    { "temporary database file", "is memory short, or room in the folder for temporary files?" },
    { "unable to open", "it must be writable, and so must its directory; or give --store sqlite:FILE" },
    { "no such", "it is damaged: move it away, or give --store sqlite:FILE" },
    { "malformed", "it is damaged: move it away, or give --store sqlite:FILE" },
    { "not a database", "it is damaged, or no store: move it away, or give --store sqlite:FILE" },
}

---@return any error object
local function problem_of(path, what)
    local reason = tostring(what):gsub("^Execute failed ", ""):gsub("^Error preparing statement handle: ", "")
        :gsub("^Failed to connect to database: ", ""):gsub("^.*Fetch failed ", "")
    local message = ("the store %s: %s"):format(path, reason)
    for _, each in ipairs(advice) do
        if reason:find(each[1], 1, true) then
            return mirrors.error("store", message .. "; " .. each[2])
        end
    end
    return mirrors.error("store", message)
end

-- ---- statements -------------------------------------------------------------------------------------------

---@class kmirror.store.sqlite: kmirror.store.records
local Sqlite = setmetatable({}, { __index = records })
Sqlite.__index = Sqlite

local function fetch(statement)
    local fetched = {}
    for row in statement:rows(true) do fetched[#fetched + 1] = row end
    return fetched
end

local function prepare(self, sql)
    if not self.connection then
        error(mirrors.error("store", ("the store %s is closed"):format(self.path)), 0)
    end
    local statement, problem = self.connection:prepare(sql)
    if not statement then error(problem_of(self.path, problem), 0) end
    return statement
end

-- Runs one statement. Returns its rows.
local function query(self, sql, ...)
    local statement = prepare(self, sql)
    local ok, why = statement:execute(...)
    local fetched, found = pcall(fetch, statement)
    statement:close()
    if not ok or not fetched then error(problem_of(self.path, ok and found or why), 0) end
    return found
end

-- Runs a function as one transaction: all of it is on the disk when it returns, or nothing.
local function transaction(self, body)
    query(self, "BEGIN IMMEDIATE")
    local ok, problem = pcall(body)
    if ok then ok, problem = pcall(query, self, "COMMIT") end
    if not ok then
        -- After some failures SQLite has rolled back already, and says so.
        pcall(query, self, "ROLLBACK")
        error(problem, 0)
    end
end

local conflicts = { new = "ABORT", any = "REPLACE", ["unless there"] = "IGNORE" }

local function insertion(self, name, there)
    local columns = rows.columns[name]
    return prepare(self, ("INSERT OR %s INTO %s (%s, digest) VALUES (%s)"):format(conflicts[there], name,
        table.concat(columns, ", "), ("?, "):rep(#columns) .. "?"))
end

-- To prepare a statement takes as long as to run it: it is kept for the next row, as long as all is well.
local function put(self, name, row, there)
    local key, values = name .. there, rows.values(name, row)
    local statement = self.kept[key] or insertion(self, name, there)
    self.kept[key] = statement
    local ok, why = statement:execute(table.unpack(values, 1, values.n))
    if not ok then
        statement:close()
        self.kept[key] = nil
        error(problem_of(self.path, why), 0)
    end
end

--- Writes rows, all of them or none; each is { table, row, "new"|"any"|"unless there" }: what may be there already.
---@param job string whose they are
---@param changed table[]
function Sqlite:write(job, changed) -- luacheck: no unused args
    if #changed == 1 then
        put(self, table.unpack(changed[1]))
    elseif #changed > 1 then
        transaction(self, function()
            for _, each in ipairs(changed) do put(self, table.unpack(each)) end
        end)
    end
end

--- The rows of a table for which a condition holds; ? stands for a value.
function Sqlite:rows(name, condition, ...)
    return query(self, ("SELECT * FROM %s %s"):format(name, condition), ...)
end

local function value_of(self, pragma)
    local _, value = next(query(self, "PRAGMA " .. pragma)[1] or {})
    return value
end

-- ---- opening ----------------------------------------------------------------------------------------------

-- Without opening the file: to close it again would drop the locks that SQLite has on it in this process.
local function exists(path)
    return os.rename(path, path) ~= nil
end

local function is_directory(path)
    local directory <close> = io.open(path .. "/.")
    return directory ~= nil
end

-- Makes the file, readable by its owner only, in a directory that is the owner's only if it has to be made.
local function make_file(path)
    local made, why = host.make_directory(path:match("^.*/") or ".")
    if not made then
        error(problem_of(path, ("its directory cannot be used (%s); give --store sqlite:FILE"):format(why)), 0)
    end
    local lock, problem = host.lock(path)
    if lock then
        lock:close()
    elseif problem ~= "held" then
        error(problem_of(path, problem .. "; give --store sqlite:FILE"), 0)
    end
end

-- A module of LuaDBI's. Only what is not there needs to be installed.
local function need(module, what)
    local found, loaded = pcall(require, module)
    if found then return loaded end
    local absent = tostring(loaded):find "not found" or tostring(loaded):find "No such file"
    error(mirrors.error("store", absent and ("jobs need %s: apt install lua-dbi-sqlite3"):format(what)
        or ("jobs need %s: %s"):format(what, loaded)), 0)
end

local function connect(path)
    local DBI = need("DBI", "LuaDBI")
    need("dbd.sqlite3", "LuaDBI's SQLite driver")
    local ok, connection, problem = pcall(DBI.Connect, "SQLite3", path)
    if not ok then
        error(problem_of(path, connection), 0)
    elseif not connection then
        error(problem_of(path, problem), 0)
    end
    connection:autocommit(true)
    return connection
end

local function check_file(self)
    local made_by, version = value_of(self, "application_id"), value_of(self, "user_version")
    local tables = query(self, "SELECT count(*) AS count FROM sqlite_master")[1].count
    if made_by ~= application and tables > 0 then
        error(problem_of(self.path, "it is the database of another program; give --store sqlite:FILE"), 0)
    elseif math.type(version) ~= "integer" or version < 0 then
        error(problem_of(self.path, "malformed: its version is " .. tostring(version)), 0)
    elseif version > #migrations then
        error(problem_of(self.path, "a newer kmirror has made it; use that one, or give --store sqlite:FILE"), 0)
    end
    local check = value_of(self, "integrity_check(1)") -- a row that its index lacks would be sent again
    if check ~= "ok" then error(problem_of(self.path, "malformed: " .. check), 0) end
    return version
end

local function seal(self)
    for name in pairs(rows.columns) do
        for _, row in ipairs(query(self, ("SELECT rowid AS place, * FROM %s"):format(name))) do
            query(self, ("UPDATE %s SET digest = ? WHERE rowid = ?"):format(name), rows.digest(name, row), row.place)
        end
    end
end

local function migrate(self, version)
    if version == #migrations then return end
    transaction(self, function()
        -- Another process may have been here since.
        for next_version = value_of(self, "user_version") + 1, #migrations do
            for _, statement in ipairs(migrations[next_version]) do
                if statement == "seal" then
                    seal(self)
                else
                    query(self, statement)
                end
            end
        end
        query(self, "PRAGMA application_id = " .. application)
        query(self, "PRAGMA user_version = " .. #migrations)
    end)
end

local function set_up(self, patience)
    query(self, ("PRAGMA busy_timeout = %d"):format(patience))
    local version = check_file(self)
    query(self, "PRAGMA journal_mode = WAL")
    query(self, "PRAGMA synchronous = FULL")
    query(self, "PRAGMA foreign_keys = ON")
    -- To see that a state is one of three, SQLite makes a table of these, for each row: twice the work of writing it.
    query(self, "PRAGMA ignore_check_constraints = ON")
    migrate(self, version)
end

--- Opens the store in that file, and makes it when it is not there.
---@param path string
---@param patience? integer ms to wait for another process that is writing; 5000
---@return kmirror.store
function M.open(path, patience)
    if is_directory(path) then -- LuaDBI would leak what it could not open
        error(problem_of(path, "it is a directory; give --store sqlite:FILE"), 0)
    elseif not exists(path) then
        make_file(path)
    end
    local self = setmetatable({
        path = path, name = path, url = "sqlite:" .. path, connection = connect(path), kept = {},
    }, Sqlite)
    local ok, problem = pcall(set_up, self, patience or default_patience)
    if not ok then
        self:close()
        error(problem, 0)
    end
    return self
end

function Sqlite:close()
    if self.connection then
        for _, statement in pairs(self.kept) do statement:close() end
        self.connection:close()
        self.connection, self.kept = nil, {}
    end
end

-- ---- key and locks ----------------------------------------------------------------------------------------

local function read_key(path)
    local file <close> = io.open(path, "rb")
    local key = file and file:read("a")
    return key and #key == key_bytes and key or nil
end

-- Several processes may be the first at once: the one that has the file locked makes the key.
local function make_key(path)
    local lock <close>, problem = host.lock(path)
    if not lock then
        error(problem_of(path, problem == "held" and "it is being created; run it again" or problem), 0)
    end
    local key = read_key(path)
    if key then return key end
    key = host.random(key_bytes)
    local ok, why = pcall(files.write, path, key, true) -- on the disk before the store depends on it
    if not ok then error(problem_of(path, "it cannot be written: " .. tostring(why)), 0) end
    return key
end

local function lacks_key(self, path)
    local there <close> = io.open(path, "rb")
    local size = there and there:seek("end")
    local what = not there and "it is not there"
        or size ~= key_bytes and ("it has %d bytes of %d"):format(size, key_bytes)
        or "it is not the one that the store was made with"
    error(problem_of(path, ("%s, and without its key what is recorded in the store cannot be recognised: put the key "
        .. "back from a backup. Without one no job of this store can be resumed: kmirror jobs shows what was done; "
        .. "finish by hand, and move the store away: mv %s %s"):format(what, shell.word(self.path),
        shell.word(self.path .. ".old"))), 0)
end

function Sqlite:secret()
    local path = self.path .. ".key"
    local row = query(self, "SELECT check_value FROM secret")[1]
    local key = read_key(path) or not row and make_key(path) or ""
    local check_value = host.hmac_sha256(key, "kmirror")
    if row and row.check_value ~= check_value then
        lacks_key(self, path)
    elseif not row then
        query(self, "INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)", check_value)
    end
    return key
end

function Sqlite:lock(job)
    local path = ("%s.%s.lock"):format(self.path, job)
    local lock, problem = host.lock(path)
    if not lock and problem ~= "held" then error(problem_of(path, problem), 0) end
    return lock
end

function Sqlite.holders()
    return nil
end

function Sqlite:forget(name)
    query(self, "DELETE FROM jobs WHERE name = ?", name)
end

return M
