-- failover: turns the mirrors between two regions round.
--
-- The mirrors FROM -> TO run on TO's Kafka Connect cluster. When all of them are healthy they are deleted, and mirrors
-- TO -> FROM of the same topics are created on FROM's. What there was is saved first; given that file, a run that did
-- not come to its end goes on where it stopped.

local argparse = require("argparse")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local steps = require("kmirror.steps").new()
local tables = require("kmirror.table")
local task = require("task")
local usage = require("kmirror.usage")

-- ---- options ------------------------------------------------------------------------------------------------------

local sandbox = profile.current().sandbox
local defaults = profile.current().runbooks.failover or {}
local parser = argparse("kmirror run failover", "Turns the mirrors between two regions round: deletes those FROM -> TO,"
    .. " creates the reverse ones. It does not stop the producers in FROM: do that first.")
parser:option("--from", "The region that clients leave: a name, or ALIAS=CONNECT-UUID,KAFKA-UUID.", defaults.from)
parser:option("--to", "The region that they move to.", defaults.to)
parser:flag("--use-renaming", "The reverse mirrors prefix topics with TO's alias.")
parser:flag("--use-private-ips", "The reverse mirrors reach TO's Kafka at its private addresses.")
parser:option("--max-tasks", "Tasks of each reverse mirror.", "3")
    :convert(options.integer("--max-tasks", "a whole number, 1 or more", 1))
parser:option("--target-latency", "Of the reverse mirrors, in ms; that of the forward ones by default.")
    :convert(options.integer("--target-latency", "milliseconds, 1000 or more", 1000))
parser:option("--wait", "Seconds that the reverse mirrors have to come up.", "600")
    :convert(options.number("--wait", "seconds, 0 or more", 0))
parser:option("--state", "Where to save what there was. A file that exists is gone on from.")

local given = options.parse(parser, ...)
if not given then
    return
elseif not (given.from and given.to) then
    usage("give --from and --to; see kmirror run failover --help")
end
local from, to = profile.cluster(given.from), profile.cluster(given.to)
if from.connect == to.connect then
    usage("--from and --to are the same region, %s", given.from)
end
local forward = mirrors.connect({ cluster = to.connect })
local reverse = forward:on(from.connect)

-- ---- look ---------------------------------------------------------------------------------------------------------

