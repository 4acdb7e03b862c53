--- sqlite: the store as one SQLite file, through LuaDBI.
---
--- Beside the file FILE there are FILE.key with the key for digests, and FILE.JOB.lock, one for each job,
--- which is locked while a process works on it. All of them are readable by their owner only.

local host = require("host")
local json = require("kmirror.json")
local mirrors = require("mirrors")

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
}

-- ---- errors -----------------------------------------------------------------------------------------------

-- What SQLite says, and what to do about it.
local advice = {
    { "full", "make room on that disk and run it again" },
    { "I/O error", "see to that disk and run it again" },
    { "locked", "another process has been writing to it for too long" },
    { "readonly", "it must be writable, and so must its directory; or give --store sqlite:FILE" },
    { "unable to open", "it must be writable, and so must its directory; or give --store sqlite:FILE" },
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

---@class kmirror.store.sqlite: kmirror.store
local Sqlite = {}
Sqlite.__index = Sqlite

local function fetch(statement)
    local rows = {}
    for row in statement:rows(true) do
        rows[#rows + 1] = row
    end
    return rows
end

-- Runs one statement. Returns its rows.
local function query(self, sql, ...)
    if not self.connection then
        error(mirrors.error("store", ("the store %s is closed"):format(self.path)), 0)
    end
    local statement, problem = self.connection:prepare(sql)
    if not statement then
        error(problem_of(self.path, problem), 0)
    end
    local ok, why = statement:execute(...)
    local fetched, rows = pcall(fetch, statement)
    statement:close()
    if not ok or not fetched then
        error(problem_of(self.path, ok and rows or why), 0)
    end
    return rows
end

-- Runs a function as one transaction: all of it is on the disk when it returns, or nothing.
local function transaction(self, body)
    query(self, "BEGIN IMMEDIATE")
    local ok, problem = pcall(body)
    if ok then
        ok, problem = pcall(query, self, "COMMIT")
    end
    if not ok then
        -- After some failures SQLite has rolled back already, and says so.
        pcall(query, self, "ROLLBACK")
        error(problem, 0)
    end
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

local function connect(path)
    local found, DBI = pcall(require, "DBI")
    if not found then
        error(mirrors.error("store", "jobs need LuaDBI: apt install lua-dbi-sqlite3"), 0)
    end
    local ok, connection, problem = pcall(DBI.Connect, "SQLite3", path)
    if not ok then
        error(mirrors.error("store", "jobs need LuaDBI's SQLite driver: apt install lua-dbi-sqlite3"), 0)
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
    elseif version > #migrations then
        error(problem_of(self.path, "a newer kmirror has made it; use that one, or give --store sqlite:FILE"), 0)
    end
    local check = value_of(self, "quick_check(1)")
    if check ~= "ok" then
        error(problem_of(self.path, "malformed: " .. check), 0)
    end
    return version
end

local function migrate(self, version)
    if version == #migrations then
        return
    end
    transaction(self, function()
        -- Another process may have been here since.
        for next_version = value_of(self, "user_version") + 1, #migrations do
            for _, statement in ipairs(migrations[next_version]) do
                query(self, statement)
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
    local self = setmetatable({ path = path, url = "sqlite:" .. path, connection = connect(path) }, Sqlite)
    local ok, problem = pcall(set_up, self, patience or default_patience)
    if not ok then
        self:close()
        error(problem, 0)
    end
    return self
end

function Sqlite:close()
    if self.connection then
        self.connection:close()
        self.connection = nil
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
        error(problem_of(path, problem == "held" and "it is being made; run it again" or problem), 0)
    end
    local key = read_key(path)
    if key then
        return key
    end
    key = host.random(key_bytes)
    local file <close> = io.open(path, "wb")
    if not (file and file:write(key) and file:flush()) then
        error(problem_of(path, "it cannot be written"), 0)
    end
    return key
end

function Sqlite:secret()
    local path = self.path .. ".key"
    local row = query(self, "SELECT check_value FROM secret")[1]
    local key = read_key(path) or not row and make_key(path) or ""
    local check_value = host.hmac_sha256(key, "kmirror")
    if row and row.check_value ~= check_value then
        error(problem_of(path, "the key is not the one that the store was made with, so what is recorded in it "
            .. "cannot be recognised: put the key back, or move the store away"), 0)
    elseif not row then
        query(self, "INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)", check_value)
    end
    return key
end

function Sqlite:lock(job)
    local path = ("%s.%s.lock"):format(self.path, job)
    local lock, problem = host.lock(path)
    if not lock and problem ~= "held" then
        error(problem_of(path, problem), 0)
    end
    return lock
end

-- ---- jobs and runs ----------------------------------------------------------------------------------------

function Sqlite:jobs()
    return query(self, "SELECT * FROM jobs ORDER BY name")
end

function Sqlite:job(name)
    return query(self, "SELECT * FROM jobs WHERE name = ?", name)[1]
end

function Sqlite:forget(name)
    query(self, "DELETE FROM jobs WHERE name = ?", name)
end

function Sqlite:begin_run(job, run)
    transaction(self, function()
        query(self, "INSERT OR IGNORE INTO jobs (name, script, target, created) VALUES (?, ?, ?, ?)",
            job.name, job.script, job.target, job.created)
        query(self, [[INSERT INTO runs (job, number, args, directory, settings, started)
            VALUES (?, ?, ?, ?, ?, ?)]], job.name, run.number, json.encode(json.array(run.args)), run.directory,
            json.encode(run.settings), run.started)
    end)
end

function Sqlite:end_run(job, run, unasked)
    transaction(self, function()
        query(self, "UPDATE runs SET ended = ?, status = ? WHERE job = ? AND number = ?",
            run.ended, run.status, job, run.number)
        if unasked then
            query(self, "UPDATE changes SET asked = 1 WHERE job = ? AND asked = 0", job)
            for _, number in ipairs(unasked) do
                query(self, "UPDATE changes SET asked = 0 WHERE job = ? AND number = ?", job, number)
            end
        end
    end)
end

function Sqlite:runs(job)
    local rows = query(self, "SELECT * FROM runs WHERE job = ? ORDER BY number", job)
    for _, row in ipairs(rows) do
        row.job, row.args, row.settings = nil, json.decode(row.args), json.decode(row.settings)
    end
    return rows
end

-- ---- changes and what was seen ----------------------------------------------------------------------------

function Sqlite:write_change(job, change)
    query(self, [[INSERT OR REPLACE INTO changes (job, number, position, key, operation, cluster, id, arguments,
        state, problem, run, sent, answered, asked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
        job, change.number, change.order, change.key, change.operation, change.cluster, change.id,
        json.encode(change.arguments), change.state, change.problem, change.run, change.sent, change.answered,
        change.asked)
end

function Sqlite:changes(job)
    local rows = query(self, "SELECT * FROM changes WHERE job = ? ORDER BY number", job)
    for _, row in ipairs(rows) do
        row.job, row.order, row.position = nil, row.position, nil
        row.arguments, row.asked = json.decode(row.arguments), row.asked ~= 0
    end
    return rows
end

function Sqlite:write_seen(job, seen)
    transaction(self, function()
        for _, id in ipairs(seen.ids) do
            query(self, "INSERT INTO seen (job, cluster, id, position) VALUES (?, ?, ?, ?)",
                job, seen.cluster, id, seen.order)
        end
    end)
end

function Sqlite:seen(job)
    local all = {}
    local rows = query(self, "SELECT cluster, id, position FROM seen WHERE job = ? ORDER BY position, cluster, id", job)
    for _, row in ipairs(rows) do
        local last = all[#all]
        if not last or last.order ~= row.position or last.cluster ~= row.cluster then
            last = { order = row.position, cluster = row.cluster, ids = {} }
            all[#all + 1] = last
        end
        last.ids[#last.ids + 1] = row.id
    end
    return all
end

return M
