--- report.tables: what all runs of a job have changed, what failed, and how long calls took.

local figures = require("kmirror.report.figures")
local html = require("kmirror.report.html")
local json = require("kmirror.json")
local outcome = require("kmirror.report.outcome")

local M = {}

local most_rows, few = 2000, 30 -- shown at all, and without being unfolded

-- ---- changes ----------------------------------------------------------------------------------------------

local function words_of(fields)
    if not fields then
        return "–"
    elseif next(fields) == nil then
        return "<span class=dim>not looked at</span>"
    end
    local parts, keys = {}, {}
    for key in pairs(fields) do
        keys[#keys + 1] = key ~= "topicsRegex" and key or nil
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
        parts[i] = ("<span class=dim>%s</span> %s"):format(html.escape(key), html.escape(type(fields[key]) == "table"
            and json.encode(fields[key]) or fields[key]))
    end
    return table.concat(parts, ", ")
end

local change_columns = {
    { "Change", function(row) return (row.operation:gsub("_", " ")) end },
    { "Topics", function(row) return row.topicsRegex or row.before and row.before.topicsRegex end },
    { "Mirror", function(row) return row.id end },
    { "Before", function(row) return nil, words_of(row.before) end },
    { "After", function(row) return nil, words_of(row.after) end },
    { "Outcome", outcome.cell },
    { "At, s", function(row) return row.at and ("%.2f"):format(row.at) end, sort = function(row) return row.at end },
}

local run_column = { "Run", function(row) return row.run end, sort = function(row) return row.run end }

local function with_run(columns, document)
    if #document.runs < 2 then
        return columns
    end
    return { run_column, table.unpack(columns) }
end

-- What all runs have changed; a change that an earlier run has recorded is shown there.
local function changes_of(document)
    local rows = {}
    for _, run in ipairs(document.runs) do
        for _, change in ipairs(run.record.changes) do
            change.run = run.number
            rows[#rows + 1] = (change.outcome ~= "recorded" or #document.runs == 1) and change or nil
        end
    end
    return rows
end

local function table_of(columns, rows, empty)
    if #rows == 0 then
        return "<p>" .. empty .. "</p>\n"
    end
    local shown = table.move(rows, 1, math.min(#rows, most_rows), 1, {})
    local note = #shown < #rows and ("<p class=note>The first %d of %d; --report FILE.json has all of them.</p>\n")
        :format(#shown, #rows) or ""
    local drawn = html.table(columns, shown, "class=sortable") .. note
    return #rows <= few and drawn or ("<details><summary>%d in all</summary>%s</details>\n"):format(#rows, drawn)
end

-- ---- failures ---------------------------------------------------------------------------------------------

local failure_columns = {
    { "Call", function(row) return (row.operation:gsub("_", " ")) end },
    { "Topics or mirror", function(row) return row.topicsRegex or row.id end },
    { "Error", outcome.cell },
    { "Message", function(row) return row.message end },
    { "Attempts", function(row) return #row.attempts end, sort = function(row) return #row.attempts end },
    { "At, s", function(row) return row.ended and ("%.2f"):format(row.ended) end,
        sort = function(row) return row.ended end },
}

local function failures_of(document)
    local rows = {}
    for _, run in ipairs(document.runs) do
        for _, call in ipairs(run.record.calls) do
            call.run = run.number
            rows[#rows + 1] = not outcome.is_fine(call.outcome) and call or nil
        end
    end
    return rows
end

-- ---- timings ----------------------------------------------------------------------------------------------

local function seconds_column(title, field)
    return { title, function(row) return ("%.2f"):format(row[field]) end, sort = function(row) return row[field] end }
end

local function count_column(title, field)
    return { title, function(row) return row[field] end, sort = function(row) return row[field] end }
end

local timing_columns = {
    { "Operation", function(row) return (row.operation:gsub("_", " ")) end },
    count_column("Calls", "calls"), count_column("Requests", "requests"), count_column("Retries", "retries"),
    seconds_column("Median, s", "median"), seconds_column("95 %, s", "slow"), seconds_column("Slowest, s", "slowest"),
    seconds_column("Quota waits, s", "quota"), seconds_column("Answers, s", "wire"),
    seconds_column("Retry waits, s", "backoff"),
}

-- ---- all --------------------------------------------------------------------------------------------------

--- What was changed.
---@param document kmirror.report.document
---@return string html
function M.changes(document)
    return table_of(with_run(change_columns, document), changes_of(document), "Nothing.")
end

--- What failed.
---@param document kmirror.report.document
---@return string html
function M.failures(document)
    return table_of(with_run(failure_columns, document), failures_of(document), "None.")
end

--- How long calls took.
---@param run kmirror.report.run
---@return string html
function M.timings(run)
    return table_of(timing_columns, figures.timings(run.record), "No call has ended.")
end

return M
