--- table: rows of records as text: aligned columns for people, tabs for programs.

local fields = require("mirrors").fields
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

---@class kmirror.column
---@field [1] string title
---@field [2] string|fun(row: table): any the field of a row, or what to compute from it
---@field align? "right" for numbers, which are never cut
---@field whole? boolean never cut, as what is copied from the terminal has to be
---@field key? boolean it tells the rows apart: cut only when the others cannot give any more
---@field spare? boolean left out where there is no room for all; the last one first
---@field paint? fun(value: any): string|nil the colour of a cell, by its value

local gap = "  "
local narrowest = 4

local function value_of(column, row)
    local field = column[2]
    if type(field) == "function" then return field(row) end
    return row[field]
end

local function to_text(value, absent)
    if value == nil then return absent end
    return text.clean(tostring(value))
end

local function pad(cell, width, align)
    local space = (" "):rep(width - text.width(cell))
    return align == "right" and space .. cell or cell .. space
end

-- The cells of all rows, and how wide each column has to be to hold them.
local function measure(columns, rows)
    local cells, widths = {}, {}
    for c, column in ipairs(columns) do widths[c] = text.width(column[1]) end
    for r, row in ipairs(rows) do
        cells[r] = {}
        for c, column in ipairs(columns) do
            cells[r][c] = to_text(value_of(column, row), "-")
            widths[c] = math.max(widths[c], text.width(cells[r][c]))
        end
    end
    return cells, widths
end

-- The widest of the columns that can give; nil when none can.
local function widest_of(columns, widths, key)
    local widest
    for c, column in ipairs(columns) do
        local gives = not (column.whole or column.align == "right") and (column.key or false) == key
        if gives and widths[c] > (widths[widest] or narrowest) then widest = c end
    end
    return widest
end

local function excess_of(widths, available)
    local excess = #gap * (#widths - 1) - available
    for _, width in ipairs(widths) do excess = excess + width end
    return excess
end

-- The columns without those that can be spared, where all of them have no room.
local function fitting(columns, rows, available)
    local left = table.move(columns, 1, #columns, 1, {})
    local _, widths = measure(left, rows)
    for c = #left, 1, -1 do
        if left[c].spare and excess_of(widths, available) > 0 then
            table.remove(left, c)
            table.remove(widths, c)
        end
    end
    return left
end

-- Takes from the widest column until the row fits, or no column can give any more.
local function shrink(columns, widths, available)
    for _ = 1, excess_of(widths, available) do
        local widest = widest_of(columns, widths, false) or widest_of(columns, widths, true)
        if not widest then return end
        widths[widest] = widths[widest] - 1
    end
end

local function line_of(cells, columns, widths, paint)
    local parts = {}
    for c, column in ipairs(columns) do
        local cell = pad(text.cut(cells[c], widths[c]), widths[c], column.align)
        if c == #columns then cell = cell:gsub("%s+$", "") end
        parts[c] = paint(column, c, cell)
    end
    return table.concat(parts, gap) .. "\n"
end

--- Rows under a line of titles, in aligned columns; a nil is shown as "-".
---@param columns kmirror.column[]
---@param rows table[]
---@param where? kmirror.terminal its width is kept to, if it has one; nothing is cut without
---@return string
function M.aligned(columns, rows, where)
    where = where or { terminal = false, color = false }
    if where.width then columns = fitting(columns, rows, where.width) end
    local cells, widths = measure(columns, rows)
    if where.width then shrink(columns, widths, where.width) end
    local titles = {}
    for c, column in ipairs(columns) do titles[c] = column[1] end
    local lines = { line_of(titles, columns, widths, function(_, _, cell)
        return terminal.paint(where, "bold", cell)
    end) }
    for r, row in ipairs(rows) do
        lines[#lines + 1] = line_of(cells[r], columns, widths, function(column, _, cell)
            return terminal.paint(where, column.paint and column.paint(value_of(column, row)), cell)
        end)
    end
    return table.concat(lines)
end

--- Rows without titles, a tab between cells; nothing is cut, a nil is empty.
---@param columns kmirror.column[]
---@param rows table[]
---@return string
function M.tabs(columns, rows)
    local lines = {}
    for r, row in ipairs(rows) do
        local cells = {}
        for c, column in ipairs(columns) do cells[c] = to_text(value_of(column, row), "") end
        lines[r] = table.concat(cells, "\t") .. "\n"
    end
    return table.concat(lines)
end

--- Writes rows in aligned columns, cut to the terminal's width when the file is one.
---@param file file*
---@param columns kmirror.column[]
---@param rows table[]
function M.show(file, columns, rows)
    file:write(M.aligned(columns, rows, terminal.of(file)))
end

--- Writes rows as results: aligned on a terminal, tabs in a pipe or file.
---@param file file*
---@param columns kmirror.column[]
---@param rows table[]
function M.write(file, columns, rows)
    if terminal.of(file).terminal then
        M.show(file, columns, rows)
    else
        file:write(M.tabs(columns, rows))
    end
end

local status_colors = {
    IN_SYNC = "green", RUNNING = "green",
    CREATING = "cyan", OUT_OF_SYNC = "yellow", PAUSED = "yellow", UNASSIGNED = "yellow",
    FAILED = "red", STALE_TOPIC = "red",
}

--- The colour that a mirror's or connector's status is shown in.
---@param status any
---@return string|nil nil for what is none
function M.status_color(status)
    return status_colors[status]
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local columns, rows = fields.list(fields.table, "a list of columns"), fields.list(fields.table, "a list of rows")

return fields.guard("table", M, {
    aligned = { "columns", columns, "rows", rows, "where?", fields.table },
    tabs = { "columns", columns, "rows", rows },
    show = { "file", fields.file, "columns", columns, "rows", rows },
    write = { "file", fields.file, "columns", columns, "rows", rows },
    status_color = { "status?", fields.any },
})
