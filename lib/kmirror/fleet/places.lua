--- fleet.places: where in a file the parts of a document stand.

---@class kmirror.fleet.place
---@field line integer
---@field parts table<string|integer, kmirror.fleet.place> of a table, by key
---@field count? integer of a JSON array: how many items it has, nulls as well
---@field columns? string[] the first line of a CSV file
---@field twice? { key: string, line: integer } a key that stands there a second time

local M = {}

--- A place without parts.
---@param line integer
---@return kmirror.fleet.place
function M.new(line)
    return { line = line, parts = {} }
end

--- The line of what the keys lead to, or of what holds it, as far as that is known.
---@param place kmirror.fleet.place
---@param ... string|integer
---@return integer
function M.line(place, ...)
    for _, key in ipairs({ ... }) do
        local part = place.parts[key]
        if not part then break end
        place = part
    end
    return place.line
end

return M
