--- report.outcome: what came of calls and runs, in words.
---
--- A call is "done", "under way", "planned" (--dry-run), "recorded" (done by an earlier run of the job), "gone" (not
--- found, after it was deleted), "not answered" (known from a journal only), or of the kind of its error.

local html = require("kmirror.report.html")

local M = {}

local classes = { done = "done", recorded = "dim", planned = "dim", gone = "dim", ["under way"] = "dim" }

--- Of runs, by their state.
M.states = {
    running = "running", done = "done", partly = "done, some items failed", failed = "failed",
    interrupted = "interrupted", killed = "killed",
}

--- Whether nothing speaks against it.
---@param outcome string
---@return boolean
function M.is_fine(outcome)
    return classes[outcome] ~= nil
end

--- A table's cell with the outcome of a call or change.
---@param row { outcome: string }
---@return nil
---@return string html
function M.cell(row)
    return nil, ("<span class=%s>%s</span>"):format(classes[row.outcome] or "failed",
        html.escape((row.outcome:gsub("_", " "))))
end

return M
