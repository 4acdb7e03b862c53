-- connect: how the operations go over the wire to a Kafka Connect cluster of one's own, by its REST API. A mirror is
-- two connectors of MirrorMaker there, NAME and NAME.checkpoint, so an operation takes several requests. A name is
-- chosen before anything is sent, and none is there twice: a request whose answer was lost can be sent again, and
-- mirror was made is told by its name. Needs Kafka 3.7, for connectors that are created stopped.
local load, native, json, fields, specification, secret, properties, task, heartbeats, recall = ...

local config = load("runtime/connect_config.lua", fields, specification, secret, properties, heartbeats)
local status = load("runtime/connect_status.lua")
local lag = load("runtime/connect_lag.lua", native, properties, task, heartbeats)
local regexes = load("runtime/connect_regex.lua")
local groups = load("runtime/connect_groups.lua", regexes)
local stuck = load("runtime/connect_stuck.lua")
local uuid = load("runtime/uuid.lua")

-- ---- the requests ----

local function object(values)
    local names, members = {}, {}
    for name in pairs(values) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do
        members[i] = ("%s:%s"):format(json(name), json(values[name]))
    end
    return "{" .. table.concat(members, ",") .. "}"
end

local ANY <const> = {} -- what is not checked: each part is looked at where it is used
local CONNECTOR <const> = "/connectors/{name}"
local their_status = { { "connector", "table", true }, { "tasks", "table", true } }

-- What is wrong with the connectors by name: an old Kafka Connect tells their names alone, and then none would be seen.
local function misfit_of_all(all)
    return all[1] ~= nil and "it is a list where connectors by their names were expected; is it older than 2.3?" or nil
end

local function is_text_or_nil(value)
    return value == nil or type(value) == "string"
end

local function misfit_of_status(its)
    if type(its.connector.state) ~= "string" or not is_text_or_nil(its.connector.trace) then
        return "its connector has no state, or a trace that is no text"
    end
    for i, each in ipairs(its.tasks) do
        local fits = type(each) == "table" and math.tointeger(each.id) and type(each.state) == "string"
            and is_text_or_nil(each.trace)
        if not fits then
            return ("its task %d has no id or no state, or a trace that is no text"):format(i)
        end
    end
end

---@type table<string, mirrors.Wire>
local parts = {
    -- Without their status: Kafka Connect leaves out a connector that has none yet.
    all = { method = "GET", path = "/connectors?expand=info", success = 200, shape = ANY, misfit = misfit_of_all },
    info = { method = "GET", path = CONNECTOR, success = 200, shape = { { "config", "table", true } } },
    status = { method = "GET", path = CONNECTOR .. "/status", success = 200, shape = their_status,
        misfit = misfit_of_status },
    tasks = { method = "GET", path = CONNECTOR .. "/tasks", success = 200, shape = ANY },
    offsets = { method = "GET", path = CONNECTOR .. "/offsets", success = 200,
        shape = { { "offsets", "table", true } } },
    add = { method = "POST", path = "/connectors", success = 201, shape = ANY, body = function(name, its)
        return ('{"name":%s,"config":%s,"initial_state":"STOPPED"}'):format(json(name), object(its))
    end },
    remove = { method = "DELETE", path = CONNECTOR, success = 204 },
    resume = { method = "PUT", path = CONNECTOR .. "/resume", success = 202 },
    pause = { method = "PUT", path = CONNECTOR .. "/pause", success = 202 },
    stop = { method = "PUT", path = CONNECTOR .. "/stop", success = 204 },
    restart = { method = "POST", path = CONNECTOR .. "/restart?includeTasks=true&onlyFailed=true", success = 202,
        shape = ANY },
    set_offsets = { method = "PATCH", path = CONNECTOR .. "/offsets", success = 200, shape = ANY,
        body = function(alias, offsets)
            local entries = {}
            for i, each in ipairs(offsets) do
                entries[i] = ('{"partition":{"cluster":%s,"topic":%s,"partition":%d},"offset":{"offset":%d}}'):format(
                    json(alias), json(each.topic), each.partition, each.offset)
            end
            return ('{"offsets":[%s]}'):format(table.concat(entries, ","))
        end },
    patch = { method = "PATCH", path = CONNECTOR .. "/config", success = 200, shape = ANY, body = object },
    configure = { method = "PUT", path = CONNECTOR .. "/config", success = 200, shape = ANY, body = object },
    metrics = { method = "GET", path = "/read/kafka.connect.mirror:type=MirrorSourceConnector,*", success = 200,
        shape = { { "value", "table" } } },
}

