--- Goes through every interleaving of a model of the API: up to three creates, a foreign one, faults, a
--- disaster.
---
--- What can happen, and in what order, is a tree of choices; explore() walks all of it, starting over for
--- each leaf. A choice is which pending call ends next (a list, a send, a sleep that is due, the start of a
--- create), whether time passes although something could still happen, when the disaster strikes (one create
--- is cancelled, or the process killed and the job resumed), and which of the mirrors that may be missing
--- from a list are in it: that of a send under way, of an answered or a lost one (until `settle` is over,
--- when it must show), and somebody else's. So effects come early and late, and lists lag behind.
---
--- These are some 186,000 sequences of choices, in all scenarios together. Each ends in a check: nothing was
--- made more often than it was wanted, what is returned exists and is what was asked for, and what cannot be
--- told names every mirror that it may be.

local reconcile = dofile("runtime/reconcile.lua")

local settle = 2

-- The model -------------------------------------------------------------------------------------------------

local function spec_of(alias, regex, tasks)
    return { sourceAlias = alias, topicsRegex = regex, maxTasks = tasks }
end

local specs = {
    a = spec_of("a", "x", 1),
    a_other = spec_of("a", "x", 2), -- looks the same, but is not
    a_regex = spec_of("a", "y", 1),
    ab = spec_of("a.b", "x", 1),
    b = spec_of("b", "x", 1),
}

local function same_look(one, other)
    return one.sourceAlias == other.sourceAlias and one.topicsRegex == other.topicsRegex
end

---@class scenario
---@field creates string[] names of specs
---@field fates table[] for each create, what becomes of its attempts; after the last they succeed
---@field foreign? string name of a spec that somebody else may create once, at any time
---@field disaster? "cancel"|"kill" may strike once, at any time
---@field target string the target alias of the cluster
---@field world string[] connector names that are there from the start
---@field hurry integer how often time passes while something could still happen

local Model = {}
Model.__index = Model

local function new_model(scenario, choose)
    local model = setmetatable({
        scenario = scenario, choose = choose, clock = 0,
        hurry = scenario.hurry, disasters = scenario.disaster and 1 or 0,
        mirrors = {}, -- that exist, or may come to exist
        waiting = {}, -- number of a create -> its thread and what it waits for
        results = {}, attempts = {}, effects = {}, -- by number of the create
        history = {}, -- what a journal would hold
        orphans = {}, -- number of a create -> what an earlier run left of it
    }, Model)
    for _, name in ipairs(scenario.world) do
        model:add(specs.b, "world", true).connectorName = name
    end
    if scenario.foreign then model:add(specs[scenario.foreign], "foreign", false) end
    model:open_ledger()
    return model
end

-- Every wait of a create: ends with what finish() says, or with its cancellation.
local function wait(op)
    local outcome, value = coroutine.yield(op)
    if outcome == "cancel" then error({ kind = "cancelled" }, 0) end
    return outcome, value
end

function Model:open_ledger()
    self.ledger = reconcile.ledger{
        list = function() return wait({ "list", began = self.clock }) end,
        sleep = function(seconds) wait({ "sleep", due = self.clock + seconds }) end,
        now = function() return self.clock end,
        settle = settle, step = 1, patience = 30,
    }
    self.ledger:listen(function(_, ids) table.insert(self.history, { seen = ids }) end)
end

function Model:add(spec, owner, shown)
    local number = #self.mirrors + 1
    local mirror = {
        id = "id" .. number, owner = owner, spec = spec, topicsRegex = spec.topicsRegex, shown = shown,
        connectorName = ("%s.%s.r%d"):format(spec.sourceAlias, self.scenario.target, number),
    }
    self.mirrors[number] = mirror
    return mirror
end

