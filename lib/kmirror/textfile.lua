--- textfile: the text in a file, or on standard input, as UTF-8 and without a byte order mark. What is not such a text
--- is refused with its place, before anything comes of it.

local fields = require("mirrors").fields
local mirrors = require("mirrors")
local refuse = require("kmirror.usage")

local M = {}

local marks = {
    { "\xFF\xFE\0\0", "UTF-32" }, { "\0\0\xFE\xFF", "UTF-32" }, { "\xFF\xFE", "UTF-16" }, { "\xFE\xFF", "UTF-16" },
}

-- Two or four bytes a character; without a mark, the zeros among the first ones tell.
local function wide_encoding(bytes)
    for _, mark in ipairs(marks) do
        if bytes:sub(1, #mark[1]) == mark[1] then return mark[2] end
    end
    return (bytes:find("^[^\0]\0[^\0]\0") or bytes:find("^\0[^\0]\0[^\0]")) and "UTF-16" or nil
end

--- The text without a byte order mark; nil and what is wrong with it when it is not UTF-8. Its bytes are in no message:
--- it may be a secret.
---@param bytes string
---@return string|nil text
---@return string|nil problem "is UTF-16; …"
function M.decode(bytes)
    local encoding = wide_encoding(bytes)
    if encoding then return nil, ("is %s; save it as UTF-8"):format(encoding) end
    local text = bytes:gsub("^\xEF\xBB\xBF", "")
    local line, column = fields.not_utf8(text)
    if line then
        return nil, ("is not UTF-8 at line %d, column %d; save it as UTF-8 (it may be Latin-1)"):format(line, column)
    end
    return text
end

--- The same for a runbook, which may hold any bytes, as Lua's own files may.
---@param bytes string
---@return string|nil text
---@return string|nil problem
function M.decode_code(bytes)
    local encoding = wide_encoding(bytes)
    if encoding then return nil, ("is %s; save it as UTF-8"):format(encoding) end
    return (bytes:gsub("^\xEF\xBB\xBF", ""))
end

--- What a message calls a file.
---@param path string
---@return string
function M.name(path)
    return path == "-" and "standard input" or path
end

local largest <const> = 64 << 20 -- bytes: whoever names a device, or a dump, by mistake is told in time
local piece <const> = 1 << 16

-- All that is in a file; nil and why not.
local function all_of(file)
    local parts, size = {}, 0
    repeat
        local part, why = file:read(piece)
        if why then return nil, why end
        parts[#parts + 1] = part
        size = size + #(part or "")
    until not part or size > largest
    if size > largest then return nil, ("it is larger than %d MiB"):format(largest >> 20) end
    return table.concat(parts)
end

local function read_bytes(path, expected)
    local file, problem = io.stdin, nil
    if path ~= "-" then file, problem = io.open(path, "rb") end
    local bytes, why
    if file then bytes, why = all_of(file) end
    if file and file ~= io.stdin then file:close() end
    problem = problem or ("%s: %s"):format(M.name(path), why or "not a file")
    return bytes or refuse("cannot read %s; expected %s", problem, expected)
end

--- Reads a text. Raises usage when it cannot be read, or is not UTF-8.
---@param path string "-" is standard input
---@param expected string what it should be, for messages: "a fleet file"
---@return string
function M.read(path, expected)
    local text, problem = M.decode(read_bytes(path, expected))
    return text or refuse("%s %s; expected %s", M.name(path), problem, expected)
end

--- Reads a runbook, or another file in Lua. Raises usage when it cannot be read.
---@param path string "-" is standard input
---@param expected string
---@return string
function M.read_code(path, expected)
    local text, problem = M.decode_code(read_bytes(path, expected))
    return text or refuse("%s %s; expected %s", M.name(path), problem, expected)
end

--- The bytes of a file that holds a secret: its owner alone may read it.
---@param path string
---@param called? string what messages call it; its path by default
---@return string|nil bytes
---@return string|nil problem
function M.read_private(path, called)
    called = called or path
    local file <close>, why = io.open(path, "rb")
    local bytes, problem = nil, nil
    if file then bytes, problem = all_of(file) end
    if not bytes then
        return nil, ("cannot read %s: %s"):format(called, problem or why:match("[^:]*$"):gsub("^ ", ""))
    elseif mirrors.is_private(path) ~= true then
        return nil, ("%s can be read by others than its owner: chmod 600 %s"):format(called, called)
    end
    return bytes
end

local longest_name = 59

--- What Lua says of a file with the file's whole name: it cuts long ones.
---@param message any
---@param path string
---@return any
function M.with_whole_name(message, path)
    if type(message) ~= "string" or #path < longest_name then return message end
    local cut = message:match("^(%.%.%..-):%d+: ")
    return cut and path:sub(-(#cut - 3)) == cut:sub(4) and path .. message:sub(#cut + 1) or message
end

--- Runs a file in Lua that is data: it returns a value, and reaches no more than its globals.
---@param source string
---@param path string
---@param globals table
---@return boolean ok
---@return any value or what is wrong, with the file's whole name and the line
function M.evaluate(source, path, globals)
    local chunk, problem = load(source:gsub("^#[^\n]*", ""), "@" .. path, "t", globals)
    if not chunk then return false, M.with_whole_name(problem, path) end
    local ok, value = pcall(chunk)
    return ok, ok and value or M.with_whole_name(value, path)
end

return fields.guard("textfile", M, {
    with_whole_name = { "message", fields.any, "path", fields.string },
    evaluate = { "source", fields.string, "path", fields.string, "globals", fields.table },
    decode = { "bytes", fields.string },
    decode_code = { "bytes", fields.string },
    name = { "path", fields.string },
    read = { "path", fields.string, "expected", fields.string },
    read_code = { "path", fields.string, "expected", fields.string },
    read_private = { "path", fields.string, "called?", fields.string },
})
