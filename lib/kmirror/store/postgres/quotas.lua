--- store.postgres.quotas: the windows by which runners share the rate of an account; kmirror.quota uses them.

local M = {}

--- What makes them; see schema.lua. A row is written many times a second, and has room to be.
M.step = {
    [[CREATE TABLE kmirror.quota (
        account text COLLATE "C" PRIMARY KEY,
        number bigint NOT NULL DEFAULT 0,
        moments double precision[] NOT NULL DEFAULT '{}',
        not_before double precision NOT NULL DEFAULT 0,
        slowness double precision NOT NULL DEFAULT 1,
        throttled_at double precision NOT NULL DEFAULT 0,
        rate double precision NOT NULL,
        stride double precision NOT NULL,
        paused bigint NOT NULL DEFAULT 0,
        generation bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 20)]],
}

M.rights = { "SELECT, INSERT, UPDATE", "kmirror.quota" }

local look = [[
SELECT number, rate, extract(epoch FROM clock_timestamp())::float8 - throttled_at AS since_rejected,
    throttled_at > 0 AS rejected, generation,
    (SELECT count(*) FROM unnest(moments) AS m WHERE abs(m) > extract(epoch FROM clock_timestamp())::float8 - 1) AS now
FROM kmirror.quota WHERE account = ?]]

---@class kmirror.store.quota what runners share of an account's rate
---@field number integer requests that have gone out so far
---@field now integer of them in the last second
---@field rate number requests in any one second, as far as --rate auto has found out
---@field since_rejected number|nil seconds since the last 429

--- Gives a store what tells of it.
---@param Store table the class
function M.add(Store)
    --- nil: nobody has shared it so far.
    ---@param account string digest of it, as kmirror.quota makes it
    ---@return kmirror.store.quota|nil
    function Store:quota(account)
        local row = self.database:query(look, account)[1]
        if row and not row.rejected then row.since_rejected = nil end
        return row
    end
end

return M
