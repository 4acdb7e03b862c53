--- repl.session: what a session is connected to, what its inputs see, and how it shows what they come to.

local changes = require("kmirror.changes")
local connect = require("kmirror.connect")
local evaluate = require("kmirror.repl.evaluate")
local known = require("kmirror.repl.known")
local mirrors = require("mirrors")
local outside = require("kmirror.repl.outside")
local problems = require("kmirror.problem")
local profile = require("kmirror.profile")
local show = require("kmirror.repl.show")
local suggest = require("mirrors").fields.nearest
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

---@class kmirror.repl.session
---@field env table the globals of the inputs
---@field interactive boolean a person types
---@field mode "writable"|"read-only"|"dry-run"
---@field style kmirror.repl.style
---@field timing boolean
---@field paging boolean what is longer than the screen is shown in a pager
---@field inputs { text: string, expression: boolean }[] those that succeeded, for :save
---@field failed boolean the last input did
---@field done boolean the session ends
---@field frames kmirror.repl.frame[]|nil of what failed, the innermost first
---@field frame integer|nil the one that inputs are in
local Session = {}
Session.__index = Session

local M = {}

--- The modules that are there by name, each loaded when it is first used.
M.modules = {
    mirrors = "mirrors", task = "task", bulk = "kmirror.bulk", wait = "kmirror.wait", health = "kmirror.health",
    regex = "kmirror.regex", fleet = "kmirror.fleet", json = "kmirror.json", tables = "kmirror.table",
    profile = "kmirror.profile", http = "kmirror.http", steps = "kmirror.steps", log = "kmirror.log",
}

local function connected()
    local ok, api = pcall(mirrors.connect, {})
    api = ok and api or connect()
    known.listen(api)
    return api
end

local function new_env()
    return setmetatable({}, { __index = function(env, name)
        if name == "api" then
            rawset(env, name, connected())
            return rawget(env, name)
        end
        local module = M.modules[name]
        if not module then return _G[name] end
        local loaded = require(module)
        rawset(env, name, loaded)
        return loaded
    end })
end

local function first_mode(given)
    if given.dry_run then return "dry-run" end
    return (given.read_only or not given.sandbox) and "read-only" or "writable"
end

--- A session as the command line asks for. Raises usage when it does not say whom to talk to.
---@param given table options of the command line
---@param interactive boolean
---@return kmirror.repl.session
function M.new(given, interactive)
    local self = setmetatable({
        env = new_env(), interactive = interactive, style = { json = given.json }, timing = false, inputs = {},
        failed = false, done = false, only_reads = given.read_only, paging = outside.pager() ~= nil,
    }, Session)
    self.env.api = connected()
    self:set_mode(first_mode(given))
    return self
end

--- What a line of code is run in that is no prompt's: it connects when it says `api`, and nothing keeps it from changes
--- but what the command line asks for.
---@param given table options of the command line
---@return kmirror.repl.session
function M.bare(given)
    return setmetatable({
        env = new_env(), interactive = false, style = { json = given.json }, inputs = {}, mode = "writable",
    }, Session)
end

-- ---- what it is connected to -------------------------------------------------------------------------------

--- Sets what becomes of changes.
---@param mode "writable"|"read-only"|"dry-run"
function Session:set_mode(mode)
    if mode == "read-only" then
        changes.refuse()
    elseif mode == "writable" then
        changes.record(nil)
    end
    self.mode = mode
end

--- The cluster that `api` is on: its name, or the beginning of its id when it has none; nil without one.
---@return string|nil
function Session:cluster()
    local api = rawget(self.env, "api")
    local id = type(api) == "table" and api.cluster or nil
    for name, cluster in pairs(profile.current().clusters) do
        if cluster.connect == id then return name end
    end
    return id and id:sub(1, 8)
end

--- Puts `api` on another cluster. Raises usage for a name that nobody knows.
---@param cluster string UUID or name
function Session:use(cluster)
    local id = profile.connect_cluster(cluster)
    if type(self.env.api) ~= "table" then
        refuse("api is not an api any more: api = mirrors.connect {}")
    end
    self.env.api = self.env.api:on(id)
    self:record(('api = api:on("%s")'):format(id), false)
end

-- libedit counts what stands between two \1 as taking no room. Something has to stand between two such places.
local function colored(where, color, shown)
    return where.color and ("\1%s\1"):format(terminal.paint(where, color, "\1" .. shown .. "\1")) or shown
end

