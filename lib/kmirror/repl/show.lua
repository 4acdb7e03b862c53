--- repl.show: values as text for whoever typed the expression: tables of records as tables, one record as a list of its
--- fields, anything else as Lua writes it.

local columns = require("kmirror.repl.columns")
local describe = require("kmirror.repl.describe")
local json = require("kmirror.json")
local known = require("kmirror.repl.known")
local literal = require("kmirror.literal")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

local most_rows = 200 -- on a terminal; the value has them all

---@class kmirror.repl.style
---@field json? boolean
---@field expanded? boolean a line for each field, instead of one for each record

-- ---- what is what ------------------------------------------------------------------------------------------

--- Is it an error object of kmirror's?
---@param value any
---@return boolean
function M.is_error(value)
    return type(value) == "table" and type(value.kind) == "string" and type(value.message) == "string"
        and getmetatable(value) ~= nil
end

local function is_record(value)
    if type(value) ~= "table" or literal.speaks(value) or literal.is_empty(value) then
        return false
    end
    for key in pairs(value) do
        if type(key) ~= "string" then return false end
    end
    return true
end

local function is_list_of_records(value)
    if type(value) ~= "table" or value[1] == nil then return false end
    local count = 0
    for _ in pairs(value) do count = count + 1 end
    for _, item in ipairs(value) do
        if not is_record(item) then return false end
        count = count - 1
    end
    return count == 0
end

