--- meant: what somebody may have meant by a name that is not known, as the end of a message.

--- ". Did you mean 'us-east'?", or nothing when no known name is near.
---@param name string
---@param known table<string, any> by name
---@return string
return function(name, known)
    local nearest = require("kmirror.fleet.suggest")(name, known)
    return nearest and (". Did you mean '%s'?"):format(nearest) or ""
end
