--- support.stores: where specs of jobs keep them: in a file of SQLite's, or, for a spec file that says so before it
--- runs another one, in a database of PostgreSQL's. So the same specs run over both.
local support = require("spec.support")

local M = {}

local server

---From now on stores are in PostgreSQL, whose server is started when it is first needed.
function M.use_postgresql()
    M.postgresql = true
end

---A store that nothing else uses.
---@param name? string of its folder
---@return string url
function M.place(name)
    if not M.postgresql then return support.temporary_directory(name or "store") .. "/jobs.db" end
    server = server or require("spec.support.postgres").start()
    local url = server:url(server:database())
    local made = support.run { "store", "init", "--store", url }
    assert(made.status == 0, made.stderr)
    return url
end

---A spec of what only a file has: its title and body, as it() takes them.
function M.it_in_file(it, ...)
    if not M.postgresql then it(...) end
end

---The environment of a run, with leases that run out soon.
---@param env? table
---@return table
function M.env(env)
    local all = { KMIRROR_LEASE = M.postgresql and "1" or nil }
    for name, value in pairs(env or {}) do all[name] = value end
    return all
end

---What is written in a store, as text.
---@param url string
---@return string
function M.content(url)
    if not M.postgresql then return support.read(url) .. support.read(url .. "-wal") end
    return server:sql("SELECT changes::text, runs::text, jobs::text FROM kmirror.changes, kmirror.runs, kmirror.jobs",
        url:match("[^/]+$"))
end

---Ends the server, if there is one.
function M.stop()
    if server then server:stop() end
    server = nil
end

return M
