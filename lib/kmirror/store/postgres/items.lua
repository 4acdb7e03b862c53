--- store.postgres.items: items of jobs that several runners share; see kmirror.joint.
---
--- Each statement goes with the runner's own lease, as all that is written does: it does nothing for one that has lost
--- it. An item whose runner has no lease any more is free. Leases that have run out are removed now and then, but not
--- while their runners are just writing. As any statement may be carried out twice, a claim has a number, by
--- which it finds what it has got already.

local json = require("kmirror.json")
local leases = require("kmirror.store.postgres.lease")
local mirrors = require("mirrors")
local task = require("task")

local M = {}

local between_removals = 1 -- seconds between two looks for leases that have run out
local others_come_back = 3 -- seconds after the database was away in which leases of that time are renewed

--- The tables, as a step of the schema.
M.step = {
    "CREATE INDEX changes_position ON kmirror.changes (job, position)",
    "CREATE INDEX changes_item ON kmirror.changes (job, item) WHERE item IS NOT NULL",
    "CREATE INDEX seen_position ON kmirror.seen (job, position)",
    [[CREATE TABLE kmirror.items (
        job text COLLATE "C" NOT NULL REFERENCES kmirror.jobs ON DELETE CASCADE,
        part text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        number integer NOT NULL,
        batch integer NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'claimed', 'done', 'failed')),
        runner uuid,
        claim bigint,
        run bigint,
        before bigint,
        problem text,
        value text,
        PRIMARY KEY (job, part, key)
    )]],
}

--- What a runner may do with them.
M.rights = { "SELECT, INSERT, UPDATE, DELETE", "kmirror.items" }

-- ---- statements -------------------------------------------------------------------------------------------

local is_live = "EXISTS (SELECT 1 FROM kmirror.leases l WHERE l.job = i.job AND l.runner = i.runner)"
local is_free = "(i.state = 'open' OR i.state = 'claimed' AND NOT " .. is_live .. ")"
local valid = "EXISTS (SELECT 1 FROM fence) AS valid"

local share = leases.fence .. [[, shared AS (
    INSERT INTO kmirror.items (job, part, key, number, batch, state, runner)
    SELECT ?::text, ?::text, u.key, u.number, u.batch, 'open', ?::uuid
    FROM fence, unnest(?::text[], ?::integer[], ?::integer[]) AS u (key, number, batch)
    ON CONFLICT DO NOTHING) SELECT ]] .. valid

-- No runner takes more than a half of its share of what is left, so that the last items are not all with one. None
-- takes any of a part that is stopped: that is noted as an item of its own, which has failed, and is opened again with
-- others.
local claim = leases.fence .. [[, own AS (SELECT ?::text AS job, ?::text AS part, ?::uuid AS runner, ?::bigint AS claim,
        ?::text[] AS foreigners, ?::integer AS batch),
    stopped AS (SELECT s.problem FROM own JOIN kmirror.items s ON s.job = own.job AND s.part = own.part || ' stopped'
        WHERE s.state = 'failed'),
    again AS (SELECT i.key, i.before FROM kmirror.items i JOIN own USING (job, part, runner, claim)),
    share AS (SELECT count(*) / (2 * greatest(1, (SELECT count(*) FROM kmirror.leases JOIN own USING (job)))) AS most
        FROM kmirror.items i JOIN own USING (job, part, batch) WHERE ]] .. is_free .. [[),
    free AS (SELECT i.key, i.run FROM kmirror.items i JOIN own USING (job, part, batch) WHERE ]] .. is_free .. [[
        AND i.key <> ALL (own.foreigners) AND EXISTS (SELECT 1 FROM fence) AND NOT EXISTS (SELECT 1 FROM again)
        AND NOT EXISTS (SELECT 1 FROM stopped)
        ORDER BY i.number LIMIT least(?::bigint, greatest(1, (SELECT most FROM share))) FOR UPDATE OF i SKIP LOCKED),
    taken AS (UPDATE kmirror.items i SET state = 'claimed', runner = own.runner, claim = own.claim, before = free.run,
        run = ?::bigint FROM free, own WHERE i.job = own.job AND i.part = own.part AND i.key = free.key
        RETURNING i.key, i.before)
    SELECT ]] .. valid .. [[, (SELECT problem FROM stopped) AS stopped,
        (SELECT json_agg(t) FROM (SELECT * FROM taken UNION ALL SELECT * FROM again) t)::text AS claimed,
        count(*) AS total, count(*) FILTER (WHERE i.state = 'done') AS done,
        count(*) FILTER (WHERE i.state = 'failed') AS failed,
        count(*) FILTER (WHERE i.state = 'failed' AND i.batch < own.batch) AS failed_before,
        count(*) FILTER (WHERE i.state = 'failed' AND i.batch = own.batch) AS failed_now,
        count(*) FILTER (WHERE i.batch = own.batch
            AND (i.state = 'open' OR i.state = 'claimed' AND i.runner IS DISTINCT FROM own.runner)
            AND (i.key <> ALL (own.foreigners) OR ]] .. is_live .. [[)) AS busy
    FROM kmirror.items i JOIN own USING (job, part)]]

