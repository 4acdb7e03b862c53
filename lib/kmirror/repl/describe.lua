--- repl.describe: what a function takes and what it is for, from its definition and the annotations above it.

local host = require("host")
local known = require("kmirror.repl.known")

local M = {}

-- ---- signatures --------------------------------------------------------------------------------------------

local function parameters(fn, method)
    fn = known.original(fn)
    local info, names = debug.getinfo(fn, "u"), {}
    for i = method and 2 or 1, info.nparams do names[#names + 1] = debug.getlocal(fn, i) end
    if info.isvararg then names[#names + 1] = "..." end
    return names
end

--- Whether it is called with a colon.
---@param fn function
---@return boolean
function M.is_method(fn)
    return debug.getlocal(known.original(fn), 1) == "self"
end

--- What it takes: "(id, ms)". What is written in C does not say.
---@param fn function
---@param method boolean called with a colon, so that the first parameter is not typed
---@return string
function M.signature(fn, method)
    fn = known.original(fn)
    if debug.getinfo(fn, "S").what == "C" then return "(…)" end
    return "(" .. table.concat(parameters(fn, method), ", ") .. ")"
end

-- ---- annotations -------------------------------------------------------------------------------------------

local function read_file(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a")
end

local function lines_of(source)
    local lines = {}
    for line in ((source or "") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
    return lines
end

local function comment_above(lines, at)
    local first = at
    while first > 1 and lines[first - 1]:find("^%s*%-%-%-") do first = first - 1 end
    local found = {}
    for i = first, at - 1 do found[#found + 1] = lines[i]:match("^%s*%-%-%-%s?(.*)$") end
    return #found > 0 and found or nil
end

-- For what is defined in one place and described in another: `sleep = native.sleep,` or `M.sleep = sleep`; else the
-- description of a function of that name.
local function comment_on_field(lines, field)
    for _, pattern in ipairs({ "^%s*[%w_.]-%f[%w_]" .. field .. "%s*=[^=]",
        "^%s*function%s+[%w_.:]*%f[%w_]" .. field .. "%s*%(" }) do
        for at, line in ipairs(lines) do
            local comment = line:find(pattern) and comment_above(lines, at)
            if comment then return comment end
        end
    end
end

local function source_of(fn)
    local info = debug.getinfo(fn, "S")
    local path = info.source:match("^@(.*)$")
    return path and lines_of(read_file(path) or host.source(path)), info.linedefined
end

--- What is said of a function; nil when nothing is.
---@param fn function
---@param field string|nil the last part of its name
---@param home string|nil file of the module that it was found in, such as "runtime/task.lua"
---@return string[]|nil comment without dashes
---@return string[] source the lines of the file that it stands in
function M.comment(fn, field, home)
    local lines, at = source_of(known.original(fn))
    local found = lines and at > 0 and comment_above(lines, at)
    if not found and field and lines then found = comment_on_field(lines, field) end
    if not found and field and home then
        lines = lines_of(host.source(home))
        found = comment_on_field(lines, field)
    end
    return found, lines or {}
end

--- The lines of a module's source, none when it is written in C.
---@param home string|nil its file
---@return string[]
function M.source(home)
    return home and lines_of(host.source(home)) or {}
end

--- What a module says of itself, at its top.
---@param home string its file
---@return string[]|nil
function M.module_comment(home)
    local found = {}
    for _, line in ipairs(lines_of(host.source(home))) do
        local text = line:match("^%-%-%-?%s?(.*)$")
        if not text then break end
        found[#found + 1] = text
    end
    return #found > 0 and found or nil
end

return M
