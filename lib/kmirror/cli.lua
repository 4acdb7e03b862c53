--- cli: the command line. It reads the arguments, sets up what they ask for, and hands over to a command.

local argparse = require("argparse")
local changes = require("kmirror.changes")
local config = require("kmirror.config")
local confirm = require("kmirror.confirm")
local events = require("kmirror.events")
local host = require("host")
local items = require("kmirror.cli.items")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local progress = require("kmirror.progress")
local report = require("kmirror.report")
local sets = require("kmirror.cli.sets")
local state = require("kmirror.state")
local terminal = require("kmirror.terminal")
local usage = require("kmirror.usage")

local M = {}

---@class kmirror.command what the module kmirror.cli.NAME says of a command
---@field name string
---@field arguments string how help shows what it takes: "ID MS"
---@field summary string one line
---@field details string the rest of its help, in lines of less than 80 columns
---@field sets string[] names of the sets of options that it takes, from kmirror.cli.sets
---@field define fun(parser: table, end_here: fun()) adds its arguments and its own options
---@field run fun(options: table): integer does it; the exit status

-- In the order in which help shows them.
local names = {
    "run", "repl", "list", "get", "create", "delete", "latency", "plan", "apply", "jobs", "report", "sandbox",
    "doctor", "completion", "version", "help",
}

--- The commands, in the order in which help shows them.
M.names = names

local command_column = 26

local function command_of(name)
    return require("kmirror.cli." .. name)
end

local function is_command(name)
    for _, known in ipairs(names) do
        if known == name then
            return true
        end
    end
    return false
end

-- Whether a command talks to the API: then it can be reported on, too.
local function needs_api(name)
    for _, set in ipairs(command_of(name).sets) do
        if set == "connection" then
            return true
        end
    end
    return false
end

-- ---- help -------------------------------------------------------------------------------------------------

local function new_parser(name, description)
    return argparse(name, description):add_help(false)
        :help_max_width(80):help_description_margin(command_column):help_usage_margin(2)
end

