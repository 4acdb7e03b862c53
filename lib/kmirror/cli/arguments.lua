--- cli.arguments: the command line, read with argparse.

local commands = require("kmirror.cli.commands")
local host = require("host")
local options = require("kmirror.options")
local programs = require("kmirror.program")
local sets = require("kmirror.cli.sets")
local refuse = require("kmirror.usage")

local M = {}

-- Options that no command may have: a key in an argument can be read by everybody on the machine.
local function refuse_keys(program, seen)
    program:option("--api-key --key --password"):args("?"):hidden(true):target("refused"):action(function()
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

-- Of a command that is not mentioned, the name is enough, if that.
local function add_commands(parser, mentioned, view, all)
    for _, name in ipairs(commands.names) do
        local command = (all or mentioned[name]) and parser:command(name):add_help(false):target("is_" .. name)
        if mentioned[name] then
            local program = programs.new(name)
            commands.of(name).define(program, function()
                view.ended = true
            end)
            program:add_to(command, not all and mentioned or nil)
        end
    end
end

local all_sets = {
    "code", "connection", "safety", "job", "times", "hooks", "results", "formats", "report", "messages", "world",
}

local function build_parser(seen, view, arguments, all)
    local program = programs.new("kmirror")
    for _, set in ipairs(all_sets) do sets[set](program) end
    refuse_keys(program, seen)
    program:flag("-h --help"):action(function(result)
        seen.help = result.command or true
    end)
    program:flag("--version"):target("show_version")
    local parser, mentioned = require("argparse")("kmirror"), mentioned_in(arguments)
    parser:add_help(false):require_command(false):command_target("command")
    program:add_to(parser, not all and mentioned or nil)
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
        if commands.has(argument) then options.complain(problem, "kmirror help " .. argument) end
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

return M
