--- progress.told: how far work has come, where nothing can be drawn: a message every ten seconds for what takes long.

local line = require("kmirror.progress.line")
local log = require("kmirror.log")
local task = require("task")

local M = {}

local silence = 10 -- seconds between two messages about the same work

---@class kmirror.progress.told: kmirror.progress.display
local Told = { pause = 1 }
Told.__index = Told

---@param works kmirror.progress[]
---@return kmirror.progress.told
function M.new(works)
    return setmetatable({ works = works }, Told)
end

local function words_of(work, now)
    local words = { work.total and ("%d of %d"):format(work.count, work.total) or nil }
    words[#words + 1] = work.failed > 0 and ("%d failed"):format(work.failed) or nil
    local time = line.time(work, now) or line.clock(now - work.started) .. " so far"
    words[#words + 1] = work.limit and time .. " at most" or time
    words[#words + 1] = work.text
    return table.concat(words, ", ")
end

local function tell(work, now)
    work.told = now
    log.event("info", {
        event = "progress", title = work.title, done = work.count, total = work.total, failed = work.failed,
        seconds = now - work.started, left = line.left(work, now),
    }, "%s: %s", work.title, words_of(work, now))
end

--- Tells of what was not told of for a while; of a step only when no part of it is told.
function Told:look()
    local now, has_parts = task.now(), {}
    for _, work in ipairs(self.works) do
        local outer = work.outer
        while outer do has_parts[outer], outer = true, outer.outer end
    end
    for _, work in ipairs(self.works) do
        if not has_parts[work] and now - work.told >= silence then tell(work, now) end
    end
end

function Told.changed() end

function Told.rest() end

function Told.close() end

return M
