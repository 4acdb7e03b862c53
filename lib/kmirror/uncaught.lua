--- uncaught: what is said of an error that ended a run: what it is, and the place in the runbook where it was made.

local files = require("kmirror.file")
local host = require("host")
local literal = require("kmirror.literal")
local log = require("kmirror.log")
local modules = require("kmirror.modules")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

local function has_words(problem)
    local meta = getmetatable(problem)
    return type(problem) ~= "table" or type(meta) == "string" or type(meta) == "table" and meta.__tostring ~= nil
end

--- What an error value says.
---@param problem any
---@return string
function M.words(problem)
    if problem == nil then
        return "an error without a value: error() takes a text that says what went wrong"
    elseif not has_words(problem) then
        return "an error object, " .. literal.line(problem)
    end
    return tostring(problem)
end

--- Whether a file is one of kmirror's own. Lua shortens long names of files at their beginning.
---@param path string
---@return boolean
function M.is_own(path)
    local script = path:match("scripts/([%w_-]+)%.lua$")
    return path:find("lib/kmirror/[%w_/]+%.lua$") or path:find("runtime/[%w_]+%.lua$") or path:find("argparse%.lua$")
        or script and host.script(script) ~= nil or false
end

-- The innermost frame that is not of kmirror's own files.
local function innermost(traceback)
    for path, line in traceback:gmatch("\n\t([^\n]-):(%d+): in ") do
        if not M.is_own(path) then return path, line end
    end
end

local function place_in(traceback)
    local path, line = innermost(traceback)
    if path then return path .. ":" .. line .. ": " end
    return modules.runbook and modules.runbook .. ": " or "" -- a call that was returned took the place of its frame
end

-- What happened outside of the runbook has no place in it; what the runbook did wrong has. A text that it raised itself
-- is as it wants it.
local function has_place(problem, traceback)
    if type(problem) == "table" and problem.kind ~= nil then
        return problem.kind == "invalid" and problem.status == nil
    elseif type(problem) == "string" then
        return not problem:find("^[^\n:]+:%d+: ") and not traceback:find("^[^\n]*\n\t%[C%]: in function 'error'")
    end
    return true
end

-- ---- the line -----------------------------------------------------------------------------------------------

local function read_line(path, number)
    if files.is_stream(path) then return nil end -- it was read, and to open a pipe again would wait for a writer
    local file <close> = io.open(path, "rb")
    local at = 0
    for line in file and file:lines() or function() end do
        at = at + 1
        if at == number then return line end
    end
end

local secrets = {
    "key", "pass", "pwd", "secret", "sasl", "jaas", "token", "bearer", "credential", "properties", "auth",
    "://[^/%s]*@",
}

-- A runbook may have written one down.
local function may_hold_secret(code)
    code = code:lower()
    for _, word in ipairs(secrets) do
        if code:find(word) then return true end
    end
    return false
end

--- Where the runbook was, as it stands there: "    book.lua:3 | api:get(id)". nil when that cannot be told, and where
--- messages are for programs.
---@param message string that may begin with the place
---@param traceback? string
---@return string|nil
function M.line(message, traceback)
    if log.is_json() then return nil end
    local path, line = message:match("^([^\n:]+):(%d+): ")
    if not path or M.is_own(path) then path, line = innermost(traceback or "") end
    local code = path and read_line(path, math.tointeger(line))
    code = code and code:match("^%s*(.-)%s*$")
    if not code or code == "" or not utf8.len(code) or may_hold_secret(code) then return nil end
    local before = ("    %s:%s | "):format(path, line)
    return text.clean(text.cut(before .. code, math.max(#before + 20, terminal.of(io.stderr).width or 120)))
end

-- What the operator did, and not the runbook.
local function is_outside(problem)
    return type(problem) == "table" and (problem.kind == "usage" or problem.kind == "cancelled")
end

--- What is said of an error.
---@param problem any
---@param traceback string|nil of where it was raised
---@return string
function M.message(problem, traceback)
    local place = traceback and has_place(problem, traceback) and place_in(traceback) or ""
    local message = place .. M.words(problem)
    if log.is_json() then return message end
    local line = not is_outside(problem) and M.line(message, traceback)
    local told = text.message(text.valid(message), terminal.of(io.stderr).width, #"kmirror: ")
    return line and told .. "\n" .. line or told
end

return M
