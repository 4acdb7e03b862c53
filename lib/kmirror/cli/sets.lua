--- sets: the options that commands share, in sets: which of them a command takes is said by the command.

local fields = require("mirrors").fields
local options = require("kmirror.options")
local texts = require("kmirror.text")

local M = {}

local function rate(parser, description, ...)
    return parser:option("--rate", description):argname("N"):convert(...)
end

local number = options.number("--rate", "requests per second, 0 for no limit", 0)

local function number_or_auto(text)
    if text == "auto" then return text end
    return options.number("--rate", "requests per second, 0 for no limit, or auto", 0)(text)
end

local function fraction(text)
    if require("kmirror.quota").fraction(text) then return text end
    return nil, ("--quota-away %s: expected a fraction of the rate, over 0 and up to 1, or stop"):format(
        fields.shown(text))
end

--- The sandbox command's own sense of --rate.
function M.limit(parser)
    rate(parser, "Accepted in any one second; default: 35, 0: no limit.", number)
end

--- A line of Lua in the place of a command.
function M.code(parser)
    parser:group("Code", parser:option("-e", "Run this instead of a command: api and the library are there by name, "
        .. "and an expression shows its value."):argname("CODE"):count("*"):target("code"):init(nil))
end

--- Where the API is.
function M.connection(parser)
    parser:group(
        "Connection",
        parser:option("--endpoint", "Base URL of the API; default: KMIRROR_ENDPOINT."):argname("URL"),
        parser:option("--api", "v1 or v2 of the API, or connect, Kafka Connect's own; default: KMIRROR_API, or v1.")
            :argname("VERSION"):choices({ "v1", "v2", "connect" }),
        parser:option("--cluster", "Kafka Connect cluster; default: KMIRROR_CLUSTER."):argname("UUID|NAME"),
        parser:option("--profile", "Profile of the configuration file; default: KMIRROR_PROFILE."):argname("NAME"),
        parser:flag("--sandbox", "Use a simulated API, started for this command."),
        parser:option("--ca-file", "CA certificates (PEM) instead of the system's."):argname("FILE"),
        rate(parser, "Requests in any one second; default: 35, 0: no limit, auto: as many as the API takes.",
            number_or_auto),
        parser:option("--quota-away", "What part of the rate to use while the PostgreSQL store that it is shared "
            .. "through is away, or stop; default: 0.25."):argname("FRACTION"):convert(fraction),
        parser:option("--concurrency", "Requests under way at once."):argname("N")
            :convert(options.integer("--concurrency", "a whole number, 1 or more", 1)),
        parser:option("--timeout", "Seconds for one attempt of a request."):argname("SECONDS")
            :convert(options.number("--timeout", "seconds, from 0.001", 0.001)),
        parser:option("--outage", "Seconds to wait when the API is away; default: 300 for a job or a shipped runbook, "
            .. "else 0."):argname("SECONDS"):convert(options.number("--outage", "seconds, 0 not to wait", 0))
    )
end

--- What may be changed.
function M.safety(parser)
    local read_only = parser:flag("--read-only", "Refuse every change.")
    local dry_run = parser:flag("--dry-run", "Send no change; print what would be done.")
    parser:mutex(read_only, dry_run)
    parser:group("Safety", read_only, dry_run, parser:flag("--yes", "Do not ask for confirmation."))
end

--- Where jobs are kept.
function M.store(parser)
    parser:group("Jobs", parser:option("--store", "Where jobs are kept; default: KMIRROR_STORE."):argname("URL"))
end

local longest_reason = 500 -- bytes

local function reason(given)
    if #given > longest_reason or not given:find("%S") or texts.clean(given) ~= given then
        return nil, ("--reason %s: expected up to %d characters on one line"):format(fields.shown(given),
            longest_reason)
    end
    return given
end

--- Why something is run, for those who look at the job later.
function M.reason(parser, description)
    return parser:option("--reason", description):argname("TEXT"):convert(reason)
end

--- Running as a job.
function M.job(parser)
    parser:group(
        "Jobs",
        parser:option("--job", "Run as this job, which can be resumed."):argname("NAME"),
        parser:option("--store", "Where jobs are kept; default: KMIRROR_STORE."):argname("URL"),
        parser:flag("--join", "Share the job with other runners of it; see kmirror help run."),
        M.reason(parser, "Why, a ticket say: kept with the run of the job."),
        parser:flag("--approval", "Change nothing before another user of the store has approved it (four eyes)."),
        parser:option("--approval-timeout", "How long that may take; default: 3600."):argname("SECONDS")
            :convert(options.number("--approval-timeout", "seconds, 1 or more", 1))
    )
end

--- When it may be done.
function M.times(parser)
    parser:group(
        "Times",
        parser:option("--not-before", "Begin then: HH:MM here, or a date and time (ISO 8601).")
            :argname("TIME"),
        parser:option("--stop-at", "Begin nothing new after that; then the run ends as by Ctrl-C (130).")
            :argname("TIME")
    )
end

local run_steps = { "start", "failed", "done" }

