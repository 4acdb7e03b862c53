--- again: the command that runs a runbook once more.

local fields = require("mirrors").fields
local shell = require("kmirror.shell")

local M = {}

--- A command for a shell: kmirror run NAME and the arguments, in quotes where they need them.
---@param name string of the runbook
---@param ... string|number its arguments
---@return string
function M.command(name, ...)
    local words = { "kmirror run", shell.word(name) }
    for _, argument in ipairs({ ... }) do
        words[#words + 1] = shell.word(argument)
    end
    return table.concat(words, " ")
end

return fields.guard("again", M, { command = { "name", fields.string, "...", fields.word } })
