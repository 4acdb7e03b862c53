--- repl.known: what the session has seen of the API: the mirrors of the last lists, by id, for completion. It listens
--- to what is asked anyway, and asks nothing.

local fields = require("mirrors").fields

local M = {}

---@class kmirror.repl.seen
---@field topicsRegex string
---@field connectorName string

---@type table<string, kmirror.repl.seen>
M.mirrors = {}

-- What the wrapped methods were, so that help finds where they are described.
local originals = {}

local function remember(mirror)
    if type(mirror) == "table" and mirror.id then
        M.mirrors[mirror.id] = { topicsRegex = mirror.topicsRegex or "", connectorName = mirror.connectorName or "" }
    end
end

--- Listens to all that the methods of an api return from here on.
---@param api mirrors.Api
function M.listen(api)
    local methods = getmetatable(api).__index
    local list, get, delete = methods.list, methods.get, methods.delete
    if originals[list] then return end
    function methods.list(self)
        local found = list(self)
        for _, mirror in ipairs(found) do remember(mirror) end
        return found
    end
    function methods.get(self, id)
        local mirror = get(self, id)
        remember(mirror)
        return mirror
    end
    function methods.delete(self, id)
        delete(self, id)
        M.mirrors[id] = nil
    end
    originals[methods.list], originals[methods.get], originals[methods.delete] = list, get, delete
end

--- The function as it was before anybody listened, or checked its arguments.
---@param fn function
---@return function
function M.original(fn)
    return fields.original(originals[fn] or fn)
end

return M
