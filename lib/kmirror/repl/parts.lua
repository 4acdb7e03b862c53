--- repl.parts: what was typed or pasted in one go, in parts: commands, expressions and statements, each of as many
--- lines as it takes.

local evaluate = require("kmirror.repl.evaluate")

local M = {}

---@class kmirror.repl.part
---@field text string
---@field line integer the number of its first line
---@field command boolean it begins with a colon

--- Is it a command?
---@param text string
---@return boolean
function M.is_command(text)
    return text:find("^%s*:") ~= nil
end

local function is_incomplete(part, env)
    return not part.command and evaluate.compile(part.text, env).incomplete
end

--- Splits an input.
---@param input string
---@param env table what its globals are
---@return kmirror.repl.part[] parts
---@return boolean incomplete more is to come of the last one
function M.split(input, env)
    local parts, open, number = {}, nil, 0
    for line in (input:gsub("\r\n", "\n") .. "\n"):gmatch("(.-)\n") do
        number = number + 1
        if open then
            open.text = open.text .. "\n" .. line
        elseif line:find("%S") then
            open = { text = line, line = number, command = M.is_command(line) }
            parts[#parts + 1] = open
        end
        if open and not is_incomplete(open, env) then open = nil end
    end
    return parts, open ~= nil
end

return M
