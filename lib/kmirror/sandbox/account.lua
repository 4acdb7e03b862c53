--- sandbox.account: what a client of the sandbox must know, and what runbooks take for granted there.

local account = {}

-- What a client of the sandbox must know. These keys open nothing else.
account.username = "sandbox"
account.api_key = "sandbox-full-key"
account.read_only_api_key = "sandbox-read-only-key"

--- Connect runs beside the target Kafka: mirrors from us-west to us-east live on us-east's Connect.
account.clusters = {
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
function account.clusters_of(count)
    local clusters = {}
    for name, cluster in pairs(account.clusters) do clusters[name] = cluster end
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
account.runbooks = {
    failover = { from = "us-west", to = "us-east", hooks = hooks, still = 1, offset_sync = 2 },
    failback = { from = "us-east", to = "us-west", hooks = hooks, still = 1, offset_sync = 2 },
}

return account