local stop = leases.fence .. [[, stopped AS (
    INSERT INTO kmirror.items (job, part, key, number, batch, state, problem)
    SELECT ?::text, ?::text || ' stopped', '', 0, 0, 'failed', ?::text FROM fence
    ON CONFLICT (job, part, key) DO UPDATE SET state = 'failed', problem = excluded.problem) SELECT ]] .. valid

local finish = leases.fence .. [[, ended AS (
    UPDATE kmirror.items SET state = ?::text, problem = ?::text, value = ?::text
    FROM fence WHERE job = ? AND part = ? AND key = ? AND runner = ?::uuid) SELECT ]] .. valid

local release = leases.fence .. [[, released AS (
    UPDATE kmirror.items SET state = 'open', runner = NULL FROM fence
    WHERE job = ? AND runner = ?::uuid AND state = 'claimed'
    AND (?::text IS NULL OR part = ?::text AND key = ANY (?::text[]))) SELECT ]] .. valid

-- Only by the first of several.
local reopen = leases.fence .. [[, reopened AS (
    UPDATE kmirror.items SET state = 'open', problem = NULL, value = NULL FROM fence
    WHERE job = ? AND state = 'failed'
    AND NOT EXISTS (SELECT 1 FROM kmirror.leases l WHERE l.job = items.job AND l.runner <> ?::uuid
        AND l.expires > clock_timestamp())) SELECT ]] .. valid

local position = [[SELECT 1 + greatest(0, (SELECT max(position) FROM kmirror.changes WHERE job = ?),
    (SELECT max(position) FROM kmirror.seen WHERE job = ?)) AS position]]

-- ---- asking -----------------------------------------------------------------------------------------------

local function attempt(self, lease, sql, values)
    return self.database:transaction(function()
        local all = table.pack(lease:values())
        table.move(values, 1, values.n, all.n + 1, all)
        all.n = all.n + values.n
        return { { sql, all } }
    end)[1][1]
end

-- Asks while the lease is valid. Raises `store` when it is lost.
local function ask(self, sql, ...)
    local lease, values = self.lease, table.pack(...)
    local found = attempt(self, lease, sql, values)
    if not found.valid then
        lease:renew() -- it ran out, and nobody has removed it; else this raises
        found = attempt(self, lease, sql, values)
    end
    if not found.valid then
        lease:renew()
        error(mirrors.error("store", ("the store %s: the lease on job '%s' runs out faster than it is renewed"):format(
            self.database.name, lease.job)), 0)
    end
    return found
end

local function array(values)
    return "{" .. table.concat(values, ",") .. "}"
end

local function column(items, name)
    local values = {}
    for i, item in ipairs(items) do values[i] = item[name] end
    return array(values)
end

-- PostgreSQL takes only UTF-8, without zero bytes.
local function kept(text)
    return text and (not utf8.len(text) or text:find("\0", 1, true)) and text:gsub("[\x80-\xff\0]", "?") or text
end

-- ---- what the store can do ----------------------------------------------------------------------------------

local methods = {}

function methods:next_position(job)
    return self.database:query(position, job, job)[1].position
end

function methods:share_items(job, part, items)
    ask(self, share, job, part, self.lease.runner, column(items, "key"), column(items, "number"),
        column(items, "batch"))
end

-- A lease that somebody is just writing with stays until that is over: to wait for it would keep this runner from
-- renewing its own, which it does not remove, as it may be late itself.
local remove = [[DELETE FROM kmirror.leases WHERE job = ?::text AND runner IN (
    SELECT runner FROM kmirror.leases WHERE job = ?::text AND runner <> ?::uuid AND expires <= clock_timestamp()
    FOR UPDATE SKIP LOCKED)]]

-- What those had who are gone is free from here on. When the database was away, all leases may have run out meanwhile.
local function remove_leases(self, job)
    local now = task.now()
    if now >= self.database.connected + others_come_back and now >= (self.removed or -math.huge) + between_removals then
        self.removed = now
        self.database:query(remove, job, job, self.lease.runner)
    end
end

function methods:claim_items(job, part, how)
    remove_leases(self, job)
    self.claims = (self.claims or 0) + 1
    local found = ask(self, claim, job, part, self.lease.runner, self.claims, array(how.foreign), how.batch, how.most,
        how.run)
    return found.claimed and json.decode(found.claimed) or {}, found
end

function methods:stop_part(job, part, why)
    ask(self, stop, job, part, kept(why))
end

function methods:end_item(job, part, item)
    ask(self, finish, item.state, kept(item.problem), kept(item.value), job, part, item.key, self.lease.runner)
end

function methods:release_items(job, part, keys)
    ask(self, release, job, self.lease.runner, part, part, keys and array(keys))
end

function methods:reopen_items(job)
    ask(self, reopen, job, self.lease.runner)
end

function methods:items(job, part)
    return self.database:query("SELECT key, number, batch, state, run, problem, value FROM kmirror.items "
        .. "WHERE job = ? AND part = ? ORDER BY number, key", job, part)
end

--- Gives a store these methods.
---@param class table
function M.add(class)
    for name, method in pairs(methods) do class[name] = method end
end

return M
