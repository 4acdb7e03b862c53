--- journal.summary: how things stand with a job.

local changes = require("kmirror.changes")

local M = {}

---@class kmirror.journal.summary of a job, over all its runs
---@field job string
---@field runs integer
---@field started number when the first of them began
---@field sent integer changes that this run has sent
---@field done table<string, integer> by operation
---@field failed integer surely not done
---@field unanswered integer outcome not known, and still asked for
---@field own integer|nil of a shared job: how many of the changes that are done this run has made
---@field unasked kmirror.store.change[] recorded, but not asked for by this run, if that has ended by itself
---@field problem any|nil why nothing more could be written down
---@field store string|nil its URL, where it is said
---@field resume string|nil the command that goes on with it, unless all is done

--- How things stand with a job: of its runs and changes.
---@param job string
---@param runs kmirror.store.run[]
---@param recorded kmirror.store.change[]
---@return kmirror.journal.summary
function M.of(job, runs, recorded)
    local summary = {
        job = job, runs = #runs, started = runs[1] and runs[1].started, sent = 0, failed = 0, unanswered = 0,
        done = {}, unasked = {},
    }
    for _, operation in ipairs(changes.operations) do
        summary.done[operation.name] = not operation.missing and 0 or nil -- most jobs have none of those
    end
    for _, change in ipairs(recorded) do
        if change.state == "done" then
            summary.done[change.operation] = (summary.done[change.operation] or 0) + 1
        elseif change.state == "failed" then
            summary.failed = summary.failed + 1
        elseif change.asked then -- one that a later run could do without is no loose end
            summary.unanswered = summary.unanswered + 1
        end
        if not change.asked and change.state ~= "failed" then
            table.insert(summary.unasked, change)
        end
    end
    return summary
end

--- How many changes each run has made.
---@param recorded kmirror.store.change[]
---@return table<integer, integer> by its number
function M.by_run(recorded)
    local counts = setmetatable({}, { __index = function() return 0 end })
    for _, row in ipairs(recorded) do
        if row.state == "done" then counts[row.run] = counts[row.run] + 1 end
    end
    return counts
end

return M
