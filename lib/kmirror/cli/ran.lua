--- cli.ran: what is done around each command that may change something: it leaves a line in the history, and `run` has
--- hooks for its beginning and its end. What these take is loaded when there is something to write, or a hook.

local host = require("host")
local mirrors = require("mirrors")
local profile = require("kmirror.profile")
local task = require("task")

local M = {}

local steps = { "start", "failed", "done" }

---@class kmirror.cli.ran
---@field given table the command line
---@field words string[] as it was typed
---@field hooks kmirror.hooks|nil
---@field recorder kmirror.history.recorder|nil once something was changed
---@field began number on task.now()'s clock
local Ran = {}
Ran.__index = Ran

-- ---- the history ------------------------------------------------------------------------------------------

-- What stands behind a command's name.
local function arguments_behind(command, words)
    for i, word in ipairs(words) do
        if word == command then return table.move(words, i + 1, #words, 1, {}) end
    end
    return words
end

local function about(given, words)
    local current, is_run = profile.current(), given.command == "run"
    local arguments = is_run and given.rest or arguments_behind(given.command, words)
    return {
        command = given.command, runbook = is_run and given.script or nil,
        arguments = require("kmirror.sensitive").words(arguments or {}), account = current.username,
        endpoint = current.endpoint or profile.own_urls(), profile = current.name, cluster = given.cluster,
        job = given.job, reason = given.reason,
    }
end

local function new_recorder(self)
    return require("kmirror.history").recorder(about(self.given, self.words), not self.given.sandbox)
end

-- What an error says that ended it.
local function words_of(status, problem)
    if status == 130 then return "interrupted" end
    if problem == nil or type(problem) == "table" and problem.kind == "cancelled" then return nil end -- os.exit()
    return require("kmirror.uncaught").words(problem)
end

-- ---- hooks ------------------------------------------------------------------------------------------------

-- Whether a shipped runbook has hooks of its own.
local function takes_hooks(script)
    for _, option in ipairs(require("kmirror.cli.definitions").runbook(script).options) do
        if option.names[1] == "--hook" then return true end
    end
    return false
end

-- The hooks behind a shipped runbook's name that it does not take for itself, and its arguments without them.
local function hooks_behind(given)
    local rest, found, own = {}, {}, takes_hooks(given.script)
    local i = 1
    while i <= #given.rest do
        local word = given.rest[i]
        local value = word:match("^%-%-hook=(.*)$") or word == "--hook" and given.rest[i + 1]
        local step = value and value:match("^(%l+)=")
        if step == "start" or step == "failed" or step == "done" and not own then
            found[#found + 1] = value
            i = i + (word == "--hook" and 2 or 1)
        else
            rest[#rest + 1] = word
            i = i + 1
        end
    end
    return found, rest
end

local function mentions_hooks(given)
    for _, word in ipairs(given.rest) do
        if word:find("^%-%-hook") then return host.script(given.script) ~= nil end
    end
    return false
end

-- The hooks of a run; nil when it has none. Takes those out of the runbook's arguments that are not its own.
local function hooks_of(given)
    local is_run, defaults = given.command == "run", profile.current().hooks
    local behind = is_run and mentions_hooks(given)
    if not is_run or not (given.hook or behind or defaults) then return nil end
    local hooks, all = require("kmirror.hooks"), table.move(given.hook or {}, 1, #(given.hook or {}), 1, {})
    if behind then
        local found
        found, given.rest = hooks_behind(given)
        for _, value in ipairs(found) do
            local hook, problem = hooks.option(steps)(value)
            all[#all + 1] = hook or require("kmirror.usage")("%s", problem)
        end
    end
    given.hook = all
    return hooks.new(steps, all, { timeout = given.hook_timeout, defaults = defaults })
end

local function context_of(self, more)
    local its = about(self.given, self.words)
    local context = {
        KMIRROR_RUNBOOK = its.runbook, KMIRROR_ARGUMENTS = table.concat(its.arguments, " "), KMIRROR_JOB = its.job,
        KMIRROR_REASON = its.reason, KMIRROR_USER = host.user(), KMIRROR_HOST = host.machine(),
        KMIRROR_ENDPOINT = its.endpoint, KMIRROR_ACCOUNT = its.account,
    }
    for name, value in pairs(more or {}) do context[name] = value end
    return context
end

-- Each of them is told, whatever becomes of the one before.
local function tell(hooks, step, context)
    for _, hook in ipairs(hooks.all) do
        local alone = setmetatable({ all = { hook }, timeout = hooks.timeout }, getmetatable(hooks))
        local ok, problem = pcall(alone.run, alone, step, context)
        if not ok then require("kmirror.log").error("%s", tostring(problem)) end
    end
end

-- The run may have been interrupted: what is left of it may wait all the same.
local function tell_end(self, status, problem)
    local step = (status == 0 or status == 3) and "done" or "failed"
    if not self.hooks:has(step) then return end
    host.go_on()
    tell(self.hooks, step, context_of(self, {
        KMIRROR_STATUS = status, KMIRROR_STATE = require("kmirror.ended").state(status),
        KMIRROR_PROBLEM = problem and mirrors.printable(problem), KMIRROR_REPORT = self.given.report,
        KMIRROR_CHANGES = require("kmirror.history").words(self.recorder and self.recorder.changes or {}),
        KMIRROR_SECONDS = ("%.1f"):format(task.now() - self.began),
    }))
end

-- ---- around a command -------------------------------------------------------------------------------------

--- For a command that is about to be run. Each change that it sends is counted from here on, and the first leaves a
--- line in the history; in a sandbox of the run's own none is left.
---@param given table the command line
---@param words string[] as it was typed
---@return kmirror.cli.ran
---Raises usage for hooks that cannot be.
function M.new(given, words)
    local self = setmetatable({ given = given, words = words, hooks = hooks_of(given), began = task.now() }, Ran)
    mirrors.watch(function(operation, send)
        self.recorder = self.recorder or new_recorder(self)
        return self.recorder:send(operation, send)
    end)
    return self
end

--- It begins. Raises what the hook `start` raises.
function Ran:start()
    if self.hooks then self.hooks:run("start", context_of(self)) end
end

--- Does what the command does, and tells how it has ended.
---@param work fun(): integer
---@return integer exit status
---Raises what `work` raises.
function Ran:around(work)
    local ok, result = host.catch(work)
    local status = ok and result or host.status_of(result)
    if self.recorder or self.hooks then
        local problem = words_of(status, not ok and result or nil)
        if self.recorder then self.recorder:finish(status, problem) end
        if self.hooks then tell_end(self, status, problem) end
    end
    if not ok then error(result, 0) end
    return result
end

return M
