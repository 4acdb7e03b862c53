--- support.interleavings: goes through every interleaving of a model of the API: up to three creates, a foreign one,
--- faults, a disaster.
---
--- What can happen, and in what order, is a tree of choices; explore() walks all of it, starting over for
--- each leaf. A choice is which pending call ends next (a list, a send, a sleep that is due, the start of a
--- create), whether time passes although something could still happen, when the disaster strikes (one create
--- is cancelled, or the process killed and the job resumed), and which of the mirrors that may be missing
--- from a list are in it: that of a send under way, of an answered or a lost one (until `settle` is over,
--- when it must show), and somebody else's. So effects come early and late, and lists lag behind.
---
--- spec/runtime/reconcile_interleavings_spec.lua has the scenarios, and what must be true in the end.

local reconcile = dofile("runtime/reconcile.lua")

local settle = 2

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
    for i in ipairs(self.scenario.creates) do self:abandon(i) end
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
    while next(self.waiting) do self:step() end
    return self
end

---Runs the scenario under every sequence of choices.
---@param scenario scenario
---@param check fun(model: table) raises when something is not as it must be
---@return integer count how many sequences there are
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

return { specs = specs, same_look = same_look, explore = explore }
