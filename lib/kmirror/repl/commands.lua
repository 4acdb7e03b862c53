--- repl.commands: what begins with a colon.

local clusters = require("kmirror.repl.clusters")
local help = require("kmirror.repl.help")
local host = require("host")
local modules = require("kmirror.modules")
local outside = require("kmirror.repl.outside")
local saved = require("kmirror.repl.saved")
local suggest = require("mirrors").fields.nearest
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")
local watch = require("kmirror.repl.watch")

local M = {}

---@class kmirror.repl.command
---@field name string
---@field arguments string how help shows what it takes
---@field summary string
---@field details? string[] what help says of it beside that
---@field takes? "cluster"|"file"|"switch" what completion offers; Lua otherwise
---@field run fun(session: kmirror.repl.session, argument: string)

local function switch(name, argument, now)
    if argument == "" then return not now end
    if argument ~= "on" and argument ~= "off" then
        refuse(":%s '%s': expected on or off", name, argument)
    end
    return argument == "on"
end

-- ---- where we are ------------------------------------------------------------------------------------------

local function use(session, argument)
    if argument == "" then refuse(":use: which cluster? :clusters lists those that have a name") end
    session:use(argument)
    session:note("api is on %s", argument)
end

local function readonly(session, argument)
    local on = switch("readonly", argument, session.mode == "read-only")
    if session.mode == "dry-run" then
        refuse(":readonly: this session is a --dry-run: no change is sent anyway")
    end
    if not on and session.only_reads then
        refuse(":readonly off: this session is --read-only, or its profile is; start one that is not")
    end
    session:set_mode(on and "read-only" or "writable")
    session:note(on and "changes are refused" or "changes are sent from now on")
end

-- ---- how results are shown ---------------------------------------------------------------------------------

-- Without an argument the style changes for good; with one it holds for that expression.
local function styled(field, on, off)
    return function(session, argument)
        if argument == "" then
            session.style[field] = not session.style[field]
            return session:note(session.style[field] and on or off)
        end
        local style = session.style
        session.style = { [field] = true }
        local ok, problem = pcall(session.evaluate, session, argument)
        session.style = style
        if not ok then error(problem, 0) end
    end
end

local function timed(session, argument)
    if argument == "" then
        session.timing = not session.timing
        return session:note(session.timing and "each input is timed" or "inputs are not timed any more")
    end
    local started = host.monotonic()
    session:evaluate(argument)
    session:say(("%.3f s\n"):format(host.monotonic() - started))
end

-- ---- files -------------------------------------------------------------------------------------------------

local function expand(path)
    return (path:gsub("^~/", (os.getenv("HOME") or "") .. "/"))
end

local function load_file(session, argument)
    if argument == "" then refuse(":load: which file?") end
    local source = textfile.read_code(expand(argument), "a file in Lua to :load")
    local chunk, wrong = load(source:gsub("^#[^\n]*", ""), "@" .. text.clean(argument), "t", session.env)
    if not chunk then error(wrong, 0) end
    modules.beside(expand(argument))
    chunk()
    session:record(("dofile(%q)"):format(argument), false)
end

local function save(session, argument)
    if argument == "" then refuse(":save: to which file?") end
    local count = saved.write(expand(argument), session)
    session:note("%s in %s: kmirror run %s", text.count(count, "input"), argument, argument)
end

-- ---- what failed -------------------------------------------------------------------------------------------

local function list_frames(session)
    if not session.frames then session:enter(1) end
    for i, frame in ipairs(session.frames) do
        session:say(text.clean(("%s %d  %s, %s"):format(i == session.frame and "*" or " ", i, frame.where, frame.name))
            .. "\n")
    end
end

local function step(by)
    return function(session) session:enter((session.frame or 0) + by) end
end

-- ---- the rest ----------------------------------------------------------------------------------------------

local function run_shell(session, argument)
    if argument == "" then refuse(":!: which command? :! ls -l") end
    local status = outside.command(argument)
    if status ~= 0 then session:note("status %d", status) end
end

