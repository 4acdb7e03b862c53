local commands = require("kmirror.cli.commands")
local host = require("host")
local meant = require("mirrors").fields.meant
local refuse = require("kmirror.usage")

local command_column = 26

-- What takes options; the first help, which takes none, should not wait for it.
local function program_and_sets(...)
    return require("kmirror.program").new(...), require("kmirror.cli.sets")
end

local function help_of(program, usage)
    return program:parser():usage(usage):help_description_margin(command_column):help_usage_margin(2):get_help()
end

-- What is too wide for its column has its summary on the next line.
local function overview()
    local lines = { "Runs runbooks that operate Kafka mirrors, and single operations.", "", "Commands:" }
    for _, name in ipairs(commands.names) do
        local command = commands.of(name)
        local label = ("  %s %s"):format(name, commands.arguments_of(name))
        if #label >= command_column - 1 then lines[#lines + 1], label = label, "" end
        lines[#lines + 1] = ("%-" .. command_column - 1 .. "s %s"):format(label, command.summary)
    end
    return table.concat(lines, "\n")
end

local epilog = [[
Shipped runbooks: %s

Environment: KMIRROR_ENDPOINT, KMIRROR_API, KMIRROR_CLUSTER, KMIRROR_USERNAME,
NO_COLOR; the key in KMIRROR_API_KEY, or in the file named by
KMIRROR_API_KEY_FILE.
Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but some
items failed, 130 interrupted.

Try it without an account:  kmirror run --sandbox failover
More about a command:       kmirror help COMMAND
More about a runbook:       kmirror help NAME
The format of a fleet file: kmirror help fleet]]

local function general_help()
    local program, sets = program_and_sets("kmirror", overview())
    for _, set in ipairs({ "code", "connection", "safety", "job", "times", "results", "report", "messages" }) do
        sets[set](program)
    end
    program:epilog(epilog:format(table.concat(host.scripts(), ", ")))
    return help_of(program, "Usage: kmirror [OPTION...] COMMAND [ARG...]")
end

local longest_arguments = 20 -- that the overview shows
local title_column = 11

-- "get ID...": a command, with its arguments where these are short.
local function label_of(name)
    local arguments = commands.arguments_of(name)
    return #arguments > 0 and #arguments <= longest_arguments and name .. " " .. arguments or name
end

-- A title, and labels with two blanks between, in lines of less than 80 columns.
local function group_of(group)
    local lines, line = {}, ("%-" .. title_column .. "s"):format(group.title)
    for _, command in ipairs(group) do
        local label = label_of(command[1])
        if #line + #label > 78 then lines[#lines + 1], line = line, (" "):rep(title_column) end
        line = line .. label .. "  "
    end
    lines[#lines + 1] = line
    return (table.concat(lines, "\n"):gsub(" +%f[\n\0]", ""))
end

local brief = [[
Usage: kmirror [OPTION...] COMMAND [ARG...]
Runs runbooks that operate Kafka mirrors, and single operations.

%s

Shipped    %s

Options    --endpoint URL  --cluster UUID|NAME  --profile NAME  --sandbox  --yes
           --read-only  --dry-run  --job NAME  --report FILE.html  --json

Try it without an account:     kmirror run --sandbox failover
A command, or a runbook:       kmirror help NAME
All commands and options:      kmirror help options
The format of a fleet file:    kmirror help fleet
Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but some
items failed, 130 interrupted.]]

-- What fits on a screen of 24 lines.
local function first_help()
    local groups = {}
    for i, group in ipairs(commands.groups) do groups[i] = group_of(group) end
    return brief:format(table.concat(groups, "\n"), table.concat(host.scripts(), "  "))
end

local function nothing() end

local function command_help(name)
    local command = commands.of(name)
    local program, sets = program_and_sets("kmirror " .. name, command.summary .. "\n\n" .. command.details)
    local arguments = (" " .. commands.arguments_of(name)):gsub(" $", "")
    local any_options = #command.sets > 0 and " [OPTION...]" or ""
    command.define(program, nothing)
    for _, set in ipairs(command.sets) do
        if set == "messages" and commands.needs_api(name) then sets.report(program) end
        sets[set](program)
    end
    return help_of(program, ("Usage: kmirror %s%s%s"):format(name, any_options, arguments))
end

local function unknown(name)
    local known = { fleet = true, options = true }
    for _, command in ipairs(commands.names) do known[command] = true end
    for _, runbook in ipairs(host.scripts()) do known[runbook] = true end
    refuse("no help for '%s': expected a command, a shipped runbook or fleet; see kmirror help%s", name,
        meant(name, known))
end

---@type kmirror.command
return {
    name = "help",
    summary = "About kmirror, a command, a runbook or fleet files.",
    details = "A runbook of your own has its help, too: kmirror run FILE --help.",
    sets = {},

    define = function(parser)
        parser:argument("TOPIC", "A command, a shipped runbook, options: all of them, or fleet: the format of fleet "
            .. "files.")
            :args("?"):argname("TOPIC"):target("topic")
    end,

    run = function(options)
        local topic = options.topic
        if topic and host.script(topic) then
            return commands.of("run").run({ script = topic, rest = { "--help" } })
        elseif topic == "fleet" then
            print(require("kmirror.fleet").format)
        elseif topic == "options" then
            print(general_help())
        elseif topic and not commands.has(topic) then
            unknown(topic)
        else
            print(topic and command_help(topic) or first_help())
        end
        return 0
    end,
}