-- The text in pieces of at most that many columns.
local function fold(value, width)
    local pieces, from, used = {}, 1, 0
    for position, code in utf8.codes(value) do
        local wide = text.width(utf8.char(code))
        if used + wide > width and used > 0 then
            pieces[#pieces + 1] = value:sub(from, position - 1)
            from, used = position, 0
        end
        used = used + wide
    end
    pieces[#pieces + 1] = value:sub(from)
    return pieces
end

-- ---- tables ------------------------------------------------------------------------------------------------

local function footer(count, shown, left_out, where)
    local note = ("%d %s"):format(count, count == 1 and "row" or "rows")
    if shown < count then
        note = ("the first %d of %d rows; _ has them all"):format(shown, count)
    end
    if #left_out > 0 then
        note = ("%s, without %s; :x shows all"):format(note, table.concat(left_out, ", "))
    end
    local lines = text.wrap("(" .. note .. ")", where.width or math.huge)
    for i, line in ipairs(lines) do lines[i] = terminal.paint(where, "dim", line) end
    return table.concat(lines, "\n") .. "\n"
end

local as_records

local function as_table(rows, where)
    local layout, left_out, fits = columns.of(rows, where.width)
    if not fits then return as_records(rows, where) end
    if not where.terminal then return tables.tabs(layout, rows) end
    local shown = table.move(rows, 1, math.min(#rows, most_rows), 1, {})
    return tables.aligned(layout, shown, where) .. footer(#rows, #shown, left_out, where)
end

local function function_text(fn)
    local info = debug.getinfo(known.original(fn), "S")
    local where = info.what == "C" and "" or (" from %s:%d"):format(info.short_src, info.linedefined)
    return "function " .. describe.signature(fn, false) .. where
end

-- ---- records -----------------------------------------------------------------------------------------------

local function cell(value)
    if type(value) == "function" then
        return "function " .. describe.signature(value, describe.is_method(value))
    end
    if type(value) == "table" then return literal.line(value) end
    return text.clean(tostring(value))
end

-- An id on a narrow terminal: folded it could not be copied.
local function is_whole_only_below(shown, room, width)
    return width and not shown:find("%s") and text.width(shown) > room and text.width(shown) + 2 <= width
end

local function field_lines(key, value, width, where)
    local room = where.width and math.max(where.width - width - 2, 10) or math.huge
    local color = columns.is_status(key) and tables.status_color(value) or nil
    local lines, shown = {}, cell(value)
    if is_whole_only_below(shown, room, where.width) then
        return terminal.paint(where, "bold", key) .. "\n  " .. terminal.paint(where, color, shown) .. "\n"
    end
    for i, piece in ipairs(fold(shown, room)) do
        local label = i == 1 and key or ""
        local gap = (" "):rep(width - text.width(label) + 2)
        lines[i] = terminal.paint(where, "bold", label) .. gap .. terminal.paint(where, color, piece) .. "\n"
    end
    return table.concat(lines)
end

local function indent(block)
    return (block:gsub("[^\n]+", "  %0"))
end

local function narrower(where)
    return { terminal = where.terminal, color = where.color, width = where.width and math.max(where.width - 2, 20) }
end

local function as_record(record, where)
    local keys, width, parts = columns.names({ record }), 0, {}
    for _, key in ipairs(keys) do width = math.max(width, text.width(key)) end
    for _, key in ipairs(keys) do
        local value = record[key]
        if is_list_of_records(value) then
            parts[#parts + 1] = terminal.paint(where, "bold", key) .. "\n" .. indent(as_table(value, narrower(where)))
        else
            parts[#parts + 1] = field_lines(key, value, width, where)
        end
    end
    return table.concat(parts)
end

function as_records(rows, where)
    local parts = {}
    for i, row in ipairs(rows) do
        local rule = ("── %d "):format(i)
        parts[#parts + 1] = terminal.paint(where, "dim", rule .. ("─"):rep(40 - text.width(rule))) .. "\n"
        parts[#parts + 1] = as_record(row, where)
    end
    return table.concat(parts)
end

-- ---- all the rest ------------------------------------------------------------------------------------------

local colors = { string = "green", number = "cyan", boolean = "cyan", ["nil"] = "dim" }

local function as_scalar(value, where)
    local line = type(value) == "string" and literal.quoted(value) or text.clean(tostring(value))
    if type(value) == "function" then line = function_text(value) end
    local parts = where.width and fold(line, where.width) or { line }
    for i, part in ipairs(parts) do
        parts[i] = terminal.paint(where, colors[type(value)], part) .. "\n"
    end
    return table.concat(parts)
end

local function as_json(value)
    local ok, document = pcall(json.encode, value, true)
    return ok and document .. "\n" or ("this cannot be written as JSON: %s\n"):format(text.clean(tostring(value)))
end

--- A value as lines of text.
---@param value any
---@param where kmirror.terminal
---@param style kmirror.repl.style
---@return string
function M.value(value, where, style)
    if style.json then return as_json(value) end
    if type(value) ~= "table" then return as_scalar(value, where) end
    if M.is_error(value) then return M.problem(value, where) end
    if literal.speaks(value) then return text.clean(tostring(value)) .. "\n" end
    if is_list_of_records(value) then
        return (style.expanded and as_records or as_table)(value, where)
    end
    if is_record(value) then return as_record(value, where) end
    return literal.block(value, where.width or 80) .. "\n"
end

-- ---- errors ------------------------------------------------------------------------------------------------

local facts = { "status", "code", "operation", "id", "cluster", "attempts", "link" }

local function details_of(problem, where)
    local words = {}
    for _, name in ipairs(facts) do
        local value = problem[name]
        if value ~= nil then
            words[#words + 1] = ("%s=%s"):format(name, text.clean(tostring(value)))
        end
    end
    if type(problem.details) == "table" and next(problem.details) ~= nil then
        words[#words + 1] = "details=" .. literal.line(problem.details)
    end
    if #words == 0 then return "" end
    local lines = text.wrap("  " .. table.concat(words, " "), where.width or math.huge)
    for i, line in ipairs(lines) do lines[i] = terminal.paint(where, "dim", line) end
    return table.concat(lines, "\n") .. "\n"
end

local function is_bare(problem)
    return type(problem) == "table" and not literal.speaks(problem)
end

--- An error as lines of text: what happened, and the fields of an error object.
---@param problem any what was raised
---@param where kmirror.terminal
---@return string
function M.problem(problem, where)
    local kind = M.is_error(problem) and problem.kind or "error"
    local message = is_bare(problem) and literal.line(problem)
        or problem == nil and "an error without a value: error() takes a text that says what went wrong"
        or text.clean((tostring(problem):gsub("^input:", "line ")))
    local lines = text.wrap(kind .. ": " .. message, where.width or math.huge, "  ")
    lines[1] = terminal.paint(where, "red", kind .. ":") .. lines[1]:sub(#kind + 2)
    local head = table.concat(lines, "\n") .. "\n"
    return M.is_error(problem) and head .. details_of(problem, where) or head
end

return M
