--- groups: waiting until consumer groups may move: until their offsets have been carried over to TO as exactly as they
--- will be. What is late by then is told: it is read a second time.

local bulk = require("kmirror.bulk")
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local progress = require("kmirror.progress")
local task = require("task")
local text = require("kmirror.text")

local M = {}

local pause = 2 -- seconds between two looks

---@class kmirror.failover.groups
---@field count integer consumer groups that have committed on the mirrors' topics
---@field late string[] those that would read records again, or are not carried over at all
---@field again integer records that would be read again, where that is known
---@field known string what was seen, to tell whether anything moved

-- The same group may read the topics of several mirrors.
local function look(api, mirrors)
    local by_name, again, known = {}, 0, {}
    for _, told in ipairs(bulk.map(mirrors, function(mirror)
        return api:groups(mirror.id)
    end, bulk.reads)) do
        for _, group in ipairs(told.groups) do
            by_name[group.group] = (by_name[group.group] or 0) + (group.recordsAgain or math.huge)
            again = again + (group.recordsAgain or 0)
            for _, each in ipairs(group.partitions) do
                known[#known + 1] = ("%s %s"):format(each.committedOffset, each.translatedOffset)
            end
        end
    end
    local seen = { count = 0, late = {}, again = again, known = table.concat(known, ",") }
    for name, records in pairs(by_name) do
        seen.count = seen.count + 1
        seen.late[#seen.late + 1] = records > 0 and name or nil
    end
    table.sort(seen.late)
    return seen
end

--- What was seen, in words.
---@param seen { count: integer, late: string[], again: integer }
---@return string
function M.words(seen)
    if seen.count == 0 then
        return "no consumer group has committed anything"
    elseif #seen.late == 0 then
        return ("%s may move"):format(text.count(seen.count, "consumer group"))
    end
    local more = #seen.late > 3 and (" and %d more"):format(#seen.late - 3) or ""
    return ("%d of %s may move; late: %s%s, %s read again"):format(seen.count - #seen.late,
        text.count(seen.count, "consumer group"), table.concat(seen.late, ", ", 1, math.min(3, #seen.late)), more,
        text.count(seen.again, "record"))
end

--- Waits until all groups may move, or none has come nearer to that for so long. nil where they cannot be looked at.
---@param api mirrors.Api
---@param mirrors table[] in full
---@param seconds number
---@param guard fun() called at each look and at the end; raises when the fence does not hold
---@return kmirror.failover.groups|nil
function M.wait(api, mirrors, seconds, guard)
    local could, seen = problems.try(look, api, mirrors)
    if not could then
        log.warn("consumer groups cannot be looked at, so that %g s have to do: %s", seconds, tostring(seen))
        return nil
    end
    local since, bar <close> = task.now(), progress.part({ limit = seconds })
    while #seen.late > 0 and task.now() - since < seconds do
        bar:note(("%d of %d may move"):format(seen.count - #seen.late, seen.count))
        task.sleep(math.min(pause, seconds))
        guard()
        local now = look(api, mirrors)
        if now.known ~= seen.known then since = task.now() end
        seen = now
    end
    guard()
    return seen
end

return M
