--- again: the command that continues what a run has left: the one way that works, told once. A runbook that knows it
--- notes it down; the job and the report of the run then tell that one, and none of their own.

local fields = require("mirrors").fields
local log = require("kmirror.log")
local shell = require("kmirror.shell")

local M = {}

-- Of kmirror's own options, those that say what is worked on, in the order in which they are written.
local kept = {
    { "profile", "--profile" }, { "endpoint", "--endpoint" }, { "api", "--api" }, { "cluster", "--cluster" },
    { "ca_file", "--ca-file" }, { "store", "--store" },
}

local options, anew, in_sandbox = "", "", false -- anew: without the job
local noted ---@type string|false|nil false: there is no way to continue

--- Takes kmirror's own options from a command line that has been read, for the commands that are made from then on.
---@param given table
function M.remember(given)
    local words = {}
    in_sandbox = given.sandbox == true
    local function keep(option, value)
        words[#words + 1] = not in_sandbox and value and option .. " " .. shell.word(value) .. " " or nil
    end
    for _, option in ipairs(kept) do keep(option[2], given[option[1]]) end
    anew = table.concat(words)
    keep("--job", given.job)
    words[#words + 1] = given.join and "--join " or nil
    if given.approval and not in_sandbox then -- asked for with the same words, what was approved stays approved
        words[#words + 1] = "--approval "
        keep("--approval-timeout", given.approval_timeout and ("%g"):format(given.approval_timeout))
        keep("--reason", given.reason)
    end
    options = table.concat(words)
end

--- How a command begins that works on the same: "kmirror --profile production ".
---@param is_anew? boolean it is no part of the job
---@return string
function M.prefix(is_anew)
    return "kmirror " .. (is_anew and anew or options)
end

local function write(own, name, ...)
    local words = { "kmirror " .. own .. "run", shell.word(name) }
    for _, argument in ipairs({ ... }) do words[#words + 1] = shell.word(argument) end
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
    return write(anew, name, ...)
end

--- A line that tells how this run is continued, and notes the command down. What has run in a sandbox of its own cannot
--- be: without --sandbox the command would be about what is real.
---@param label string "To continue:  "
---@param command string
---@return string line
function M.line(label, command)
    noted = not in_sandbox and command
    return noted and label .. command or "There is nothing to continue, as this sandbox ends now."
end

--- Warns whoever continues a run at once that was stopped amid creates. A job knows of them; any other run has but the
--- lists, and these may be behind by as much as reconcile.lua grants them.
function M.warn_of_haste()
    if options == anew and not in_sandbox then
        log.warn("wait 10 s before you continue: the mirrors that were created last may not be listed yet, and "
            .. "would be created a second time (with --job NAME that cannot happen)")
    end
end

--- The command that was noted down; nil when there is none, and false when nothing can be continued.
---@return string|false|nil
function M.noted()
    return noted
end

return fields.guard("again", M, {
    remember = { "given", fields.table },
    prefix = { "is_anew?", fields.boolean },
    command = { "name", fields.string, "...", fields.word },
    anew = { "name", fields.string, "...", fields.word },
    line = { "label", fields.string, "command", fields.string },
    warn_of_haste = {},
    noted = {},
})
