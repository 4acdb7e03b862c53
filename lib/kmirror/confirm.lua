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
local approver ---@type { ask: fun(summary: string): boolean; required: boolean; given: boolean }|nil

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

--- Has approvals asked for by a function: the run is one of a job. When they are required, a change may be sent only
--- after one was given.
---@param ask? fun(summary: string): boolean raises unless it is approved; whether it was waited for
---@param required? boolean
function M.approve_by(ask, required)
    approver = ask and { ask = ask, required = required == true, given = false }
end

local start ---@type fun()|nil

--- Has the run wait, after an approval, until it may begin: to be approved by day what is done at night.
---@param wait? fun()
function M.begin_by(wait)
    start = wait
end

--- May changes be sent? Not before an approval, under --approval.
---@return boolean
function M.allowed()
    return not approver or not approver.required or approver.given
end

--- Goes on only when another user of the store has approved just that (four eyes); or when no change will be sent
--- anyway. With `optional` nobody is asked unless --approval was given.
---@param summary string what is about to happen, all of it: whoever approves sees nothing else
---@param options? { optional: boolean|nil }
---@return boolean waited it took its time: look again whether things are still as they were
---Raises when it is refused, when nobody decides in time, and when it has changed meanwhile; usage when the run is no
---job, or the store has but one user.
---@async
function M.approval(summary, options)
    local optional = options and options.optional
    if changes.harmless() or optional and not (approver and approver.required) then
        return false
    elseif not approver then
        refuse("an approval takes a job, which another user of the store can find: give --job NAME --store "
            .. "postgresql://…")
    end
    local waited = approver.ask(summary)
    if start then start() end
    waited, start = waited or start ~= nil, nil
    approver.given = true
    return waited
end

--- Whether the person types that word; true when no change will be sent anyway. Raises usage when there is no terminal
--- to ask on, and what Ctrl-C raises.
---@param question string what is about to happen
---@param word string what has to be typed
---@param otherwise? string what to say of the state of things when it is interrupted: "nothing was changed"
---@return boolean
function M.asks(question, word, otherwise)
    if M.assumed() then return true end
    if not (terminal.of(io.stdin).terminal and terminal.of(io.stderr).terminal) then
        refuse("%s: there is no terminal to confirm it on; give --yes to skip the confirmation", question)
    end
    local width = terminal.of(io.stderr).width
    io.stderr:write(text.message(text.clean(question), width, 0), "\nType ", word, " to continue: ")
    local answer = io.read("l")
    if not answer then
        io.stderr:write("\n")
        raise_interrupt(otherwise or "nothing was changed")
    end
    return (answer or ""):match("^%s*(.-)%s*$") == word
end

--- Goes on only when the person types that word, or when no change will be sent anyway. Under --approval the first
--- question is for another user of the store instead: see approval(). Raises when another word is typed, and usage when
--- there is no terminal to ask on.
---@param question string what is about to happen
---@param word string what has to be typed
---@param otherwise? string what to say of the state of things when another word is typed: "nothing was changed"
---@param details? string what whoever approves should see besides
---@return boolean waited for an approval
function M.typed(question, word, otherwise, details)
    if not M.allowed() then
        return M.approval(details and question .. "\n\n" .. details or question)
    elseif not M.asks(question, word, otherwise) then
        error("not confirmed: " .. (otherwise or "nothing was changed"), 0)
    end
    return false
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("confirm", M, {
    assume = { "yes", fields.boolean },
    assumed = {},
    asks = { "question", fields.string, "word", fields.string, "otherwise?", fields.string },
    approve_by = { "ask?", fields.fn, "required?", fields.boolean },
    begin_by = { "wait?", fields.fn },
    allowed = {},
    approval = { "summary", fields.string, "options?", fields.options({ optional = fields.boolean }) },
    typed = {
        "question", fields.string, "word", fields.string, "otherwise?", fields.string, "details?", fields.string,
    },
})