-- 409 is of two kinds, which only the text tells apart: a rebalance passes by itself. And a worker that has just been
-- started says of everything that it is not found, without Kafka Connect's own words for it.
local function judge(e, told)
    if e.status == 409 and not e.message:find("already exists", 1, true) then e.kind = "server" end
    if e.status == 404 and not (type(told) == "table" and told.error_code) then
        e.kind = "server"
        e.message = "what answers is no Kafka Connect worker, or one that is still starting: is the endpoint right?"
    end
end

local hints = {
    unauthorized = "check the user name and password of the Kafka Connect worker: KMIRROR_USERNAME, KMIRROR_API_KEY",
    not_found = "is it on this cluster, and not deleted yet?",
}

-- ---- mirrors, by their connectors ----

---@class connect.found
---@field id string
---@field name string            of the source connector
---@field checkpoint? string     of the checkpoint connector
---@field foreign boolean        made by somebody else
---@field source? table          configuration
---@field pair? table            configuration of the checkpoint connector

local function checkpoint_name(name)
    return name .. ".checkpoint"
end

-- One that was copied with its configuration is another mirror.
local function id_of(name, its, taken)
    local id = its[config.ID]
    if not id or not fields.uuid.fits(id) or taken[id:lower()] then id = uuid.of(name) end
    taken[id:lower()] = true
    return id
end

local function aliases_of(its)
    return ("%s\0%s"):format(its["source.cluster.alias"], its["target.cluster.alias"])
end

