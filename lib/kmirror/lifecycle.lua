--- lifecycle: what befalls mirrors on their way to a state, whoever brings them there: deleting, waiting until new ones
--- are as they should be, setting target latencies. In which order, how many at a time, and what becomes of those that
--- do not make it, is for apply, migrate, rollout, failover and drain to say.

local changes = require("kmirror.changes")
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local text = require("kmirror.text")
local wait = require("kmirror.wait")

local M = {}

---@class kmirror.lifecycle.item: kmirror.wait.place what the caller has for a mirror
---@field mirror? table in full, as last seen
---@field problem? any what is wrong with it, to follow "mirror ID "
---@field gone? boolean it does not exist

--- Deletes a mirror. One that is gone already is no failure.
---@param api mirrors.Api
---@param place kmirror.wait.place
---@return boolean was_there
---Raises what api:delete() raises, but for not_found.
function M.delete(api, place)
    local there = place.cluster and api:on(place.cluster) or api
    local ok, problem = pcall(there.delete, there, place.id)
    if not ok and not problems.is_gone(problem) then error(problem, 0) end
    return ok
end

--- Deletes a mirror, and waits until it is gone.
---@param api mirrors.Api
---@param place kmirror.wait.place
---@param seconds number how long at most
---Raises what delete() and wait.gone() raise.
function M.remove(api, place, seconds)
    M.delete(api, place)
    if not changes.planned() then
        wait.gone(api, { { id = place.id, cluster = place.cluster } }, seconds)
    end
end

--- Notes with each item what a wait for it came to.
---@generic T: kmirror.lifecycle.item
---@param items T[]
---@param outcome kmirror.wait.outcome
---@return T[] right
---@return T[] wrong each has a problem
function M.sort(items, outcome)
    local ended, right, wrong = {}, {}, {}
    for _, mirror in ipairs(outcome.ready) do ended[mirror.id] = { mirror = mirror } end
    for _, list in ipairs({ outcome.failed, outcome.late }) do
        for _, left in ipairs(list) do ended[left.id] = left end
    end
    for _, item in ipairs(items) do
        local left = ended[item.id]
        item.mirror, item.gone, item.problem = left.mirror, left.gone, left.problem
        table.insert(left.problem and wrong or right, item)
    end
    return right, wrong
end

--- Waits until mirrors are ready, and notes with each item what came of it.
---@generic T: kmirror.lifecycle.item
---@param api mirrors.Api
---@param items T[]
---@param ready fun(mirror: table): any
---@param options? kmirror.wait.options
---@return T[] right
---@return T[] wrong each has a problem
---Raises what wait.settle() raises.
function M.settle(api, items, ready, options)
    return M.sort(items, wait.settle(api, items, ready, options))
end

--- Warns of mirrors that are up and list no topic: nothing shows that these carry anything.
---@param empty { id: string, topicsRegex: string }[]
function M.warn_of_empty(empty)
    if not empty[1] then return end
    log.warn("%s no topic yet%s mirror %s of '%s': does %s regex match any?", text.count(#empty, "mirror lists",
        "mirrors list"), #empty > 1 and ", such as" or ":", empty[1].id, text.short(empty[1].topicsRegex),
        #empty > 1 and "each" or "its")
end

--- Gives a mirror the target latency that is wanted, if it has another one.
---@param api mirrors.Api on its cluster
---@param mirror table in full
---@param latency? integer ms
---@return boolean was_set
function M.retune(api, mirror, latency)
    local is_off = latency ~= nil and mirror.targetLatency ~= latency
    if is_off then api:update_target_latency(mirror.id, latency) end
    return is_off
end

return M
