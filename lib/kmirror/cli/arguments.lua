--- cli.arguments: the command line, read with argparse.

local argparse = require("argparse")
local commands = require("kmirror.cli.commands")
local host = require("host")
local options = require("kmirror.options")
local sets = require("kmirror.cli.sets")
local refuse = require("kmirror.usage")

local M = {}

-- Options that no command may have: a key in an argument can be read by everybody on the machine.
local function refuse_keys(parser, seen)
    parser:option("--api-key --key --password"):args("?"):hidden(true):target("refused"):action(function()
        seen.key = true
    end)
end

-- What argparse sees of the arguments: all of them, until `view.ended`. It counts how many were taken.
local function view_of(arguments)
    local view = { taken = 0, ended = false }
    view.arguments = setmetatable({}, { __index = function(_, i)
        if not view.ended then
            view.taken = i
            return arguments[i]
        end
    end })
    return view
end

local function mentioned_in(arguments)
    local mentioned = {}
    for _, argument in ipairs(arguments) do
        mentioned[argument:match("^%-%-[^=]+") or argument] = true
    end
    return mentioned
end

-- Takes any method, and does nothing.
local nothing = setmetatable({}, { __index = function(self)
    return function()
        return self
    end
end })

-- A parser for the sets that makes only the options that are mentioned: to make all takes as long as a short run does.
local function sparing(parser, mentioned)
    local function only_mentioned(make)
        return function(_, name, ...)
            return mentioned[name] and parser[make](parser, name, ...) or nothing
        end
    end
    local function mutex(_, one, other)
        if one ~= nothing and other ~= nothing then
            parser:mutex(one, other)
        end
    end
    return {
        option = only_mentioned("option"), flag = only_mentioned("flag"), mutex = mutex, group = nothing.group,
        _groups = {},
    }
end

-- Of a command that is not mentioned, the name is enough, if that.
local function add_commands(parser, mentioned, view, all)
    for _, name in ipairs(commands.names) do
        local command = (all or mentioned[name]) and parser:command(name):add_help(false):target("is_" .. name)
        if mentioned[name] then
            commands.of(name).define(command, function()
                view.ended = true
            end)
        end
    end
end

local function build_parser(seen, view, arguments, all)
    local parser, mentioned = argparse("kmirror"), mentioned_in(arguments)
    parser:add_help(false):require_command(false):command_target("command")
    local all_sets = {
        "code", "connection", "safety", "job", "times", "results", "formats", "report", "messages", "world",
    }
    for _, set in ipairs(all_sets) do
        sets[set](all and parser or sparing(parser, mentioned))
    end
    refuse_keys(parser, seen)
    parser:flag("-h --help"):action(function(result)
        seen.help = result.command or true
    end)
    parser:flag("--version"):target("show_version")
    add_commands(parser, mentioned, view, all)
    return parser
end

-- Somebody who forgot `run` is told so.
local function unknown_command(name)
    if host.script(name) or name:find("%.lua$") then
        refuse("'%s' is a runbook, not a command; to run it: kmirror run %s", name, name)
    end
end

-- The arguments that argparse took; the last one is what it did not like.
local function complain(problem, taken)
    local unknown = problem:match("^unknown command '(.-)'")
    if unknown then
        unknown_command(unknown)
    elseif problem == "too many arguments" then
        problem = ("unexpected argument '%s'"):format(taken[#taken])
    end
    for _, argument in ipairs(taken) do
        if commands.has(argument) then
            options.complain(problem, "kmirror help " .. argument)
        end
    end
    options.complain(problem, "kmirror help")
end

-- What makes no sense beside -e.
local function refuse_beside_code(result)
    if result.command then
        refuse("-e runs code instead of a command: give it without '%s'", result.command)
    elseif result.job then
        refuse("-e is no job that could be resumed: put the code into a file, and kmirror run --job %s FILE",
            result.job)
    end
end

local function parse(arguments, all)
    local seen, view = {}, view_of(arguments)
    local ok, result = build_parser(seen, view, arguments, all):pparse(view.arguments)
    return ok, result, seen, view
end

--- Reads the arguments. Raises usage for what is wrong with them.
---@param arguments string[]
---@return table given the command and its options; `rest` is what belongs to the runbook
function M.read(arguments)
    local ok, result, seen, view = parse(arguments)
    if not ok then -- to tell what was meant takes all there is
        ok, result, seen, view = parse(arguments, true)
    end
    if seen.key then
        refuse("an API key is not taken as an argument, where others can read it: set KMIRROR_API_KEY, or "
            .. "KMIRROR_API_KEY_FILE to the name of a file that holds it")
    elseif seen.help then
        return { command = "help", topic = seen.help ~= true and seen.help or nil }
    elseif not ok then
        complain(result, table.move(arguments, 1, view.taken, 1, {}))
    elseif result.show_version then
        return { command = "version" }
    end
    if result.code then
        refuse_beside_code(result)
        result.command = "evaluate"
    end
    if result.command == "run" and not result.script then
        if not result.list_runbooks then
            refuse("missing argument 'SCRIPT'; see kmirror help run, and kmirror run --list")
        end
        result.command = "runbooks"
    end
    result.command = result.command or "help"
    result.rest = table.move(arguments, view.taken + 1, #arguments, 1, {})
    return result
end

--- Refuses an option that the command has no use for, so that nobody relies on it. Raises usage.
---@param given table
function M.check(given)
    local taken = {}
    for _, set in ipairs(commands.of(given.command).sets) do
        taken[set] = true
    end
    if given.json and not taken.results then
        refuse("kmirror %s has no --json; see kmirror help %s", given.command, given.command)
    end
    if given.job and not taken.job then
        refuse("kmirror %s has no --job; see kmirror help %s", given.command, given.command)
    end
    if given.reason and not given.job and given.command ~= "jobs" then
        refuse("--reason is kept with a job's run: give --job NAME, too")
    end
    local timed = given.not_before and "--not-before" or given.stop_at and "--stop-at"
    if timed and not taken.times and not (given.command == "jobs" and given.action == "resume") then
        refuse("kmirror %s has no %s; see kmirror help %s", given.command, timed, given.command)
    end
    if given.output and not (taken.tables or taken.formats) then
        refuse("kmirror %s has no --output; see kmirror help %s", given.command, given.command)
    elseif given.output and given.output ~= "csv" and not taken.formats then
        refuse("option '--output' must be 'csv' for kmirror %s; see kmirror help %s", given.command, given.command)
    elseif given.output and given.json then
        refuse("--output and --json exclude each other")
    end
    local reported = given.report and "--report" or given.metrics and "--metrics"
    if reported and not commands.needs_api(given.command) then
        refuse("kmirror %s has no %s; see kmirror help %s", given.command, reported, given.command)
    end
    local _, world = sets.world_given(given)
    if given.jump and given.command == "sandbox" then
        refuse("--jump goes with --sandbox: the clock can jump only where runbook and sandbox are one process")
    end
    world[#world + 1] = given.jump and "--jump" or nil
    if #world > 0 and not (given.sandbox or taken.world) then
        refuse("%s is about the sandbox: give --sandbox, too", world[1])
    end
end

return M
