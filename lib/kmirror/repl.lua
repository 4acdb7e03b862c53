--- repl: the prompt. Each input is a task of its own, so that Ctrl-C cancels it and not the session; tasks that it
--- leaves go on while the next one is typed.

local commands = require("kmirror.repl.commands")
local completion = require("kmirror.repl.completion")
local evaluate = require("kmirror.repl.evaluate")
local frames = require("kmirror.repl.frames")
local histories = require("kmirror.repl.history")
local host = require("host")
local keys = require("kmirror.repl.keys")
local line = require("line")
local locals = require("kmirror.repl.locals")
local output = require("kmirror.repl.output")
local outside = require("kmirror.repl.outside")
local parts = require("kmirror.repl.parts")
local problems = require("kmirror.problem")
local profile = require("kmirror.profile")
local sessions = require("kmirror.repl.session")
local state = require("kmirror.state")
local task = require("task")
local terminal = require("kmirror.terminal")

local M = {}

--- The modules that are there by name, for whoever tells of the prompt.
---@type table<string, string>
M.modules = sessions.modules

-- ---- turns -------------------------------------------------------------------------------------------------

-- Runs a function as the one that Ctrl-C cancels. Returns what pcall would; raises only when all tasks end.
local function turn(fn, ...)
    local t = task.spawn(host.catch, fn, ...)
    line.turn(t)
    return t:join()
end

local function is_cancelled(problem)
    return problems.is(problem, "cancelled")
end

local function with_traceback(problem)
    return { problem = problem, traceback = debug.traceback(nil, 2) }
end

local function evaluate_part(session, part)
    local started = host.monotonic()
    if part.command then
        commands.run(session, part.text)
    else
        session:evaluate(part.text, part.line)
    end
    if session.timing and not part.command then
        session:note("%.3f s", host.monotonic() - started)
    end
end

local function can_run(session, part)
    if part.command then return commands.of(part.text) ~= nil end
    return evaluate.compile(part.text, session.env).chunk ~= nil
end

