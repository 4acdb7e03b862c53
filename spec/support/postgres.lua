--- support.postgres: PostgreSQL servers for specs: real ones, in a folder for temporary files, on a free port of
--- 127.0.0.1. PostgreSQL does not run as root: as root it is Debian's user postgres who runs it. A server that is still
--- there when the specs have ended, or are killed, is killed by the kernel; its folder goes with the others.
local socket = require("socket")
local support = require("spec.support")

local M = {}

local quote = support.quote

local function output(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("%s+$", ""))
end

local as_root = output "id -u" == "0"
local programs -- the folder of PostgreSQL's

local function program(name)
    programs = programs or output "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1"
    assert(programs ~= "", "PostgreSQL is not installed: make test-postgres installs it")
    return programs .. "/" .. name
end

-- In a sanitizer build, the specs run with the sanitizers' libraries preloaded; PostgreSQL should not.
local unprivileged = "env -u LD_PRELOAD setpriv "
    .. (as_root and "--reuid postgres --regid postgres --clear-groups " or "")

local function must(command)
    local log = support.temporary("log")
    if not os.execute(("%s > %s 2>&1"):format(command, log)) then
        error(command .. ": " .. support.read(log), 0)
    end
end

local function free_port()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    return math.tointeger(tonumber(port))
end

---@class support.postgres
---@field port integer
---@field data string its folder
---@field pid integer|nil while it runs
local Server = {}
Server.__index = Server

-- A folder that the user who runs the server may go to.
local function folder()
    local path = support.temporary_directory("postgres")
    if as_root then
        must("chown postgres: " .. path)
        local parent = path
        repeat
            parent = parent:match("^(.*)/")
            if parent:find("kmirror-spec", 1, true) then must("chmod o+x " .. parent) end
        until not parent:find("/", 2, true)
    end
    return path
end

-- Where nobody looks at what is left after the machine has crashed, syncing takes only time.
local settings = [[
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
max_connections = 60
shared_buffers = 16MB
log_min_messages = warning
]]

local access = [[
host all with_password 127.0.0.1/32 scram-sha-256
host all over_tls 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 trust
host all all 127.0.0.1/32 trust
]]

---A server that runs: user postgres is its superuser; any user but with_password needs no password.
---@param options? { durable?: boolean, settings?: string, tls?: table } durable: with syncs; settings: lines of
---  postgresql.conf; tls: a certificate and its key, as support.certificates() has them
---@return support.postgres
function M.start(options)
    options = options or {}
    local self = setmetatable({ data = folder() .. "/data", port = free_port() }, Server)
    must(("%s %s -D %s -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions"):format(
        unprivileged, program "initdb", quote(self.data)))
    support.write(self.data .. "/pg_hba.conf", access)
    support.write(self.data .. "/postgresql.conf", settings .. (options.durable and "" or "fsync = off\n")
        .. (options.settings or ""))
    if options.tls then self:use_certificate(options.tls) end
    self:run()
    return self
end

---From its next start on, it has that certificate; nil: it knows no TLS.
---@param pair? table<string, string> { certificate =, key = }
function Server:use_certificate(pair)
    local config = self.data .. "/postgresql.conf"
    support.write(config, (support.read(config):gsub("ssl = [^\n]*\n", ""))
        .. ("ssl = %s\n"):format(pair and "on" or "off"))
    for name, path in pairs(pair and { ["server.crt"] = pair.certificate, ["server.key"] = pair.key } or {}) do
        local file = self.data .. "/" .. name
        support.write(file, support.read(path))
        must(("chmod 600 %s%s"):format(quote(file), as_root and " && chown postgres: " .. quote(file) or ""))
    end
end

local function accepts(self)
    local command = "env -u LD_PRELOAD %s -q -h 127.0.0.1 -p %d > /dev/null"
    return os.execute(command:format(program "pg_isready", self.port))
end

---Starts it, once more, and waits until it lets clients in.
function Server:run()
    self.log = support.temporary("postgres.log")
    -- The shell becomes the server: under one pid, which dies with the specs.
    self.pipe = assert(io.popen(("echo $$; exec %s --pdeathsig KILL %s -D %s -p %d > %s 2>&1 < /dev/null"):format(
        unprivileged, program "postgres", quote(self.data), self.port, self.log)))
    self.pid = math.tointeger(tonumber(self.pipe:read("l")))
    support.eventually("PostgreSQL to start", function()
        if not self:alive() then error("PostgreSQL has ended: " .. support.read(self.log), 0) end
        return accepts(self)
    end, 30)
end

function Server:alive()
    local state = self.pid and support.read(("/proc/%d/stat"):format(self.pid)):match("%) (%a)")
    return state ~= nil and state ~= "Z"
end

---Sends a signal to the server or, as a whole, to it and all its processes: INT ends it at once and cleanly, QUIT as a
---crash does; STOP and CONT of all: it hangs.
---@param name string
---@param all? boolean
function Server:signal(name, all)
    local children = all and output("env -u LD_PRELOAD pgrep -P " .. self.pid):gsub("%s+", " ") or ""
    must(("kill -%s %d %s"):format(name, self.pid, children))
end

---Ends it, if it runs. A crash loses what was not written down.
---@param how? "crash"
function Server:stop(how)
    if not self.pid then return end
    if self:alive() then self:signal(how == "crash" and "QUIT" or "INT") end
    support.eventually("PostgreSQL to end", function() return not self:alive() end, 30)
    self.pipe:close()
    self.pid = nil
end

---Ends it and starts it again.
function Server:restart()
    self:stop()
    self:run()
end

---The URL of a database of it.
---@param database? string kmirror
---@param user? string postgres
---@return string
function Server:url(database, user)
    return ("postgresql://%s@127.0.0.1:%d/%s"):format(user or "postgres", self.port, database or "postgres")
end

---What psql prints for statements, as the superuser: one line a row, fields with | between.
---@param statements string
---@param database? string
---@return string
function Server:sql(statements, database)
    local result = support.run { command = "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
        "-d", self:url(database), "-c", statements }
    if result.status ~= 0 then error(result.stderr, 2) end
    return (result.stdout:gsub("%s+$", ""))
end

local databases = 0

---A new database of it.
---@return string name
function Server:database()
    databases = databases + 1
    local name = ("db%d"):format(databases)
    self:sql("CREATE DATABASE " .. name)
    return name
end

---A standby of it, which follows it until it is promoted.
---@return support.postgres
function Server:standby()
    local standby = setmetatable({ data = folder() .. "/data", port = free_port() }, Server)
    must(("%s%s -h 127.0.0.1 -p %d -U postgres -D %s -R -X stream -c fast --no-sync"):format(
        unprivileged, program "pg_basebackup", self.port, quote(standby.data)))
    standby:run()
    return standby
end

---Makes a standby a server of its own.
function Server:promote()
    must(("%s%s -w -D %s promote"):format(unprivileged, program "pg_ctl", quote(self.data)))
end

return M
