--- `kmirror sandbox`: the sandbox on the network, with its files.

local cjson = require("cjson")
local files = require("kmirror.file")
local kept = require("kmirror.sandbox.kept")
local problems = require("kmirror.problem")
local task = require("task")
local refuse = require("kmirror.usage")

local server = {}

--- Seconds since the epoch, on a clock that nobody sets.
local function steady_clock()
    local host = require("host")
    local offset = host.time() - host.monotonic()
    return function()
        return host.monotonic() + offset
    end
end

local function refuse_state(path, why)
    refuse("sandbox: cannot continue from the state file %s: %s; remove it or name another", path, tostring(why))
end

--- The world that a state file holds; nil when there is no file yet.
local function load_state(path)
    local ok, state = pcall(kept.read, path)
    if not ok then
        refuse_state(path, type(state) == "string" and state or "it is not a JSON object")
    end
    return state
end

local function open_log(path)
    local file, why = files.append(path)
    return file or refuse("sandbox: cannot write the request log %s", why)
end

local function nothing() end

--- The sandbox that the options ask for, with its files.
local function assemble(options)
    local hooks = { log = nothing, changed = nothing }
    if options.request_log then
        local log = open_log(options.request_log)
        hooks.log = function(event)
            log:write(cjson.encode(event) .. "\n")
        end
    end
    if options.state_file and files.is_stream(options.state_file) then
        refuse("sandbox: the state file %s is a pipe or a device; name another", options.state_file)
    end
    hooks.saved = options.state_file and load_state(options.state_file)
    local made, sandbox = pcall(require("kmirror.sandbox.requests").new, options, steady_clock(), hooks)
    if not made and hooks.saved then
        refuse_state(options.state_file, sandbox)
    elseif not made then
        error(sandbox, 0)
    end
    if options.state_file then
        local function must(written, result)
            if written then return result end
            refuse("sandbox: cannot write the state file %s", (tostring(result):gsub("^cannot write ", "")))
        end
        local note = must(pcall(kept.keep, options.state_file, sandbox.world))
        hooks.changed = function(id) must(pcall(note, id)) end
    end
    return sandbox
end

--- Listens, and keeps the door as the fault plan has it.
local function listen(options, sandbox, background)
    local listener
    listener = require("httpd").listen {
        background = background,
        host = options.listen,
        port = options.port,
        handler = function(request)
            local answer = sandbox:handle(request)
            listener:refuse(sandbox:refusing())
            return answer
        end,
    }
    return listener
end

--- Keeps the door where nobody serves: in the background, as long as the process lives.
local function keep_door(sandbox, listener)
    while true do
        listener:refuse(sandbox:refusing())
        task.sleep(0.02, true)
    end
end

--- Serves from within this process, beside all else that it does.
---@param given table options by name: see kmirror.sandbox.options
---@return string url
---@return task.Task|nil door a task that is to be cancelled in the end; nil when there is none
function server.beside(given)
    local options = require("kmirror.sandbox.options").read(given)
    options.listen, options.port = "127.0.0.1", 0
    local sandbox = assemble(options)
    local listener = listen(options, sandbox, true)
    local door = sandbox.faults:may_refuse() and require("host").background(task.spawn(keep_door, sandbox, listener))
    return ("http://127.0.0.1:%d"):format(listener:port()), door or nil
end

--- Serves until it is cancelled. A plan that refuses connects has times to keep, also when no request comes.
local function serve(sandbox, listener)
    if not sandbox.faults:may_refuse() then return listener:wait() end
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
    local listener <close> = listen(options, sandbox)
    local host = options.listen:find(":", 1, true) and "[" .. options.listen .. "]" or options.listen
    -- Who started it waits for this line: one that cannot be written must not leave both waiting.
    local written, why_not = io.stdout:write("listening on http://", host, ":", listener:port(), "\n")
    if written then written, why_not = io.stdout:flush() end
    if not written then error("sandbox: cannot say where it listens: " .. tostring(why_not), 0) end
    local ended, why = pcall(serve, sandbox, listener)
    if not ended and not problems.is(why, "cancelled") then error(why, 0) end
    return 0
end

return server