--- What stands before an input.
---@return string
function Session:prompt()
    local where, current = terminal.of(io.stdout), profile.current()
    local name = text.clean(current.name or "kmirror")
    local risky = self.mode == "writable" and not current.sandbox
    local cluster = text.clean(self:cluster() or "no cluster")
    local parts = { colored(where, "cyan", cluster), "@", colored(where, "dim", name) }
    if self.mode ~= "writable" then
        parts[#parts + 1] = " " .. colored(where, "green", self.mode)
    elseif risky then
        parts[#parts + 1] = " " .. colored(where, "red", "WRITABLE")
    end
    return table.concat(parts) .. "> "
end

-- ---- what failed ---------------------------------------------------------------------------------------------

--- Puts the inputs into a frame of what failed: its variables are there by name.
---@param number integer 1 is the innermost
function Session:enter(number)
    local frame = self.frames and self.frames[number]
    if not frame then
        refuse(self.frames and "there is no frame further %s" or "nothing has failed here: kmirror run --debug RUNBOOK "
            .. "opens the prompt where a runbook fails", number < 1 and "in" or "out")
    end
    for name in pairs(self.frame and self.frames[self.frame].names or {}) do
        self.env[name] = nil
    end
    for name, value in pairs(frame.names) do self.env[name] = value end
    self.frame = number
    if self.env.api == nil then self.env.api = connected() end
    self:note("in %s, %s: frame %d of %d; :where, :up and :down", frame.where, frame.name, number, #self.frames)
end

-- ---- inputs ------------------------------------------------------------------------------------------------

--- Writes lines of text as a result.
---@param lines string
function Session.say(_, lines)
    io.stdout:write(lines)
    io.stdout:flush()
end

--- The same, in a pager where that is wanted and the screen is too small.
---@param lines string
function Session:page(lines)
    local pager = self.interactive and self.paging and outside.is_long(lines) and (outside.pager() or "less")
    if pager then return outside.page(pager, lines) end
    self:say(lines)
end

--- Writes a remark for a person, in between; a program is not told.
---@param format string
function Session:note(format, ...)
    if not self.interactive then return end
    self:say(terminal.paint(terminal.of(io.stdout), "dim", text.clean(format:format(...))) .. "\n")
end

--- Shows a value as the session's style says.
---@param value any
---@param style? kmirror.repl.style
function Session:show(value, style)
    self:page(show.value(value, terminal.of(io.stdout), style or self.style))
end

local function known_names(session)
    local names = { api = true }
    for name in pairs(M.modules) do names[name] = true end
    for name in pairs(session.env) do names[name] = true end
    for name in pairs(_G) do names[name] = true end
    return names
end

-- Words by which other prompts know what this one has as commands.
local words = {
    help = ":help lists what there is", exit = ":quit ends the session", quit = ":quit ends the session",
}

-- What may help with a name that stands for nothing.
local function hint_on(session, name)
    local meant = suggest(name, known_names(session))
    return words[name] or meant and ("did you mean %s?"):format(meant)
end

-- What may help: the way to a change that was refused, or the name that was meant.
local function hint_of(session, problem)
    if show.is_error(problem) then
        return problem.kind == "read_only" and not session.only_reads and ":readonly off lets changes through" or nil
    end
    local kind, name = tostring(problem):match("%((%a+) '([%w_]+)'%)$")
    if kind == "global" then return hint_on(session, name) end
    local meant = kind == "method" and suggest(name, getmetatable(session.env.api).__index)
    return meant and ("did you mean %s?"):format(meant)
end

--- Tells of an error. The session goes on.
---@param problem any
---@param traceback? string
function Session:complain(problem, traceback)
    self.failed = true
    if problems.is(problem, "cancelled") then
        if self.interactive then io.stdout:write("\n") end -- the terminal has put a ^C there
        return self:note("%s", problem.message:find("deadlock") and problem.message or "interrupted")
    end
    io.stdout:flush()
    io.stderr:write(show.problem(problem, terminal.of(io.stderr)))
    local hint = hint_of(self, problem)
    if hint then self:note("  %s", hint) end
    if traceback then io.stderr:write(traceback, "\n") end
end

--- Compiles an input that may be a piece of one. Raises what is wrong with it.
---@param code string
---@param line? integer the number of its first line, 1 by default
---@return function chunk
---@return boolean expression
function Session:compile(code, line)
    local input = evaluate.compile(code, self.env, line)
    if not input.chunk then error(input.problem, 0) end
    return input.chunk, input.expression
end

-- What an expression came to is `_` from now on.
function Session:keep(values)
    self.env._ = values[1]
    for i = 1, values.n do self:show(values[i]) end
end

--- Takes code down for :save.
---@param code string
---@param expression boolean
function Session:record(code, expression)
    self.inputs[#self.inputs + 1] = { text = code, expression = expression }
end

--- Runs an input and shows what an expression comes to. Raises what it raises.
---@param code string
---@param line? integer the number of its first line, 1 by default
function Session:evaluate(code, line)
    local chunk, expression = self:compile(code, line)
    local values = table.pack(chunk())
    self:record(code, expression)
    if not expression or values.n == 0 then return end
    self:keep(values)
    local name = values[1] == nil and code:match("^%s*([%a_][%w_]*)%s*$")
    local hint = name and hint_on(self, name)
    if hint then self:note("  %s", hint) end
end

return M
