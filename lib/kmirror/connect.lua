--- connect: the API of the cluster that the command line, the environment or the configuration file names.

local mirrors = require("mirrors")
local refuse = require("kmirror.usage")

local way_out = "kmirror doctor shows what else is missing; --sandbox does without an account"

--- Connects to the cluster that was chosen. Raises usage when something that it takes is missing or wrong.
---@param any_cluster? boolean none need be chosen
---@return mirrors.Api
return function(any_cluster)
    local ok, api = pcall(mirrors.connect, {})
    if ok and not api.cluster and not any_cluster then
        refuse("no cluster: give --cluster, or set KMIRROR_CLUSTER, to the UUID of a Kafka Connect cluster; %s",
            way_out)
    elseif ok then
        return api
    elseif type(api) == "table" and api.kind == "invalid" then
        refuse(api.message:find("^no ") and "%s; %s" or "%s", api.message, way_out)
    end
    error(api, 0)
end