-- The mirrors from one region to another, in full. Their connectors are named SOURCE.TARGET.RANDOM.
local function between(api, source, target)
    local prefix = source.alias .. "." .. target.alias .. "."
    local ids = {}
    for _, mirror in ipairs(api:list()) do
        local name = mirror.connectorName
        if name:sub(1, #prefix) == prefix and not name:find(".", #prefix + 1, true) then
            ids[#ids + 1] = mirror.id
        end
    end
    local found = bulk.map(ids, function(id)
        return api:get(id)
    end)
    table.sort(found, function(a, b)
        return a.topicsRegex < b.topicsRegex
    end)
    return found
end

local function highest_lag(mirror)
    local highest
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        highest = math.max(highest or 0, topic.averageLatency or 0)
    end
    return highest
end

local columns = {
    { "CONNECTOR", "connectorName" },
    { "TOPICS", "topicsRegex" },
    { "STATUS", "status", paint = tables.status_color },
    { "LAG ms", highest_lag, align = "right" },
    { "TARGET ms", "targetLatency", align = "right" },
}

local live, opposite
steps:run("look at both regions", function()
    live, opposite = between(forward, from, to), between(reverse, to, from)
    return ("%d mirrors %s -> %s, %d the other way"):format(#live, from.alias, to.alias, #opposite)
end)
tables.show(io.stderr, columns, live)

-- ---- check and save -----------------------------------------------------------------------------------------------

-- Why a mirror is not fit to be turned round; nil when it is.
local function problem_with(mirror)
    if mirror.status ~= "IN_SYNC" or mirror.mirrorStatus ~= "RUNNING" or mirror.checkpointStatus ~= "RUNNING" then
        return ("is %s, its mirror connector %s, its checkpoint connector %s"):format(mirror.status,
            mirror.mirrorStatus, mirror.checkpointStatus)
    elseif not highest_lag(mirror) then
        return "lists no topic"
    elseif highest_lag(mirror) > mirror.targetLatency then
        return ("has a topic that lags %d ms behind, more than %d"):format(highest_lag(mirror), mirror.targetLatency)
    end
end

-- All or nothing: a mirror that is not healthy, or one that runs the other way already, and nothing is changed.
local function check_mirrors()
    local unfit = 0
    for _, mirror in ipairs(live) do
        local problem = problem_with(mirror)
        if problem then
            unfit = unfit + 1
            log.error("mirror %s of '%s' %s", mirror.id, mirror.topicsRegex, problem)
        end
    end
    for _, mirror in ipairs(opposite) do
        log.error("mirror %s of '%s' runs %s -> %s already", mirror.id, mirror.topicsRegex, to.alias, from.alias)
    end
    if #live == 0 or unfit > 0 or #opposite > 0 then
        error(("refused: of %d mirrors %s -> %s %d are not fit, and %d run the other way already; nothing was changed")
            :format(#live, from.alias, to.alias, unfit, #opposite), 0)
    end
    return "all are healthy"
end

local directory = sandbox and (os.getenv("TMPDIR") or "/tmp") .. "/" or ""
local path = given.state or ("%sfailover-%s-%s.json"):format(directory, from.alias, os.date("!%Y%m%dT%H%M%SZ"))
local state = json.read(path)

local function check_state()
    if type(state) ~= "table" or not (state.from and state.to and state.mirrors) then
        usage("%s is not what a failover saved; give --state another name", path)
    elseif state.finished or state.from.connect ~= from.connect or state.to.connect ~= to.connect then
        usage("%s is of a failover that is done, or of other regions; give --state another name", path)
    end
    return ("going on with the %d mirrors in %s"):format(#state.mirrors, path)
end

steps:run("check", state and check_state or check_mirrors)
if not state then
    state = { from = from, to = to, saved = os.date("!%Y-%m-%dT%H:%M:%SZ"), mirrors = live }
    if not changes.harmless() then
        json.write(path, state)
        log.info("what there was is saved in %s", path)
    end
end
confirm.typed(("failover: delete %d mirrors %s -> %s, and have %d the other way"):format(#live, from.alias, to.alias,
    #state.mirrors), from.alias)

-- ---- act ----------------------------------------------------------------------------------------------------------

-- The command that turns `source` -> `target` round with the options of this run.
local function command(source, target)
    return ("kmirror run failover --from %s --to %s --max-tasks %d%s%s"):format(source, target, given.max_tasks,
        given.use_renaming and " --use-renaming" or "", given.use_private_ips and " --use-private-ips" or "")
end

local deleted, created = 0, 0
local _ <close> = setmetatable({}, { __close = function(_, problem)
    if problem and not changes.harmless() then
        log.error("stopped: %d mirrors deleted, %d created in this run", deleted, created)
        log.error("to go on: %s --state '%s'", command(given.from, given.to), path)
    end
end })

steps:run(("delete the mirrors %s -> %s"):format(from.alias, to.alias), function()
    bulk.map(live, function(mirror)
        forward:delete(mirror.id)
        deleted = deleted + 1
    end)
    return deleted .. " deleted"
end)

local function wait_until_gone(mirror)
    while true do
        local there, problem = pcall(forward.get, forward, mirror.id)
        if not there and problem.kind == "not_found" then
            return
        elseif not there then
            error(problem, 0)
        end
        task.sleep(1)
    end
end

if not changes.planned() then
    steps:run("confirm that they are gone", function()
        task.timeout(given.wait, bulk.map, live, wait_until_gone)
        return "all are gone"
    end)
end

-- The reverse of a forward mirror: one that an earlier run has created, or a new one.
local function turn_round(wanted)
    for i, mirror in ipairs(opposite) do
        if mirror.topicsRegex == wanted.topicsRegex then
            return table.remove(opposite, i).id
        end
    end
    local id = reverse:create({
        sourceType = "instaclustr",
        kafkaSource = to.kafka,
        sourceAlias = to.alias,
        topicsRegex = wanted.topicsRegex,
        useRenaming = given.use_renaming or false,
        usePrivateIps = given.use_private_ips or false,
        maxTasks = given.max_tasks,
    })
    created = created + 1
    return id
end

local ids = steps:run(("create the mirrors %s -> %s"):format(to.alias, from.alias), function()
    local ids = bulk.map(state.mirrors, turn_round)
    return ("%d created, %d were there"):format(created, #ids - created), ids
end)
if changes.planned() then
    return
end

local after = steps:run("wait for them to come up", function()
    local found, deadline = {}, task.now() + given.wait
    while true do
        local pending = 0
        found = bulk.map(ids, function(id, i)
            local mirror = found[i] and found[i].status ~= "CREATING" and found[i] or reverse:get(id)
            pending = pending + (mirror.status == "CREATING" and 1 or 0)
            return mirror
        end)
        if pending == 0 or task.now() >= deadline then
            return ("%d are up, %d are still CREATING"):format(#found - pending, pending), found
        end
        task.sleep(1)
    end
end)

after = steps:run("set their target latencies", function()
    local set = 0
    local found = bulk.map(after, function(mirror, i)
        local wanted = given.target_latency or state.mirrors[i].targetLatency
        if mirror.targetLatency ~= wanted then
            reverse:update_target_latency(mirror.id, wanted)
            set = set + 1
        end
        return reverse:get(mirror.id)
    end)
    return ("%d set, %d had the right one"):format(set, #found - set), found
end)

-- ---- what came of it ----------------------------------------------------------------------------------------------

local working, in_sync, lag = 0, 0, 0
for i, mirror in ipairs(after) do
    lag = math.max(lag, highest_lag(state.mirrors[i]) or 0)
    in_sync = in_sync + (mirror.status == "IN_SYNC" and 1 or 0)
    if mirror.status == "IN_SYNC" or mirror.status == "OUT_OF_SYNC" then
        working = working + 1
    else
        log.error("mirror %s of '%s' is %s", mirror.id, mirror.topicsRegex, mirror.status)
    end
end
if working == #after then
    state.finished = os.date("!%Y-%m-%dT%H:%M:%SZ")
    json.write(path, state)
end
tables.show(io.stdout, columns, after)
print(("\nFailover %s -> %s: %d of %d reverse mirrors work, %d of them in sync, after %.1f s.\n"):format(from.alias,
    to.alias, working, #after, in_sync, steps:seconds()))
steps:show(io.stdout)
print(("\nThe highest lag before was %d ms: records that young may be missing in %s."):format(lag, to.alias))
print(("What there was: %s"):format(path))
print(("To fail back%s: %s"):format(sandbox and " (not here: this sandbox ends now)" or "", command(given.to, given.from)))
return working == #after and 0 or 3
