--- csv: rows as CSV (RFC 4180) for a spreadsheet: a line of titles, a line for each row, CRLF at their ends.

local M = {}

local function cell(value)
    if value == nil then
        return ""
    end
    local text = tostring(value)
    return text:find('[",\r\n]') and '"' .. text:gsub('"', '""') .. '"' or text
end

--- One line.
---@param values any[] a nil is an empty cell
---@param count? integer of values, when some may be nil
---@return string
function M.line(values, count)
    local cells = {}
    for i = 1, count or #values do
        cells[i] = cell(values[i])
    end
    return table.concat(cells, ",") .. "\r\n"
end

--- A line for each row.
---@param fields string[] which fields of a row, in order
---@param rows table[]
---@return string
function M.lines(fields, rows)
    local lines = {}
    for i, row in ipairs(rows) do
        local values = {}
        for f, field in ipairs(fields) do
            values[f] = row[field]
        end
        lines[i] = M.line(values, #fields)
    end
    return table.concat(lines)
end

--- The same under a line of titles, which are the fields.
---@param fields string[]
---@param rows table[]
---@return string
function M.rows(fields, rows)
    return M.line(fields) .. M.lines(fields, rows)
end

return M
