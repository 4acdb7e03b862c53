--- summary: what a runbook says of itself when it is over: its result, for whoever reads its report. The page of the
--- run begins with it.

local fields = require("mirrors").fields

local M = {}

local lines = {}

--- Notes a line of the result down.
---@param line string
function M.note(line)
    lines[#lines + 1] = line
end

--- Prints a line of the result, and notes it down.
---@param line string
function M.say(line)
    print(line)
    M.note((line:gsub("^\n+", "")))
end

--- What was noted down; nil when nothing was.
---@return string|nil
function M.noted()
    return #lines > 0 and table.concat(lines, "\n") or nil
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("summary", M, { note = { "line", fields.string }, say = { "line", fields.string }, noted = {} })
