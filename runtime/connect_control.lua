-- connect_control: what can be done with a mirror on Kafka Connect beyond what the vendor's API offers: to tell how
-- many records are left, to pause it and start it again, to change its topics in place, to say from where it copies.
local its, config, lag, groups, status, task = ...

local control = {}

-- What the client libraries or the cluster do not let us know.
local function bounds_of(session, source, side, partitions)
    local properties = lag.client(source, side, session.clusters)
    local bounds, problem, kind = lag.bounds(properties, partitions, session.call.account.options.timeout)
    if bounds then return bounds end
    session:fail(kind, ("the ends of its topics cannot be asked of the %s cluster: %s"):format(side, problem))
end

local function by_place(a, b)
    return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
end

-- What its tasks are at work on, and what it has copied before: one that is stopped has no task.
local function partitions_of(session, found, replicated)
    local partitions, seen = lag.partitions(its.known_of(session, "tasks", found.name) or {}), {}
    for _, each in ipairs(partitions) do seen[("%s-%d"):format(each[1], each[2])] = true end
    for place in pairs(replicated) do
        local topic, number = place:match("^(.*)%-(%d+)$")
        if not seen[place] then
            partitions[#partitions + 1] = { topic, math.tointeger(tonumber(number)) }
        end
    end
    table.sort(partitions, by_place)
    return partitions
end

local function with_source(session, id)
    local found = its.find(session, id)
    local source = its.config_of(session, found.name)
    if source then return found, source end
    its.forget(session, found)
    session:fail("not_found", ("its connector %s is not there"):format(found.name))
end

function control.lag(session, id)
    local found, source = with_source(session, id)
    local replicated = lag.replicated(session:ask("offsets", { name = found.name }))
    local partitions = partitions_of(session, found, replicated)
    for _, each in ipairs(partitions) do
        each[3] = (replicated[("%s-%d"):format(each[1], each[2])] or -1) + 1
    end
    local told = lag.of(partitions, bounds_of(session, source, "source", partitions), replicated,
        lag.aliases(source, session.clusters))
    its.stuck.note(its.known_left(session, found), told, os.time())
    told.id, told.connectorName = found.id, found.name
    return told
end

-- Where each partition begins and ends on both sides, and how far it was copied.
local function places_of(session, source, partitions, remote, replicated)
    local there, here = bounds_of(session, source, "source", partitions), bounds_of(session, source, "target", remote)
    local places = {}
    for i, each in ipairs(partitions) do
        places[i] = { topic = each[1], partition = each[2], source = there[i], target = here[i],
            replicated = replicated[("%s-%d"):format(each[1], each[2])] }
    end
    return places
end

local function committed(session, source, side, partitions, names)
    local properties = lag.client(source, side, session.clusters)
    local found, problem, kind = lag.committed(properties, partitions, session.call.account.options.timeout, names)
    if found then return found end
    session:fail(kind, ("the consumer groups of its topics cannot be asked of the %s cluster: %s"):format(side,
        problem))
end

-- Which groups the checkpoint connector carries over, as it is told.
local function counts_of(session, found)
    local counts, problem = groups.filter(its.config_of(session, found.checkpoint) or {})
    if counts then return counts end
    session:fail("unsupported", ("which consumer groups connector %s carries over cannot be told: %s"):format(
        found.checkpoint, problem))
end

function control.groups(session, id)
    local found, source = with_source(session, id)
    local counts = counts_of(session, found)
    local replicated = lag.replicated(session:ask("offsets", { name = found.name }))
    -- Whoever reads heartbeats goes on committing, whether clients stand still or not.
    local partitions = lag.without_heartbeats(partitions_of(session, found, replicated),
        lag.aliases(source, session.clusters))
    local remote = {}
    for i, each in ipairs(partitions) do
        remote[i] = { config.remote_topic(source, each[1]), each[2] }
    end
    local there = committed(session, source, "source", partitions)
    local names = groups.names(there, counts)
    local here = committed(session, source, "target", remote, names)
    local told = groups.of(places_of(session, source, partitions, remote, replicated), there, here, names)
    told.id, told.connectorName = found.id, found.name
    return told
end

-- ---- from where it copies ----

function control.offsets(session, id)
    local found = with_source(session, id)
    local offsets = {}
    for place, offset in pairs(lag.replicated(session:ask("offsets", { name = found.name }))) do
        local topic, number = place:match("^(.*)%-(%d+)$")
        offsets[#offsets + 1] = { topic = topic, partition = math.tointeger(tonumber(number)), offset = offset }
    end
    table.sort(offsets, function(a, b)
        return a.topic < b.topic or a.topic == b.topic and a.partition < b.partition
    end)
    return offsets
end

local ATTEMPTS <const>, PAUSE <const> = 25, 0.2 -- s

-- One that was just made stopped, or stopped, is not so for all workers at once.
function control.set_offsets(session, id, offsets)
    local found, source = with_source(session, id)
    local alias = source["source.cluster.alias"]
    its.forgive(session, found)
    for attempt = 1, ATTEMPTS do
        local answer, e = session:try("set_offsets", { name = found.name }, alias, offsets)
        if answer then return end
        local may_pass = e.status == 400 and e.message:find("STOPPED", 1, true) and attempt < ATTEMPTS
        if not may_pass then error(e, 0) end
        task.sleep(PAUSE)
    end
end

-- Those of the last records that are there; an empty partition has none.
function control.target_ends(session, id)
    local found, source = with_source(session, id)
    local replicated = lag.replicated(session:ask("offsets", { name = found.name }))
    local partitions, offsets = partitions_of(session, found, replicated), {}
    for _, each in ipairs(partitions) do each[1] = config.remote_topic(source, each[1]) end
    for i, bounds in ipairs(bounds_of(session, source, "target", partitions)) do
        if bounds.ending and bounds.ending > 0 then
            offsets[#offsets + 1] = { topic = partitions[i][1], partition = partitions[i][2],
                offset = bounds.ending - 1 }
        end
    end
    return offsets
end

-- ---- its state ----

-- The connectors of a mirror that are ours to start and stop.
local function connectors_of(found)
    return found.foreign and { found.name } or { found.name, found.name .. ".checkpoint" }
end

local function each_of(part, before)
    return function(session, id)
        local found, source = with_source(session, id)
        if before then before(session, found, source) end
        its.forgive(session, found)
        for _, name in ipairs(connectors_of(found)) do session:ask(part, { name = name }) end
    end
end

control.resume = each_of("resume", its.complete)

local AT_WORK <const> = { RUNNING = true, RESTARTING = true }
local LOOKS <const>, LOOK <const> = 150, 0.1 -- s; a worker gives a task five seconds to end

-- Kafka Connect answers before its tasks have heard of it. One that is to be stopped has no tasks in the end, and has
-- recorded what they had copied.
local function is_still(look, part)
    for _, each in ipairs(look.tasks) do
        if part == "stop" or AT_WORK[each.state] then return false end
    end
    return true
end

-- Returns when nothing is copied any more.
local function still_after(part)
    local tell = each_of(part)
    return function(session, id)
        tell(session, id)
        local name = its.find(session, id).name
        for _ = 1, LOOKS do
            local look = its.known_of(session, "status", name)
            if not look or is_still(look, part) then return end
            task.sleep(LOOK)
        end
        session:fail("server", ("connector %s was told to %s, and its tasks are still at work"):format(name, part))
    end
end

control.pause, control.stop = still_after("pause"), still_after("stop")

-- Returns why each of those that had failed did so.
function control.restart(session, id)
    local found, source = with_source(session, id)
    local causes = {}
    its.forgive(session, found)
    for _, name in ipairs(connectors_of(found)) do
        local look = its.known_of(session, "status", name)
        for _, cause in ipairs(look and status.failures(look) or {}) do
            causes[#causes + 1] = ("%s: %s"):format(name, config.without_secrets(cause, source))
        end
        if look then session:ask("restart", { name = name }) end
    end
    return causes
end

function control.set_topics(session, id, regex)
    local found = with_source(session, id)
    its.forgive(session, found)
    its.reconfigure(session, found.name, { topics = regex })
end

return control
