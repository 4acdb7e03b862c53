--- json: JSON for people and files on top of lua-cjson: keys in order, integers as integers.

local cjson = require("cjson")
local fields = require("mirrors").fields
local text = require("kmirror.text")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local M = {}

local array = { __name = "array" }

--- Marks a table as an array, so that it is written as `[]` when it is empty.
---@generic T: table
---@param list T
---@return T
function M.array(list)
    return setmetatable(list, array)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(character)
    return escapes[character] or ("\\u%04x"):format(utf8.codepoint(character))
end

-- JSON may reach a terminal, too: what one would obey is an escape, all of which are below U+10000. Most text has only
-- characters that stand for themselves.
local function quote(value)
    if not value:find("[^]-~ !#-[]") then
        return '"' .. value .. '"'
    end
    local safe = text.valid(value):gsub('[%c"\\]', escape)
    if safe:find("[\x80-\xFF]") then
        safe = safe:gsub("[\xC2-\xF4][\x80-\xBF]+", function(character)
            return text.clean(character) ~= character and escape(character) or nil
        end)
    end
    return '"' .. safe .. '"'
end

local function number(value)
    if math.type(value) == "integer" then
        return ("%d"):format(value)
    elseif value ~= value or value == math.huge or value == -math.huge then
        return "null"
    end
    local short = ("%.15g"):format(value)
    return tonumber(short) == value and short or ("%.17g"):format(value)
end

local function by_text(a, b)
    return tostring(a) < tostring(b)
end

local function sorted(keys)
    local list = table.move(keys, 1, #keys, 1, {})
    local all_text = true
    for _, key in ipairs(list) do
        all_text = all_text and type(key) == "string"
    end
    table.sort(list, not all_text and by_text or nil)
    return list
end

-- A writer has `pieces` of the text so far; `names`, keys as they are written; `tables`, by depth, the keys of the last
-- object there as they came, and sorted; the `colon` behind keys; and `indents` by depth, or nil for one line.

-- Tables at the same depth are much alike: often they have the same keys, and even in the same order.
local function sorted_keys(writer, value, depth)
    local last, count = writer.tables[depth], 0
    for key in pairs(value) do
        count = count + 1
        if not last or last.keys[count] ~= key then
            last = nil
            break
        end
    end
    if not last or #last.keys ~= count then
        local keys = {}
        for key in pairs(value) do
            keys[#keys + 1] = key
        end
        last = { keys = keys, sorted = sorted(keys) }
        writer.tables[depth] = last
    end
    return last.sorted
end

local function name_of(writer, key)
    local name = writer.names[key]
    if not name then
        name = quote(tostring(key)) .. writer.colon
        writer.names[key] = name
    end
    return name
end

local write

local function write_list(writer, list, between, depth)
    local pieces = writer.pieces
    for i, item in ipairs(list) do
        if i > 1 then
            pieces[#pieces + 1] = between
        end
        write(writer, item, depth)
    end
end

local function write_fields(writer, value, between, depth)
    local pieces = writer.pieces
    for i, key in ipairs(sorted_keys(writer, value, depth)) do
        if i > 1 then
            pieces[#pieces + 1] = between
        end
        pieces[#pieces + 1] = name_of(writer, key)
        write(writer, value[key], depth)
    end
end

-- A new line, that far in; nothing where all is in one line.
local function break_line(writer, depth)
    local indents = writer.indents
    if not indents then
        return ""
    end
    indents[depth] = indents[depth] or "\n" .. ("  "):rep(depth)
    return indents[depth]
end

local function write_table(writer, value, depth)
    local pieces = writer.pieces
    local is_list = #value > 0 or getmetatable(value) == array
    local write_inside = is_list and write_list or write_fields
    local first, inner = #pieces + 1, break_line(writer, depth + 1)
    pieces[first] = (is_list and "[" or "{") .. inner
    write_inside(writer, value, "," .. inner, depth + 1)
    if #pieces == first then
        pieces[first] = is_list and "[]" or "{}"
    else
        pieces[#pieces + 1] = break_line(writer, depth) .. (is_list and "]" or "}")
    end
end

function write(writer, value, depth)
    local kind, piece = type(value), nil
    if kind == "string" then
        piece = quote(value)
    elseif kind == "number" then
        piece = number(value)
    elseif kind == "boolean" then
        piece = tostring(value)
    elseif value == nil or value == cjson.null then
        piece = "null"
    elseif getmetatable(value) == "mirrors.secret" then
        piece = quote(tostring(value))
    elseif kind ~= "table" then
        error(("cannot write a %s as JSON"):format(kind), 0)
    else
        return write_table(writer, value, depth)
    end
    writer.pieces[#writer.pieces + 1] = piece
end

--- The value as JSON, keys in alphabetical order. A table with items is an array.
---@param value any
---@param pretty? boolean on several lines
---@return string
function M.encode(value, pretty)
    local writer = { pieces = {}, names = {}, tables = {}, colon = pretty and ": " or ":", indents = pretty and {} }
    write(writer, value, 0)
    return table.concat(writer.pieces)
end

-- cjson makes every number a float, and null a userdata.
local function tidy(value)
    if type(value) == "table" then
        for key, item in pairs(value) do
            value[key] = tidy(item)
        end
    elseif value == cjson.null then
        return nil
    elseif math.type(value) == "float" then
        return math.tointeger(value) or value
    end
    return value
end

local function position(source, offset)
    local before = source:sub(1, offset - 1)
    local _, newlines = before:gsub("\n", "")
    return ("line %d, column %d"):format(newlines + 1, #before:match("[^\n]*$") + 1)
end

--- The value that JSON text stands for: integers as integers, null as nil.
---@param source string
---@return any
---@return string|nil problem when it is not JSON: where and what
function M.decode(source)
    local ok, value = pcall(cjson.decode, source)
    if ok then
        return tidy(value)
    end
    local problem, offset = tostring(value):match("^(.-) at character (%d+)$")
    if not problem then
        return nil, tostring(value)
    end
    return nil, position(source, tonumber(offset)) .. ": " .. problem:gsub("T_", "")
end

--- The value in a JSON file; nil when there is no such file. Raises usage when it holds something else.
---@param path string
---@return any
function M.read(path)
    local file = io.open(path, "rb")
    if not file then
        return nil
    end
    file:close()
    local value, problem = M.decode(textfile.read(path, "JSON"))
    if problem then
        refuse("%s is not JSON: %s", path, problem)
    end
    return value
end

--- Writes a value to a JSON file: all of it is on the disk then or, when that cannot be done, nothing. Raises why.
---@param path string
---@param value any
function M.write(path, value)
    local content = M.encode(value, true) .. "\n"
    local ok, problem = pcall(require("kmirror.file").write, path, content, true)
    if not ok then
        error("cannot write " .. tostring(problem), 0)
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("json", M, {
    array = { "list", fields.table },
    encode = { "value", fields.any, "pretty?", fields.boolean },
    decode = { "source", fields.string },
    read = { "path", fields.text },
    write = { "path", fields.text, "value", fields.any },
})
