--- The world behind the sandbox's API: clusters, topics, mirrors, and how mirrors fare over time.
---
--- Nothing happens in the background: what a mirror looks like is worked out from its age when somebody asks,
--- so a world with an injected clock is the same every time.

local account = require("kmirror.sandbox.account")
local measured = require("kmirror.sandbox.measured")
local order = require("kmirror.order")
local random = require("kmirror.sandbox.random")
local regex = require("kmirror.regex")
local topics = require("kmirror.sandbox.topics")

local world = {}
world.__index = world

--- How many mirrors the named worlds have.
world.SIZES = { empty = 0, small = 3, demo = topics.FAMILY_COUNT }

local FIRST_TARGET_LATENCY = 30000
local OLD = 30 * 24 * 3600 -- seconds for which the mirrors of a fresh world have existed
local STATE_VERSION = 1
-- A new mirror has so much to catch up on, in seconds of history: its lag is the age of the records that it copies. It
-- falls evenly, to the first target latency after `sync_seconds`, and then on to nothing.
local HISTORY = 4 * FIRST_TARGET_LATENCY / 1000

local function check_version(saved)
    if saved.version ~= STATE_VERSION then
        local found = math.tointeger(saved.version) or saved.version
        error(("its version is %s, expected %d"):format(found, STATE_VERSION), 0)
    end
end

---@class kmirror.sandbox.world
---@field clock fun(): number seconds
---@field begun number when it was made: lags and rates go up and down by the time since, so that a test sees the same
---  whenever it runs
---@field clusters table<string, kmirror.cluster> by name
---@field creating_seconds number
---@field sync_seconds number
---@field lag_ms number mean lag of a mirror that has caught up
---@field history number seconds that topics keep their records
---@field metrics_window number seconds over which latencies and rates are means; 0: of this moment
---@field refresh number seconds from one look at these to the next; 0: always anew
---@field fail_every integer every n-th created mirror ends FAILED; 0: none
---@field stale_every integer every n-th created mirror ends STALE_TOPIC; 0: none
---@field fail_tasks_every integer of every n-th created mirror a task ends FAILED; 0: none
---@field stale_empty number seconds after which a mirror without topics is STALE_TOPIC; 0: never
---@field heartbeats number records a second on the heartbeats topic that each mirror carries; 0: there is none
---@field list_delay number seconds by which the list runs behind
---@field memory number seconds for which deleted mirrors are remembered, for lists that run behind

--- A world with `mirrors` forward mirrors that are in sync, or the one that `saved` describes.
---@param options { clock: (fun(): number), mirrors: integer, seed: integer, creating_seconds: number,
---  sync_seconds: number, lag_ms: number, history: number?, metrics_window: number?, refresh: number?,
---  fail_every: integer, stale_every: integer, fail_tasks_every: integer?, stale_empty: number?, heartbeats: number?,
---  list_delay: number, memory: number }
---@param saved table|nil what world:state() gave
---@return kmirror.sandbox.world
function world.new(options, saved)
    local self = setmetatable({
        clock = options.clock,
        begun = options.clock(),
        clusters = account.clusters_of(options.clusters or 2),
        creating_seconds = options.creating_seconds,
        sync_seconds = options.sync_seconds,
        lag_ms = options.lag_ms,
        history = options.history or HISTORY,
        metrics_window = options.metrics_window or 0,
        refresh = options.refresh or 0,
        fail_every = options.fail_every,
        stale_every = options.stale_every,
        fail_tasks_every = options.fail_tasks_every or 0,
        stale_empty = options.stale_empty or 0,
        heartbeats = options.heartbeats or 0,
        list_delay = options.list_delay,
        memory = options.memory,
        random = random.new(options.seed),
        families = math.max(options.mirrors, world.SIZES.demo),
        created = 0,
        connects = {}, -- Connect cluster id -> { alias, mirrors by id, order: see order_of(), added, gone }
        kafkas = {}, -- Kafka cluster id -> its topics, as regex.known() has them
        stopped = {}, -- Kafka cluster id -> when its producers were stopped; those of the others run
        paused = {}, -- Kafka cluster id -> { from, to }: when its producers stood still before
    }, world)
    if saved then
        check_version(saved)
        self.families = saved.families
    end
    self:_lay_out()
    if saved then
        self:_restore(saved)
    else
        self:_populate(options.mirrors)
    end
    return self
end

function world:_lay_out()
    for name, cluster in pairs(self.clusters) do
        local peer = name == "us-west" and "us-east" or "us-west"
        self.kafkas[cluster.kafka] = regex.known(topics.of_region(self.families, peer))
        self.connects[cluster.connect] = { alias = cluster.alias, mirrors = {}, order = {}, added = 0, gone = {} }
    end
end

