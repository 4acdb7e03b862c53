--- wait: looks at mirrors again and again, until they are as wanted or the time is up.

local bulk = require("kmirror.bulk")
local mirrors = require("mirrors")
local task = require("task")

local M = {}

local pause = 1 -- seconds between two looks; the account's rate spaces the requests of one look

-- What passes by itself, so that it does not end a wait before its time.
local passing = { transport = true, timeout = true, server = true, rate_limited = true }

-- Looks at one item; what kept it from being seen is noted.
local function try(look, item, unseen)
    local ok, result = pcall(look, item)
    if not ok and not (type(result) == "table" and passing[result.kind]) then
        error(result, 0)
    end
    unseen[item] = not ok and result or nil
    return ok and result
end

-- Looks at each item until `look` says true of all or the time is up. Returns the items left over; raises
-- what kept one of them from being seen the last time.
local function until_none_left(items, seconds, look)
    local deadline, unseen = task.now() + seconds, {}
    while true do
        local left = {}
        local ready = bulk.map(items, function(item)
            return try(look, item, unseen)
        end)
        for i, item in ipairs(items) do
            left[#left + 1] = not ready[i] and item or nil
        end
        if #left == 0 then
            return left
        elseif task.now() >= deadline then
            local _, problem = next(unseen)
            return problem and error(problem, 0) or left
        end
        items = left
        task.sleep(math.min(pause, math.max(0, deadline - task.now())))
    end
end

--- Waits until `ready` is true of every mirror. Raises what api:get() raises; what passes by itself, such as
--- a broken connection, only when it lasts to the end.
---@param api mirrors.Api
---@param ids string[]
---@param seconds number how long at most; each mirror is looked at once in any case
---@param ready fun(mirror: table): boolean
---@return table[] mirrors as last seen, in the order of the ids
---@return integer left how many are not ready
function M.all(api, ids, seconds, ready)
    local places, seen = {}, {}
    for i in ipairs(ids) do
        places[i] = i
    end
    local left = until_none_left(places, seconds, function(place)
        seen[place] = api:get(ids[place])
        return ready(seen[place])
    end)
    return seen, #left
end

local function is_gone(api, id)
    local there, problem = pcall(api.get, api, id)
    if not there and not (type(problem) == "table" and problem.kind == "not_found") then
        error(problem, 0)
    end
    return not there
end

--- Waits until none of the mirrors exists any more. Raises `timeout` when some still do at the end, and what
--- M.all() raises.
---@param api mirrors.Api
---@param ids string[]
---@param seconds number how long at most
function M.gone(api, ids, seconds)
    local left = until_none_left(ids, seconds, function(id)
        return is_gone(api, id)
    end)
    if #left > 0 then
        local message = ("still there after %g seconds: %s"):format(seconds, table.concat(left, ", "))
        error(mirrors.error("timeout", message), 0)
    end
end

return M
