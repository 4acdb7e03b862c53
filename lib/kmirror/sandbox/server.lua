--- `kmirror sandbox`: the sandbox on the network, with its files.

local cjson = require "cjson"
local usage = require "kmirror.usage"

local server = {}

--- Seconds since the epoch, on a clock that nobody sets.
local function steady_clock()
    local host = require "host"
    local offset = host.time() - host.monotonic()
    return function()
        return host.monotonic() + offset
    end
end

--- The world that a state file holds; nil when there is no file yet.
local function load_state(path)
    local file = io.open(path)
    if not file then
        return nil
    end
    local content = file:read "a"
    file:close()
    local valid, state = pcall(cjson.decode, content)
    if not valid or type(state) ~= "table" or type(state.connects) ~= "table" then
        usage("sandbox: the state file %s does not hold a sandbox's state; remove it or name another", path)
    end
    return state
end

--- A function that writes the world to its file, whole or not at all.
local function state_saver(path, state)
    return function()
        local beside = path .. ".new"
        local file = assert(io.open(beside, "w"))
        assert(file:write(cjson.encode(state())))
        assert(file:close())
        assert(os.rename(beside, path))
    end
end

local function open_log(path)
    local file, why = io.open(path, "a")
    if not file then
        usage("sandbox: cannot write the request log %s", why)
    end
    file:setvbuf "line"
    return file
end

local function nothing() end

--- The sandbox that the options ask for, with its files.
local function assemble(options)
    local hooks = { log = nothing, changed = nothing }
    if options.request_log then
        local log = open_log(options.request_log)
        hooks.log = function(event)
            log:write(cjson.encode(event), "\n")
        end
    end
    hooks.saved = options.state_file and load_state(options.state_file)
    local sandbox = require("kmirror.sandbox").new(options, steady_clock(), hooks)
    if options.state_file then
        hooks.changed = state_saver(options.state_file, function()
            return sandbox.world:state()
        end)
        local writable, why = pcall(hooks.changed)
        if not writable then
            usage("sandbox: cannot write the state file: %s", tostring(why))
        end
    end
    return sandbox
end

--- Opens and closes the door as the fault plan has it.
local function keep_door(sandbox, listener)
    while true do
        listener:refuse(sandbox:refusing())
        task.sleep(0.02)
    end
end

--- Serves until it is cancelled, as Ctrl-C does. Its first line on stdout is `listening on URL`.
---@param given table options by name: see kmirror.sandbox.options
---@return integer exit status
function server.main(given)
    local options = require("kmirror.sandbox.options").read(given)
    local sandbox = assemble(options)
    local listener <close> = require("httpd").listen {
        host = options.listen,
        port = options.port,
        handler = function(request)
            return sandbox:handle(request)
        end,
    }
    local keeper = sandbox.faults:may_refuse() and task.spawn(keep_door, sandbox, listener)
    local host = options.listen:find(":", 1, true) and "[" .. options.listen .. "]" or options.listen
    io.stdout:write("listening on http://", host, ":", listener:port(), "\n")
    io.stdout:flush()
    local _, why = pcall(listener.wait, listener)
    if keeper then
        keeper:cancel()
    end
    if type(why) == "table" and why.kind == "cancelled" then
        return 0
    end
    error(why, 0)
end

return server
