--- json: JSON for people and files on top of lua-cjson: keys in order, integers as integers.

local cjson = require("cjson")
local fields = require("mirrors").fields
local text = require("kmirror.text")
local textfile = require("kmirror.textfile")
local usage = require("kmirror.usage")

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

-- JSON may reach a terminal, too: what one would obey is an escape, all of which are below U+10000.
local function quote(value)
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

local function sorted_keys(value)
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    return keys
end

local encode

local function members(value, indent, inner)
    local parts = {}
    if #value > 0 or getmetatable(value) == array then
        for i, item in ipairs(value) do
            parts[i] = encode(item, inner)
        end
        return "[", parts, "]"
    end
    for i, key in ipairs(sorted_keys(value)) do
        parts[i] = quote(tostring(key)) .. (indent and ": " or ":") .. encode(value[key], inner)
    end
    return "{", parts, "}"
end

function encode(value, indent)
    local kind = type(value)
    if kind == "string" then
        return quote(value)
    elseif kind == "number" then
        return number(value)
    elseif kind == "boolean" then
        return tostring(value)
    elseif value == nil or value == cjson.null then
        return "null"
    elseif getmetatable(value) == "mirrors.secret" then
        return quote(tostring(value))
    elseif kind ~= "table" then
        error(("cannot write a %s as JSON"):format(kind), 0)
    end
    local inner = indent and indent .. "  "
    local open, parts, close = members(value, indent, inner)
    if #parts == 0 or not indent then
        return open .. table.concat(parts, ",") .. close
    end
    return open .. "\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. close
end

--- The value as JSON, keys in alphabetical order. A table with items is an array.
---@param value any
---@param pretty? boolean on several lines
---@return string
function M.encode(value, pretty)
    return encode(value, pretty and "" or nil)
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
        usage("%s is not JSON: %s", path, problem)
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
