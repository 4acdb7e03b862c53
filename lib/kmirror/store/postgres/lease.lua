--- store.postgres.lease: who holds a job, and until when, by the database's clock alone. A lease is renewed in the
--- background; who dies, hangs or is cut off does not renew it, and somebody else may take the job.
---
--- Its token fences what its holder writes: each write is done only while the lease with that token is valid, in one
--- statement. With each new connection the token is a new one, so that what is still under way over an old one comes to
--- nothing. And no change is sent to the API later than the lease is surely valid: mirrors.changes_until().

local host = require("host")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local postgres = require("postgres")
local shell = require("kmirror.shell")
local task = require("task")

local M = {}

--- For how many seconds a lease is valid, unless it is renewed.
---@return number
function M.seconds()
    local seconds = tonumber(os.getenv("KMIRROR_LEASE") or "")
    return seconds and math.max(seconds, 1) or 15
end

---@class kmirror.store.postgres.lease: kmirror.lock
---@field token integer
---@field ended any|nil the error object of whoever lost it
local Lease = {}
Lease.__index = Lease
Lease.__close = function(self)
    self:close()
end

-- ---- taking -----------------------------------------------------------------------------------------------

local insert = [[
    INSERT INTO kmirror.leases (job, runner, shared, host, pid, expires)
    SELECT ?::text, ?::uuid, ?::boolean, ?::text, ?::bigint, clock_timestamp() + ?::float8 * interval '1 second'
    WHERE NOT EXISTS (SELECT 1 FROM kmirror.leases WHERE job = ? AND runner <> ?::uuid AND NOT (shared AND ?::boolean))
    ON CONFLICT (job, runner) DO UPDATE SET expires = excluded.expires
    RETURNING token]]

local function statements(self)
    local job, runner, shared = self.job, self.runner, self.shared
    return {
        { "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", { "kmirror job " .. job } },
        { "DELETE FROM kmirror.leases WHERE job = ? AND expires <= clock_timestamp() AND NOT (shared AND ?::boolean)",
            { job, shared } },
        { insert, { job, runner, shared, host.machine(), host.process(), self.seconds, job, runner, shared } },
    }
end

-- Until when changes may surely be sent, as it was asked for at that moment.
local function valid(self, asked)
    self.until_ = asked + self.seconds * 0.9
    mirrors.changes_until(self.until_, function()
        self:await()
    end)
end

local function lose(self)
    local holder = M.holders(self.database, self.job)[1]
    local who = holder and (": %s@%s (process %d) has it"):format(holder.user, holder.host, holder.pid) or ""
    local command = ("kmirror jobs %s %s --store %s"):format(holder and "show" or "resume", shell.word(self.job),
        shell.word(self.database.name))
    self.ended = mirrors.error("store", ("the store %s: this run has lost job '%s', as its lease ran out before it was "
        .. "renewed%s; it sends no further change. What it had sent is reconciled by the run that goes on: "
        .. "%s"):format(self.database.name, self.job, who, command))
    error(self.ended, 0)
end

-- Asks for the lease to be valid for longer. On a new connection, with a new token.
local function renew(self, ask, anew)
    if self.ended then error(self.ended, 0) end
    local asked = task.now()
    local found, problem = ask("UPDATE kmirror.leases SET expires = clock_timestamp() + ?::float8 * interval '1 second'"
        .. (anew and ", token = DEFAULT" or "") .. " WHERE job = ? AND runner = ?::uuid RETURNING token",
        self.seconds, self.job, self.runner)
    if not found then
        return problem
    elseif #found == 0 then
        self.lost_now = true
        return
    end
    self.token = found[1].token
    valid(self, asked)
end

--- Renews it at once. Raises `store` when it is lost.
function Lease:renew()
    renew(self, function(...)
        return self.database:query(...)
    end)
    if self.lost_now then lose(self) end
end

-- What comes first over a new connection.
local function reconnected(self)
    local problem = renew(self, function(...)
        return self.database:ask(...)
    end, true)
    if problem then error(problem, 0) end
end

-- It goes on after an interrupt, as long as others do: what is under way is brought to its end.
local function keep_renewing(self)
    while not self.closed and not self.ended and host.left() >= 0 do
        self.alarm:wait(self.seconds / 3, true)
        if not self.closed and host.left() >= 0 then
            local ok, e = pcall(self.renew, self)
            if not ok and not self.closed then
                log.error("%s", type(e) == "table" and e.message or tostring(e))
                self.ended = self.ended or e
            end
        end
    end
end

--- Takes a lease on a job; nil while another runner holds one.
---@param database kmirror.store.postgres.database
---@param job string
---@param shared? boolean others may have shared ones at the same time
---@return kmirror.store.postgres.lease|nil
function M.take(database, job, shared)
    local self = setmetatable({
        database = database, job = job, shared = shared or false, seconds = M.seconds(), alarm = postgres.alarm(),
        runner = (host.random(16):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)),
    }, Lease)
    local asked = task.now()
    local found = database:transaction(statements(self))[3][1]
    if not found then return nil end
    self.token = found.token
    valid(self, asked)
    database.on_connect = function()
        reconnected(self)
    end
    self.task = host.background(task.spawn(keep_renewing, self))
    return self
end

-- ---- holding ----------------------------------------------------------------------------------------------

--- The values for `fence`.
---@return string job
---@return string runner
---@return integer token
function Lease:values()
    return self.job, self.runner, self.token
end

--- A row, for as long as the statement takes, while the lease is valid; none when it is not. What is written with it
--- is on the server's disk when it is answered, also where the database is set to answer sooner: a change goes out on
--- that.
M.fence = "WITH fence AS MATERIALIZED (SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN "
    .. "set_config('synchronous_commit', 'on', true) END FROM kmirror.leases WHERE job = ? AND runner = ?::uuid "
    .. "AND token = ? AND expires > clock_timestamp() FOR SHARE) "

--- Waits until changes may be sent. Raises `store` when the lease is lost, or cannot be renewed.
function Lease:await()
    while task.now() >= self.until_ do
        if self.ended then error(self.ended, 0) end
        self:renew()
    end
end

--- Gives it back. What could not be given back runs out.
function Lease:close()
    if self.closed then return end
    self.closed = true
    mirrors.changes_until()
    self.alarm:ring()
    self.database.on_connect = nil
    if self.database.connection and not self.ended then
        self.database:ask("DELETE FROM kmirror.leases WHERE job = ? AND runner = ?::uuid", self.job, self.runner)
    end
end

--- Who holds a job.
---@param database kmirror.store.postgres.database
---@param job string
---@return kmirror.store.holder[]
function M.holders(database, job)
    return database:query([[SELECT "user", host, pid, runner::text AS runner,
        extract(epoch FROM since)::float8 AS since, extract(epoch FROM expires)::float8 AS expires,
        extract(epoch FROM expires - clock_timestamp())::float8 AS "left"
        FROM kmirror.leases WHERE job = ? AND expires > clock_timestamp() ORDER BY since]], job)
end

return M
