--- wait: looks at mirrors again and again, until they are as wanted or the time is up.
---
---     local up = wait.ready(api, ids, health.works, { seconds = 600, stall = 120 })
---
--- Where mirrors are asked for, an id will do for one on the api's own cluster; for others it is a table with `id` and
--- `cluster`. A new one may also have `since`, task.now() when it was created: then it is looked at when it is likely
--- to be up. A mirror that is FAILED or STALE_TOPIC is not waited for any longer.

local fields = require("mirrors").fields
local follow = require("kmirror.wait.follow")
local health = require("kmirror.health")
local mirrors = require("mirrors")
local problems = require("kmirror.problem")
local task = require("task")
local text = require("kmirror.text")

local M = {}

local default_seconds = 600
local most_named = 10 -- mirrors in an error

local settling = 10 -- seconds for which a new mirror may not be found

--- Whether a mirror is in a state that it does not leave by itself.
---@param mirror? table in full
---@return boolean
function M.has_failed(mirror)
    return mirror ~= nil and (mirror.status == "STALE_TOPIC" or health.has_failed(mirror))
end

---@class kmirror.wait.options
---@field seconds? number how long at most; 600 by default
---@field stall? number seconds without any progress after which to give up; none by default
---@field title? string what a terminal shows meanwhile; "wait for mirrors" by default
---@field total? integer how many will be waited for, where they come one by one

---@class kmirror.wait.left a mirror that is not as wanted
---@field id string
---@field cluster? string
---@field mirror? table as last seen
---@field gone boolean it does not exist
---@field problem string in words: "is FAILED", "is CREATING", "is gone"

---@class kmirror.wait.outcome
---@field ready mirrors.Mirror[] mirrors in full
---@field failed kmirror.wait.left[] FAILED, STALE_TOPIC or gone
---@field late kmirror.wait.left[] not ready when the time was up, or when nothing moved any more
---@field stalled boolean

local function places_of(wanted)
    local places = {}
    for i, place in ipairs(wanted) do
        places[i] = type(place) == "string" and { id = place } or place
    end
    return places
end

local function get(api, place)
    return (place.cluster and api:on(place.cluster) or api):get(place.id)
end

-- ---- in words ---------------------------------------------------------------------------------------------

local function problem_of(item)
    if item.gone then
        return "is gone"
    elseif item.problem then
        return "cannot be read: " .. tostring(item.problem)
    end
    local problem, kind = health.problem(item.mirror)
    local lag = health.lag(item.mirror)
    local says_all = kind == "connector" or kind == "failed" or kind == "stale" and not lag
    if says_all then return problem end
    return "is " .. tostring(item.mirror.status) .. (lag and (" and %d ms behind"):format(lag) or "")
end

local function left_over(item)
    return {
        id = item.place.id, cluster = item.place.cluster, mirror = item.mirror, problem = problem_of(item),
        gone = item.gone or false,
    }
end

