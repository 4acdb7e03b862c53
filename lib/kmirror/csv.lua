--- csv: rows as CSV (RFC 4180) for a spreadsheet: a line of titles, a line for each row, CRLF at their ends.
---
--- A spreadsheet takes a text that begins with = + - @, a tab or a line end for a formula. Such a text gets an
--- apostrophe before it, and so does one that looks like that already; whoever reads the file takes one apostrophe away
--- again, as kmirror does when it reads a fleet. Numbers stay as they are.

local M = {}

local formula = "^'*[=+@\t\r\n-]"
local formulas_too = { "＝", "＋", "－", "＠" } -- in full width

local function is_formula(text)
    local bare = text:match("^'*(.*)$")
    for _, mark in ipairs(formulas_too) do
        if bare:sub(1, #mark) == mark then
            return true
        end
    end
    return text:find(formula) ~= nil
end

--- A text that no spreadsheet takes for a formula.
---@param text string
---@return string
function M.harmless(text)
    return is_formula(text) and "'" .. text or text
end

--- The text that M.harmless() was given.
---@param text string
---@return string
function M.original(text)
    return text:sub(1, 1) == "'" and is_formula(text) and text:sub(2) or text
end

local function cell(value)
    if value == nil then
        return ""
    elseif type(value) == "number" then
        return tostring(value)
    end
    local text = M.harmless(tostring(value))
    local quoted = text:find('[",\r\n]') or text:find("^%s") or text:find("%s$")
    return quoted and '"' .. text:gsub('"', '""') .. '"' or text
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
