--- connector: what the name of a mirror's connector says: SOURCE.TARGET.RANDOM, the first two being aliases. These may
--- hold dots, so that only who knows one of them can tell the other. On version 1 of the API it is all that a list
--- tells of where records come from.

local M = {}

--- The alias of the source, when the name goes into that target.
---@param name string
---@param target string alias
---@return string|nil
function M.source(name, target)
    local stem = name:match("^(.+)%.[^.]+$") or ""
    local ending = "." .. target
    if #stem > #ending and stem:sub(-#ending) == ending then return stem:sub(1, -#ending - 1) end
end

--- The alias of the source, most likely: the one of the target holds no dot, as a rule.
---@param name string
---@return string|nil
function M.likely_source(name)
    return name:match("^(.*)%.[^.]+%.[^.]+$")
end

--- The alias of the target, from a name of three parts; nil for one that has more.
---@param name string
---@return string|nil
function M.target(name)
    return name:match("^[^.]+%.([^.]+)%.[^.]+$")
end

--- Whether a name goes from that source into that target.
---@param name string
---@param source string alias
---@param target string alias
---@return boolean
function M.is_between(name, source, target)
    local prefix = source .. "." .. target .. "."
    return name:sub(1, #prefix) == prefix and not name:find(".", #prefix + 1, true)
end

--- Whether a name may be of that source: true too of a source whose alias goes on behind a dot.
---@param name string
---@param source string alias
---@return boolean
function M.may_come_from(name, source)
    return name:sub(1, #source + 1) == source .. "."
end

--- Whether a name is of that source when its target's alias holds no dot.
---@param name string
---@param source string alias
---@return boolean
function M.is_from(name, source)
    return M.may_come_from(name, source) and name:find("^[^.]+%.[^.]+$", #source + 2) ~= nil
end

--- The name without its random part: the same for mirrors that go the same way.
---@param name string
---@return string
function M.way(name)
    return name:match("^(.+)%.[^.]*$") or name
end

return M
