--- again: the command that continues what a run has left: the one way that works, told once. A runbook that knows it
--- notes it down; the job and the report of the run then tell that one, and none of their own.

local fields = require("mirrors").fields
local shell = require("kmirror.shell")

local M = {}

-- Of kmirror's own options, those that say what is worked on, in the order in which they are written.
local kept = {
    { "profile", "--profile" }, { "endpoint", "--endpoint" }, { "api", "--api" }, { "cluster", "--cluster" },
    { "ca_file", "--ca-file" }, { "store", "--store" }, { "job", "--job" },
}

local options, noted = "", nil

--- Takes kmirror's own options from a command line that has been read, for the commands that are made from then on.
---@param given table
function M.remember(given)
    local words = {}
    for _, option in ipairs(kept) do
        local value = not given.sandbox and given[option[1]]
        words[#words + 1] = value and option[2] .. " " .. shell.word(value) .. " " or nil
    end
    options = table.concat(words)
end

--- How a command begins that works on the same: "kmirror --profile production ".
---@return string
function M.prefix()
    return "kmirror " .. options
end

local function write(own, name, ...)
    local words = { "kmirror " .. own .. "run", shell.word(name) }
    for _, argument in ipairs({ ... }) do
        words[#words + 1] = shell.word(argument)
    end
    return table.concat(words, " ")
end

--- A command for a shell: kmirror run NAME and the arguments, in quotes where they need them, with kmirror's own
--- options.
---@param name string of the runbook
---@param ... string|number its arguments
---@return string
function M.command(name, ...)
    return write(options, name, ...)
end

--- The same as a run that is no part of the job: for what is to be done again though the job has done it.
---@param name string of the runbook
---@param ... string|number its arguments
---@return string
function M.anew(name, ...)
    return write((options:gsub("%-%-job %S+ ", "")), name, ...)
end

--- Notes down the command that continues this run; the runbook tells it.
---@param command string
---@return string command
function M.note(command)
    noted = command
    return command
end

--- The command that was noted down; nil when there is none.
---@return string|nil
function M.noted()
    return noted
end

return fields.guard("again", M, {
    remember = { "given", fields.table }, prefix = {}, noted = {}, note = { "command", fields.string },
    command = { "name", fields.string, "...", fields.word }, anew = { "name", fields.string, "...", fields.word },
})
