--- csv: rows as CSV (RFC 4180) for a spreadsheet: a line of titles, a line for each row, CRLF at their ends.
---
--- A spreadsheet takes a text that begins with = + - @, a tab or a line end for a formula. Such a text gets an
--- apostrophe before it, and so does one that looks like that already; whoever reads the file takes one apostrophe away
--- again, as kmirror does when it reads a fleet. Numbers stay as they are.

local fields = require("mirrors").fields
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

local formula = "^'*[=+@\t\r\n-]"
local formulas_too = { "＝", "＋", "－", "＠" } -- in full width

local function is_formula(value)
    local bare = value:match("^'*(.*)$")
    for _, mark in ipairs(formulas_too) do
        if bare:sub(1, #mark) == mark then return true end
    end
    return value:find(formula) ~= nil
end

--- A text that no spreadsheet takes for a formula.
---@param value string
---@return string
function M.harmless(value)
    return is_formula(value) and "'" .. value or value
end

--- The text that M.harmless() was given.
---@param value string
---@return string
function M.original(value)
    return value:sub(1, 1) == "'" and is_formula(value) and value:sub(2) or value
end

local function cell(value)
    if value == nil then
        return ""
    elseif type(value) == "number" then
        return tostring(value)
    end
    value = tostring(value)
    local harmless = is_formula(value) and "'" .. value or value
    local quoted = harmless:find('[",\r\n]') or harmless:find("^%s") or harmless:find("%s$")
    return quoted and '"' .. harmless:gsub('"', '""') .. '"' or harmless
end

--- Lines as they are written to a file: printable on a terminal, elsewhere as they are.
---@param file file*
---@param lines string
---@return string
function M.shown(file, lines)
    return terminal.of(file).terminal and text.clean_lines((lines:gsub("\r\n", "\n"))) or lines
end

local function line_of(values, count)
    local cells = {}
    for i = 1, count or #values do cells[i] = cell(values[i]) end
    return table.concat(cells, ",") .. "\r\n"
end

--- One line.
---@param values table<integer, any> a nil is an empty cell
---@param count? integer of values, when some may be nil
---@return string
function M.line(values, count)
    return line_of(values, count)
end

--- A line for each row.
---@param names string[] which fields of a row, in order
---@param rows table[]
---@return string
function M.lines(names, rows)
    local lines = {}
    for i, row in ipairs(rows) do
        local values = {}
        for f, field in ipairs(names) do values[f] = row[field] end
        lines[i] = line_of(values, #names)
    end
    return table.concat(lines)
end

--- The same under a line of titles, which are the fields.
---@param names string[]
---@param rows table[]
---@return string
function M.rows(names, rows)
    return line_of(names) .. M.lines(names, rows)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local names, rows = fields.list(fields.string), fields.list(fields.table)

return fields.guard("csv", M, {
    harmless = { "value", fields.string },
    original = { "value", fields.string },
    shown = { "file", fields.file, "lines", fields.string },
    line = { "values", fields.table, "count?", fields.integer(0) },
    lines = { "names", names, "rows", rows },
    rows = { "names", names, "rows", rows },
})
