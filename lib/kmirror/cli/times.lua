--- cli.times: --not-before and --stop-at: when a run begins, and when nothing of it begins any more.

local confirm = require("kmirror.confirm")
local host = require("host")
local log = require("kmirror.log")
local moment = require("kmirror.moment")
local task = require("task")
local refuse = require("kmirror.usage")

local M = {}

local longest_sleep = 30 -- seconds: clocks are put right, and machines sleep
local tick = 0.01 -- seconds by which the clock that messages show may be behind

local function read(option, text, after)
    local found, problem = moment.read(text, after)
    return found or refuse("%s '%s': %s", option, text, problem)
end

--- When a run is to begin and to stop, as the command line says. Raises usage for what is no time, for a time to stop
--- that is over, or before the one to begin.
---@param given { not_before: string|nil, stop_at: string|nil }
---@return { start: integer|nil, stop: integer|nil }
function M.read(given)
    local now = host.time()
    local start = given.not_before and read("--not-before", given.not_before, now)
    local stop = given.stop_at and read("--stop-at", given.stop_at, math.max(now, start or 0))
    if stop and stop <= now then
        refuse("--stop-at '%s' is over: it was %s, %s ago; nothing was begun", given.stop_at, moment.shown(stop),
            moment.span(now - stop))
    elseif start and stop and stop <= start then
        refuse("--stop-at %s is not after --not-before %s", moment.shown(stop), moment.shown(start))
    end
    return { start = start, stop = stop }
end

-- Seconds since the epoch; in a sandbox whose clock jumps, as if that were this one.
local function clock_of(given)
    local began, at = task.now(), host.time()
    return given.jump and function()
        return at + task.now() - began
    end or host.time
end

local function sleep_until(target, clock, background)
    local left = target - clock()
    while left > 0 do
        task.sleep(math.min(left + tick, longest_sleep), background)
        left = target - clock()
    end
end

local function wait(start, clock)
    local left = start - clock()
    if left <= 0 then
        log.info("--not-before: it is past %s: begins at once", moment.shown(start))
        return
    end
    log.info("--not-before: begins at %s, in %s", moment.shown(start), moment.span(left))
    sleep_until(start, clock)
    log.info("it is %s: begins", moment.shown(clock()))
end

local function stopper(stop, clock)
    log.info("--stop-at: nothing new begins after %s, in %s", moment.shown(stop), moment.span(stop - clock()))
    return host.background(task.spawn(function()
        sleep_until(stop, clock, true)
        log.warn("it is %s, the time of --stop-at: nothing new begins; what is under way is waited for",
            moment.shown(clock()))
        host.interrupt()
    end))
end

--- Does some work within those times. When the time to stop comes, the run ends as by an interrupt.
---@generic T
---@param given table the command line
---@param times { start: integer|nil, stop: integer|nil }
---@param work fun(): T
---@return T
function M.around(given, times, work)
    local clock = clock_of(given)
    local watch = times.stop and stopper(times.stop, clock)
    local _ <close> = setmetatable({}, { __close = function()
        if watch then watch:cancel() end
    end })
    if times.start and given.approval then
        log.info("--not-before: begins at %s, once it is approved", moment.shown(times.start))
        confirm.begin_by(function() wait(times.start, clock) end)
    elseif times.start then
        wait(times.start, clock)
    end
    return work()
end

return M
