--- events: what happens in a run, told to whoever listens: attempts and retries, as mirrors.trace() tells them; and,
--- once somebody wants these, calls with their answers, and steps.
---
--- While nobody wants calls and steps, they are exactly as fast as they are without this module.

local mirrors = require("mirrors")
local task = require("task")

local M = {}

---@class kmirror.events.call what = "call"; told when it is made, and once more when it has ended
---@field operation string
---@field cluster string
---@field id? string
---@field argument any spec of a create, ms of update_target_latency
---@field asked number task.now(), as the other times
---@field ended? number
---@field ok? boolean it returned
---@field answer? any what it returned
---@field error? any what it raised
---@field options table of the connection

---@class kmirror.events.step what = "step"; told when it begins, and once more when it has ended
---@field title string
---@field started number
---@field ended? number
---@field outcome? string nil when it failed
---@field error? any

local listeners = {}

-- A listener must not harm what it listens to: one that fails is told nothing more.
local function tell(event)
    for i = #listeners, 1, -1 do
        local ok, problem = pcall(listeners[i], event)
        if not ok then
            table.remove(listeners, i)
            require("kmirror.log").warn("a listener failed, and hears no more: %s", tostring(problem))
        end
    end
end

--- Tells a function of each attempt, retry, call and step from here on; of the last two only after observe(). One that
--- listens already is not told twice.
---@param fn fun(event: mirrors.Event|kmirror.events.call|kmirror.events.step)
function M.listen(fn)
    for _, listener in ipairs(listeners) do
        if listener == fn then
            return
        end
    end
    table.insert(listeners, fn)
    mirrors.trace(tell)
end

-- ---- calls ------------------------------------------------------------------------------------------------

local running = setmetatable({}, { __mode = "k" }) -- the call that a coroutine is in

--- The call that an attempt or retry belongs to; only while that event is told.
---@return kmirror.events.call|nil
function M.current_call()
    return running[coroutine.running()]
end

-- However a call ends, this is how it is noticed; a traceback stays whole.
local call_ends = { __close = function(call, problem)
    running[call.coroutine] = call.outer
    call.ended, call.error = task.now(), problem
    tell(call)
end }

local function begin_call(api, operation, first, second)
    local creates = operation == "create"
    local coroutine = coroutine.running()
    local call = setmetatable({
        what = "call", operation = operation, cluster = api.cluster, asked = task.now(), ok = false,
        id = not creates and first or nil, argument = creates and first or second,
        options = api.account.options, coroutine = coroutine, outer = running[coroutine],
    }, call_ends)
    running[coroutine] = call
    tell(call)
    return call
end

local function observe_method(class, operation)
    local method = class[operation]
    class[operation] = function(api, first, second)
        if type(api) ~= "table" or not api.account then
            return method(api, first, second)
        end
        local call <close> = begin_call(api, operation, first, second)
        call.answer = method(api, first, second)
        call.ok = true
        return call.answer
    end
end

local observed = {}

local function observe_api(class)
    if not observed[class] then
        observed[class] = true
        for _, operation in ipairs({ "list", "get", "create", "delete", "update_target_latency" }) do
            observe_method(class, operation)
        end
    end
end

-- ---- steps ------------------------------------------------------------------------------------------------

local step_ends = { __close = function(step, problem)
    step.ended, step.error = task.now(), problem
    tell(step)
end }

local function observe_steps()
    local class = getmetatable(require("kmirror.steps").new())
    local run = class.run
    function class.run(self, title, work)
        local step <close> = setmetatable({ what = "step", title = title, started = task.now() }, step_ends)
        tell(step)
        return run(self, title, function()
            local outcome, result = work()
            step.outcome = outcome
            return outcome, result
        end)
    end
end

local observing = false

--- Has calls and steps told from here on, too.
function M.observe()
    if observing then
        return
    end
    observing = true
    observe_steps()
    local connect = mirrors.connect
    function mirrors.connect(options)
        local api = connect(options)
        observe_api(getmetatable(api))
        return api
    end
end

return M
