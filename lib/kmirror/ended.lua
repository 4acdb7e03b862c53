--- ended: how a run ended, in words: the same for a job, its runs, and a report.

local M = {}

--- All that may be said of a run, those that have not ended as they should among them.
M.states = { "running", "done", "done, some items failed", "failed", "interrupted", "killed" }

local by_status = { [0] = "done", [3] = "done, some items failed", [130] = "interrupted" }

--- What is said of a run.
---@param status? integer its exit status; nil while it goes on, and when it was killed
---@param running? boolean it goes on
---@return string state
function M.state(status, running)
    if not status then return running and "running" or "killed" end
    return by_status[status] or "failed"
end

return M