local function edit(session)
    local entries = session.history.entries
    local before = entries[#entries] ~= nil and entries[#entries]:match("^%s*:e") and entries[#entries - 1]
        or entries[#entries] or ""
    local code = outside.edit(before)
    if not code then refuse(":edit: the editor failed; VISUAL or EDITOR names another one") end
    if code == "" then return session:note("nothing to run") end
    session:note("%s", code:gsub("\n.*", " …"))
    session.history:add(code)
    session:evaluate(code)
end

local function page(session, argument)
    session.paging = switch("pager", argument, session.paging)
    session:note(session.paging and "what is longer than the screen is shown in a pager: %s" or "no pager any more",
        outside.pager() or "less")
end

local function show_history(session, argument)
    local where, shown = terminal.of(io.stdout), {}
    for i, entry in ipairs(session.history.entries) do
        if entry:find(argument, 1, true) then
            local number = terminal.paint(where, "dim", ("%5d  "):format(i))
            local lines = {}
            for line in (entry .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = text.clean(line) end
            shown[#shown + 1] = number .. table.concat(lines, "\n       ") .. "\n"
        end
    end
    session:page(table.concat(shown))
end

---@type kmirror.repl.command[]
M.list = {
    { name = "help", arguments = "[NAME]", summary = "What there is, or what a name stands for.",
        run = function(session, argument) session:page(help.about(session, argument, M.list)) end },
    { name = "use", arguments = "CLUSTER", summary = "Put api on another cluster.", takes = "cluster", run = use },
    { name = "clusters", arguments = "", summary = "The clusters that have a name.", run = clusters },
    { name = "readonly", arguments = "[on|off]", summary = "Refuse changes, or let them through.", takes = "switch",
        details = {
            "Refuses changes, or lets them through; without an argument the other of the two. The prompt says which it",
            "is. A session that was started with --read-only stays so.",
        },
        run = readonly },
    { name = "watch", arguments = "[SECONDS] EXPR [until COND]", summary = "Show it again and again, every 2 s.",
        details = {
            "Shows an expression again and again in the same place, until the condition holds (`_` is the value) or",
            "Ctrl-C is pressed.",
            "",
            "    :watch api:get(id)",
            "    :watch 5 api:list() until #_ == 0",
        },
        run = watch },
    { name = "x", arguments = "[EXPR]", summary = "One field per line, for this or from now on.",
        run = styled("expanded", "one field per line", "one record per line") },
    { name = "json", arguments = "[EXPR]", summary = "As JSON, this or from now on.",
        run = styled("json", "results are JSON", "results are text") },
    { name = "time", arguments = "[INPUT]", summary = "How long it takes, this or from now on.", run = timed },
    { name = "load", arguments = "FILE", summary = "Run a Lua file in this session.", takes = "file", run = load_file },
    { name = "save", arguments = "FILE", summary = "Write this session as a runbook.", takes = "file",
        details = {
            "Writes the inputs that succeeded to a new file, as a runbook for kmirror run. Those that may hold a",
            "secret are left out.",
        },
        run = save },
    { name = "edit", arguments = "", summary = "The last input in an editor, and run what it becomes.", run = edit },
    { name = "!", arguments = "COMMAND", summary = "Run a command in the shell.", run = run_shell },
    { name = "pager", arguments = "[on|off]", summary = "A pager for what is longer than the screen.",
        takes = "switch",
        details = {
            "Has what is longer than the screen shown in a pager, or not: what KMIRROR_PAGER or PAGER names, else",
            "less. It is on from the beginning where one of these is set.",
        },
        run = page },
    { name = "history", arguments = "[TEXT]", summary = "What was typed, with TEXT in it.", run = show_history },
    { name = "where", arguments = "", summary = "After run --debug: the frames of what failed.", run = list_frames },
    { name = "up", arguments = "", summary = "To the frame that called this one.", run = step(1) },
    { name = "down", arguments = "", summary = "To the frame that this one called.", run = step(-1) },
    { name = "quit", arguments = "", summary = "End the session; Ctrl-D does, too.",
        run = function(session) session.done = true end },
}

--- The command of that name, or of which it is the beginning; nil when there is none, or several.
---@param name string
---@return kmirror.repl.command|nil
function M.find(name)
    local found
    for _, command in ipairs(M.list) do
        if command.name == name then return command end
        if command.name:sub(1, #name) == name then
            if found then return nil end
            found = command
        end
    end
    return found
end

local function unknown(name)
    local known, fitting = {}, {}
    for _, command in ipairs(M.list) do
        known[command.name] = true
        if command.name:sub(1, #name) == name then fitting[#fitting + 1] = ":" .. command.name end
    end
    if #fitting > 1 then refuse(":%s may be %s", name, table.concat(fitting, " or ")) end
    local meant = suggest(name, known)
    refuse("unknown command ':%s'%s", name, meant and ("; did you mean :%s?"):format(meant) or "; :help lists them")
end

local function words_of(input)
    local command = input:match("^%s*:!%s*(.-)%s*$")
    if command then return "!", command end
    return input:match("^%s*:(%S*)%s*(.-)%s*$")
end

--- The command that an input names; nil when there is none.
---@param input string
---@return kmirror.repl.command|nil
function M.of(input)
    local name = words_of(input)
    return name ~= "" and M.find(name) or nil
end

--- Runs an input that begins with a colon. Raises usage for a command that there is not, and what it raises.
---@param session kmirror.repl.session
---@param input string
function M.run(session, input)
    local name, argument = words_of(input)
    local command = M.of(input) or unknown(name)
    if command.arguments == "" and argument ~= "" then
        refuse(":%s takes nothing, got '%s'", command.name, argument)
    end
    command.run(session, argument)
end

return M