-- Those that may still be missing from a list are in it or not, by choice; once in, they stay.
function Model:listed(began)
    local list = {}
    for _, mirror in ipairs(self.mirrors) do
        if not mirror.shown and not mirror.never then
            mirror.shown = mirror.known_at and began >= mirror.known_at + settle or self.choose(2) == 1
        end
        if mirror.shown then list[#list + 1] = mirror end
    end
    return list
end

-- One attempt of a create: what is to become of it is known from the start.
function Model:attempt(i)
    local count = (self.attempts[i] or 0) + 1
    self.attempts[i] = count
    local fate = self.scenario.fates[i][count] or "created"
    local mirror
    if fate == "created" or fate == "done but lost" then
        mirror = self:add(specs[self.scenario.creates[i]], i, false)
        self.effects[i] = (self.effects[i] or 0) + 1
    end
    return wait({ "send", fate = fate, mirror = mirror })
end

function Model:create(i)
    local spec, before = specs[self.scenario.creates[i]], self.orphans[i]
    local function again(e, attempt)
        if attempt > 4 then error(e, 0) end
        wait({ "sleep", due = self.clock + 1 })
    end
    local id = self.ledger:create("cluster", spec, function() return self:attempt(i) end, again, {
        lost = before,
        sending = not before and function() table.insert(self.history, { sent = spec, by = i }) end or nil,
    })
    table.insert(self.history, { made = id, spec = spec })
    return id
end

function Model:start()
    self.waiting = {}
    for i in ipairs(self.scenario.creates) do
        if not (self.results[i] and self.results[i].id) then
            self.results[i] = nil
            local thread = coroutine.create(function() return self:create(i) end)
            self.waiting[i] = { op = { "start" }, thread = thread }
        end
    end
end

function Model:resume(i, ...)
    local waiting = self.waiting[i]
    local ok, op = coroutine.resume(waiting.thread, ...)
    if coroutine.status(waiting.thread) == "dead" then
        self.waiting[i] = nil
        self.results[i] = ok and { id = op } or { error = op }
    else
        waiting.op = op
    end
end

local no_answer = { "lost", { kind = "transport", message = "connection reset" } }
local answers = {
    ["not done and lost"] = no_answer,
    ["done but lost"] = no_answer,
    ["not sent"] = { "unsent", { kind = "transport", message = "connection refused" } },
    ["rejected"] = { "rejected", { kind = "rate_limited", message = "Rate Limit Exceeded" } },
}

function Model:finish(i)
    local op = self.waiting[i].op
    if op[1] == "list" then
        self:resume(i, self:listed(op.began))
    elseif op[1] == "send" then
        if op.mirror then op.mirror.known_at = self.clock end
        if op.fate == "created" then
            self:resume(i, "created", op.mirror.id)
        else
            self:resume(i, table.unpack(answers[op.fate]))
        end
    else
        self:resume(i)
    end
end

-- A send under way when the disaster comes has done its work, or never will.
function Model:abandon(i)
    local mirror = self.waiting[i] and self.waiting[i].op.mirror
    if mirror and not mirror.shown and self.choose(2) == 1 then
        mirror.never = true
        self.effects[i] = self.effects[i] - 1
    elseif mirror then
        mirror.known_at = self.clock
    end
end

-- One of the creates that wait for something is cancelled, as task.timeout() does.
function Model:cancel()
    local victims = {}
    for i in ipairs(self.scenario.creates) do
        if self.waiting[i] and self.waiting[i].op[1] ~= "start" then victims[#victims + 1] = i end
    end
    local i = victims[self.choose(#victims)]
    if i then
        self:abandon(i)
        self:resume(i, "cancel")
    end
end

-- The process is killed, and another one goes on with what was written down.
function Model:kill()
    local history, owners = {}, {}
    for i in ipairs(self.scenario.creates) do
        self:abandon(i)
    end
    for _, event in ipairs(self.history) do
        local answered = event.by and self.results[event.by] and self.results[event.by].id
        if not answered then history[#history + 1] = event end
        if event.by and not answered then owners[#owners + 1] = event.by end
    end
    self:open_ledger()
    for k, entry in ipairs(self.ledger:seed("cluster", history)) do
        self.orphans[owners[k]] = entry
    end
    self:start()
end

-- Of two creates that are alike in everything, the first starts first: the other order would show nothing
-- new.
function Model:may_start(i)
    local creates, fates = self.scenario.creates, self.scenario.fates
    local before = self.waiting[i - 1]
    return not (before and before.op[1] == "start" and creates[i - 1] == creates[i]
        and table.concat(fates[i - 1]) == table.concat(fates[i]))
end

-- The creates for which something can happen now, and when more will be able to.
function Model:enabled()
    local ready, due = {}, math.huge
    for i = 1, #self.scenario.creates do
        local op = self.waiting[i] and self.waiting[i].op
        if op and op[1] == "sleep" and op.due > self.clock then
            due = math.min(due, op.due)
        elseif op and (op[1] ~= "start" or self:may_start(i)) then
            ready[#ready + 1] = i
        end
    end
    return ready, due
end

function Model:step()
    local ready, due = self:enabled()
    local events = {}
    for _, i in ipairs(ready) do
        events[#events + 1] = function() self:finish(i) end
    end
    if #ready == 0 or self.hurry > 0 and due < math.huge then
        events[#events + 1] = function()
            if #ready > 0 then self.hurry = self.hurry - 1 end
            self.clock = due
            if due > 100 then error("it never ends", 0) end
        end
    end
    if self.disasters > 0 then
        events[#events + 1] = function()
            self.disasters = 0
            self[self.scenario.disaster](self)
        end
    end
    events[self.choose(#events)]()
end

function Model:run()
    self:start()
    while next(self.waiting) do
        self:step()
    end
    return self
end

-- Runs the scenario under every sequence of choices. Returns how many there are.
local function explore(scenario, check)
    local path, runs = {}, 0
    repeat
        local depth = 0
        local function choose(n)
            if n <= 1 then return n end
            depth = depth + 1
            path[depth] = path[depth] or { 1, n }
            return path[depth][1]
        end
        check(new_model(scenario, choose):run())
        runs = runs + 1
        while #path > 0 and path[#path][1] == path[#path][2] do path[#path] = nil end
        if #path > 0 then path[#path][1] = path[#path][1] + 1 end
    until #path == 0
    return runs
end

-- What must be true at the end of every run -----------------------------------------------------------------

local function must(condition, message)
    if not condition then error(message, 0) end
    return condition
end

-- Did anything happen after which a create may be unanswered?
local function has_lost(scenario)
    local text = scenario.disaster or ""
    for _, fates in ipairs(scenario.fates) do
        text = text .. table.concat(fates)
    end
    return text:find("lost") or scenario.disaster
end

-- May somebody else make a mirror that cannot be told from one of ours?
local function has_double(scenario)
    for _, name in ipairs(scenario.foreign and scenario.creates or {}) do
        if same_look(specs[name], specs[scenario.foreign]) then return true end
    end
    return false
end

local function name_of(model, owner)
    return model.scenario.creates[owner]
end

-- Each id that a create returned exists, is what was asked for, and is no other create's.
local function check_results(model)
    local index, claimed = {}, {}
    for _, mirror in ipairs(model.mirrors) do
        if not mirror.never then index[mirror.id] = mirror end
    end
    for i, result in pairs(model.results) do
        local id = result.id
        if id then
            local mirror = must(index[id], "an id that does not exist")
            must(not claimed[id], "an id returned twice")
            claimed[id] = true
            must(mirror.owner ~= "world", "adopted what was there before")
            must(same_look(mirror.spec, specs[name_of(model, i)]), "adopted a mirror that does not fit")
            if mirror.owner == "foreign" then
                must(has_lost(model.scenario), "took a foreign mirror without need")
            else
                must(name_of(model, mirror.owner) == name_of(model, i), "adopted another specification")
            end
        end
    end
    return claimed
end

-- No specification took effect more often than it was asked for.
local function check_effects(model)
    local wanted, done = {}, {}
    for i, name in ipairs(model.scenario.creates) do
        wanted[name] = (wanted[name] or 0) + 1
        done[name] = (done[name] or 0) + (model.effects[i] or 0)
    end
    for name, count in pairs(done) do
        must(count <= wanted[name], "done more often than wanted")
    end
end

local function is_cancelled(result)
    return result and type(result.error) == "table" and result.error.kind == "cancelled"
end

local function names(e, id)
    for _, candidate in ipairs(e.details.candidates) do
        if candidate.id == id then return e.message:find(id, 1, true) ~= nil end
    end
    return false
end

-- Is the mirror named by the error of the create that made it, or of another one that might as well have?
local function is_named(model, mirror)
    local own = model.results[mirror.owner].error
    if own and own.kind ~= "cancelled" then return names(own, mirror.id) end
    for i, result in pairs(model.results) do
        local alike = result.error and name_of(model, i) == name_of(model, mirror.owner)
        if alike and not is_cancelled(result) and names(result.error, mirror.id) then return true end
    end
    return false
end

-- What failed says so, and every mirror that no create returned is named; but a cancelled create may leave
-- one.
local function check_failures(model, claimed)
    local left = {}
    for i, result in pairs(model.results) do
        local e = result.error
        must(not e or type(e) == "table", e)
        must(not e or e.kind == "unknown_outcome" or e.kind == "cancelled", e and e.message)
        if is_cancelled(result) then left[name_of(model, i)] = (left[name_of(model, i)] or 0) + 1 end
    end
    for _, mirror in ipairs(model.mirrors) do
        local name = not mirror.never and not claimed[mirror.id] and name_of(model, mirror.owner)
        if name and not is_named(model, mirror) then
            left[name] = (left[name] or 0) - 1
            must(left[name] >= 0, "a mirror that nobody knows of")
        end
    end
end

local function check(model)
    check_effects(model)
    check_failures(model, check_results(model))
end

-- Where whoever reads the list with care could tell what happened, kmirror can.
local function check_decided(model)
    check(model)
    for _, result in pairs(model.results) do
        local e = result.error
        must(not e or e.kind == "cancelled", e and e.message)
    end
end

-- Scenarios -------------------------------------------------------------------------------------------------

local settled, dotted, contradictory = { "z.t.r0" }, { "z.b.t.r0" }, { "z.t.r0", "z.u.r0" }
local nothing, unsent, rejected = {}, { "not sent" }, { "rejected" }
local undone, done = { "not done and lost" }, { "done but lost" }
local strangers = { false, "a", "a_regex", "ab" }

local covered = 0

-- Walks the scenario with each stranger. Unless it is doubtful even without one, every create must be decided
-- when no stranger can make a double of it.
local function walk(creates, fates, options)
    options = options or {}
    for _, foreign in ipairs(options.strangers or strangers) do
        local scenario = {
            creates = creates, fates = fates, foreign = foreign or nil, disaster = options.disaster,
            world = options.world or settled, target = options.target or "t", hurry = options.hurry or 0,
        }
        local doubtful = options.doubtful or has_double(scenario) and has_lost(scenario)
        covered = covered + explore(scenario, doubtful and check or check_decided)
    end
end

describe("the ledger of creates, in every interleaving,", function()
    local pairs_of_creates = { { "a", "a" }, { "a", "a_other" }, { "a", "ab" }, { "a", "b" } }
    local triples = {
        { "a", "a", "a" }, { "a", "a", "a_other" }, { "a", "a", "ab" }, { "a", "a", "b" },
        { "a", "a_other", "ab" },
    }

    it("makes one mirror once, whatever becomes of the answer", function()
        for hurry = 0, 2 do
            for _, fate in ipairs({ nothing, unsent, rejected, undone, done }) do
                walk({ "a" }, { fate }, { hurry = hurry })
                walk({ "a" }, { fate }, { hurry = hurry, world = {}, strangers = { false, "a", "a_regex" } })
            end
            walk({ "a" }, { { undone[1], undone[1] } }, { hurry = hurry })
            walk({ "a" }, { { undone[1], done[1] } }, { hurry = hurry })
            walk({ "a" }, { { unsent[1], done[1] } }, { hurry = hurry })
        end
    end)

    it("makes two mirrors, one of them with a fault", function()
        for _, creates in ipairs(pairs_of_creates) do
            for _, fate in ipairs({ nothing, unsent, rejected, undone, done }) do
                walk(creates, { fate, nothing }, { hurry = 1 })
                if creates[2] ~= "a" then walk(creates, { nothing, fate }, { hurry = 1 }) end
            end
        end
    end)

    it("makes two mirrors, both answers lost", function()
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, done })
            walk(creates, { done, undone })
            walk(creates, { undone, done })
            walk(creates, { undone, undone })
        end
    end)

    it("makes three mirrors, one of them with a fault", function()
        for _, creates in ipairs(triples) do
            for _, fate in ipairs({ unsent, undone, done }) do
                for faulty = 1, 3 do
                    local fates = { nothing, nothing, nothing }
                    fates[faulty] = fate
                    if creates[faulty] ~= creates[faulty - 1] then
                        walk(creates, fates, { strangers = { false } })
                    end
                end
            end
        end
    end)

    it("makes three equal mirrors, two or three answers lost", function()
        walk({ "a", "a", "a" }, { done, done, nothing })
        walk({ "a", "a", "a" }, { done, done, done })
    end)

    it("lets go of a create that is cancelled, and of no other", function()
        for _, fate in ipairs({ nothing, unsent, undone, done }) do
            walk({ "a" }, { fate }, { disaster = "cancel", hurry = 1 })
        end
        for _, creates in ipairs(pairs_of_creates) do
            for _, fate in ipairs({ nothing, undone, done }) do
                walk(creates, { fate, nothing }, { disaster = "cancel" })
            end
        end
        walk({ "a", "a" }, { done, done }, { disaster = "cancel" })
        walk({ "a", "a" }, { done, undone }, { disaster = "cancel" })
    end)

    it("goes on after the process was killed, from what was written down", function()
        for _, fate in ipairs({ nothing, unsent, undone, done }) do
            walk({ "a" }, { fate }, { disaster = "kill", hurry = 1 })
        end
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { nothing, nothing }, { disaster = "kill" })
            walk(creates, { done, nothing }, { disaster = "kill", strangers = { false, "a" } })
            -- That a lost create was found undone is not written down: another of the same look may then cast
            -- doubt.
            walk(creates, { undone, nothing }, {
                disaster = "kill", strangers = { false }, doubtful = creates[2] == "a_other",
            })
        end
        walk({ "a", "a" }, { nothing, nothing }, { disaster = "kill", strangers = { false }, hurry = 2 })
        walk({ "a", "a", "a" }, { nothing, nothing, nothing }, { disaster = "kill", strangers = { false } })
    end)

    it("doubts a name that can be read in two ways", function()
        local options = { world = dotted, target = "b.t", doubtful = true }
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, nothing }, options)
            walk(creates, { nothing, done }, options)
            walk(creates, { undone, nothing }, options)
            walk(creates, { done, done }, options)
        end
        options.target, options.world = "t", contradictory
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, nothing }, options)
            walk(creates, { undone, nothing }, options)
        end
    end)

    it("covers 150,000 of them", function()
        assert.is_true(covered > 150000, "only " .. covered)
    end)
end)

-- What the model does not show ------------------------------------------------------------------------------

-- Runs functions as tasks on a clock of their own. The API is what `world.api.list` answers.
local function new_world(options)
    local world = { clock = 0, lists = 0, tasks = {}, api = {} }
    options = options or {}
    options.sleep = function(seconds) coroutine.yield(world.clock + seconds) end
    options.now = function() return world.clock end
    options.list = function(cluster)
        world.lists = world.lists + 1
        return world.api.list(cluster)
    end
    world.ledger = reconcile.ledger(options)

    function world.spawn(body)
        local one = { due = 0, thread = coroutine.create(body) }
        world.tasks[#world.tasks + 1] = one
        return one
    end

    function world.step(one)
        world.clock = math.max(world.clock, one.due)
        local ok, value = coroutine.resume(one.thread)
        one.due = coroutine.status(one.thread) == "dead" and math.huge or value
        if one.due == math.huge then one.ok, one.value = ok, value end
    end

    function world.run()
        repeat
            local first = { due = math.huge }
            for _, one in ipairs(world.tasks) do
                if one.due < first.due then first = one end
            end
            if first.thread then world.step(first) end
        until not first.thread
    end

    return world
end

local function mirror(id, name)
    return { id = id, connectorName = name, topicsRegex = "x" }
end

local function fail(e) error(e, 0) end
local function lose() return "lost", { kind = "timeout", message = "no answer within 30 s" } end

describe("the ledger of creates", function()
    it("reads one list for all creates of a minute, however many there are", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            return {}
        end
        local made = 0
        local function send()
            made = made + 1
            return "created", "id" .. made
        end
        for _ = 1, 100 do
            world.spawn(function() return world.ledger:create("c", specs.a, send, fail) end)
        end
        world.run()
        assert.equal(100, made)
        assert.equal(1, world.lists)

        world.clock, world.tasks = world.clock + 61, {}
        world.spawn(function() return world.ledger:create("c", specs.a, send, fail) end)
        world.run()
        assert.equal(2, world.lists)
    end)

    it("takes a list that the runbook read for its baseline, however the cluster is written", function()
        local world, sent = new_world(), 0
        world.ledger:saw("c", { mirror("id0", "a.t.r0") }, 0)
        world.api.list = function() return { mirror("id0", "a.t.r0"), mirror("id1", "a.t.r1") } end
        local one = world.spawn(function()
            return world.ledger:create("C", specs.a, function()
                sent = sent + 1
                return lose()
            end, fail)
        end)
        world.run()
        assert.equal("id1", one.value)
        assert.equal(1, sent)
        assert.equal(1, world.lists)
    end)

    it("sends nothing when the baseline cannot be read, and asks for it once", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            error({ kind = "server", message = "503" }, 0)
        end
        for _ = 1, 3 do
            world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end)
        end
        world.run()
        for _, one in ipairs(world.tasks) do
            assert.is_false(one.ok)
            assert.equal("server", one.value.kind)
        end
        assert.equal(1, world.lists)
    end)

    it("has another create read the baseline when the one that read it was cancelled", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            if world.lists == 1 then error({ kind = "cancelled", message = "cancelled" }, 0) end
            return {}
        end
        local first = world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end)
        local second = world.spawn(function()
            return world.ledger:create("c", specs.a, function() return "created", "id1" end, fail)
        end)
        world.run()
        assert.equal("cancelled", first.value.kind)
        assert.equal("id1", second.value)
    end)

    it("sends nothing when what was seen, or what is about to be sent, cannot be written down", function()
        local function full() error({ kind = "store", message = "disk full" }, 0) end
        for _, broken in ipairs({ "listen", "sending" }) do
            local world = new_world()
            world.api.list = function() return { mirror("id0", "z.t.r0") } end
            if broken == "listen" then world.ledger:listen(full) end
            local one = world.spawn(function()
                local sending = broken == "sending" and full or nil
                return world.ledger:create("c", specs.a, error, fail, { sending = sending })
            end)
            world.run()
            assert.equal("store", one.value.kind)
        end
    end)

    it("tells once what lists show and what is about to be sent, as it happens", function()
        local world, told, sends = new_world({ settle = 2 }), {}, 0
        local function tell(what) told[#told + 1] = what end
        world.api.list = function()
            tell("list")
            return { mirror("id0", "z.t.r0"), world.lists > 1 and mirror("id9", "q.t.r9") or nil }
        end
        world.ledger:saw("d", { mirror("id5", "e.t.r5") })
        world.ledger:listen(function(cluster, ids) tell(cluster .. " " .. table.concat(ids, " ")) end)
        world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                tell("send")
                sends = sends + 1
                if sends == 1 then return lose() end
                return "created", "id1"
            end, function() end, { sending = function() tell("sending") end })
        end)
        world.run()
        assert.same({ "d id5", "list", "c id0", "sending", "send", "list", "c id9", "send" }, told)
    end)

    it("says what it waits for, and how that ended", function()
        local told, sends = {}, 0
        local world = new_world({ settle = 4, tell = function(event)
            told[#told + 1] = ("%s %s"):format(event.what, event.wait or event.id or event.error.message)
        end })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { sends == 2 and mirror("id1", "a.t.r1") or nil } end
        world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                sends = sends + 1
                return lose()
            end, function() end)
        end)
        world.run()
        assert.same({ "lost 4", "undone no answer within 30 s", "lost 4", "adopted id1" }, told)
    end)

    it("says what cannot be told when the list cannot be read", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function() error({ kind = "transport", message = "connection refused" }, 0) end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.is_true(world.clock >= 20 and world.clock < 25)
        assert.equal("create", one.value.operation)
        assert.equal("c", one.value.cluster)
        assert.same({}, one.value.details.candidates)
        assert.equal("the answer was lost, and whether mirror `a.…` of topics `x` was made cannot be told: "
            .. "the list of mirrors could not be read (connection refused); when it can, run `kmirror list "
            .. "--cluster c`, and the create again if it shows no new mirror `a.…` of these topics",
            one.value.message)
    end)

    it("asks for the list again when it cannot be read at once", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            if world.lists < 3 then error({ kind = "transport", message = "connection refused" }, 0) end
            return { mirror("id1", "a.t.r1") }
        end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("id1", one.value)
    end)

    it("names the candidates when there are too many, and what to run", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            return { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2"), mirror("id3", "b.t.r3") }
        end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.same({ mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") }, one.value.details.candidates)
        assert.equal("the answer was lost, and whether mirror `a.…` of topics `x` was made cannot be told: "
            .. "2 new mirrors for 1 lost create: id1 (a.t.r1), id2 (a.t.r2); look at each with `kmirror get "
            .. "--cluster c ID`, and delete what is too many, or run the create again if none is yours",
            one.value.message)
    end)

    it("raises what `again` raises for a create that was surely not made", function()
        for _, outcome in ipairs({ "rejected", "unsent", "lost" }) do
            local world, attempts = new_world({ settle = 1 }), {}
            world.api.list = function() return {} end
            local one = world.spawn(function()
                local function send() return outcome, { kind = "server" } end
                return world.ledger:create("c", specs.a, send, function(e, attempt)
                    attempts[#attempts + 1] = attempt
                    if attempt == 3 then error(e, 0) end
                end)
            end)
            world.run()
            assert.equal("server", one.value.kind)
            assert.same({ 1, 2, 3 }, attempts)
        end
    end)

    it("learns the target alias, dots and all, from a mirror that it made", function()
        local world = new_world()
        local list = { mirror("id0", "z.b.t.r0") }
        world.api.list = function() return list end
        local first = world.spawn(function()
            return world.ledger:create("c", specs.b, function() return "created", "id1" end, fail)
        end)
        world.run()
        assert.equal("id1", first.value)
        list = { list[1], mirror("id1", "b.b.t.r1"), mirror("id2", "a.b.t.r2") }
        local second = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("id2", second.value)
    end)

    it("reads a name of three parts in one way, even when names contradict each other", function()
        local outcomes = { ["a.t.r1"] = "id1", ["a.b.t.r1"] = "unknown_outcome" }
        for name, outcome in pairs(outcomes) do
            local world = new_world()
            world.ledger:saw("c", { mirror("id0", "z.t.r0") }, 0)
            world.api.list = function() return { mirror("id1", name), mirror("id9", "z.u.r9") } end
            local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
            world.run()
            assert.equal(outcome, one.ok and one.value or one.value.kind)
        end
    end)

    it("doubts a second attempt when the mirror of the first shows after all", function()
        local world = new_world({ settle = 2 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            return world.lists == 1 and {} or { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") }
        end
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, lose, function()
                world.ledger:saw("c", { mirror("id1", "a.t.r1") })
            end)
        end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.equal(2, #one.value.details.candidates)
    end)

    it("reads the list itself when another create that reads it does not come to an end", function()
        local world = new_world({ patience = 5 })
        world.api.list = function()
            if world.lists == 1 then world.ledger.sleep(1000) end
            return {}
        end
        world.step(world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end))
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, function() return "created", "id1" end, fail)
        end)
        repeat world.step(one) until one.ok ~= nil
        assert.equal("id1", one.value)
        assert.is_true(world.clock < 10)
    end)

    it("gives a create its time to show although it was lost while the list was read", function()
        local world = new_world({ settle = 2, patience = 5 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            if world.lists == 1 then
                world.ledger.sleep(2)
                return {}
            end
            return { mirror("id1", "a.t.r1") }
        end
        local function resend() error("sent again") end
        local slow = world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                world.ledger.sleep(8)
                return lose()
            end, resend)
        end)
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, lose, function() world.ledger.sleep(1000) end)
        end)
        for _ = 1, 1000 do
            for _, each in ipairs({ slow, one }) do
                if slow.ok == nil and each.due <= math.min(slow.due, one.due) then world.step(each) end
            end
        end
        assert.equal("id1", slow.value)
    end)

    it("waits for a create that is under way no longer than its patience, and then doubts", function()
        local world = new_world({ settle = 2, patience = 20 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { mirror("id1", "a.t.r1") } end
        local stuck = world.spawn(function()
            return world.ledger:create("c", specs.a, function() world.ledger.sleep(1000) end, fail)
        end)
        world.step(stuck)
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        repeat world.step(one) until one.ok ~= nil
        assert.equal("unknown_outcome", one.value.kind)
        assert.is_true(world.clock >= 20 and world.clock < 30)
    end)

    it("knows what an earlier run knew, even when this one has read the list already", function()
        local world = new_world({ settle = 1 })
        world.api.list = function()
            return { mirror("old", "a.t.r0"), mirror("made", "a.t.r1"), mirror("late", "a.t.r2") }
        end
        world.ledger:saw("c", world.api.list(), 0)
        local lost = world.ledger:seed("c", {
            { seen = { "old" } }, { sent = specs.a, identity = "key" }, { made = "made" },
        })
        assert.equal(1, #lost)
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, error, fail, { lost = lost[1], identity = "key" })
        end)
        world.run()
        assert.equal("late", one.value)
    end)

    it("sends a create of an earlier run again when its mirror is not there", function()
        local world = new_world({ settle = 1 })
        world.api.list = function() return { mirror("old", "a.t.r0") } end
        local lost = world.ledger:seed("c", { { seen = { "old" } }, { sent = specs.a } })
        local one = world.spawn(function()
            local function send() return "created", "new" end
            return world.ledger:create("c", specs.a, send, fail, { lost = lost[1] })
        end)
        world.run()
        assert.equal("new", one.value)
        assert.equal(1, world.lists)
    end)

    it("tells specifications apart by every field, but not by how a whole number is written", function()
        local ledger = new_world().ledger
        local function identity(field, value)
            local spec = { sourceAlias = "a", topicsRegex = "1", maxTasks = 3, useRenaming = true }
            spec[field] = value
            return ledger:seed("c", { { sent = spec } })[1].identity
        end
        local identities = { [identity("maxTasks", 3)] = true }
        assert.is_true(identities[identity("maxTasks", 3.0)])
        local others = { sourceAlias = "b", topicsRegex = "1.0", maxTasks = 4, useRenaming = false }
        for field, value in pairs(others) do
            assert.is_nil(identities[identity(field, value)])
        end
    end)
end)
