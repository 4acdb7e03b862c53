--- sandbox: a local stand-in for the API. Here is what those need who start one or talk to one; what it is made of is
--- loaded only where it serves.

local sandbox = {}

-- What a client of the sandbox must know. These keys open nothing else.
sandbox.username = "sandbox"
sandbox.api_key = "sandbox-full-key"
sandbox.read_only_api_key = "sandbox-read-only-key"

--- Connect runs beside the target Kafka: mirrors from us-west to us-east live on us-east's Connect.
sandbox.clusters = {
    ["us-west"] = {
        connect = "5a9b1c52-0000-4000-8000-0000000000c1",
        kafka = "5a9b1c52-0000-4000-8000-000000000001",
        alias = "us-west",
    },
    ["us-east"] = {
        connect = "5a9b1c52-0000-4000-8000-0000000000c2",
        kafka = "5a9b1c52-0000-4000-8000-000000000002",
        alias = "us-east",
    },
}

--- The clusters of a world that has so many: the two regions, then sites named site-03, site-04, ...
---@param count integer from 2 to 63
---@return table<string, kmirror.cluster>
function sandbox.clusters_of(count)
    local clusters = {}
    for name, cluster in pairs(sandbox.clusters) do clusters[name] = cluster end
    for i = 3, count do
        local name = ("site-%02d"):format(i)
        clusters[name] = {
            connect = ("5a9b1c52-0000-4000-8000-0000000000%02x"):format(0xc0 + i),
            kafka = ("5a9b1c52-0000-4000-8000-%012x"):format(i),
            alias = name,
        }
    end
    return clusters
end

--- What runbooks take for granted in the sandbox: which way to go, how to stop the producers, and short waits.
local hooks = { fence = require("kmirror.sandbox.control").fence }
sandbox.runbooks = {
    failover = { from = "us-west", to = "us-east", hooks = hooks, still = 1, offset_sync = 2 },
    failback = { from = "us-east", to = "us-west", hooks = hooks, still = 1, offset_sync = 2 },
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

--- The names of the ready-made fault plans, in order.
---@return string[]
function sandbox.fault_plans()
    local names = {}
    for name in pairs(require("kmirror.sandbox.fault_plans").named) do names[#names + 1] = name end
    table.sort(names)
    return names
end

return sandbox
