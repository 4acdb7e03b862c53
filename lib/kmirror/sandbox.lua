--- sandbox: a local stand-in for the API. Here is what those need who start one or talk to one; what it is made of is
--- loaded only where it serves.

local account = require("kmirror.sandbox.account")
local order = require("kmirror.order")

local sandbox = {
    username = account.username, api_key = account.api_key, read_only_api_key = account.read_only_api_key,
    clusters = account.clusters, clusters_of = account.clusters_of, runbooks = account.runbooks,
}

--- Checks its options and fills in the defaults; see kmirror.sandbox.options. Raises usage for one that is wrong.
---@param given table by name, among others that mean nothing to the sandbox; numbers may be texts
---@return table options
function sandbox.read(given)
    return require("kmirror.sandbox.options").read(given)
end

--- Serves until it is cancelled, as Ctrl-C does. Its first line on stdout is `listening on URL`.
---@param given table options by name
---@return integer exit status
function sandbox.serve(given)
    return require("kmirror.sandbox.server").main(given)
end

--- Serves from within this process, where time jumps: what would be waited for is there at once.
---@param given table options by name
---@return string url
---@return task.Task|nil door a task that is to be cancelled in the end; nil when there is none
function sandbox.jump(given)
    require("host").jump()
    return require("kmirror.sandbox.server").beside(given)
end

--- A world for a state file, with the mirrors that a table says.
---@param mirrors kmirror.test.mirror[]
---@return table
function sandbox.state_of(mirrors)
    return require("kmirror.sandbox.state").of(mirrors, sandbox.clusters_of(63))
end

--- The world that a state file holds, with what has changed since it was written; nil when there is no file.
---@param path string
---@return table|nil
---Raises why it cannot be read.
function sandbox.state_in(path)
    return require("kmirror.sandbox.kept").read(path)
end

--- The names of the ready-made fault plans, in order.
---@return string[]
function sandbox.fault_plans()
    return order.keys(require("kmirror.sandbox.fault_plans").named)
end

return sandbox
