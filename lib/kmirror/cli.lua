--- cli: the command line. It reads the arguments, sets up what they ask for, and hands over to a command.
---
--- What only some command lines need is loaded where it is needed: a short runbook should not wait for it.

local commands = require("kmirror.cli.commands")
local config = require("kmirror.config")
local host = require("host")
local mirrors = require("mirrors")
local plain = require("kmirror.cli.plain")
local profile = require("kmirror.profile")
local progress = require("kmirror.progress")
local terminal = require("kmirror.terminal")
local refuse = require("kmirror.usage")

local M = {}

--- The commands, in the order in which help shows them.
M.names = commands.names

--- The commands and runbooks with their options and arguments, for whoever tells of them.
function M.definitions()
    return require("kmirror.cli.definitions")
end

-- ---- setting up -------------------------------------------------------------------------------------------

local function start_sandbox(given)
    if given.endpoint then
        refuse("--sandbox and --endpoint exclude each other: the sandbox is the endpoint")
    end
    if given.job and not given.state_file then
        given.state_file = require("kmirror.job").sandbox_state(given.job)
    end
    local world, arguments = require("kmirror.cli.sets").world_given(given)
    local sandbox = require("kmirror.sandbox")
    sandbox.read(world)
    local its_profile = {
        name = "sandbox",
        sandbox = true,
        refresh = tonumber(given.refresh),
        username = sandbox.username,
        clusters = sandbox.clusters_of(math.tointeger(tonumber(given.clusters)) or 2),
        runbooks = sandbox.runbooks,
    }
    profile.use(its_profile)
    local cluster = profile.connect_cluster(given.cluster or sandbox.runbooks.failover.to)
    if given.jump then
        its_profile.endpoint, M.door = sandbox.jump(world)
    else
        its_profile.endpoint = host.start_sandbox(arguments)
    end
    require("kmirror.log").info("sandbox at %s: not the real API; ends with this run", its_profile.endpoint)
    return {
        endpoint = its_profile.endpoint,
        username = sandbox.username,
        api_key = sandbox.api_key,
        cluster = cluster,
    }
end

-- Without a place for it, the work goes on: each process counts alone.
local function quota_file(endpoint, username)
    local file, problem = require("kmirror.state").quota_file(endpoint or "", username)
    if problem then
        require("kmirror.log").warn("no place to share the quota in: %s; this process counts its requests alone",
            problem)
    end
    return file
end

-- Runners on several machines share the quota through the database that their store is in.
local function share_quota(store, away)
    local database = store and store:find("^%a+:") and require("kmirror.store").database_of(store)
    if not database then return end
    away = tostring(away or "0.25")
    local fraction = require("kmirror.quota").fraction(away)
    if not fraction then
        refuse("KMIRROR_QUOTA_AWAY is %s: expected a fraction of the rate, over 0 and up to 1, or stop",
            mirrors.fields.shown(away))
    end
    mirrors.share(function(governor, account)
        M.quota = require("kmirror.quota")
        M.quota.share(governor, account, database, fraction)
    end)
end

-- Blanks and line ends around a value come from files and shells, and are not meant.
local function variable(name)
    local value = (os.getenv(name) or ""):match("^%s*(.-)%s*$")
    return value ~= "" and value or nil
end

-- The version of the API by cluster, where a profile says one.
local function apis_of(clusters)
    local apis = {}
    for _, cluster in pairs(clusters) do
        if cluster.api and cluster.api ~= "connect" then apis[cluster.connect] = cluster.api end
    end
    return next(apis) and apis or nil
end

-- An option, else the environment, else the profile of the configuration file.
local function from_configuration(given)
    local name, chosen = config.choose(given.profile or variable("KMIRROR_PROFILE"))
    local clusters, own = config.clusters(name, chosen)
    profile.use({
        name = name,
        sandbox = false,
        endpoint = given.endpoint or variable("KMIRROR_ENDPOINT") or chosen.endpoint,
        username = variable("KMIRROR_USERNAME") or chosen.username,
        clusters = clusters,
        aliases = chosen.aliases,
        runbooks = chosen.runbooks or {},
        hooks = chosen.hooks,
    })
    local cluster = given.cluster or variable("KMIRROR_CLUSTER") or chosen.cluster
    local current = profile.current()
    current.api = given.api or variable("KMIRROR_API") or chosen.api
    local is_connect = current.api == "connect" and current.endpoint
    local endpoint, username = current.endpoint, current.username
    local has_key = variable("KMIRROR_API_KEY") or variable("KMIRROR_API_KEY_FILE")
    local can_change = not has_key and (chosen.api_key_file or chosen.api_key_command)
    given.read_only = given.read_only or chosen.read_only
    given.store = given.store or variable("KMIRROR_STORE") or chosen.store
    current.cluster = cluster and (is_connect and cluster or profile.connect_cluster(cluster)) or nil
    share_quota(given.store, given.quota_away or variable("KMIRROR_QUOTA_AWAY") or chosen.quota_away)
    return {
        endpoint = endpoint,
        api = variable("KMIRROR_API") or chosen.api,
        apis = apis_of(clusters),
        clusters = own,
        insecure = chosen.insecure,
        username = username,
        quota_file = username and quota_file(endpoint, username),
        api_key = not has_key and name and config.key(name, chosen) or nil,
        renew_key = can_change and function() return config.key(name, chosen) end or nil,
        cluster = current.cluster,
        rate = chosen.rate,
        concurrency = chosen.concurrency,
        timeout = chosen.timeout,
        outage = chosen.outage,
        ca_file = chosen.ca_file,
    }
