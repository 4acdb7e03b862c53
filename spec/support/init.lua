--- support: what the specs share. It runs the real executable, sandboxes and scripted servers as processes of
--- their own, and cleans up after them: at the end of a spec file whatever still runs is killed, and when the
--- specs themselves are killed, the kernel does it.
local socket = require("socket")

local support = {}

support.build = os.getenv("KMIRROR_BUILD") or "build"
support.executable = support.build .. "/kmirror"

---Waits, without a care for the loop.
---@param seconds number
support.sleep = socket.sleep

---Seconds since the epoch, with a fraction.
---@return number
support.now = socket.gettime

---Polls until `condition` returns something true, and returns that; raises when it does not in time.
---@param what string what is waited for, for the message
---@param condition fun(): any
---@param seconds number?
function support.eventually(what, condition, seconds)
    local deadline = socket.gettime() + (seconds or 10)
    while true do
        local value = condition()
        if value then return value end
        if socket.gettime() > deadline then error("waited in vain for " .. what, 2) end
        socket.sleep(0.01)
    end
end

-- ---- files ------------------------------------------------------------------------------------------------

---@param path string
---@return string content "" when there is no such file
function support.read(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a") or ""
end

---@param path string
---@param content string
---@return string path
function support.write(path, content)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(content))
    return path
end

local directory -- of this run of the specs, made when first needed
local names = 0

---A path that nothing else uses, in a directory that goes when the specs end.
---@param name string? its last part
---@param content string? written to it when given
---@return string path
function support.temporary(name, content)
    if not directory then
        local pipe <close> = assert(io.popen("mktemp -d -t kmirror-spec.XXXXXX"))
        directory = assert(pipe:read("l"), "mktemp failed")
    end
    names = names + 1
    local path = ("%s/%d-%s"):format(directory, names, name or "file")
    if content then support.write(path, content) end
    return path
end

---A new, empty directory that goes when the specs end.
---@param name string?
---@return string path
function support.temporary_directory(name)
    local path = support.temporary(name or "directory")
    assert(os.execute("mkdir " .. path))
    return path
end

-- ---- commands ---------------------------------------------------------------------------------------------

---A word that the shell takes as it is.
---@param word string|number
---@return string
function support.quote(word)
    return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- What a command finds in its environment beside what a spec gives: nothing of the developer's own settings.
