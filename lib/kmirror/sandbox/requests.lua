--- sandbox.requests: the sandbox without its network: requests in, answers out, each told to a log.

local api = require("kmirror.sandbox.api")
local control = require("kmirror.sandbox.control")
local faults = require("kmirror.sandbox.faults")
local world = require("kmirror.sandbox.world")

local sandbox = {}
sandbox.__index = sandbox

---@class kmirror.sandbox
---@field world kmirror.sandbox.world
---@field api kmirror.sandbox.api
---@field faults kmirror.sandbox.faults

---@param options table as kmirror.sandbox.options gives them
---@param clock fun(): number seconds since the epoch; never goes back
---@param hooks { log: (fun(event: table)), changed: (fun(id: string|nil)), saved: table|nil } `log` is told of each
---  request, `changed` after each change of the world; `saved` is a world to go on from
---@return kmirror.sandbox
function sandbox.new(options, clock, hooks)
    local its_faults = faults.new(options.faults or {}, options.seed, clock())
    local its_world = world.new({
        clock = clock,
        mirrors = options.world,
        clusters = options.clusters,
        seed = options.seed,
        creating_seconds = options.creating_seconds,
        sync_seconds = options.sync_seconds,
        lag_ms = options.lag_ms,
        history = options.history,
        metrics_window = options.metrics_window,
        refresh = options.refresh,
        fail_every = options.fail_every,
        stale_every = options.stale_every,
        fail_tasks_every = options.fail_tasks_every,
        stale_empty = options.stale_empty,
        heartbeats = options.heartbeats,
        list_delay = options.list_delay,
        memory = math.max(options.list_delay, its_faults:longest_list_delay()),
    }, hooks.saved)
    return setmetatable({
        clock = clock,
        world = its_world,
        api = api.new {
            world = its_world, clock = clock, rate = options.rate, v2_list = options.v2_list,
            v2_slash = options.v2_slash,
        },
        faults = its_faults,
        hooks = hooks,
        told = 0,
    }, sandbox)
end

--- Tells the log what happened. An event has time, seq, and what applies of: user, access, method, path,
--- operation, cluster, id, status (none when no answer is sent), effect, fault, control. What others do has no
--- method.
function sandbox:_tell(event, effect)
    self.told = self.told + 1
    event.seq = self.told
    event.effect = effect
    if effect then
        event.id = effect.id
        self.hooks.changed(effect.id)
    end
    self.hooks.log(event)
end

--- Carries out what others do before or after a request.
function sandbox:_besides(rules, when, meeting)
    for _, rule in ipairs(rules) do
        if rule.when == when and self.world:has_connect(meeting.route.cluster) then
            local operation, effect = rule.kind.besides(rule, meeting)
            if effect then
                self:_tell({
                    time = meeting.now,
                    user = "another operator",
                    operation = operation,
                    cluster = meeting.route.cluster,
                    fault = rule.fault,
                }, effect)
            end
        end
    end
end

--- What a request comes to: the answer, and what it changed.
function sandbox:_answer(rule, meeting)
    local answer, effect
    if not rule or rule.when == "after" then
        meeting.route.list_delay = faults.list_delay(rule)
        answer, effect = self.api:answer(meeting.request, meeting.route)
    end
    if rule then answer = rule.kind.answer(rule, answer, meeting) end
    return answer, effect
end

--- Answers a request to the sandbox itself: no key, no limit, no fault.
function sandbox:_control(request)
    local answer, done = control.answer(self.api, request)
    self:_tell({
        time = self.clock(), method = request.method, path = request.path, status = answer.status, control = done,
    })
    if done then self.hooks.changed() end
    return answer
end

--- Answers one request.
---@param request table as httpd gives it
---@return table answer as httpd takes it
function sandbox:handle(request)
    if control.is_for(request.path) then return self:_control(request) end
    local now, route = self.clock(), api.route(request.method, request.path)
    self.api:locate(route, request)
    local access = self.api.access(request)
    local meeting = {
        request = request, route = route, now = now, world = self.world, api = self.api, faults = self.faults,
    }
    local rule, besides = self.faults:meet(route.operation, now)
    self:_besides(besides, "before", meeting)
    local answer, effect = self:_answer(rule, meeting)
    self:_tell({
        time = now,
        user = access and request.username, -- of strangers it may be anything, a key even
        access = access,
        method = request.method,
        path = request.path,
        operation = route.operation,
        cluster = route.cluster,
        id = route.id,
        status = not answer.drop and answer.status or nil,
        fault = rule and rule.fault .. " " .. rule.when,
    }, effect)
    self:_besides(besides, "after", meeting)
    return answer
end

--- Are connects refused now?
---@return boolean
function sandbox:refusing()
    return self.faults:refusing(self.clock())
end

return sandbox
