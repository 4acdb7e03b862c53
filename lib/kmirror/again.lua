--- again: the command that runs a runbook once more.

local M = {}

local function quote(word)
    if word:find("^[%w@%%+=:,./_-]+$") then
        return word
    end
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A command for a shell: kmirror run NAME and the arguments, in quotes where they need them.
---@param name string of the runbook
---@param ... string its arguments
---@return string
function M.command(name, ...)
    local words = { "kmirror run", quote(name) }
    for _, argument in ipairs({ ... }) do
        words[#words + 1] = quote(argument)
    end
    return table.concat(words, " ")
end

return M