-- In a sanitizer build, stock Lua runs with their libraries preloaded; nothing else should.
local function environment(extra)
    local home = support.home or support.temporary_directory("home")
    support.home = home
    local set = { PATH = os.getenv("PATH"), HOME = home, LC_ALL = "C.UTF-8", TZ = "UTC" }
    for _, name in ipairs { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" } do
        set[name] = os.getenv("KMIRROR_" .. name)
    end
    for name, value in pairs(extra or {}) do set[name] = value end
    local words = { "env", "-i" }
    for name, value in pairs(set) do
        if value then words[#words + 1] = support.quote(name .. "=" .. value) end
    end
    return table.concat(words, " ")
end

local preloaded = {}

---The environment in which `run` and `start` preload a library into the program, compiled from spec/support/NAME.c.
---@param name string
---@param settings table<string, string> further variables, which tell the library what to do
---@return table<string, string>
function support.preload(name, settings)
    if not preloaded[name] then
        preloaded[name] = support.temporary(name:match("[^/]+$") .. ".so")
        assert(os.execute(("env -u LD_PRELOAD cc -shared -fPIC -O1 -o %s spec/support/%s.c -ldl"):format(
            preloaded[name], name)), name .. ".c does not compile")
    end
    local asan = os.getenv("KMIRROR_ASAN_OPTIONS") -- which would be the first library, and need not be
    local env = { LD_PRELOAD = preloaded[name], ASAN_OPTIONS = asan and asan .. ":verify_asan_link_order=0" }
    for variable, value in pairs(settings) do env[variable] = value end
    return env
end

-- KMIRROR_WRAP goes before each run of the executable: valgrind and its options, in CI.
local function command_line(options)
    local words = { options.command and support.quote(options.command) or
        (os.getenv("KMIRROR_WRAP") or "") .. " " .. support.quote(options.executable or support.executable) }
    for _, word in ipairs(options) do words[#words + 1] = support.quote(word) end
    return table.concat(words, " ")
end

---@class support.result
---@field status integer exit status; 128 + n when it was killed by signal n
---@field stdout string
---@field stderr string

local function status_of(how, code)
    return how == "signal" and 128 + code or code
end

---Runs the executable to its end: support.run{ "list", env = { KMIRROR_CLUSTER = … }, stdin = "…" }.
---`env` is added to an environment that is otherwise the same everywhere; `timeout` (30 seconds) raises when
---over; `command` names another program than kmirror; `directory` is where it runs.
---@param options table
---@return support.result
function support.run(options)
    local seconds = options.timeout or 30
    local stdin = options.stdin and support.temporary("stdin", options.stdin) or "/dev/null"
    local stdout, stderr = support.temporary("stdout"), support.temporary("stderr")
    local inside = options.directory and "cd " .. support.quote(options.directory) .. " && " or ""
    local _, how, code = os.execute(("%sexec timeout --foreground -k 2 %g %s %s < %s > %s 2> %s"):format(
        inside, seconds, environment(options.env), command_line(options), stdin, stdout, stderr))
    local result = {
        status = status_of(how, code), stdout = support.read(stdout), stderr = support.read(stderr),
    }
    if result.status == 124 or result.status == 137 then
        error(("%s did not end within %g seconds; stdout: %s; stderr: %s"):format(
            table.concat(options, " "), seconds, result.stdout, result.stderr), 2)
    end
    return result
end

---What a wrong command line says, without the program's name: it must exit with 2, print nothing and take one line.
---@param ... string
---@return string
function support.usage_error(...)
    local result = support.run { ... }
    assert(result.status == 2, result.stderr)
    assert(result.stdout == "", result.stdout)
    return assert(result.stderr:match("^kmirror: ([^\n]+)\n$"), result.stderr)
end

-- ---- processes --------------------------------------------------------------------------------------------

local running = {} -- processes by pid

---A process in the background.
---@class support.process
---@field pid integer
local process = {}
process.__index = process

---Starts a program in the background; takes what `run` takes, but no timeout.
---@param options table
---@return support.process
function support.start(options)
    local self = setmetatable({}, process)
    self.stdout_path, self.stderr_path = support.temporary("stdout"), support.temporary("stderr")
    local stdin = options.stdin and support.temporary("stdin", options.stdin) or "/dev/null"
    local inside = options.directory and "cd " .. support.quote(options.directory) .. " && " or ""
    -- The shell becomes setpriv, env and then the program: all under one pid. pdeathsig ends it with the
    -- specs.
    self.pipe = assert(io.popen(("%secho $$; exec setpriv --pdeathsig KILL %s %s < %s > %s 2> %s"):format(
        inside, environment(options.env), command_line(options), stdin, self.stdout_path, self.stderr_path)))
    self.pid = assert(math.tointeger(tonumber(self.pipe:read("l"))), "the process did not start")
    running[self.pid] = self
    return self
end

function process:stdout()
    return support.read(self.stdout_path)
end

function process:stderr()
    return support.read(self.stderr_path)
end

---@param name string such as "INT"
function process:signal(name)
    assert(running[self.pid], "the process has ended")
    os.execute(("kill -%s %d 2> /dev/null"):format(name, self.pid))
end

---True while it runs.
---@return boolean
function process:alive()
    local state = support.read(("/proc/%d/stat"):format(self.pid)):match("%) (%a)")
    return state ~= nil and state ~= "Z"
end

---Waits until it has ended by itself; raises when it does not in time.
---@param seconds number? 10 when absent
---@return support.result
function process:wait(seconds)
    if not self.result then
        local function ended() return not self:alive() end
        support.eventually("process " .. self.pid .. " to end", ended, seconds)
        local _, how, code = self.pipe:close()
        running[self.pid] = nil
        self.result = { status = status_of(how, code), stdout = self:stdout(), stderr = self:stderr() }
    end
    return self.result
end

---Ends it: by SIGTERM, and by SIGKILL when it has not ended five seconds later. Does nothing a second time.
---@return support.result
function process:stop()
    if self.result then return self.result end
    self:signal("TERM")
    local ended, result = pcall(self.wait, self, 5)
    if ended then return result end
    self:signal("KILL")
    return self:wait()
end

---Kills what was started and not stopped. The harness calls it at the end of each spec file.
function support.stop_all()
    for _, each in pairs(running) do
        each:signal("KILL")
        each:wait()
    end
end

---Removes the temporary files. The harness calls it at the very end.
function support.clean_up()
    support.stop_all()
    if directory then os.execute("rm -rf " .. support.quote(directory)) end
    directory, support.home, preloaded = nil, nil, {}
end

-- ---- the sandbox ------------------------------------------------------------------------------------------

support.us_east = "5a9b1c52-0000-4000-8000-0000000000c2" -- Kafka Connect clusters of the default world
support.us_west = "5a9b1c52-0000-4000-8000-0000000000c1"

---A sandbox in the background.
---@class support.sandbox: support.process
---@field url string
local sandbox = setmetatable({}, process)
sandbox.__index = sandbox

---Starts `kmirror sandbox` with these options: support.sandbox{ creating_seconds = 0, faults = "flaky" }.
---@param options table?
---@return support.sandbox
function support.sandbox(options)
    local log = support.temporary("requests.jsonl", "")
    local words = { "sandbox", "--request-log", log }
    if not (options and options.port) then
        table.move({ "--port", "0" }, 1, 2, #words + 1, words)
    end
    for name, value in pairs(options or {}) do
        words[#words + 1] = "--" .. name:gsub("_", "-")
        if value ~= true then words[#words + 1] = tostring(value) end
    end
    local self = setmetatable(support.start(words), sandbox) --[[@as support.sandbox]]
    self.log_path = log
    self.url = support.eventually("the sandbox's address", function()
        if not self:alive() then error("the sandbox ended: " .. self:wait().stderr, 0) end
        return self:stdout():match("listening on (http://[%w%.%[%]:]+)\n")
    end)
    return self
end

---What it was asked, from its own log. A line that is just being written does not count yet.
---@return table[]
function sandbox:requests()
    local cjson = require("cjson")
    local requests = {}
    for line in support.read(self.log_path):gmatch("([^\n]+)\n") do
        requests[#requests + 1] = cjson.decode(line)
    end
    return requests
end

---How often it was asked for an operation, however it answered.
---@param operation string
---@return integer
function sandbox:asked(operation)
    local count = 0
    for _, request in ipairs(self:requests()) do
        count = count + (request.operation == operation and 1 or 0)
    end
    return count
end

---What mirrors.connect{} wants to know to reach it; `overrides` are added.
---@param overrides table?
---@return table
function sandbox:options(overrides)
    local options = {
        endpoint = self.url, cluster = support.us_east, username = "sandbox", api_key = "sandbox-full-key",
    }
    for name, value in pairs(overrides or {}) do options[name] = value end
    return options
end

---The version of the API that specs of runbooks speak: KMIRROR_API, as in `KMIRROR_API=v2 make test SPECS=…`.
support.api = os.getenv("KMIRROR_API") or "v1"

---The same as environment variables, for `run`.
---@return table
function sandbox:env()
    return {
        KMIRROR_ENDPOINT = self.url, KMIRROR_CLUSTER = support.us_east,
        KMIRROR_USERNAME = "sandbox", KMIRROR_API_KEY = "sandbox-full-key", KMIRROR_API = support.api,
    }
end

-- ---- the module -------------------------------------------------------------------------------------------

support.cluster = "0c7067d6-c70a-11ea-87d0-0242ac130003" -- any cluster and mirror, for scripted servers
support.mirror = "ff4fccf3-2ac0-494b-9f40-e95288dd752d"
support.path = "/provisioning/v1/" .. support.cluster .. "/kafka-connect/mirrors"

---An api of the native module on a scripted server: each call is one attempt, as fast as can be.
---@param server table { url = … }
---@param overrides table? further options of mirrors.connect{}
---@return mirrors.Api
function support.connect(server, overrides)
    local options = {
        endpoint = server.url, cluster = support.cluster, username = "user", api_key = "s3cret-key",
        rate = 0, retries = 0, timeout = 10, settle = 0.2,
    }
    for name, value in pairs(overrides or {}) do options[name] = value end
    return require("mirrors").connect(options)
end

---Calls a function that must raise an error object of that kind, and returns the object.
---@param kind mirrors.kind
---@param call function
---@param ... any its arguments
---@return mirrors.Error
function support.raises(kind, call, ...)
    local ok, problem = pcall(call, ...)
    if ok then error("expected an error of kind " .. kind .. ", but the call returned", 2) end
    if type(problem) ~= "table" or problem.kind ~= kind then
        error(("expected an error of kind %s, got: %s"):format(kind, tostring(problem)), 2)
    end
    return problem
end

-- ---- the scripted server and its certificates are rooms of their own --------------------------------------

support.server = require("spec.support.server")(support)
support.certificates = require("spec.support.certificates")(support)

return support
