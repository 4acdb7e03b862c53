--- events: what happens in a run, told to whoever listens: attempts and retries, as mirrors.trace() tells them; steps;
--- and, once somebody wants these, calls with their answers.
---
--- While nobody wants calls, they are exactly as fast as they are without this module.

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
---@field rate number requests in any one second as things stood when it was made; 0: no limit

---@class kmirror.events.step what = "step"; told when it begins, and once more when it has ended
---@field title string
---@field started number
---@field ended? number
---@field outcome? string nil when it failed
---@field error? any

local listeners = {}
local wants = {} -- by listener: whether it wants attempts now; none: always

-- Asked before each attempt.
local function attempts_wanted()
    for i = 1, #listeners do
        local wanted = wants[listeners[i]]
        if not wanted or wanted() then return true end
    end
    return false
end

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

--- Tells a function of each attempt, retry and step from here on, and of each call after observe(). One that listens
--- already is not told twice.
---@param fn fun(event: mirrors.Event|kmirror.events.call|kmirror.events.step)
---@param wants_attempts? fun(): boolean asked before each attempt: while nobody wants them, they are not told
function M.listen(fn, wants_attempts)
    for _, listener in ipairs(listeners) do
        if listener == fn then return end
    end
    table.insert(listeners, fn)
    wants[fn] = wants_attempts
    mirrors.trace(tell, #listeners == 1 and wants_attempts or attempts_wanted) -- who listens alone is asked himself
end

-- ---- steps ------------------------------------------------------------------------------------------------

local step_ends = { __close = function(step, problem)
    step.ended, step.error = task.now(), problem
    tell(step)
end }

--- A step begins. It ends when this is closed; its outcome is set before.
---@param title string
---@return kmirror.events.step
function M.step(title)
    local step = setmetatable({ what = "step", title = title, started = task.now() }, step_ends)
    tell(step)
    return step
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

local function follow(about, proceed)
    local coroutine = coroutine.running()
    local call <close> = setmetatable({
        what = "call", operation = about.operation, cluster = about.cluster, id = about.id, argument = about.argument,
        options = about.options, rate = about.rate,
        asked = task.now(), ok = false, coroutine = coroutine, outer = running[coroutine],
    }, call_ends)
    running[coroutine] = call
    tell(call)
    call.answer = proceed()
    call.ok = true
    return call.answer
end

--- Has calls told from here on, too.
function M.observe()
    mirrors.observe(follow)
end

return M
