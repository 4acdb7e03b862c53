--- store.postgres: the store in a PostgreSQL database, which several runners on several machines share. Its tables are
--- in store/postgres/schema.lua, who holds a job in store/postgres/lease.lua.

local approvals = require("kmirror.store.postgres.approvals")
local databases = require("kmirror.store.postgres.database")
local items = require("kmirror.store.postgres.items")
local leases = require("kmirror.store.postgres.lease")
local mirrors = require("mirrors")
local quotas = require("kmirror.store.postgres.quotas")
local records = require("kmirror.store.records")
local rows = require("kmirror.store.rows")
local schema = require("kmirror.store.postgres.schema")

local M = {}

---@class kmirror.store.postgres: kmirror.store.records
---@field database kmirror.store.postgres.database
---@field user string as the database knows who is connected
local Postgres = setmetatable({}, { __index = records })
Postgres.__index = Postgres

items.add(Postgres)
approvals.add(Postgres)
quotas.add(Postgres)

-- ---- statements -------------------------------------------------------------------------------------------

local keys = { jobs = "name", runs = "job, number", changes = "job, number", seen = "job, cluster, id" }

local function quoted(column)
    return '"' .. column .. '"'
end

-- What becomes of a row that is there already. "new" is written again, as its first writing may have gone unanswered.
-- One that stays as it is counts as written, too: none at all tells that the lease was not valid.
local function conflict(name, there)
    if there == "unless there" then
        return ("DO UPDATE SET digest = kmirror.%s.digest"):format(name)
    end
    local parts = {}
    for i, column in ipairs(rows.columns[name]) do
        parts[i] = ("%s = excluded.%s"):format(quoted(column), quoted(column))
    end
    return "DO UPDATE SET " .. table.concat(parts, ", ") .. ", digest = excluded.digest"
end

local function insertion(name, there)
    local columns, values = {}, {}
    for i, column in ipairs(rows.columns[name]) do
        columns[i], values[i] = quoted(column), "?::" .. rows.type_of(column)
    end
    return ("%sINSERT INTO kmirror.%s (%s, digest) SELECT %s, ?::text FROM fence ON CONFLICT (%s) %s"):format(
        leases.fence, name, table.concat(columns, ", "), table.concat(values, ", "), keys[name], conflict(name, there))
end

-- PostgreSQL takes only UTF-8, and what a server or proxy says is kept as far as it is that.
local function kept(row)
    if row.problem and not utf8.len(row.problem) then
        return setmetatable({ problem = row.problem:gsub("[\x80-\xff]", "?") }, { __index = row })
    end
    return row
end

local insertions = {} -- by table and what may be there

local function statement(lease, name, row, there)
    local id = name .. there
    insertions[id] = insertions[id] or insertion(name, there)
    local own, values = table.pack(lease:values()), rows.values(name, kept(row))
    table.move(values, 1, values.n, own.n + 1, own)
    own.n = own.n + values.n
    return { insertions[id], own }
end

-- Times come back as they were written, to the last digit, which a row's digest is of: also where fewer are usual.
local exactly = "WITH exact AS MATERIALIZED (SELECT set_config('extra_float_digits', '3', true)) "

function Postgres:rows(name, condition, ...)
    return self.database:query(("%sSELECT %s.* FROM exact, kmirror.%s %s"):format(exactly, name, name, condition), ...)
end

-- Whether the lease was valid.
local function written(self, lease, changed)
    local found = self.database:transaction(function()
        local statements = {}
        for i, each in ipairs(changed) do statements[i] = statement(lease, table.unpack(each)) end
        return statements
    end)
    return found[#found].count > 0
end

function Postgres:write(job, changed)
    if #changed == 0 then return end
    local lease = self.lease
    if not lease or lease.job ~= job then
        error(mirrors.error("store", ("the store %s: job '%s' is not held by this run"):format(self.name, job)), 0)
    end
    if not written(self, lease, changed) then
        lease:renew() -- it ran out, and nobody has taken the job; else this raises
        if not written(self, lease, changed) then
            lease:renew()
            error(mirrors.error("store", ("the store %s: the lease on job '%s' runs out faster than it is renewed")
                :format(self.name, job)), 0)
        end
    end
end

-- ---- key, locks and what is no row of a run -----------------------------------------------------------------

function Postgres:secret()
    local found = self.database:query("SELECT key FROM kmirror.secret")[1]
    if not found then
        error(mirrors.error("store", ("the store %s: its key is gone, and without it what is recorded cannot be "
            .. "recognized: put the database back from a backup"):format(self.name)), 0)
    end
    return found.key
end

--- A lease on a job, beside which nobody has one; nil while another runner has. Only while it is held can the job be
--- written to.
---@param job string
---@param shared? boolean others may have shared ones, too
---@return kmirror.store.postgres.lease|nil
function Postgres:lock(job, shared)
    local lease = leases.take(self.database, job, shared)
    self.lease = lease or self.lease
    return lease
end

function Postgres:holders(job)
    return leases.holders(self.database, job)
end

--- Which right a runner needs and this user does not have; nil when there is none.
---@return string|nil
function Postgres:lacking()
    return schema.lacking(self.database)
end

--- What time it is, by the clock that leases go by.
---@return number seconds since the epoch
function Postgres:time()
    return self.database:query("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")[1].now
end

--- Which version its tables have.
---@return integer
function Postgres:version()
    return schema.version(self.database)
end

function Postgres:forget(name)
    self.database:query("DELETE FROM kmirror.jobs WHERE name = ?", name)
end

function Postgres:close()
    if self.lease then self.lease:close() end
    self.database:close()
end

--- Opens the store in a database whose schema is this kmirror's. Raises `store`.
---@param url string as libpq takes it, without a password
---@return kmirror.store
function M.open(url)
    local database = databases.open(url)
    local self = setmetatable({ database = database, name = url, url = url }, Postgres)
    local ok, problem = pcall(schema.check, database)
    if ok then ok, problem = pcall(database.query, database, 'SELECT session_user AS "user"') end
    if not ok then
        database:close()
        error(problem, 0)
    end
    self.user = problem[1].user
    return self
end

return M