function world:_populate(count)
    local failover = account.runbooks.failover
    local from, to = account.clusters[failover.from], account.clusters[failover.to]
    local now = self.clock()
    for i = 1, count do
        self:_add(to.connect, {
            id = self.random:uuid(),
            connectorName = ("%s.%s.%s"):format(from.alias, to.alias, self.random:letters(12)),
            topicsRegex = topics.regex_of(i),
            source = from.kafka,
            sourceAlias = from.alias, useRenaming = false, usePrivateIps = false,
            maxTasks = 3,
            targetLatency = FIRST_TARGET_LATENCY,
            created_at = now - OLD,
        }, topics.of_family(i))
    end
end

--- The topics that a mirror carries: those that its regex takes, and MirrorMaker's heartbeats in any case.
function world:_topics_of(taken)
    local carried, beats = {}, self.heartbeats > 0
    for _, name in ipairs(taken) do
        beats = beats or name == topics.HEARTBEATS
        if name ~= topics.HEARTBEATS then carried[#carried + 1] = topics.traffic(name) end
    end
    if beats then carried[#carried + 1] = topics.heartbeats(self.heartbeats) end
    return carried
end

--- Puts a mirror in its place, with the topics that its regex takes.
function world:_add(connect_id, mirror, taken)
    local connect = self.connects[connect_id]
    taken = taken or topics.select(mirror.topicsRegex, self.kafkas[mirror.source] or topics.EXTERNAL)
    mirror.topics = self:_topics_of(taken)
    connect.added = connect.added + 1
    mirror.place = connect.added
    connect.mirrors[mirror.id] = mirror
    if connect.order then table.insert(connect.order, mirror) end
end

--- The mirrors of a Connect cluster in the order in which they were added. After deletes it is made anew when somebody
--- asks for it: to take each out would be a pass over all of them.
local function order_of(connect)
    if not connect.order then
        local all = {}
        for _, mirror in pairs(connect.mirrors) do all[#all + 1] = mirror end
        table.sort(all, order.by("place"))
        for i, mirror in ipairs(all) do mirror.place = i end
        connect.order, connect.added = all, #all
    end
    return connect.order
end

--- Is there a Kafka Connect cluster of that id?
---@param connect_id string
---@return boolean
function world:has_connect(connect_id)
    return self.connects[connect_id] ~= nil
end

--- Is there a Kafka cluster of that id?
---@param kafka_id string
---@return boolean
function world:has_kafka(kafka_id)
    return self.kafkas[kafka_id] ~= nil
end

--- Stops the producers of a region, or lets them go on; does nothing when they do so already.
---@param name string of the region
---@param running boolean
function world:set_producers(name, running)
    local kafka = self.clusters[name].kafka
    if running and self.stopped[kafka] then
        self.paused[kafka] = { self.stopped[kafka], self.clock() }
    end
    self.stopped[kafka] = not running and (self.stopped[kafka] or self.clock()) or nil
end

--- Whether the producers of each region run.
---@return table<string, boolean>
function world:producers()
    local running = {}
    for name, cluster in pairs(self.clusters) do
        running[name] = self.stopped[cluster.kafka] == nil
    end
    return running
end

--- Adds a mirror, which is then set up over time.
---@param connect_id string
---@param spec table the checked body of a create request; its sourceConnectionProperties are in no state file
---@return table mirror with id, connectorName, topicsRegex
function world:create(connect_id, spec)
    self.created = self.created + 1
    local alias = self.connects[connect_id].alias
    local mirror = {
        id = self.random:uuid(),
        connectorName = ("%s.%s.%s"):format(spec.sourceAlias, alias, self.random:letters(12)),
        topicsRegex = spec.topicsRegex,
        source = spec.kafkaSource and spec.kafkaSource:lower(),
        sourceAlias = spec.sourceAlias,
        useRenaming = spec.useRenaming or false,
        usePrivateIps = spec.usePrivateIps or false,
        maxTasks = math.tointeger(spec.maxTasks or 1),
        sourceConnectionProperties = spec.sourceConnectionProperties,
        targetLatency = math.tointeger(spec.targetLatency or FIRST_TARGET_LATENCY),
        created_at = self.clock(),
    }
    if self.fail_every > 0 and self.created % self.fail_every == 0 then
        mirror.fate = "FAILED"
    elseif self.stale_every > 0 and self.created % self.stale_every == 0 then
        mirror.fate = "STALE_TOPIC"
    elseif self.fail_tasks_every > 0 and self.created % self.fail_tasks_every == 0 then
        mirror.fate = "FAILED_TASK"
    end
    self:_add(connect_id, mirror)
    return mirror
end

--- The mirror of that id, whatever the list says of it.
---@return table|nil mirror
function world:find(connect_id, id)
    return self.connects[connect_id].mirrors[id]
end

--- The Kafka Connect cluster that has a mirror of that id.
---@param id string
---@return string|nil connect_id
function world:cluster_of(id)
    for connect_id, connect in pairs(self.connects) do
        if connect.mirrors[id] then return connect_id end
    end
end

--- Takes a mirror away, at once and for good.
---@return table|nil mirror nil when there was none
function world:delete(connect_id, id)
    local connect = self.connects[connect_id]
    local mirror = connect.mirrors[id]
    if not mirror then return nil end
    connect.mirrors[id], connect.order = nil, nil
    if self.memory > 0 then
        mirror.deleted_at = self.clock()
        table.insert(connect.gone, mirror)
    end
    return mirror
end

--- Forgets deleted mirrors that no list can show any more; they are in the order of their deletion.
local function forget(gone, deleted_until)
    local first = 1
    while gone[first] and gone[first].deleted_at <= deleted_until do first = first + 1 end
    if first > 1 then table.move(gone, first, #gone + first - 1, 1) end
end

--- What v2 of the API tells of a mirror, beyond v1.
local function with_specification(mirror, seen)
    seen.kafkaSource, seen.sourceAlias, seen.maxTasks = mirror.source, mirror.sourceAlias, mirror.maxTasks
    seen.useRenaming, seen.usePrivateIps = mirror.useRenaming, mirror.usePrivateIps
    seen.sourceConnectionProperties = mirror.sourceConnectionProperties
    return seen
end

--- What the list shows: the world of a while ago. New mirrors are missing and deleted ones still there.
---@param connect_id string
---@param delay number|nil seconds that it runs behind, when not as set for this world
---@return table[] { id, connectorName, topicsRegex, and the rest of the specification }
function world:list(connect_id, delay)
    local connect = self.connects[connect_id]
    local now = self.clock()
    local seen_at = now - (delay or self.list_delay)
    local shown = {}
    local function show(mirror)
        if mirror.created_at <= seen_at and (not mirror.deleted_at or mirror.deleted_at > seen_at) then
            shown[#shown + 1] = with_specification(mirror, { id = mirror.id, connectorName = mirror.connectorName,
                topicsRegex = mirror.topicsRegex, targetLatency = mirror.targetLatency })
        end
    end
    for _, mirror in ipairs(order_of(connect)) do show(mirror) end
    forget(connect.gone, now - self.memory)
    for _, mirror in ipairs(connect.gone) do show(mirror) end
    return shown
end

--- ms of lag of a topic that has caught up: waves around the mean. An idle topic has none.
local function steady_lag(mean, topic, since)
    if topic.rate == 0 then return 0 end
    local wave = 0.5 * math.sin(since / 15 + topic.phase) + 0.2 * math.sin(since / 2 + 3 * topic.phase)
    return mean * (1 + wave)
end

--- ms of lag that is left of the backlog, `age` seconds after setting up was done.
function world:_backlog(age)
    if self.sync_seconds <= 0 then return 0 end
    local oldest = self.history * 1000
    local whole = oldest > FIRST_TARGET_LATENCY and self.sync_seconds * oldest / (oldest - FIRST_TARGET_LATENCY)
        or self.sync_seconds
    return math.max(0, oldest * (1 - age / whole))
end

--- How much of its usual traffic a mirror sees, from 0 to 1: once the producers of its source have stopped, what
--- is under way runs out within `sync_seconds`.
function world:_flow(source, time)
    local stopped, paused = self.stopped[source or ""], self.paused[source or ""]
    local since = stopped and time >= stopped and stopped
        or paused and time >= paused[1] and time < paused[2] and paused[1]
    if not since then return 1 end
    return self.sync_seconds > 0 and math.max(0, 1 - (time - since) / self.sync_seconds) or 0
end

--- How a topic of a mirror is at a moment: ms of lag, and records a second. Before it was set up nothing came through.
function world:_topic_at(mirror, topic, time)
    local age = time - mirror.created_at - self.creating_seconds
    if age < 0 then return 0, 0 end
    local flow, since = topic.beats and 1 or self:_flow(mirror.source, time), time - self.begun
    local wave = topic.beats and 1 or 1 + 0.2 * math.sin(since / 40 + topic.phase)
    return math.max(self:_backlog(age), flow * steady_lag(self.lag_ms, topic, since)), flow * topic.rate * wave
end

--- Whether a mirror has had the time to catch up: then it shows what becomes of it.
function world:_is_settled(mirror, now)
    return now - mirror.created_at >= self.creating_seconds + self.sync_seconds
end

--- Whether a topic is of the task that has failed: the first of maxTasks, which share the topics.
function world:_is_lost(mirror, i, now)
    return mirror.fate == "FAILED_TASK" and (i - 1) % mirror.maxTasks == 0 and self:_is_settled(mirror, now)
end

local function rounded(number, step)
    return math.floor(number / step + 0.5) * step
end

--- What each topic of a running mirror looks like, and the worst lag among them.
function world:_topic_statuses(mirror, now)
    local taken = measured.taken(now, self.refresh)
    local statuses, worst = {}, 0
    for i, topic in ipairs(mirror.topics) do
        local lag, rate = measured.over(self.metrics_window, taken, function(time)
            return self:_topic_at(mirror, topic, time)
        end)
        if mirror.fate == "STALE_TOPIC" and i == 1 then
            lag, rate = (now - mirror.created_at - self.creating_seconds) * 1000, 0 -- nothing since the start
        elseif self:_is_lost(mirror, i, now) then
            lag, rate = 0, 0 -- a task that has failed measures nothing
        end
        statuses[i] = {
            name = topic.name,
            averageLatency = rounded(lag, 0.125),
            averageRate = rounded(rate, 0.125), -- a step that binary fractions write out exactly
        }
        worst = math.max(worst, lag)
    end
    return statuses, worst
end

--- The status of a mirror that runs. What has become of a task shows in nothing else: its connector goes on RUNNING.
function world:_status_of(mirror, now, worst)
    local age, settled = now - mirror.created_at, self:_is_settled(mirror, now)
    if settled and mirror.fate == "FAILED_TASK" then return "FAILED" end
    if settled and mirror.fate == "STALE_TOPIC" then return "STALE_TOPIC" end
    local is_empty = #mirror.topics == 0 and self.stale_empty > 0 and age >= self.creating_seconds + self.stale_empty
    if is_empty then return "STALE_TOPIC" end
    return worst > mirror.targetLatency and "OUT_OF_SYNC" or "IN_SYNC"
end

--- A mirror as get describes it.
---@return table|nil
function world:describe(connect_id, id)
    local mirror = self:find(connect_id, id)
    if not mirror then return nil end
    local now = self.clock()
    local seen = with_specification(mirror, {
        id = mirror.id,
        connectorName = mirror.connectorName,
        targetLatency = mirror.targetLatency,
        topicsRegex = mirror.topicsRegex,
        mirrorStatus = "RUNNING",
        checkpointStatus = "RUNNING",
        topicStatuses = {},
    })
    if now - mirror.created_at < self.creating_seconds then
        seen.status, seen.mirrorStatus, seen.checkpointStatus = "CREATING", "UNASSIGNED", "UNASSIGNED"
    elseif mirror.fate == "FAILED" then
        seen.status, seen.mirrorStatus, seen.checkpointStatus = "FAILED", "FAILED", "UNASSIGNED"
    else
        local worst
        seen.topicStatuses, worst = self:_topic_statuses(mirror, now)
        seen.status = self:_status_of(mirror, now, worst)
    end
    return seen
end

local KEPT <const> = {
    "id", "connectorName", "topicsRegex", "source", "sourceAlias", "useRenaming", "usePrivateIps", "maxTasks",
    "targetLatency", "created_at", "fate",
}

local function record_of(mirror)
    local record = {}
    for _, field in ipairs(KEPT) do record[field] = mirror[field] end
    return record
end

--- All that a later world.new() needs to go on from here, but for the mirrors.
---@return table
function world:state_of_all()
    return {
        version = STATE_VERSION,
        families = self.families,
        created = self.created,
        stopped = self.stopped,
        random = ("%016x"):format(self.random.state), -- JSON numbers have no 64 bits
    }
end

--- All that a later world.new() needs to go on from here.
---@return table
function world:state()
    local state = self:state_of_all()
    state.connects = {}
    for id, connect in pairs(self.connects) do
        local mirrors = {}
        for i, mirror in ipairs(order_of(connect)) do mirrors[i] = record_of(mirror) end
        state.connects[id] = mirrors
    end
    return state
end

--- What is kept of one mirror.
---@param id string
---@return string|nil connect_id nil when it is gone
---@return table|nil record
function world:state_of(id)
    local connect_id = self:cluster_of(id)
    return connect_id, connect_id and record_of(self:find(connect_id, id))
end

function world:_restore(saved)
    self.created = saved.created
    self.stopped = saved.stopped or {}
    self.random.state = math.tointeger(tonumber(saved.random, 16))
    for connect_id, mirrors in pairs(saved.connects) do
        for _, mirror in ipairs(mirrors) do
            mirror.targetLatency = math.tointeger(mirror.targetLatency)
            mirror.maxTasks = math.tointeger(mirror.maxTasks or 1)
            mirror.sourceAlias = mirror.sourceAlias or mirror.connectorName:match("^[^.]+")
            mirror.useRenaming = mirror.useRenaming or false
            self:_add(connect_id, mirror)
        end
    end
end

return world
