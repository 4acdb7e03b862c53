--- connect: the API that a one-shot command talks to.

local mirrors = require("mirrors")
local usage = require("kmirror.usage")

--- Connects to the cluster that was chosen. Raises usage when something that it takes is missing or wrong.
---@return mirrors.Api
return function()
    local ok, api = pcall(mirrors.connect, {})
    if ok and not api.cluster then
        usage("no cluster: give --cluster, or set KMIRROR_CLUSTER, to the UUID of a Kafka Connect cluster")
    elseif ok then
        return api
    elseif type(api) == "table" and api.kind == "invalid" then
        usage("%s", api.message)
    end
    error(api, 0)
end