local function overview()
    local lines = { "Runs runbooks that operate Kafka mirrors, and single operations.", "", "Commands:" }
    for _, name in ipairs(names) do
        local command = command_of(name)
        local label = ("  %s %s"):format(name, command.arguments)
        lines[#lines + 1] = ("%-" .. command_column - 1 .. "s %s"):format(label, command.summary)
    end
    return table.concat(lines, "\n")
end

local epilog = [[
Shipped runbooks: %s

Environment: KMIRROR_ENDPOINT, KMIRROR_CLUSTER, KMIRROR_USERNAME, the key in
KMIRROR_API_KEY or in the file named by KMIRROR_API_KEY_FILE; NO_COLOR.
Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but some
items failed, 130 interrupted.

Try it without an account:  kmirror run --sandbox failover
More about a command:       kmirror help COMMAND]]

local function general_help()
    local parser = new_parser("kmirror", overview())
    parser:usage("Usage: kmirror [OPTION...] COMMAND [ARG...]")
    for _, set in ipairs({ "connection", "safety", "job", "results", "report", "messages" }) do
        sets[set](parser)
    end
    return parser:epilog(epilog:format(table.concat(host.scripts(), ", "))):get_help()
end

local function nothing() end

local function command_help(name)
    local command = command_of(name)
    local parser = new_parser("kmirror " .. name, command.summary .. "\n\n" .. command.details)
    local arguments = command.arguments ~= "" and " " .. command.arguments or ""
    local any_options = #command.sets > 0 and " [OPTION...]" or ""
    parser:usage(("Usage: kmirror %s%s%s"):format(name, any_options, arguments))
    command.define(parser, nothing)
    for _, set in ipairs(command.sets) do
        if set == "messages" and needs_api(name) then
            sets.report(parser)
        end
        sets[set](parser)
    end
    return parser:get_help()
end

--- The help for a command, or for kmirror as a whole; nil when there is no such command.
---@param name? string
---@return string|nil
function M.help(name)
    if not name then
        return general_help()
    end
    return is_command(name) and command_help(name) or nil
end

-- ---- reading the arguments --------------------------------------------------------------------------------

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

local function build_parser(seen, view)
    local parser = argparse("kmirror"):add_help(false):require_command(false):command_target("command")
    for _, set in ipairs({ "connection", "safety", "job", "results", "tables", "report", "messages", "world" }) do
        sets[set](parser)
    end
    refuse_keys(parser, seen)
    parser:flag("-h --help"):action(function(result)
        seen.help = result.command or true
    end)
    parser:flag("--version"):target("show_version")
    for _, name in ipairs(names) do
        local command = parser:command(name):add_help(false):target("is_" .. name)
        command_of(name).define(command, function()
            view.ended = true
        end)
    end
    return parser
end

-- Somebody who forgot `run` is told so.
local function unknown_command(name)
    if host.script(name) or name:find("%.lua$") then
        usage("'%s' is a runbook, not a command; to run it: kmirror run %s", name, name)
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
        if is_command(argument) then
            options.complain(problem, "kmirror help " .. argument)
        end
    end
    options.complain(problem, "kmirror help")
end

local function parse(arguments)
    local seen, view = {}, view_of(arguments)
    local ok, result = build_parser(seen, view):pparse(view.arguments)
    if seen.key then
        usage("an API key is not taken as an argument, where others can read it: set KMIRROR_API_KEY, or "
            .. "KMIRROR_API_KEY_FILE to the name of a file that holds it")
    elseif seen.help then
        return { command = "help", topic = seen.help ~= true and seen.help or nil }
    elseif not ok then
        complain(result, table.move(arguments, 1, view.taken, 1, {}))
    elseif result.show_version then
        return { command = "version" }
    end
    result.command = result.command or "help"
    result.rest = table.move(arguments, view.taken + 1, #arguments, 1, {})
    return result
end

-- An option that the command has no use for is refused, so that nobody relies on it.
local function check_sets(given)
    local taken = {}
    for _, set in ipairs(command_of(given.command).sets) do
        taken[set] = true
    end
    if given.json and not taken.results then
        usage("kmirror %s has no --json; see kmirror help %s", given.command, given.command)
    end
    if given.job and not taken.job then
        usage("kmirror %s has no --job; see kmirror help %s", given.command, given.command)
    end
    if given.output and not taken.tables then
        usage("kmirror %s has no --output; see kmirror help %s", given.command, given.command)
    elseif given.output and given.json then
        usage("--output and --json exclude each other")
    end
    local reported = given.report and "--report" or given.metrics and "--metrics"
    if reported and not taken.connection then
        usage("kmirror %s has no %s; see kmirror help %s", given.command, reported, given.command)
    end
    local _, world = sets.world_given(given)
    if #world > 0 and not (given.sandbox or taken.world) then
        usage("%s is about the sandbox: give --sandbox, too", world[1])
    end
end

-- ---- setting up -------------------------------------------------------------------------------------------

local function start_sandbox(given)
    if given.endpoint then
        usage("--sandbox and --endpoint exclude each other: the sandbox is the endpoint")
    end
    if given.job and not given.state_file then
        given.state_file = require("kmirror.job").sandbox_state(given.job)
    end
    local world, arguments = sets.world_given(given)
    require("kmirror.sandbox.options").read(world)
    local constants = require("kmirror.sandbox.world")
    local its_profile = {
        name = "sandbox",
        sandbox = true,
        username = constants.username,
        clusters = constants.clusters_of(math.tointeger(tonumber(given.clusters)) or 2),
        runbooks = constants.runbooks,
    }
    profile.use(its_profile)
    local cluster = profile.connect_cluster(given.cluster or constants.runbooks.failover.to)
    its_profile.endpoint = host.start_sandbox(arguments)
    log.info("sandbox at %s: not the real API; ends with this run", its_profile.endpoint)
    return {
        endpoint = its_profile.endpoint,
        username = constants.username,
        api_key = constants.api_key,
        cluster = cluster,
    }
end

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

-- An option, else the environment, else the profile of the configuration file.
local function from_configuration(given)
    local name, chosen = config.choose(given.profile or variable("KMIRROR_PROFILE"))
    profile.use({
        name = name,
        sandbox = false,
        endpoint = given.endpoint or variable("KMIRROR_ENDPOINT") or chosen.endpoint,
        username = variable("KMIRROR_USERNAME") or chosen.username,
        clusters = chosen.clusters or {},
        runbooks = chosen.runbooks or {},
    })
    local cluster = given.cluster or variable("KMIRROR_CLUSTER") or chosen.cluster
    local endpoint, username = profile.current().endpoint, profile.current().username
    local has_key = variable("KMIRROR_API_KEY") or variable("KMIRROR_API_KEY_FILE")
    given.read_only = given.read_only or chosen.read_only
    given.store = given.store or variable("KMIRROR_STORE") or chosen.store
    return {
        endpoint = endpoint,
        username = username,
        quota_file = username and state.quota_file(endpoint or "", username),
        api_key = not has_key and name and config.key(name, chosen) or nil,
        cluster = cluster and profile.connect_cluster(cluster) or nil,
        rate = chosen.rate,
        concurrency = chosen.concurrency,
        timeout = chosen.timeout,
        ca_file = chosen.ca_file,
    }
end

local function set_defaults(given)
    local defaults = (given.sandbox and start_sandbox or from_configuration)(given)
    for _, name in ipairs({ "rate", "concurrency", "timeout", "ca_file" }) do
        if given[name] ~= nil then
            defaults[name] = given[name]
        end
    end
    local ok, problem = pcall(mirrors.defaults, defaults)
    if not ok then
        usage("%s", tostring(problem):gsub("^mirrors%.defaults: (%S+)", function(name)
            return "--" .. name:gsub("_", "-")
        end))
    end
end

local fates = { -- of a create whose answer was lost
    lost = "a create was not answered; the list will tell what became of it, in %.0f s or more",
    adopted = "the create that was not answered made mirror %s",
    undone = "the create that was not answered made nothing",
    undecided = "what became of the create that was not answered cannot be told",
}

-- What goes on underneath: each wait before a retry, and in detail each attempt.
local function trace(event)
    if event.what == "call" or event.what == "step" then
        return
    end
    local fields = {
        event = event.what, operation = event.operation, cluster = event.cluster, id = event.id,
        attempt = event.attempt, error = event.error and event.error.kind, wait = event.wait,
    }
    if event.what == "retry" then
        log.event("info", fields, "%s; trying again in %.1f s", tostring(event.error), event.wait)
    elseif fates[event.what] then
        log.event("info", fields, fates[event.what], event.wait or event.id)
    elseif event.ended > 0 then
        local what = ("%s %s"):format(event.operation:gsub("_", " "), event.id or "on cluster " .. event.cluster)
        fields.seconds = event.ended - event.granted
        log.event("debug", fields, "%s: %s after %.0f ms", what, event.error and event.error.kind or "done",
            1000 * fields.seconds)
    end
end

local function guard_changes(given)
    if given.read_only then
        changes.refuse()
    elseif given.dry_run then
        changes.plan(function(change)
            if not given.json then
                io.stdout:write("would ", changes.describe(change), "\n")
            end
        end)
    end
end

local function set_up(given)
    terminal.color(given.color or "auto")
    if given.traceback then
        host.traceback()
    end
    log.configure({ level = given.log_level, file = given.log_file, format = given.log_format })
    confirm.assume(given.yes or given.sandbox or false)
    events.listen(trace)
end

-- ---- running ----------------------------------------------------------------------------------------------

--- Sets up how the API is reached, and what may be changed there. Raises usage when the configuration is wrong.
---@param given table
function M.prepare(given)
    set_defaults(given)
    guard_changes(given)
end

local function run(given)
    check_sets(given)
    set_up(given)
    if needs_api(given.command) then
        M.prepare(given)
    end
    local work = command_of(given.command).run
    local _ <close> = progress.show(given)
    return report.around(given, function()
        if not given.job or changes.harmless() then
            return work(given)
        end
        return require("kmirror.job").run(given, work)
    end)
end

--- Runs a command line that has been read.
---@param given table
---@return integer exit status
function M.run(given)
    return run(given)
end

-- With --json a failure is JSON, too; being interrupted is left to the host.
local function run_for_programs(given)
    local ok, result = pcall(run, given)
    if ok then
        return result
    end
    local shape = items.error_shape(result)
    if shape.kind == "cancelled" then
        error(result, 0)
    end
    io.stderr:write(json.encode({ error = shape }), "\n")
    return shape.kind == "usage" and 2 or 1
end

--- Runs kmirror. Raises what its host reports: usage, or why the command failed.
---@param arguments string[]
---@return integer exit status
function M.main(arguments)
    local given = parse(arguments)
    return (given.json and run_for_programs or run)(given)
end

return M
