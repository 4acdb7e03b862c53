--- report.calls: the calls of a run in a table that can be filtered.

local changes = require("kmirror.changes")
local figures = require("kmirror.report.figures")
local html = require("kmirror.report.html")
local outcome = require("kmirror.report.outcome")

local M = {}

local most_rows = 2000

local function waited(call)
    local sum = 0
    for _, wait in ipairs(call.waits) do
        sum = sum + math.max(0, wait.to - wait.from)
    end
    return sum
end

local function story_of(call)
    local parts = {}
    for _, attempt in ipairs(call.attempts) do
        parts[#parts + 1] = attempt.error and attempt.error:gsub("_", " ") or nil
    end
    return table.concat(parts, ", ")
end

local call_columns = {
    { "#", function(call) return call.number end, sort = function(call) return call.number end },
    { "Call", function(call) return (call.operation:gsub("_", " ")) end },
    { "Topics", function(call) return call.topicsRegex end },
    { "Mirror", function(call) return call.id end },
    { "Asked, s", function(call) return ("%.2f"):format(call.asked) end, sort = function(call) return call.asked end },
    { "Took, s", function(call) return call.ended and ("%.2f"):format(call.ended - call.asked) end,
        sort = function(call) return call.ended and call.ended - call.asked end },
    { "Retry waits, s", function(call) return ("%.2f"):format(waited(call)) end, sort = waited },
    { "Attempts", function(call) return #call.attempts end, sort = function(call) return #call.attempts end },
    { "Failed attempts", story_of },
    { "Outcome", outcome.cell },
}

local function kinds_of(call)
    local kinds = { changes.is_change(call.operation) and call.operation or "reads" }
    kinds[#kinds + 1] = #call.attempts > 1 and "retried" or nil
    kinds[#kinds + 1] = not outcome.is_fine(call.outcome) and "failed" or nil
    return (' data-call=%d data-kind="%s"'):format(call.number, table.concat(kinds, " "))
end

local filter = [[
<div class=filter><input type=search aria-label="Filter the calls" placeholder="Filter: topics, mirror, error">
<select aria-label="Which calls"><option value="">all calls<option value=retried>retried<option value=failed>failed
%s<option value=reads>reads</select><output class=dim></output></div>
]]

local function options()
    local parts = {}
    for i, operation in ipairs(changes.operations) do
        parts[i] = ("<option value=%s>%ss\n"):format(operation.name, operation.noun)
    end
    return table.concat(parts)
end

--- The table; the most telling calls, if there are many.
---@param run kmirror.report.run
---@return string html
function M.of(run)
    local calls, left_out = figures.telling(run.record, run.under_way or {}, most_rows)
    if #calls == 0 then
        return ""
    end
    local count = html.count(#calls, "call") .. (left_out > 0 and (", the most telling of %d"):format(#calls + left_out)
        or "")
    return ("%s<details%s><summary>%s</summary>%s</details>\n"):format(filter:format(options()),
        #calls <= 25 and " open" or "", count, html.table(call_columns, calls, "class=sortable", kinds_of))
end

return M
