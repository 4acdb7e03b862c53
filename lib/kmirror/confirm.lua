--- confirm: has the person at the terminal type a word before something that cannot be undone.

local changes = require("kmirror.changes")
local fields = require("mirrors").fields
local log = require("kmirror.log")
local task = require("task")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local agreed = false

--- Takes every question as answered: --yes was given, or nothing real can be touched.
---@param yes boolean
function M.assume(yes)
    agreed = yes
end

--- Is there nobody to ask, or no need to? Then M.typed() continues without a question.
---@return boolean
function M.assumed()
    return agreed or changes.harmless()
end

-- It may have been Ctrl-C that ended the input.
local function raise_interrupt(unchanged)
    local ok, problem = pcall(task.sleep, 0)
    if not ok then
        log.error("not confirmed: %s", unchanged)
        error(problem, 0)
    end
end

--- Whether the person types that word; true when no change will be sent anyway. Raises usage when there is no terminal
--- to ask on, and what Ctrl-C raises.
---@param question string what is about to happen
---@param word string what has to be typed
---@param otherwise? string what to say of the state of things when it is interrupted: "nothing was changed"
---@return boolean
function M.asks(question, word, otherwise)
    if M.assumed() then
        return true
    end
    if not (terminal.of(io.stdin).terminal and terminal.of(io.stderr).terminal) then
        refuse("%s: there is no terminal to confirm it on; give --yes to skip the confirmation", question)
    end
    io.stderr:write(text.clean(question), "\nType ", word, " to continue: ")
    local answer = io.read("l")
    if not answer then
        io.stderr:write("\n")
        raise_interrupt(otherwise or "nothing was changed")
    end
    return (answer or ""):match("^%s*(.-)%s*$") == word
end

--- Goes on only when the person types that word, or when no change will be sent anyway. Raises when another
--- word is typed, and usage when there is no terminal to ask on.
---@param question string what is about to happen
---@param word string what has to be typed
---@param otherwise? string what to say of the state of things when another word is typed: "nothing was changed"
function M.typed(question, word, otherwise)
    if not M.asks(question, word, otherwise) then
        error("not confirmed: " .. (otherwise or "nothing was changed"), 0)
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("confirm", M, {
    assume = { "yes", fields.boolean },
    assumed = {},
    asks = { "question", fields.string, "word", fields.string, "otherwise?", fields.string },
    typed = { "question", fields.string, "word", fields.string, "otherwise?", fields.string },
})