-- What cannot be run by itself may be the rest of what stands above: a call that goes on with `:method()`.
local function parts_of(session, input)
    local found = {}
    for _, part in ipairs(parts.split(input, session.env)) do
        local above = found[#found]
        if not can_run(session, part) then
            local whole = above and { text = above.text .. "\n" .. part.text, line = above.line, command = false }
            if not whole or above.command or not can_run(session, whole) then return { part } end
            found[#found] = whole
        else
            found[#found + 1] = part
        end
    end
    return found
end

-- Nothing is run of an input that has a part that cannot be, and nothing after one that failed.
local function evaluate_input(session, input)
    for _, part in ipairs(parts_of(session, input)) do
        if session.done then break end
        evaluate_part(session, part)
    end
end

local function run_input(session, input, call)
    session.failed = false
    local called, ok, caught = call(xpcall, evaluate_input, with_traceback, session, input)
    if not called then ok, caught = false, { problem = ok } end
    -- Without memory there is no traceback, and the text alone.
    if type(caught) == "string" then caught = { problem = caught } end
    if not ok and call == pcall and is_cancelled(caught.problem) then error(caught.problem, 0) end
    if not ok then
        session:complain(caught.problem, session.traceback and caught.traceback or nil)
    end
end

-- ---- reading -----------------------------------------------------------------------------------------------

-- Tells of tasks that fail while nobody waits for them.
local function tell_failures(session)
    while true do
        local problem, traceback = line.failure()
        if problem ~= nil then
            local before = session.failed
            session:complain(problem, session.traceback and traceback or nil)
            session:note("  in a task that nobody waits for")
            session.failed = before
        end
    end
end

local function completer(session)
    return function(text, cursor)
        local completed, at, choices = completion.complete(session, text, cursor)
        if choices and #choices > 0 then
            io.stdout:write(completion.listing(choices, terminal.of(io.stdout).width or 80))
        end
        return completed, at
    end
end

local function is_incomplete(session)
    return function(input)
        return select(2, parts.split(input, session.env))
    end
end

-- A program's next input: as many lines as it takes. Ctrl-C is for the whole run here, as elsewhere.
local function next_input(session, reader)
    local lines = {}
    local incomplete = is_incomplete(session)
    while true do
        local got = reader:read()
        if not got then return #lines > 0 and table.concat(lines, "\n") or nil end
        lines[#lines + 1] = got
        local input = table.concat(lines, "\n")
        if not incomplete(input) then return input end
        if session.interactive then session:say("... ") end
    end
end

-- Reads on a terminal where lines can be edited.
local function by_keys(session, reader, above, reset)
    return function()
        reset()
        above.typing(true)
        local ok, input = turn(reader.read, reader, session:prompt())
        above.typing(false)
        return ok, input
    end
end

-- Reads on one where they cannot, such as a shell within an editor.
local function by_lines(session, reader)
    return function()
        session:say((session:prompt():gsub("\1", "")))
        local ok, input = turn(next_input, session, reader)
        if not ok or not input then session:say("\n") end
        return ok, input
    end
end

-- A person's next input; nil at the end. Ctrl-C gives up the line, not the session.
local function ask(read)
    while true do
        local ok, input = read()
        if ok then return input end
        if not is_cancelled(input) then error(input, 0) end
    end
end

-- ---- the session -------------------------------------------------------------------------------------------

local function greet(session)
    local current = profile.current()
    local endpoint = current.endpoint or profile.own_urls() or "https://api.instaclustr.com"
    local place = not current.sandbox and " at " .. endpoint or ""
    session:note("kmirror %s%s. Try :help; Ctrl-D ends.", host.version, place)
    if session.mode == "read-only" then
        session:note("Changes are refused; :readonly off lets them through.")
    end
end

local function farewell(session)
    local left = task.live() - 1
    if left > 0 then
        session:note("ending %d %s that still ran", left, left == 1 and "task" or "tasks")
    end
end

-- What was typed or pasted behind an input that failed was meant for one that did not.
local function converse(session, reader, read)
    local teller = task.spawn(tell_failures, session)
    greet(session)
    while not session.done do
        local input = ask(read)
        if not input then break end
        if input:find("%S") then
            session.history:add(input)
            run_input(session, input, turn)
            if session.failed then reader:drop() end
        end
    end
    teller:cancel()
    pcall(teller.join, teller)
    return 0
end

local function talk_by_keys(session)
    local prompt_keys, reset = keys.new({
        history = session.history, is_incomplete = is_incomplete(session), complete = completer(session),
    })
    local reader <close> = line.open(prompt_keys)
    local above <close> = output.above(reader)
    return converse(session, reader, by_keys(session, reader, above, reset))
end

local function talk_by_lines(session)
    local reader <close> = line.open()
    return converse(session, reader, by_lines(session, reader))
end

local function obey(session)
    local reader <close> = line.open()
    local teller = task.spawn(tell_failures, session)
    local failed = false
    while not session.done do
        local input = next_input(session, reader)
        if not input then break end
        if input:find("%S") then run_input(session, input, pcall) end
        failed = failed or session.failed
    end
    teller:cancel()
    pcall(teller.join, teller)
    return failed and 1 or 0
end

-- Turns end with the session: Ctrl-C means all that is left.
local turns = { __close = function() line.turn() end }

local function can_edit()
    local kind = os.getenv("TERM") or ""
    return kind ~= "" and kind ~= "dumb"
end

-- A person's own file comes first; what is wrong with it is told.
local function begin_with(session)
    local path = session.interactive and outside.startup()
    if path then run_input(session, ":load " .. path, pcall) end
    session.inputs = {}
end

-- What a runbook has left: its variables, and the error that ended it.
local function take_over(session, left)
    for name, value in pairs(left.names or {}) do session.env[name] = value end
    if left.caught then
        session:complain(left.caught.problem, session.traceback and left.caught.traceback or nil)
    end
    if left.frames and #left.frames > 0 then
        session.frames = left.frames
        session:enter(1)
    end
end

--- Talks to whoever is at standard input until the end of it.
---@param given table options of the command line
---@param left? { names: table<string, any>|nil, caught: table|nil, frames: kmirror.repl.frame[]|nil } by what ran
---  before: its variables, what ended it, and where
---@return integer exit status 0; from a program, 1 when an input failed
function M.run(given, left)
    local interactive = host.isatty(0) and host.isatty(1)
    local session = sessions.new(given, interactive)
    local directory = interactive and state.directory()
    session.history = histories.new(directory and require("kmirror.history").of_prompt(directory) or nil)
    session.traceback = given.traceback
    session.start_cluster = session.env.api.cluster
    if left then take_over(session, left) end
    begin_with(session)
    local _ <close> = setmetatable({}, turns)
    local talk = can_edit() and talk_by_keys or talk_by_lines
    local status = (interactive and talk or obey)(session)
    farewell(session)
    line.turn()
    line.finish()
    return status
end

--- Does some work, then talks about it, with the variables that a function of it had last.
---@param given table options of the command line
---@param fn function
---@param work fun() calls it
---@return integer exit status that of the prompt; 1 when the work failed and a program is at standard input
function M.after(given, fn, work)
    local left = {}
    local function watched()
        local names, watch = locals.watch(fn)
        local _ <close> = watch
        left.names = names
        work()
    end
    local ok, caught = xpcall(watched, with_traceback)
    if type(caught) == "string" then caught = { problem = caught } end
    if not ok and is_cancelled(caught.problem) then error(caught.problem, 0) end
    left.caught = not ok and caught or nil
    local status = M.run(given, left)
    return not ok and not host.isatty(0) and 1 or status
end

--- Does some work; when it fails, talks about it where it failed.
---@param given table options of the command line
---@param work fun(): integer
---@return integer exit status that of the work
---Raises what is no failure of the work: usage, and that it was cancelled.
function M.where_it_fails(given, work)
    frames.begin()
    local ok, result = host.catch(work)
    if ok then return result end
    if is_cancelled(result) or problems.is(result, "usage") then error(result, 0) end
    local status = host.status_of(result) -- before the prompt's end, which is an interrupt
    M.run(given, { caught = { problem = result }, frames = frames.of(result) })
    return status
end

--- Runs a line of code, where the prompt's names are there. Shows what an expression comes to.
---@param given table options of the command line
---@param code string
---@return any ... what statements return; raises what the code raises, and usage for what is no Lua
function M.evaluate(given, code)
    local session = sessions.bare(given)
    local ok, chunk, expression = pcall(session.compile, session, code)
    if not ok then require("kmirror.usage")("%s", chunk) end
    if not expression then return chunk() end
    local values = table.pack(chunk())
    for i = 1, values.n do session:show(values[i]) end
end

return M