-- The configurations of all connectors of a class, by name.
local function of_class(all, class)
    local found, names = {}, {}
    for name, each in pairs(all) do
        local its = type(each) == "table" and type(each.info) == "table" and each.info.config
        if type(its) == "table" and its["connector.class"] == class then
            found[name], names[#names + 1] = its, name
        end
    end
    table.sort(names)
    return found, names
end

-- Of a pair only one may be there. One of somebody else's has the checkpoint connector of the same two clusters.
local function mirrors_in(all)
    local sources, names = of_class(all, config.SOURCE)
    local checkpoints, others = of_class(all, config.CHECKPOINT)
    local found, by_aliases, taken = {}, {}, {}
    for _, name in ipairs(others) do
        local its = checkpoints[name]
        by_aliases[aliases_of(its)] = name
        local base = name:match("^(.*)%.checkpoint$")
        if its[config.ID] and base and not sources[base] then
            found[1 + #found] = { id = id_of(base, its, taken), name = base, checkpoint = name, foreign = false,
                pair = its }
        end
    end
    for _, name in ipairs(names) do
        local its = sources[name]
        local own = its[config.ID] ~= nil
        local checkpoint = own and checkpoint_name(name) or by_aliases[aliases_of(its)]
        found[1 + #found] = { id = id_of(name, its, taken), name = name, checkpoint = checkpoint, foreign = not own,
            source = its, pair = checkpoint and checkpoints[checkpoint] }
    end
    return found
end

local function find_all(session)
    local found = mirrors_in(session:ask("all"))
    session.cluster.known = {}
    for _, each in ipairs(found) do session.cluster.known[each.id:lower()] = each end
    return found
end

local function not_found(session)
    session:fail("not_found", ("no mirror of this Kafka Connect cluster has that id (`kmirror list --cluster %s` shows "
        .. "those there are)"):format(session.cluster.name))
end

-- The connectors of a mirror. Their names never change, so that they are looked up once.
local function find(session, id)
    local known = session.cluster.known[id:lower()]
    if known then return known, true end
    find_all(session)
    return session.cluster.known[id:lower()] or not_found(session)
end

local function forget(session, found)
    session.cluster.known[found.id:lower()] = nil
end

-- ---- reading ----

local function summary_of(session, found)
    local its = config.specification(found.source or found.pair, found.pair)
    its.sourceKafka = its.kafkaSource or config.known_source(found.source or found.pair, session.clusters)
    its.id, its.connectorName, its.foreign = found.id, found.name, found.foreign or nil
    return its
end

local function list(session)
    local summaries = {}
    for i, each in ipairs(find_all(session)) do summaries[i] = summary_of(session, each) end
    return summaries
end

-- What a part says of a connector; nil when there is none of that name.
local function known_of(session, part, name)
    if not name then return nil end
    local answer, e = session:try(part, { name = name })
    if not answer and e.kind ~= "not_found" then error(e, 0) end
    return answer or nil
end

-- The topics that a connector's tasks are at work on.
local function topics_of(session, found)
    local topics = {}
    for _, each in ipairs(lag.partitions(known_of(session, "tasks", found.name) or {})) do
        if topics[#topics] ~= each[1] then topics[#topics + 1] = each[1] end
    end
    return topics
end

-- Adds what one metric says of a partition.
local function measure(measured, bean, values)
    local topic, target = bean:match("topic=([^,]+)"), bean:match("target=([^,]+)")
    if not topic or type(values) ~= "table" then return end
    local key = ("%s\0%s"):format(target or "", topic:gsub('^"(.*)"$', "%1"))
    local sums = measured[key] or { latency = 0, rate = 0, busy = 0 }
    local latency, rate = values["replication-latency-ms-avg"], values["record-rate"]
    measured[key] = sums
    if type(rate) == "number" and rate == rate then sums.rate = sums.rate + rate end
    if type(latency) == "number" and latency == latency then -- an idle partition has none
        sums.latency, sums.busy = sums.latency + latency, sums.busy + 1
    end
end

-- By target alias and topic there: mean latency of its partitions, and the sum of their rates. nil without metrics.
local function measured_by(session)
    local answers = session:metrics("metrics")
    if #answers == 0 then return nil end
    local measured = {}
    for _, answer in ipairs(answers) do
        for bean, values in pairs(answer.value or {}) do measure(measured, bean, values) end
    end
    return measured
end

-- Where nothing measures there are names alone; a topic without traffic is not behind.
local function topic_statuses(session, found, topics)
    local measured = measured_by(session)
    local statuses, highest = {}, nil
    for i, topic in ipairs(topics) do
        statuses[i] = { name = topic }
        if measured then
            local key = ("%s\0%s"):format(found.source["target.cluster.alias"],
                config.remote_topic(found.source, topic))
            local sums = measured[key] or { latency = 0, rate = 0, busy = 0 }
            local latency = sums.busy > 0 and math.ceil(sums.latency / sums.busy) or 0
            statuses[i].averageLatency, statuses[i].averageRate = math.tointeger(latency), sums.rate
            highest = math.max(highest or 0, latency)
        end
    end
    return statuses, highest
end

local function config_of(session, name)
    local info = known_of(session, "info", name)
    return info and info.config
end

local function age_of(found)
    local created = math.tointeger(tonumber((found.source or found.pair)[config.CREATED]))
    return created and os.time() - created or math.huge
end

-- A topic that was copied before and that no task is at work on, though the regex takes it: its source lacks it now.
local function vanished(found, offsets, topics)
    local there = {}
    for _, topic in ipairs(topics) do there[topic] = true end
    for place in pairs(lag.replicated(offsets)) do
        local topic = place:match("^(.*)%-%d+$")
        if not there[topic] and regexes.surely_take(found.source.topics or "", topic) then
            return topic
        end
    end
end

-- What was known of a mirror's records left, by this process or, as it begins, by one before it.
local function known_left(session, found)
    local cluster, id = session.cluster, found.id:lower()
    cluster.left = cluster.left or recall.left and recall.left(cluster.name) or {}
    cluster.left[id] = cluster.left[id] or {}
    return cluster.left[id]
end

-- One that was told to stand still, to go on, or what to copy has a right to be behind for a while.
local function forgive(session, found)
    known_left(session, found)
    session.cluster.left[found.id:lower()] = {}
end

-- How things stand with the connectors that were found.
local function look_at(session, found, mirror)
    local look = { name = found.name, pair = not found.foreign, age = age_of(found),
        source = found.source and known_of(session, "status", found.name),
        checkpoint = found.pair and known_of(session, "status", found.checkpoint),
        target = mirror.targetLatency or specification.FIRST_TARGET_LATENCY }
    local topics = look.source and #look.source.tasks > 0 and topics_of(session, found) or {}
    local offsets = look.source and known_of(session, "offsets", found.name)
    look.moved = offsets ~= nil and #offsets.offsets > 0
    look.vanished = look.moved and #topics > 0 and vanished(found, offsets, topics) or nil
    look.stuck = look.moved and stuck.of(known_left(session, found), topics, lag.replicated(offsets), os.time()) or nil
    mirror.topicStatuses, look.latency = topic_statuses(session, found, topics)
    mirror.status, mirror.cause = status.of(look)
    mirror.cause = mirror.cause and config.without_secrets(mirror.cause, found.source or found.pair)
    mirror.mirrorStatus, mirror.checkpointStatus = status.state_of(look.source), status.state_of(look.checkpoint)
    return mirror
end

local function get(session, id)
    local found, from_memory = find(session, id)
    found.source, found.pair = config_of(session, found.name), config_of(session, found.checkpoint)
    if found.source or found.pair then
        return look_at(session, found, summary_of(session, found))
    end
    forget(session, found)
    if from_memory then return get(session, id) end
    not_found(session)
end

-- ---- creating ----

-- Whether a connector is there, and ours; nil and the error when that cannot be told.
local function is_made(session, name, id)
    session:more_time()
    local info, e = session:try("info", { name = name })
    if info then return info.config[config.ID] == id end
    if e.kind == "not_found" then return false end
    return nil, e
end

local function unknown_outcome(session, name, id, what, e)
    session:fail("unknown_outcome", ("%s, and whether that was done cannot be told (%s): look with `kmirror list "
        .. "--cluster %s`, where the mirror's name is %s; delete it, or go on with the job, before you create it again")
        :format(what, e.message, session.cluster.name, name), {
        candidates = { { id = id, connectorName = name, topicsRegex = (session.call.spec or {}).topicsRegex } },
        cause = tostring(e),
    })
end

-- Sees to it that a connector is there. To send that twice does no harm: the second time it is there already.
local function add(session, name, its)
    local answer, e = session:try("add", nil, name, its)
    if answer then return end
    local made, problem = is_made(session, name, its[config.ID])
    if made then return end
    if made == nil then
        unknown_outcome(session, name, its[config.ID], ("connector %s was sent"):format(name), problem)
    end
    error(e, 0)
end

-- Starts both: the checkpoints first, which find nothing to do yet.
local function start(session, name, id)
    for _, each in ipairs { checkpoint_name(name), name } do
        local done, e = session:try("resume", { name = each })
        if not done then
            unknown_outcome(session, name, id, ("connector %s was made, and was to be started"):format(each), e)
        end
    end
end

-- Half a mirror is none. When it cannot be deleted, the error that made it one says so.
local function take_back(session, name, id, e)
    local done, problem = session:try("remove", { name = name })
    if done or problem.kind == "not_found" then return end
    e.message = ("%s; connector %s, which was made before, could not be deleted (%s): kmirror delete --cluster %s %s")
        :format(e.message, name, problem.message, session.cluster.name, id)
end

local function create(session, _, spec, how)
    how = how or {}
    local name = how.lost and how.lost.spec.connectorName
    name = name or ("%s.%s.%s"):format(spec.sourceAlias, session.cluster.alias, uuid.letters(12))
    local id = uuid.of(name)
    if how.sending then how.sending({ connectorName = name }) end
    local source, checkpoint = config.make(spec, session.cluster, session.clusters,
        { id = id, created = os.time() })
    add(session, name, source)
    local ok, e = pcall(add, session, checkpoint_name(name), checkpoint)
    if not ok then
        local refused = type(e) == "table" and e.kind ~= "cancelled" and e.kind ~= "unknown_outcome"
        if refused then take_back(session, name, id, e) end
        error(e, 0)
    end
    session.cluster.known[id:lower()] = { id = id, name = name, checkpoint = checkpoint_name(name), foreign = false }
    if spec.initialState ~= "STOPPED" then start(session, name, id) end
    return id
end

-- ---- changing and deleting ----

local LOOKS <const>, PAUSE <const> = 50, 0.1 -- s

-- A worker may answer before all the others know.
local function wait_until_gone(session, name)
    for _ = 1, LOOKS do
        local info = known_of(session, "info", name)
        if not info then return end
        task.sleep(PAUSE)
    end
    session:fail("server", ("connector %s was deleted, and is still there"):format(name))
end

-- Returns whether it was there.
local function remove(session, name)
    local answer, e = session:try("remove", { name = name })
    if not answer and e.kind ~= "not_found" then error(e, 0) end
    if answer then wait_until_gone(session, name) end
    return answer ~= nil
end

-- The source first, so that nothing is copied that is not to be. The checkpoints of somebody else's may be those of
-- another mirror, too.
local function delete(session, id)
    local found = find(session, id)
    local there = remove(session, found.name)
    if not found.foreign then there = remove(session, checkpoint_name(found.name)) or there end
    forget(session, found)
    if not there then not_found(session) end
end

-- In part, or before Kafka 3.8 as a whole.
local function reconfigure(session, name, changes)
    local answer, e = session:try("patch", { name = name }, changes)
    if answer then return end
    if e.status ~= 405 then error(e, 0) end
    local its = session:ask("info", { name = name }).config
    for key, value in pairs(changes) do its[key] = value end
    session:ask("configure", { name = name }, its)
end

-- In the checkpoint connector, as a change to the source connector would start its tasks anew.
local function update_target_latency(session, id, ms)
    local found = find(session, id)
    if not found.checkpoint then
        session:fail("invalid", ("the target latency of a mirror is kept in its checkpoint connector, and %s, which "
            .. "kmirror has not made, has none: leave targetLatency out for it"):format(found.name))
    end
    reconfigure(session, found.checkpoint, { [config.TARGET_LATENCY] = ("%d"):format(ms) })
end

-- ---- the operations ----

-- A create that was cut off may have made one connector of the two; or somebody has deleted one.
local function complete(session, found, source)
    if found.foreign or known_of(session, "info", checkpoint_name(found.name)) then return end
    add(session, checkpoint_name(found.name), config.lost_checkpoint(source))
    found.checkpoint = checkpoint_name(found.name)
end

local control = load("runtime/connect_control.lua", { find = find, forget = forget, config_of = config_of,
    known_of = known_of, known_left = known_left, forgive = forgive, reconfigure = reconfigure, complete = complete,
    stuck = stuck }, config, lag, groups, status, task)

local offset = { topic = fields.text, partition = fields.integer(0), offset = fields.integer(0) }

local function check_offsets(offsets)
    fields.check("offsets", fields.list(fields.table, "a list of { topic = …, partition = …, offset = … }"), offsets)
    for i, each in ipairs(offsets) do
        for name, kind in pairs(offset) do
            fields.check(("offsets[%d].%s"):format(i, name), kind, each[name])
        end
    end
end

-- What can be done beyond the operations that the vendor's API has, too.
local can = { specification = true, target_latency_at_create = true, initial_state = true }
local operations = {
    set_offsets = { steps = control.set_offsets, check = check_offsets },
    set_topics = { steps = control.set_topics, check = config.check_regex },
}
for _, name in ipairs { "lag", "groups", "offsets", "target_ends", "pause", "resume", "stop", "restart" } do
    operations[name] = { steps = control[name] }
end
for name in pairs(operations) do can[name] = true end

operations.list, operations.get, operations.delete = { steps = list }, { steps = get }, { steps = delete }
operations.create = { steps = create, check = function(spec, cluster, options)
    config.check(spec, cluster, options.clusters)
end }
operations.update_target_latency = { steps = update_target_latency, check = function(ms)
    fields.check("newTargetLatency", specification.target_latency, ms)
end }

---@type mirrors.Backend
return { can = can, parts = parts, judge = judge, hints = hints, operations = operations }
