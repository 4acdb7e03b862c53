-- failover: turns the mirrors between two regions round.
--
-- The mirrors FROM -> TO run on TO's Kafka Connect cluster. When all of them are healthy they go, and mirrors
-- TO -> FROM of the same topics are created on FROM's. What there was is saved first; given that file, a run
-- that did not end goes on where it stopped.

local argparse = require("argparse")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local health = require("kmirror.health")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local steps = require("kmirror.steps").new()
local usage = require("kmirror.usage")
local wait = require("kmirror.wait")

-- ---- options ----------------------------------------------------------------------------------------------

local in_sandbox = profile.current().sandbox
local defaults = profile.current().runbooks.failover or {}
local parser = argparse("kmirror run failover", [[
Turns the mirrors between two regions round: deletes those FROM -> TO, creates the reverse ones.
It does not stop the producers in FROM: do that first.]])
parser:option("--from", "Region that clients leave: a name or ALIAS=CONNECT-UUID,KAFKA-UUID.", defaults.from)
    :argname("REGION")
parser:option("--to", "Region that they move to.", defaults.to):argname("REGION")
parser:flag("--use-renaming", "The reverse mirrors prefix topics with TO's alias.")
parser:flag("--use-private-ips", "The reverse mirrors reach TO's Kafka at its private addresses.")
parser:option("--max-tasks", "Tasks of each reverse mirror.", "3"):argname("N")
    :convert(options.integer("--max-tasks", "a whole number, 1 or more", 1))
parser:option("--target-latency", "Of the reverse mirrors; by default as before."):argname("MS")
    :convert(options.integer("--target-latency", "milliseconds, 1000 or more", 1000))
parser:option("--wait", "How long the reverse mirrors have to catch up.", "600"):argname("SECONDS")
    :convert(options.number("--wait", "seconds, 0 or more", 0))
parser:option("--state", "Where to save what there was; to go on, where it was saved."):argname("FILE")

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