--- Names mirrors that are not as wanted, with their last state: "ID of 'orders' is CREATING; ID …".
---@param left kmirror.wait.left[]
---@return string
function M.describe(left)
    local parts = {}
    for i = 1, math.min(#left, most_named) do
        local topics = left[i].mirror and left[i].mirror.topicsRegex
        local regex = topics and (" of '%s'"):format(topics) or ""
        parts[i] = left[i].id .. regex .. " " .. left[i].problem
    end
    return table.concat(parts, "; ") .. (#left > most_named and ("; and %d more"):format(#left - most_named) or "")
end

-- ---- until they are ready ---------------------------------------------------------------------------------

-- What a look at a mirror tells of it.
local function judge(api, item, ready)
    local there, mirror = pcall(get, api, item.place)
    if not there then
        if not problems.is_gone(mirror) then error(mirror, 0) end
        item.gone = true
        local since = item.place.since
        return not (since and task.now() - since < settling) and "failed" or nil
    end
    item.gone = false
    mirror.cluster = item.place.cluster
    item.mirror = mirror
    return ready(mirror) and "ready" or M.has_failed(mirror) and "failed" or nil
end

---@class kmirror.wait.watch
---@field round kmirror.wait.round
local Watch = {}
Watch.__index = Watch

--- Begins to wait for more mirrors; the time counts from here again.
---@param wanted (string|kmirror.wait.place)[]
function Watch:add(wanted)
    self.round:add(places_of(wanted))
end

--- Begins to wait for one more, and waits until it is ready, or has failed, or the time is up.
---@param wanted string|kmirror.wait.place
---@return kmirror.wait.left|nil left what it is like, when it is not ready
---Raises what api:get() raises, but for not_found and what passes by itself.
---@async
function Watch:one(wanted)
    self:add({ wanted })
    local item = self.round.items[#self.round.items]
    item.task:join()
    return item.state ~= "ready" and left_over(item) or nil
end

--- Waits for each mirror that was added until it is ready, or has failed, or the time is up.
---@return kmirror.wait.outcome
---Raises what api:get() raises, but for not_found and what passes by itself.
---@async
function Watch:outcome()
    local items, stalled = self.round:wait()
    local outcome = { ready = {}, failed = {}, late = {}, stalled = stalled }
    for _, item in ipairs(items) do
        if item.state == "ready" then
            table.insert(outcome.ready, item.mirror)
        else
            table.insert(item.state and outcome.failed or outcome.late, left_over(item))
        end
    end
    return outcome
end

function Watch:__close(problem)
    self.round:__close(problem)
end

--- For mirrors that are still being created: `local watch <close> = wait.watch(…)`, then `watch:add({ … })` as they
--- come, and `watch:outcome()`.
---@param api mirrors.Api
---@param ready fun(mirror: mirrors.Mirror): any
---@param options? kmirror.wait.options
---@return kmirror.wait.watch
function M.watch(api, ready, options)
    options = options or {}
    return setmetatable({ round = follow.start(function(item)
        return judge(api, item, ready)
    end, options.seconds or default_seconds, options.stall, options.title, options.total) }, Watch)
end

--- Waits for each mirror until it is ready, or has failed, or the time is up. Raises nothing about single mirrors.
---@param api mirrors.Api
---@param wanted (string|kmirror.wait.place)[]
---@param ready fun(mirror: mirrors.Mirror): any
---@param options? kmirror.wait.options
---@return kmirror.wait.outcome
---Raises what api:get() raises, but for not_found and what passes by itself.
---@async
function M.settle(api, wanted, ready, options)
    local watch <close> = M.watch(api, ready, options)
    watch:add(wanted)
    return watch:outcome()
end

local function refuse_failed(item)
    local message = "waited without success: mirror " .. M.describe({ left_over(item) })
    local kind = item.gone and "not_found" or "failed"
    error(mirrors.error(kind, message, { id = item.place.id, cluster = item.place.cluster }), 0)
end

local function refuse_late(items, seconds, stalled)
    local late = {}
    for _, item in ipairs(items) do late[#late + 1] = not item.state and left_over(item) or nil end
    local when = stalled and "nothing moves any more" or ("%g seconds are up"):format(seconds)
    local message = ("%s, and %d of %s not ready: %s"):format(when, #late,
        text.count(#items, "mirror is", "mirrors are"), M.describe(late))
    error(mirrors.error("timeout", message, { details = { late = late, stalled = stalled } }), 0)
end

--- Waits until every mirror is ready. One that is FAILED, STALE_TOPIC or gone ends the wait at once.
---@param api mirrors.Api
---@param wanted (string|kmirror.wait.place)[]
---@param ready fun(mirror: mirrors.Mirror): any
---@param options? kmirror.wait.options
---@return mirrors.Mirror[] mirrors in full, in order
---Raises `timeout` with the names and last states of those that are not ready, and these in details.late; `failed`
---for one that has failed, `not_found` for one that is gone; what api:get() raises.
---@async
function M.ready(api, wanted, ready, options)
    options = options or {}
    local seconds = options.seconds or default_seconds
    local items, stalled = follow.all(places_of(wanted), function(item)
        local state = judge(api, item, ready)
        if state == "failed" then refuse_failed(item) end
        return state
    end, seconds, options.stall, options.title)
    local seen = {}
    for i, item in ipairs(items) do
        if not item.state then refuse_late(items, seconds, stalled) end
        seen[i] = item.mirror
    end
    return seen
end

-- ---- plain ------------------------------------------------------------------------------------------------

local function raise_unseen(items)
    for _, item in ipairs(items) do
        if item.problem then error(item.problem, 0) end
    end
end

--- Waits until `ready` is true of every mirror, whatever their status; returns them also when the time is up. Raises
--- what api:get() raises; what passes by itself, such as a broken connection, only when it lasts to the end.
---@param api mirrors.Api
---@param ids (string|kmirror.wait.place)[]
---@param seconds number how long at most; each mirror is looked at once in any case
---@param ready fun(mirror: mirrors.Mirror): boolean
---@return mirrors.Mirror[] mirrors as last seen, in the order of the ids
---@return integer left how many are not ready
---@async
function M.all(api, ids, seconds, ready)
    local items = follow.all(places_of(ids), function(item)
        item.mirror = get(api, item.place)
        return ready(item.mirror) and "ready" or nil
    end, seconds)
    raise_unseen(items)
    local seen, left = {}, 0
    for i, item in ipairs(items) do
        seen[i] = item.mirror
        left = left + (item.state and 0 or 1)
    end
    return seen, left
end

local function is_gone(api, place)
    local there, problem = pcall(get, api, place)
    if not there and not problems.is_gone(problem) then error(problem, 0) end
    return not there
end

--- Waits until none of the mirrors exists any more.
---@param api mirrors.Api
---@param ids (string|kmirror.wait.place)[]
---@param seconds number how long at most
---Raises `timeout` when some still do at the end, and what all() raises.
---@async
function M.gone(api, ids, seconds)
    local items = follow.all(places_of(ids), function(item)
        return is_gone(api, item.place) and "ready" or nil
    end, seconds, nil, "wait until they are gone")
    raise_unseen(items)
    local left = {}
    for _, item in ipairs(items) do left[#left + 1] = not item.state and item.place.id or nil end
    if #left > 0 then
        local message = ("still there after %g seconds: %s"):format(seconds, table.concat(left, ", "))
        error(mirrors.error("timeout", message), 0)
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local place = {
    expected = "an id, or a table with id and cluster",
    fits = function(value)
        local id = type(value) == "table" and value.id or value
        local cluster = type(value) == "table" and value.cluster
        return type(id) == "string" and id ~= "" and (not cluster or type(cluster) == "string")
    end,
}
local wanted = fields.list(place, "a list of ids, or of tables with id and cluster")
local seconds = fields.number(0, "seconds")

local options = fields.options({
    seconds = seconds, stall = seconds, title = fields.string, total = fields.integer(0),
})

fields.guard_methods("watch", Watch, { add = { "wanted", wanted }, one = { "wanted", place }, outcome = {} })

return fields.guard("wait", M, {
    has_failed = { "mirror?", fields.table },
    describe = { "left", fields.list(fields.table) },
    watch = { "api", fields.api, "ready", fields.fn, "options?", options },
    settle = { "api", fields.api, "wanted", wanted, "ready", fields.fn, "options?", options },
    ready = { "api", fields.api, "wanted", wanted, "ready", fields.fn, "options?", options },
    all = { "api", fields.api, "ids", wanted, "seconds", seconds, "ready", fields.fn },
    gone = { "api", fields.api, "ids", wanted, "seconds", seconds },
})