end

-- What may take hours, and can be resumed, waits for the API when that is away for a few minutes.
local function outage_of(given)
    local is_shipped = given.command == "run" and given.script and host.script(given.script) ~= nil
    return (given.job or is_shipped) and 300 or 0
end

local function set_defaults(given)
    local defaults = (given.sandbox and start_sandbox or from_configuration)(given)
    for _, name in ipairs({ "api", "rate", "concurrency", "timeout", "outage", "ca_file" }) do
        if given[name] ~= nil then defaults[name] = given[name] end
    end
    defaults.outage = defaults.outage or outage_of(given)
    mirrors.recall(function(cluster) return require("kmirror.ends").left(cluster) end)
    local ok, problem = pcall(mirrors.defaults, defaults)
    if not ok then
        refuse("%s", tostring(problem):gsub("^mirrors%.defaults: (%S+)", function(name)
            return name == "username" and "the user name" or "--" .. name:gsub("_", "-")
        end))
    end
end

local function guard_changes(given)
    if not (given.read_only or given.dry_run) then return end
    local changes = require("kmirror.changes")
    if given.read_only then
        changes.refuse()
        return
    end
    changes.plan(function(change)
        if not given.json then io.stdout:write("would ", changes.describe(change), "\n") end
    end)
end

local function set_up(given)
    require("kmirror.again").remember(given)
    terminal.color(given.color or "auto")
    if given.traceback then host.traceback() end
    if given.log_level or given.log_file or given.log_format then
        require("kmirror.log").configure({
            level = given.log_level, file = given.log_file, format = given.log_format,
        })
    end
    if given.yes or given.sandbox then require("kmirror.confirm").assume(true) end
    require("kmirror.cli.trace").begin()
end

-- ---- running ----------------------------------------------------------------------------------------------

--- Sets up how the API is reached, and what may be changed there. Raises usage when the configuration is wrong.
---@param given table
function M.prepare(given)
    set_defaults(given)
    guard_changes(given)
end

local function work_of(given, times, ran)
    local function work(its)
        local function command()
            if ran then ran:start() end
            return host.settled(commands.of(its.command).run(its))
        end
        return times and require("kmirror.cli.times").around(its, times, command) or command()
    end
    if not given.job or require("kmirror.changes").harmless() then return work(given) end
    return require("kmirror.job").run(given, work)
end

-- The task of a sandbox in this process ends with the run.
local closes_door = setmetatable({}, { __close = function()
    if M.door then M.door:cancel() end
end })

-- What is leased of a shared quota ends with the run.
local closes_quota = setmetatable({}, { __close = function()
    if M.quota then M.quota.close() end
end })

local function run(given, arguments)
    set_up(given)
    local times = (given.not_before or given.stop_at) and require("kmirror.cli.times").read(given)
    local _ <close> = closes_door
    local _ <close> = closes_quota
    if commands.needs_api(given.command) then M.prepare(given) end
    local ran = commands.needs_api(given.command) and require("kmirror.cli.ran").new(given, arguments)
    local _ <close> = progress.show(given)
    local function work()
        return work_of(given, times, ran)
    end
    local function reported()
        return (given.report or given.metrics) and require("kmirror.report").around(given, work) or work()
    end
    return ran and ran:around(reported) or reported()
end

--- Runs a command line that has been read. Raises usage for options that its command has no use for.
---@param given table
---@param arguments string[] as they were typed
---@return integer exit status
function M.run(given, arguments)
    require("kmirror.cli.together")(given)
    return run(given, arguments)
end

-- With --json a failure is JSON, too; being interrupted is left to the host.
local function for_programs(log_is_json, ok, result)
    if ok then return result end
    local shape = require("kmirror.cli.items").error_shape(result)
    if shape.kind == "cancelled" then error(result, 0) end
    if log_is_json then
        require("kmirror.log").event("error", { error = shape }, "%s", tostring(result))
    else
        io.stderr:write(require("kmirror.json").encode({ error = shape }), "\n")
    end
    return host.status_of(result)
end

-- Whether an option, with a value or without, is among kmirror's own arguments: what is wrong with the others is said
-- as it asks for.
local function asks_for(arguments, option, value)
    for i, argument in ipairs(arguments) do
        local both = value and (argument == option .. "=" .. value or argument == option and arguments[i + 1] == value)
        if both or not value and argument == option then
            return true
        elseif arguments[i - 1] == "run" and (argument == "-" or argument:sub(1, 1) ~= "-") then
            return false -- the rest is the runbook's
        end
    end
    return false
end

-- Ends a line that a runbook has begun on stderr.
local finished = setmetatable({}, { __close = function()
    require("kmirror.log").finish()
end })

--- Runs kmirror. Raises what its host reports: usage, or why the command failed.
---@param arguments string[]
---@return integer exit status
function M.main(arguments)
    local log_is_json = asks_for(arguments, "--log-format", "json")
    local _ <close> = log_is_json and finished or nil
    if log_is_json then require("kmirror.log").as_json(true) end
    local function read_and_run()
        local given = plain.read(arguments)
        if given and arguments[1] == "run" then -- no option
            return run(given, arguments)
        end
        return M.run(given or require("kmirror.cli.arguments").read(arguments), arguments)
    end
    local status = asks_for(arguments, "--json") and for_programs(log_is_json, pcall(read_and_run)) or read_and_run()
    return status
end

return M
