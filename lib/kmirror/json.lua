--- json: JSON for people and files: keys in order, integers as integers. lua-cjson reads it.

local cjson = require("cjson")
local fields = require("mirrors").fields
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

--- The value as JSON, keys in alphabetical order. A table with items is an array.
---@param value any
---@param pretty? boolean on several lines
---@return string
function M.encode(value, pretty)
    return fields.json_write(value, pretty, array)
end

-- cjson makes every number a float, and null a userdata.
local function tidy(value)
    if type(value) == "table" then
        for key, item in pairs(value) do value[key] = tidy(item) end
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
    if ok then return tidy(value) end
    local problem, offset = tostring(value):match("^(.-) at character (%d+)$")
    if not problem then return nil, tostring(value) end
    return nil, position(source, tonumber(offset)) .. ": " .. problem:gsub("T_", "")
end

--- The value in a JSON file; nil when there is no such file. Raises usage when it holds something else.
---@param path string
---@return any
function M.read(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    file:close()
    local value, problem = M.decode(textfile.read(path, "JSON"))
    if problem then refuse("%s is not JSON: %s", path, problem) end
    return value
end

--- Writes a value to a JSON file: all of it is on the disk then or, when that cannot be done, nothing. Raises why.
---@param path string
---@param value any
function M.write(path, value)
    local content = M.encode(value, true) .. "\n"
    local ok, problem = pcall(require("kmirror.file").write, path, content, true)
    if not ok then error("cannot write " .. tostring(problem), 0) end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("json", M, {
    array = { "list", fields.table },
    encode = { "value", fields.any, "pretty?", fields.boolean },
    decode = { "source", fields.string },
    read = { "path", fields.text },
    write = { "path", fields.text, "value", fields.any },
})
