--- The options of failover and failback. What the command line does not say comes from the profile's defaults for the
--- runbook, under the option's name: `runbooks = { failover = { from = "us-west", hooks = { fence = "…" } } }`.

local accept = require("kmirror.failover.accept")
local again = require("kmirror.again")
local hooks = require("kmirror.hooks")
local log = require("kmirror.log")
local options = require("kmirror.options")
local parts = require("kmirror.failover.parts")
local profile = require("kmirror.profile")
local programs = require("kmirror.program")
local selection = require("kmirror.selection")
local shell = require("kmirror.shell")
local successor = require("kmirror.successor")
local refuse = require("kmirror.usage")

local M = {}

--- The steps that may have hooks, in the order in which they come.
M.steps = { "check", "fence", "unfence", "drained", "clients", "canary", "empty", "gate", "done" }

local about_hooks = [[
Hooks, by step; each gets KMIRROR_FROM, KMIRROR_TO and more in its environment:
  check    everything was found in order; nothing has been done yet
  fence    stop the producers in FROM
  unfence  the run ended after fence, and the mirrors are as they were: let
           them resume
  drained  all has arrived in TO; the mirrors are deleted next
  clients  the mirrors are gone, or stand still: move the clients to TO
  canary   produce and consume in TO
  empty    empty FROM's topics (KMIRROR_TOPICS, with commas between; all of them
           in the mirrors of KMIRROR_STATE): mirrors TO -> FROM come next
  gate     with --batches: the next batch comes next, unless this fails
  done     it is over: KMIRROR_STATUS is the exit status, KMIRROR_REPORT a file
One that fails stops the runbook before the next step. In place of a command,
webhook:URL posts what it would find as JSON, slack:env:NAME a line to Slack;
env:NAME, file:PATH and command:COMMAND say where a secret URL is kept. Each
batch has all of them but check and done; KMIRROR_BATCH of KMIRROR_BATCHES,
KMIRROR_BATCH_NAME and KMIRROR_TOPICS (its topics, with commas between) tell which.

Batches are sizes, percentages, or beginnings of topics regexes, such as
--batches payments,orders+returns,100%. Each is fenced, deleted, moved and
created for itself, and begins when the one before works, the hook gate agrees,
and so does the operator. What does not begin is left as it is: the same command
continues there, also on another day.

Findings that stop a run, unless --accept KIND says that you answer for them:
]] .. accept.help() .. [[


The new mirrors start from the beginning of their topics: with names kept they
append all that TO's topics hold to FROM's topics of the same names, behind what
is there. To avoid that: --use-renaming, --no-reverse, or the hook empty.

"Caught up" means that the average latency of the last minute is not above the
target latency (IN_SYNC). The API does not count records.

With Kafka Connect of one's own (and librdkafka) records are counted: it is
drained when none is left, and the new mirrors begin where TO's topics end, so
that nothing is copied twice. It then goes on as soon as the offsets of all
consumer groups are in TO, or none has come nearer for --offset-sync seconds.]]

-- The API's rates and latencies are averages over 2 x 30 s, refreshed every 20 s: what is seen for a shorter time may
-- be one number seen twice.
local least_still = 40

-- An option with a number. Its default is filled in later, so that what was said is known from what was not.
local function number(parser, name, default, kind, placeholder, description)
    local shown = default and ("%s; default: %g."):format(description, default) or description .. "."
    local convert = kind == "seconds" and options.number or options.integer
    parser:option(name, shown):argname(placeholder):convert(convert(name, kind .. ", 0 or more", 0))
    return default
end

local function seconds(parser, name, default, description)
    return number(parser, name, default, "seconds", "SECONDS", description)
end

local function milliseconds(parser, name, default, description)
    return number(parser, name, default, "milliseconds", "MS", description)
end

local function define_regions(parser, defaults)
    parser:option("--from", "Region that clients leave: a name or ALIAS=CONNECT-UUID,KAFKA-UUID; with --no-reverse an "
        .. "alias is enough.", defaults.from):argname("REGION")
    parser:option("--to", "Region that they move to.", defaults.to):argname("REGION")
end

