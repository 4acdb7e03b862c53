--- steps: what a runbook does, step by step: a line when one begins, one when it has ended, and the timings.

local events = require("kmirror.events")
local fields = require("mirrors").fields
local log = require("kmirror.log")
local progress = require("kmirror.progress")
local tables = require("kmirror.table")
local task = require("task")

local M = {}

---@class kmirror.steps
---@field started number
---@field done { title: string, outcome: string, seconds: number }[]
local Steps = {}
Steps.__index = Steps

local columns = {
    { "STEP", "title" },
    { "SECONDS", function(step)
        return ("%.1f"):format(step.seconds)
    end, align = "right" },
    { "OUTCOME", "outcome" },
}

--- Nothing done yet.
---@return kmirror.steps
function M.new()
    return setmetatable({ started = task.now(), done = {} }, Steps)
end

--- Does a step. What it raises is raised again.
---@param title string
---@param work fun(): string, any what came of it in words, and whatever it has to hand on
---@return any what `work` handed on
function Steps:run(title, work)
    local step <close> = events.step(title)
    local _ <close> = progress.step(title)
    log.info("%s ...", title)
    local outcome, result = work()
    local seconds = task.now() - step.started
    step.outcome = outcome
    self.done[#self.done + 1] = { title = title, outcome = outcome, seconds = seconds }
    log.info("%s: %s (%.1f s)", title, outcome, seconds)
    return result
end

--- Seconds since the first step could have begun.
---@return number
function Steps:seconds()
    return task.now() - self.started
end

--- Writes what was done as a table; in a pipe step, seconds and outcome with a tab between, without titles.
---@param file file*
function Steps:show(file)
    tables.write(file, columns, self.done)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

fields.guard_methods("steps", Steps, {
    run = { "title", fields.string, "work", fields.fn },
    seconds = {},
    show = { "file", fields.file },
})

return fields.guard("steps", M, { new = {} })
