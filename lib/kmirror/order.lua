--- order: tables by their fields, and names in order.

local M = {}

--- For table.sort: which of two tables comes first, by the first of these fields that differs. What has none comes
--- before what has one.
---@param ... string fields
---@return fun(a: table, b: table): boolean
function M.by(...)
    local fields = { ... }
    return function(a, b)
        for _, field in ipairs(fields) do
            local left, right = a[field], b[field]
            if left ~= right then return left == nil or right ~= nil and left < right end
        end
        return false
    end
end

--- A list of the same tables, in the order of their fields.
---@generic T: table
---@param list T[]
---@param ... string fields
---@return T[]
function M.sorted(list, ...)
    local copy = table.move(list, 1, #list, 1, {})
    table.sort(copy, M.by(...))
    return copy
end

--- The keys of a table, in order.
---@param map table<string, any>
---@return string[]
function M.keys(map)
    local keys = {}
    for key in pairs(map) do keys[#keys + 1] = key end
    table.sort(keys)
    return keys
end

return M
