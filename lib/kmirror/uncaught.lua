--- uncaught: what is said of an error that ended a run: what it is, and the place in the runbook where it was made.

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

-- Lua shortens long names of files at their beginning.
local function is_own(path)
    local script = path:match("scripts/([%w_-]+)%.lua$")
    return path:find("lib/kmirror/[%w_/]+%.lua$") or path:find("runtime/[%w_]+%.lua$") or path:find("argparse%.lua$")
        or script and host.script(script) ~= nil
end

-- The innermost frame that is not of kmirror's own files.
local function place_in(traceback)
    for path, line in traceback:gmatch("\n\t([^\n]-):(%d+): in ") do
        if not is_own(path) then
            return path .. ":" .. line .. ": "
        end
    end
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

--- What is said of an error.
---@param problem any
---@param traceback string|nil of where it was raised
---@return string
function M.message(problem, traceback)
    local place = traceback and has_place(problem, traceback) and place_in(traceback) or ""
    local message = place .. M.words(problem)
    return log.is_json() and message
        or text.message(text.valid(message), terminal.of(io.stderr).width, #"kmirror: ")
end

return M