--- What is run when a run begins and when it has ended.
function M.hooks(parser)
    local function convert(text)
        return require("kmirror.hooks").option(run_steps)(text)
    end
    parser:group(
        "Hooks",
        parser:option("--hook", "Run a command when the run begins (start), and when it has ended: done, or failed, "
            .. "which being interrupted is, too. webhook:URL and slack:env:NAME post instead."):argname("STEP=COMMAND")
            :count("*"):convert(convert):init(nil),
        parser:option("--hook-timeout", "How long a hook may take; default: 300."):argname("SECONDS")
            :convert(options.number("--hook-timeout", "seconds, 0 or more", 0))
    )
end

--- Agreeing beforehand, for a command that changes nothing of the API's.
function M.assent(parser)
    parser:group("Safety", parser:flag("--yes", "Do not ask for confirmation."))
end

--- How results are shown.
function M.results(parser)
    parser:group("Results", parser:flag("--json", "Results as JSON, with the API's field names."))
end

--- Results as a table for other programs, where there is one.
function M.tables(parser)
    parser:group("Results", parser:option("--output", "csv: a table with titles, for a spreadsheet."):argname("FORMAT")
        :choices({ "csv" }))
end

--- What a file is written as, where there are several ways; with no command yet, what any of them may take.
function M.formats(parser)
    parser:group("Results", parser:option("--output", "lua (default), json or csv."):argname("FORMAT")
        :choices({ "lua", "json", "csv" }))
end

--- What is written about the run, as it goes.
function M.report(parser)
    parser:group(
        "Report",
        parser:option("--report", "A page about the run; as JSON if it is a .json."):argname("FILE.html|FILE.json"),
        parser:option("--metrics", "Figures of the run, as OpenMetrics text."):argname("FILE")
    )
end

--- What is said meanwhile, on stderr.
function M.messages(parser)
    parser:group(
        "Messages",
        parser:option("--log-file", "Append all messages to this file, too."):argname("FILE"),
        parser:option("--log-level", "error, warn, info (default) or debug.")
            :argname("LEVEL"):choices({ "error", "warn", "info", "debug" }),
        parser:option("--log-format", "text (default), or json: a line of JSON for each message.")
            :argname("FORMAT"):choices({ "text", "json" }),
        parser:option("--color", "auto (default), always or never."):argname("WHEN")
            :choices({ "auto", "always", "never" }),
        parser:flag("--traceback", "Show where in the Lua code an error arose.")
    )
end

-- Key, option, placeholder and meaning. What values they take is checked by the sandbox.
local world_options = {
    { "world", "--world", "WORLD", "small, demo (default), empty or a number of mirrors." },
    { "clusters", "--clusters", "N", "How many Kafka Connect clusters; default: 2." },
    { "state_file", "--state", "FILE", "Keep the world in this file, and continue from it." },
    { "creating_seconds", "--creating-seconds", "SECONDS", "How long a new mirror is CREATING." },
    { "sync_seconds", "--sync-seconds", "SECONDS", "How long it takes to catch up after that." },
    { "lag_ms", "--lag-ms", "MS", "The mean lag of a mirror that has caught up." },
    { "history", "--history", "SECONDS", "How old the oldest record is that a new one copies." },
    { "metrics_window", "--metrics-window", "SECONDS", "Latency and rate are means over that; real: 60." },
    { "refresh", "--refresh", "SECONDS", "How often these are measured; real: 20." },
    { "fail_every", "--fail-every", "N", "Each Nth new mirror ends up FAILED." },
    { "stale_every", "--stale-every", "N", "Each Nth new mirror ends up as STALE_TOPIC." },
    { "fail_tasks_every", "--fail-tasks-every", "N", "A task of each Nth one ends up FAILED." },
    { "stale_empty", "--stale-empty", "SECONDS", "When one without topics is STALE_TOPIC; real: 120." },
    { "heartbeats", "--heartbeats", "RATE", "Each carries a heartbeats topic, too; real: 1/s." },
    { "list_delay", "--list-delay", "SECONDS", "How far the list runs behind." },
    { "faults", "--faults", "FILE|NAME", "flaky, lossy, throttled, slow, outage or a Lua file." },
    { "v2_list", "--v2-list", "SHAPE", "A list of v2: array (default), or object." },
    { "v2_slash", "--v2-slash", "WHAT", "redirect: v2's create is sent to another path." },
    { "seed", "--seed", "N", "Seed of all that is random." },
    { "request_log", "--request-log", "FILE", "Write a line of JSON for each request." },
}

--- What the sandbox's world is like: for the sandbox command, and for the one that --sandbox starts.
function M.world(parser)
    local elements = {}
    for i, option in ipairs(world_options) do
        elements[i] = parser:option(option[2], option[4]):argname(option[3]):target(option[1])
    end
    elements[#elements + 1] = parser:flag("--jump", "No waits: the clock jumps over them. Not for the sandbox command.")
    parser:group("World", table.unpack(elements))
end

--- The options of M.world that were given: as a table for the sandbox, and as arguments for one.
---@param given table
---@return table<string, string> options
---@return string[] arguments
function M.world_given(given)
    local found, arguments = {}, {}
    for _, option in ipairs(world_options) do
        local value = given[option[1]]
        if value then
            found[option[1]] = value
            table.move({ option[2], value }, 1, 2, #arguments + 1, arguments)
        end
    end
    return found, arguments
end

return M
