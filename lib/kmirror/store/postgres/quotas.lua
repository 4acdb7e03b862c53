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

return M
