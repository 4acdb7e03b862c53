--- store.postgres.problem: what libpq and the server say, what to do about it, and whether it passes by itself.

local shell = require("kmirror.shell")

local M = {}

-- SQLSTATE, whole or its class, of what another attempt over a new connection may not meet.
local passing = {
    ["08"] = true, -- the connection
    ["40"] = true, -- it was rolled back because of others
    ["53"] = true, -- too many connections, no memory, a full disk
    ["57P01"] = true, ["57P02"] = true, ["57P03"] = true, -- it shuts down, has crashed, or is not up yet
    ["25006"] = true, -- it is a standby (by now)
    ["57014"] = true, ["55P03"] = true, -- a statement, or its wait for a lock, was cancelled: by a time limit, say
}

--- Whether it may pass by itself.
---@param problem table as the module postgres gives it
---@return boolean
function M.is_passing(problem)
    local state = problem.sqlstate
    return problem.lost == true or state ~= nil and (passing[state] or passing[state:sub(1, 2)] or false)
end

--- What was said, on one line.
---@param problem table
---@return string
function M.reason(problem)
    local words = problem.message:gsub("%s*\n%s*", "; ")
    if problem.detail then words = words .. " (" .. problem.detail .. ")" end
    return words
end

-- By the words, which is all that there is of what happens before there is a SQLSTATE, else by that.
local init, migrate = "kmirror store init --store %s", "kmirror store migrate --store %s"
local no_room = "it has no room for another connection: raise max_connections or the role's CONNECTION LIMIT, or use "
    .. "a pooler"
local by_state = {
    ["42P01"] = "it has no tables of kmirror's, or not all: " .. init,
    ["3F000"] = "it has no schema of kmirror's: " .. init,
    ["42703"] = "its tables are older than this kmirror: " .. migrate,
    ["42501"] = "its owner has to allow it: kmirror store init --grant ROLE --store %s",
    ["25006"] = "it is a standby, or set to be read only: name both servers in the URL "
        .. "(//A,B/…?target_session_attrs=read-write)",
    ["53300"] = no_room,
    ["23503"] = "its job was forgotten meanwhile",
    ["22021"] = "text that is not UTF-8 cannot be kept in it",
    ["22P05"] = "not all text can be kept in it: its encoding has to be UTF8",
}
local by_words = {
    { "permission denied for database", "whoever owns it has to run this, or GRANT CREATE ON DATABASE" },
    { "no password supplied", "give it in ~/.pgpass, PGPASSWORD or a service file, as libpq takes it" },
    { "password authentication failed", "check the user name, and ~/.pgpass, PGPASSWORD or the service file" },
    { "database \"[^\"]*\" does not exist", "create it first: createdb, or another name in --store" },
    { "role \"[^\"]*\" does not exist", "create it first: CREATE ROLE … LOGIN, or another user in --store" },
    { "no pg_hba.conf entry", "the server's pg_hba.conf has to let this user and machine in" },
    { "could not translate host name", "check the host in --store" },
    { "Connection refused", "is PostgreSQL up there, and the port right?" },
    { "does not support SSL", "turn on SSL at the server; sslmode asks for it" },
    { "certificate", "check sslmode and sslrootcert" },
    { "session is read%-only", "it is a standby: name both servers in the URL" },
    { "too many clients", no_room }, { "too many connections", no_room },
    { "connection slots are reserved", no_room },
    { "due to statement timeout", "its statement_timeout may be too short for this role" },
    { "due to lock timeout", "something holds its tables for longer than its lock_timeout: see pg_locks" },
    { "in time", "is the network, or PostgreSQL, overloaded or cut?" },
}

--- What to do about it, from a semicolon on; "" when that is not known.
---@param problem table
---@param name string the store's URL
---@return string
function M.advice(problem, name)
    local advice = by_state[problem.sqlstate]
    for _, each in ipairs(by_words) do
        if problem.message:find(each[1]) then
            advice = each[2]
            break
        end
    end
    local anybody = problem.sqlstate == "42501" and name:gsub("^(%a+://)[^@/]*@", "%1") or name
    return advice and "; " .. advice:format(shell.word(anybody)) or ""
end

return M
