--- store.postgres.approvals: what runs of jobs ask other users to approve. Who has asked, and who decides, is who the
--- database knows them as (session_user); that nobody approves what he has asked for himself is seen to by functions of
--- the database, as a runner may read the table, but not write to it.

local leases = require("kmirror.store.postgres.lease")
local mirrors = require("mirrors")

local M = {}

--- What makes them; see schema.lua.
M.step = {
    [[CREATE TABLE kmirror.approvals (
        job text COLLATE "C" PRIMARY KEY REFERENCES kmirror.jobs ON DELETE CASCADE,
        run bigint NOT NULL,
        digest text NOT NULL,
        shown text NOT NULL,
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL,
        until timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'approved', 'refused')),
        decided_by text,
        decided_at timestamptz,
        why text,
        CHECK (state = 'asked' OR decided_by IS NOT NULL),
        CHECK (state <> 'approved' OR decided_by <> asked_by)
    )]],
    -- Asked for a second time by the same run, as the answer to the first was lost, it stays as it is.
    [[CREATE FUNCTION kmirror.ask_approval(job text, run bigint, digest text, shown text, seconds float8)
        RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = kmirror, pg_temp AS $$
            INSERT INTO kmirror.approvals AS a (job, run, digest, shown, asked_by, asked_at, until)
            VALUES ($1, $2, $3, $4, session_user, clock_timestamp(), clock_timestamp() + $5 * interval '1 second')
            ON CONFLICT (job) DO UPDATE SET run = $2, digest = $3, shown = $4, asked_by = excluded.asked_by,
                asked_at = excluded.asked_at, until = excluded.until, state = 'asked', decided_by = NULL,
                decided_at = NULL, why = NULL
            WHERE a.run <> $2 OR a.digest <> $3;
            SELECT true
        $$]],
    [[CREATE FUNCTION kmirror.decide_approval(its_job text, its_digest text, its_state text, its_why text) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = kmirror, pg_temp AS $$
            DECLARE
                its kmirror.approvals;
            BEGIN
                SELECT * INTO its FROM kmirror.approvals WHERE job = its_job FOR UPDATE;
                IF NOT FOUND OR its.digest <> its_digest THEN
                    RETURN 'changed';
                ELSIF its.state = its_state AND its.decided_by = session_user THEN
                    RETURN 'done';
                ELSIF its.state <> 'asked' THEN
                    RETURN 'decided';
                ELSIF its.until <= clock_timestamp() THEN
                    RETURN 'late';
                ELSIF its_state = 'approved' AND its.asked_by = session_user THEN
                    RETURN 'self';
                END IF;
                UPDATE kmirror.approvals SET state = its_state, decided_by = session_user,
                    decided_at = clock_timestamp(), why = its_why WHERE job = its_job;
                RETURN 'done';
            END
        $$]],
    [[REVOKE EXECUTE ON FUNCTION kmirror.ask_approval(text, bigint, text, text, float8),
        kmirror.decide_approval(text, text, text, text) FROM PUBLIC]],
}

--- What a runner may do with them.
M.rights = {
    { "SELECT", "kmirror.approvals" },
    { "EXECUTE", "FUNCTION kmirror.ask_approval(text, bigint, text, text, float8)" },
    { "EXECUTE", "FUNCTION kmirror.decide_approval(text, text, text, text)" },
}

local columns = [[run, digest, shown, asked_by, extract(epoch FROM asked_at)::float8 AS asked_at,
    extract(epoch FROM until - clock_timestamp())::float8 AS "left", state, decided_by,
    extract(epoch FROM decided_at)::float8 AS decided_at, why, asked_by = session_user AS own]]

-- Only who holds the job may ask: whether that was so.
local function ask(self, lease, job, asked)
    local values = table.pack(lease:values())
    for _, value in ipairs({ job, asked.run, asked.digest, asked.shown, asked.seconds }) do
        values.n = values.n + 1
        values[values.n] = value
    end
    return #self.database:query(leases.fence .. "SELECT kmirror.ask_approval(?::text, ?::bigint, ?::text, ?::text, "
        .. "?::float8) AS asked FROM fence", table.unpack(values, 1, values.n)) > 0
end

--- The methods of a store that approvals take; see kmirror.store.
---@param Store table the class
function M.add(Store)
    function Store:ask_approval(job, asked)
        local lease = self.lease
        if not (lease and lease.job == job and ask(self, lease, job, asked)) then
            if lease then lease:renew() end -- raises when it is lost
            if not (lease and ask(self, lease, job, asked)) then
                error(mirrors.error("store", ("the store %s: job '%s' is not held by this run"):format(self.name, job)),
                    0)
            end
        end
        return self:approval(job)
    end

    function Store:approval(job)
        return self.database:query(("SELECT %s FROM kmirror.approvals WHERE job = ?"):format(columns), job)[1]
    end

    function Store:decide_approval(job, given)
        return self.database:query("SELECT kmirror.decide_approval(?::text, ?::text, ?::text, ?::text) AS answer", job,
            given.digest, given.state, given.why)[1].answer
    end
end

return M