-- ---- look -------------------------------------------------------------------------------------------------

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
    local found = {}
    bulk.map(ids, function(id)
        local there, mirror = pcall(api.get, api, id)
        if there then
            found[#found + 1] = mirror
        elseif mirror.kind ~= "not_found" then -- the list may still have what is gone
            error(mirror, 0)
        end
    end)
    table.sort(found, function(a, b)
        return a.topicsRegex < b.topicsRegex
    end)
    return found
end

local live, opposite
steps:run("look at both regions", function()
    live, opposite = between(forward, from, to), between(reverse, to, from)
    return ("%d mirrors, %d the other way"):format(#live, #opposite)
end)
health.show(io.stderr, live)

-- ---- check and save ---------------------------------------------------------------------------------------

-- All or nothing: one mirror that is not healthy, or that runs the other way already, and nothing is changed.
local function check_mirrors()
    local problems = 0
    local function complain(mirror, problem)
        problems = problems + 1
        log.error("mirror %s of '%s' %s", mirror.id, mirror.topicsRegex, problem)
    end
    for _, mirror in ipairs(live) do
        local problem = health.problem(mirror)
        if problem then
            complain(mirror, problem)
        end
    end
    for _, mirror in ipairs(opposite) do
        complain(mirror, ("runs %s -> %s already"):format(to.alias, from.alias))
    end
    if problems > 0 or #live == 0 then
        error(("refused: %d problems with %d mirrors %s -> %s; nothing was changed"):format(problems, #live,
            from.alias, to.alias), 0)
    end
    return "all are healthy"
end

local directory = in_sandbox and (os.getenv("TMPDIR") or "/tmp") .. "/" or ""
local path = given.state
    or ("%sfailover-%s-%s.json"):format(directory, from.alias, os.date("!%Y%m%dT%H%M%SZ"))
local state = json.read(path)

local function check_state()
    if type(state) ~= "table" or not (state.from and state.to and state.mirrors) then
        usage("%s is not what a failover saved; give --state another name", path)
    elseif state.finished or state.from.connect ~= from.connect or state.to.connect ~= to.connect then
        usage("%s is of a failover that is done, or of other regions; give --state another name", path)
    end
    local known = {}
    for _, mirror in ipairs(state.mirrors) do
        known[mirror.id] = true
    end
    for _, mirror in ipairs(live) do
        if not known[mirror.id] then
            error(("mirror %s of '%s' is not in %s; nothing was changed in this run"):format(mirror.id,
                mirror.topicsRegex, path), 0)
        end
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
confirm.typed(("failover: delete %d mirrors %s -> %s, and have %d the other way"):format(#live, from.alias,
    to.alias, #state.mirrors), from.alias)

-- ---- act --------------------------------------------------------------------------------------------------

-- The command that turns `source` -> `target` round with the options of this run.
local function command(source, target)
    return ("kmirror run failover --from %s --to %s --max-tasks %d"):format(source, target, given.max_tasks)
        .. (given.use_renaming and " --use-renaming" or "")
        .. (given.use_private_ips and " --use-private-ips" or "")
        .. (given.target_latency and " --target-latency " .. given.target_latency or "")
end

local would = changes.planned() and "would be " or ""
local deleted, created = {}, 0
local _ <close> = setmetatable({}, { __close = function(_, problem)
    if problem and not changes.harmless() then
        log.error("stopped: %d mirrors deleted, %d created in this run", #deleted, created)
        log.error(in_sandbox and "this sandbox ends now" or "to go on: %s --state '%s'",
            command(given.from, given.to), path)
    end
end })

steps:run(("delete %s -> %s"):format(from.alias, to.alias), function()
    bulk.map(live, function(mirror)
        forward:delete(mirror.id)
        deleted[#deleted + 1] = mirror.id
    end)
    return ("%d %sdeleted"):format(#deleted, would)
end)
if not changes.planned() then
    steps:run("confirm that they are gone", function()
        wait.gone(forward, deleted, given.wait)
        return "all are gone"
    end)
end

local taken = {}
for _, wanted in ipairs(state.mirrors) do
    taken[wanted.reverse or ""] = true
end

-- The reverse of a forward mirror: the one that an earlier run has created, or a new one, noted down at once.
local function turn_round(wanted)
    for _, mirror in ipairs(opposite) do
        if not wanted.reverse and not taken[mirror.id] and mirror.topicsRegex == wanted.topicsRegex then
            wanted.reverse, taken[mirror.id] = mirror.id, true
        end
    end
    if wanted.reverse then
        return wanted.reverse
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
    if not changes.planned() then
        wanted.reverse = id
        json.write(path, state)
    end
    return id
end

local ids = steps:run(("create %s -> %s"):format(to.alias, from.alias), function()
    local ids = bulk.map(state.mirrors, turn_round)
    return ("%d %screated, %d were there"):format(created, would, #ids - created), ids
end)
if changes.planned() then
    return
end

local waiting_since = steps:seconds()

local function is_up(mirror)
    return mirror.status ~= "CREATING"
end

local function has_caught_up(mirror)
    return is_up(mirror) and mirror.status ~= "OUT_OF_SYNC"
end

local up = steps:run("wait until they are up", function()
    local up, left = wait.all(reverse, ids, given.wait, is_up)
    return ("%d are up, %d still CREATING"):format(#up - left, left), up
end)

steps:run("set their target latencies", function()
    local set = 0
    bulk.map(up, function(mirror, i)
        local wanted = given.target_latency or state.mirrors[i].targetLatency
        if mirror.targetLatency ~= wanted then
            reverse:update_target_latency(mirror.id, wanted)
            set = set + 1
        end
    end)
    return ("%d set, %d right already"):format(set, #up - set)
end)

local after = steps:run("wait until they have caught up", function()
    local seconds = math.max(0, given.wait - (steps:seconds() - waiting_since))
    local after, left = wait.all(reverse, ids, seconds, has_caught_up)
    return ("%d have, %d still behind"):format(#after - left, left), after
end)

-- ---- what came of it --------------------------------------------------------------------------------------

local working, lag = 0, 0
for i, mirror in ipairs(after) do
    lag = math.max(lag, health.lag(state.mirrors[i]) or 0)
    if health.works(mirror) then
        working = working + 1
    else
        log.error("mirror %s of '%s' is %s", mirror.id, mirror.topicsRegex, mirror.status)
    end
end
if working == #after then
    state.finished = os.date("!%Y-%m-%dT%H:%M:%SZ")
    json.write(path, state)
end
health.show(io.stdout, after)
steps:show(io.stdout)
print(("\nFailover %s -> %s: %d of %d reverse mirrors work, after %.1f seconds."):format(from.alias, to.alias,
    working, #after, steps:seconds()))
print(("Highest lag before: %d ms; records that young may be missing in %s."):format(lag, to.alias))
print("What there was:  " .. path)
print("To fail back:    " .. command(given.to, given.from))
if in_sandbox then
    print("                 (from a sandbox that goes on; this one ends now)")
end
return working == #after and 0 or 3