local function define_mirrors(parser, defaults)
    parser:flag("--no-reverse", "Create no mirrors TO -> FROM now; run it again without, to create them.")
    successor.define(parser, "TO")
    parser:option("--batches", "Move the mirrors in batches, with a gate between."):argname("N,N%,TOPICS...")
        :convert(parts.read)
    parser:option("--accept", "Continue in spite of findings of this kind; see below. May be repeated.")
        :argname("KIND"):count("*"):convert(accept.read)
    parser:flag("--abandon", "Close a run that is open and will not be finished: changes no mirror, says what is left.")
    selection.define(parser, { "--in", "--source" })
    parser:option("--target-latency", "Of the new mirrors; by default as before."):argname("MS")
        :convert(options.integer("--target-latency", "milliseconds, 1000 or more", 1000))
    return {
        use_renaming = defaults.use_renaming,
        no_reverse = defaults.no_reverse,
        use_private_ips = defaults.use_private_ips,
        max_tasks = defaults.max_tasks,
        target_latency = defaults.target_latency,
        wait = seconds(parser, "--wait", defaults.wait or 600, "How long they have to catch up"),
    }
end

local function define_fence(parser, defaults)
    return {
        max_lag = milliseconds(parser, "--max-lag", defaults.max_lag, "Fence when no lag is higher than that"),
        fence_wait = seconds(parser, "--fence-wait", defaults.fence_wait or 600, "How long lag and rates may take"),
        still = seconds(parser, "--still", defaults.still or least_still, "How long the rates must stay zero"),
        drain_lag = milliseconds(parser, "--drain-lag", defaults.drain_lag or 1000, "Drained when no lag is higher"),
        offset_sync = seconds(parser, "--offset-sync", defaults.offset_sync or 60, "Interval of group offset syncs"),
    }
end

local function define_rest(parser, defaults)
    parser:option("--hook", "Run a command at a step; may be given several times."):argname("STEP=COMMAND")
        :count("*"):convert(hooks.option(M.steps))
    parser:option("--state", "Where to save the previous state; to continue, where it was saved."):argname("FILE")
    parser:option("--report-text", "Write the report to a file, too."):argname("FILE")
    return {
        hook_timeout = seconds(parser, "--hook-timeout", defaults.hook_timeout or 300, "How long a hook may take"),
    }
end

local function read_regions(runbook, given)
    if not (given.from and given.to) then
        refuse("give --from and --to; see kmirror run %s --help", runbook)
    end
    given.from_name, given.to_name = given.from, given.to
    given.from, given.to = profile.source(given.from), profile.cluster(given.to)
    if not given.from.connect and not given.no_reverse then
        refuse("--from %s: no Kafka Connect cluster is known there, on which mirrors %s -> %s would run: give a name "
            .. "of the profile, or ALIAS=CONNECT-UUID,KAFKA-UUID; with --no-reverse none is created", given.from_name,
            given.to.alias or given.to_name, given.from.alias or given.from_name)
    end
    if given.from.connect == given.to.connect then
        refuse("--from and --to are the same region, %s", given.from_name)
    end
    for _, name in ipairs({ "from", "to" }) do
        local is_known = given[name].alias and (given[name].kafka or not given[name].connect)
        if not is_known then
            refuse("--%s %s: the profile says nothing of its kafka cluster or its alias", name, given[name .. "_name"])
        end
    end
end

-- Fills in what was not said, and keeps what was.
local function fill(given, all)
    given.said = {}
    for name, value in pairs(given) do given.said[name] = value end
    for _, defaults in ipairs(all) do
        for name, value in pairs(defaults) do
            if given[name] == nil then given[name] = value end
        end
    end
end

-- For how long rates have to be zero before that is no mere number seen twice, and why. A sandbox, or another server on
-- this machine, tells how things are at this moment, unless it was told otherwise; where records are counted, none of
-- this matters.
local function resolution()
    local current = profile.current()
    if current.sandbox then
        return 2 * (current.refresh or 0), ("its numbers are refreshed every %g s"):format(current.refresh or 0)
    elseif profile.own_urls() or (current.endpoint or ""):find("^http:") then
        return 0
    end
    return least_still, "averages over 2 x 30 s, refreshed every 20 s"
