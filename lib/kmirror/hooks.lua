--- hooks: commands of the operator's own that a runbook runs at named steps: to stop producers, to move clients,
--- to tell somebody.
---
--- A hook runs in `sh`, in a process group of its own, with nothing on its standard input. What it says comes out on
--- stderr line by line, after its step's name. One that does not end with status 0, or not in time, raises: what
--- comes after it in the runbook does not happen. It is stopped when the runbook is cancelled.
---
--- It finds KMIRROR_HOOK (the step's name) and what the runbook tells it in its environment, beside all that kmirror
--- was started with, proxies' variables too, as a hook may need the network; but never KMIRROR_API_KEY, nor
--- KMIRROR_STORE when that is a URL: no process that kmirror starts inherits those.
---
--- In place of a command there may be one of two that are ready, and need no shell. `webhook:URL` posts JSON with what
--- a command would find in its environment, without KMIRROR_ and in lower case ("from", "to", "status"), with `hook`,
--- the step's name, and `text`, a line for people. `slack:URL` posts such a line in the format of Slack's incoming
--- webhooks. A URL may be a secret: env:NAME, file:PATH (which its owner alone may read) and command:COMMAND say where
--- it is kept, as in `slack:file:/etc/kmirror/slack`; that of Slack is not taken otherwise.
---
---     local hooks = require("kmirror.hooks").new({ "fence", "clients" }, given.hook, { timeout = 60 })
---     hooks:run("fence", { KMIRROR_FROM = "us-west" })

local changes = require("kmirror.changes")
local fields = require("mirrors").fields
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local progress = require("kmirror.progress")
local ready = require("kmirror.hooks.ready")
local shell = require("kmirror.shell")
local task = require("task")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local pause = 0.05 -- seconds between two looks at a hook that runs
local patience = 5 -- seconds between SIGTERM and SIGKILL
local default_timeout = 300

--- A text as one word of a shell.
---@param word string|number
---@return string
function M.quote(word)
    return shell.quote(word)
end

---@class kmirror.hook
---@field step string
---@field command string for sh, or one that is ready: "webhook:https://…", "slack:env:NAME"

---@class kmirror.hooks.options
---@field timeout? number seconds that each may take, 300 by default
---@field defaults? table<string, string> commands by step, for the steps that have none

--- A converter for argparse: STEP=COMMAND.
---@param steps string[] names of the steps that there are
---@return fun(given: string): kmirror.hook|nil, string|nil
function M.option(steps)
    return function(given)
        local step, command = given:match("^([%w-]+)=(.*%S.*)$")
        for _, known in ipairs(steps) do
            if step == known then return { step = step, command = command } end
        end
        return nil, ("--hook '%s': expected STEP=COMMAND, with a step of: %s"):format(given, table.concat(steps, ", "))
    end
end

-- The profile's hooks, { fence = "…" }, for the steps that have none of their own.
local function with_defaults(steps, hooks, defaults)
    local all, has = table.move(hooks, 1, #hooks, 1, {}), {}
    for _, hook in ipairs(hooks) do has[hook.step] = true end
    for step, command in pairs(defaults) do
        local hook, problem = M.option(steps)(("%s=%s"):format(step, command))
        if not hook then
            refuse("a runbook's default, %s", problem)
        elseif not has[step] then
            all[#all + 1] = hook
        end
    end
    return all
end

local function check_syntax(hook)
    if not os.execute("sh -n -c " .. shell.quote(hook.command) .. " 2> /dev/null") then
        refuse("--hook %s=...: sh cannot read its command", hook.step)
    end
end

---@class kmirror.hooks
---@field all kmirror.hook[]
---@field timeout number
local Hooks = {}
Hooks.__index = Hooks

--- The hooks of a run. Raises usage for a command that the shell cannot read.
---@param steps string[] names of the steps that there are
---@param hooks kmirror.hook[] as M.option() makes them; several for one step run in that order
---@param options? kmirror.hooks.options
---@return kmirror.hooks
function M.new(steps, hooks, options)
    options = options or {}
    local all = with_defaults(steps, hooks, options.defaults or {})
    for i, hook in ipairs(all) do
        local posts = ready.of(hook.step, hook.command, not changes.harmless())
        if not posts then check_syntax(hook) end
        all[i] = { step = hook.step, command = hook.command, posts = posts }
    end
    return setmetatable({ all = all, timeout = options.timeout or default_timeout }, Hooks)
end

--- Is there a hook for a step?
---@param step string
---@return boolean
function Hooks:has(step)
    for _, hook in ipairs(self.all) do
        if hook.step == step then return true end
    end
    return false
end

-- ---- one command ------------------------------------------------------------------------------------------

-- The hook as a shell's words. `timeout` makes the process group, and hands on what signal it gets.
local function words_of(hook, context, seconds)
    local words = { ("timeout -k %d %g env --default-signal"):format(patience, seconds) }
    for name, value in pairs(context) do
        words[#words + 1] = shell.quote(name .. "=" .. tostring(value))
    end
    words[#words + 1] = shell.quote("KMIRROR_HOOK=" .. hook.step)
    words[#words + 1] = "sh -c " .. shell.quote(hook.command)
    return table.concat(words, " ")
end

-- A file's content; nil when there is none yet.
local function read(path, format)
    local file <close> = io.open(path, "r")
    return file and file:read(format)
end

local interrupted <const> = 4 -- EINTR

-- An interrupt ends what is read, and is for whoever waits next.
local function new_directory()
    local pipe <close> = assert(io.popen("mktemp -d -t kmirror-hook.XXXXXX"))
    local path, _, why
    repeat
        path, _, why = pipe:read("l")
    until path or why ~= interrupted
    return path or error("a hook needs a temporary directory, and mktemp -d made none", 0)
end

---@class kmirror.hook.process
---@field directory string where it keeps its output, its pid and its status
local Process = {}
Process.__index = Process

-- Starts the command in the background, so that the loop goes on, and waiting for it can be cancelled.
local function start(words)
    local self = setmetatable({ directory = new_directory() }, Process)
    local background = [[
        place=%s
        : > "$place/output"
        {
            %s < /dev/null > "$place/output" 2>&1 & echo $! > "$place/pid"
            wait $!; echo $? > "$place/new"; mv "$place/new" "$place/status"
        } 2> /dev/null &]]
    -- Not by os.execute(), which has this process ignore an interrupt meanwhile.
    assert(io.popen(background:format(shell.quote(self.directory), words), "w")):close()
    self.output = assert(io.open(self.directory .. "/output", "r"))
    return self
end

-- Its exit status; nil while it runs.
local function status_of(process)
    return read(process.directory .. "/status", "n")
end

-- Leaving the scope ends what still runs.
function Process:__close()
    local pid = read(self.directory .. "/pid", "n")
    if pid and not status_of(self) then os.execute(("kill -TERM %d 2> /dev/null"):format(pid)) end
    self.output:close()
    os.execute("rm -rf " .. shell.quote(self.directory))
end

local longest_line = 1000 -- columns

local function tell_line(step, line)
    log.info("[%s] %s", step, text.cut(text.clean(line), longest_line))
end

-- Tells of the lines that it has written meanwhile; when it has ended, of the rest of the last one, too.
local function tell(process, step, ended)
    for piece in process.output:lines("L") do
        process.rest = (process.rest or "") .. piece
        if process.rest:sub(-1) == "\n" then
            tell_line(step, process.rest:sub(1, -2))
            process.rest = nil
        end
    end
    if ended and process.rest then tell_line(step, process.rest) end
end

-- What a status means that the hook may not have given itself.
local function meaning(status)
    if status == 126 then
        return ": what it names cannot be executed; of a script, chmod +x"
    elseif status == 127 then
        return ": what it names is not there; of a script, what its first line names (a CR at its end, too, is part of "
            .. "that)"
    elseif status > 128 and status <= 192 then
        return (": it seems that signal %d ended it"):format(status - 128)
    end
    return ""
end

local timed_out = { [124] = true, [137] = true } -- as `timeout` says it, and when SIGKILL was needed

local function post(hook, context, seconds)
    local ok, problem = problems.try(hook.posts.run, hook.posts, context, seconds)
    if not ok then error(("the hook %s failed: %s"):format(hook.step, tostring(problem)), 0) end
end

local function run(hook, context, seconds)
    local _ <close> = progress.part({ title = "hook " .. hook.step, limit = seconds })
    if hook.posts then return post(hook, context, seconds) end
    local process <close> = start(words_of(hook, context, seconds))
    local began = task.now()
    local status
    repeat
        task.sleep(pause)
        status = status_of(process)
        tell(process, hook.step, status)
    until status
    if timed_out[status] and task.now() - began >= seconds then
        local unit = seconds == 1 and "second" or "seconds"
        error(("the hook %s did not end within %g %s"):format(hook.step, seconds, unit), 0)
    elseif status ~= 0 then
        error(("the hook %s failed with status %d%s"):format(hook.step, status, meaning(status)), 0)
    end
end

--- Runs the hooks of a step, one after the other. When no change will be sent, it says what it would run. Raises
--- what went wrong: a status that is not 0, or too much time.
---@param step string
---@param context table<string, string|number> what they find in their environment
---@return integer count how many were run
function Hooks:run(step, context)
    local count = 0
    for _, hook in ipairs(self.all) do
        if hook.step == step and changes.harmless() then
            io.stdout:write(("would run the hook %s: %s\n"):format(step, text.clean(hook.command:match("[^\n]*"))))
        elseif hook.step == step then
            run(hook, context, self.timeout)
            count = count + 1
        end
    end
    return count
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local steps = fields.list(fields.string)

fields.guard_methods("hooks", Hooks, {
    has = { "step", fields.string },
    run = { "step", fields.string, "context", fields.table },
})

return fields.guard("hooks", M, {
    quote = { "word", fields.word },
    option = { "steps", steps },
    new = {
        "steps", steps, "hooks", fields.list(fields.table),
        "options?", fields.options { timeout = fields.number(0, "seconds"), defaults = fields.table },
    },
})
