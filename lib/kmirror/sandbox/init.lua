--- The sandbox without its network: requests in, answers out, each told to a log.

local api = require "kmirror.sandbox.api"
local world = require "kmirror.sandbox.world"

local sandbox = {}
sandbox.__index = sandbox

---@class kmirror.sandbox
---@field world kmirror.sandbox.world
---@field api kmirror.sandbox.api

---@param options table as kmirror.sandbox.options gives them
---@param clock fun(): number seconds since the epoch; never goes back
---@param hooks { log: (fun(event: table)), changed: (fun()), saved: table|nil } `log` is told of each
---  request, `changed` after each change of the world; `saved` is a world to go on from
---@return kmirror.sandbox
function sandbox.new(options, clock, hooks)
    local its_world = world.new({
        clock = clock,
        mirrors = options.world,
        seed = options.seed,
        creating_seconds = options.creating_seconds,
        sync_seconds = options.sync_seconds,
        lag_ms = options.lag_ms,
        fail_every = options.fail_every,
        stale_every = options.stale_every,
        list_delay = options.list_delay,
    }, hooks.saved)
    return setmetatable({
        clock = clock,
        world = its_world,
        api = api.new { world = its_world, clock = clock, rate = options.rate },
        hooks = hooks,
        requests = 0,
    }, sandbox)
end

--- Tells the log what happened. The events' fields: time, seq, and those of them that apply: user, access,
--- method, path, operation, cluster, id, status, effect, fault.
function sandbox:_tell(event, effect)
    self.requests = self.requests + 1
    event.time = self.clock()
    event.seq = self.requests
    event.effect = effect
    if effect then
        event.id = effect.id
        self.hooks.changed()
    end
    self.hooks.log(event)
end

--- Answers one request.
---@param request table as httpd gives it
---@return table answer as httpd takes it
function sandbox:handle(request)
    local route = api.route(request.method, request.path)
    local access = self.api:access(request)
    local answer, effect = self.api:answer(request, route)
    self:_tell({
        user = access and request.username, -- of strangers it may be anything, a key even
        access = access,
        method = request.method,
        path = request.path,
        operation = route.operation,
        cluster = route.cluster,
        id = route.id,
        status = answer.status,
    }, effect)
    return answer
end

return sandbox