end

local function raise_still(given)
    local least, why = resolution()
    if given.still >= least then return end
    log.warn("--still %g is below the resolution of the API's numbers (%s): raised to %g", given.still, why, least)
    given.still = least
end

--- Reads the arguments of a runbook. Raises usage when they are wrong.
---@param runbook "failover"|"failback"
---@param description string
---@param define fun(parser: table): table|nil adds the options of this runbook alone; may give their defaults
---@param ... string the arguments
---@return table|nil given nil when it was asked for help; `from` and `to` are regions
function M.read(runbook, description, define, ...)
    local defaults = profile.current().runbooks[runbook] or {}
    local parser = programs.new("kmirror run " .. runbook, description):epilog(about_hooks)
    define_regions(parser, defaults)
    local all = { define(parser) or {} }
    for _, each in ipairs({ define_mirrors, define_fence, define_rest }) do
        all[#all + 1] = each(parser, defaults)
    end
    local given = options.parse(parser, ...)
    if given then
        fill(given, all)
        raise_still(given)
        read_regions(runbook, given)
        selection.complete(given)
        given.selection = { words = selection.words(given) }
        given.properties = successor.properties(given)
        given.hooks = hooks.new(M.steps, given.hook, { timeout = given.hook_timeout, defaults = defaults.hooks })
    end
    return given
end

local switches = { "--use-renaming", "--use-private-ips" }
local valued = {
    "--max-tasks", "--target-latency", "--max-lag", "--fence-wait", "--still", "--drain-lag", "--offset-sync", "--wait",
    "--hook-timeout",
}

-- What the command line said of an option.
local function value_of(given, name)
    return given.said[name:sub(3):gsub("-", "_")]
end

-- How a command begins that is about the same account.
local function beginning(is_anew)
    local name, prefix = profile.current().name, again.prefix(is_anew):gsub(" $", "")
    local is_chosen = name and not profile.current().sandbox and not prefix:find("--profile", 1, true)
    return prefix .. (is_chosen and " --profile " .. shell.word(name) or "")
end

--- The command that closes a run that is open.
---@param runbook string
---@param given { from_name: string, to_name: string }
---@param state string|nil the file, where it is not in its usual place
---@return string
function M.closing(runbook, given, state)
    return ("%s run %s --from %s --to %s%s --abandon"):format(beginning(), runbook, shell.word(given.from_name),
        shell.word(given.to_name), state and " --state " .. shell.word(state) or "")
end

--- The command that does this again, or the other way round, with the options of this run.
---@param runbook string
---@param given table the options of this run
---@param changes { from: string, to: string, disaster?: boolean, state?: string, failover?: string,
---  properties?: string, selection?: string[], batches?: string, accept?: string[], anew?: boolean } anew: no part of
---  the job, which is of this runbook
---@return string
function M.command(runbook, given, changes)
    local words = { beginning(changes.anew) }
    local function add(word, value)
        words[#words + 1] = word
        words[#words + 1] = value and shell.word(value)
    end
    add("run " .. runbook)
    add("--from", changes.from)
    add("--to", changes.to)
    if changes.disaster then add("--disaster") end
    for i, word in ipairs(changes.selection or {}) do
        if i % 2 == 0 then add(changes.selection[i - 1], word) end
    end
    if changes.batches then add("--batches", changes.batches) end
    for _, kind in ipairs(changes.accept or {}) do add("--accept", kind) end
    for _, switch in ipairs(switches) do
        local value = value_of(given, switch)
        if value ~= nil then add(switch, tostring(value)) end
    end
    for _, option in ipairs(valued) do
        local value = value_of(given, option)
        if value then add(option, ("%g"):format(value)) end
    end
    if runbook == "failback" and value_of(given, "--throughput-wait") then
        add("--throughput-wait", ("%g"):format(given.throughput_wait))
    end
    for _, hook in ipairs(given.hook) do add("--hook", hook.step .. "=" .. hook.command) end
    if changes.properties then add("--source-properties", changes.properties) end
    if changes.state then add("--state", changes.state) end
    if changes.failover then add("--failover", changes.failover) end
    return table.concat(words, " ")
end

return M
