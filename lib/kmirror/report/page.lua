--- report.page: the report of a run, or of all runs of a job, as one page that needs nothing else.

local assets = require("kmirror.report.assets")
local charts = require("kmirror.report.charts")
local figures = require("kmirror.report.figures")
local host = require("host")
local html = require("kmirror.report.html")
local json = require("kmirror.json")
local timeline = require("kmirror.report.timeline")

local M = {}

---@class kmirror.report.run
---@field number? integer of a job
---@field started number seconds since the epoch
---@field seconds number how long it took, or has taken
---@field state string running, done, partly, failed, interrupted, killed
---@field status? integer exit status
---@field record kmirror.report.record
---@field under_way? kmirror.report.call[]
---@field journal? boolean only its changes are known

---@class kmirror.report.document
---@field command string as it was typed
---@field version string
---@field written number seconds since the epoch
---@field job? string
---@field target? string
---@field error? string why it failed
---@field resume? string
---@field runs kmirror.report.run[] the latest is the last

local most_rows, few = 2000, 30 -- shown at all, and without being unfolded

local state_words = {
    running = "running", done = "done", partly = "done, some items failed", failed = "failed",
    interrupted = "interrupted", killed = "killed",
}

-- ---- summary ----------------------------------------------------------------------------------------------

local function card(value, label, bad)
    return ("<div class='card%s'><b>%s</b><span>%s</span></div>\n"):format(bad and " bad" or "", html.escape(value),
        html.escape(label))
end

local function outcomes_of(document)
    local done, failed = 0, 0
    for _, run in ipairs(document.runs) do
        for _, change in ipairs(run.record.changes) do
            done = done + (change.outcome == "done" and 1 or 0)
            local neither = change.outcome == "done" or change.outcome == "recorded" or change.outcome == "planned"
            failed = failed + (neither and 0 or 1)
        end
    end
    return done, failed
end

local function cards(document)
    local run = document.runs[#document.runs]
    local record, done, failed = run.record, outcomes_of(document)
    local parts = { "<div class=cards>\n", card(html.seconds(run.seconds), "took") }
    if not run.journal then
        local _, peak = figures.rate(record)
        local retries, limited = figures.total(record, "retries"), figures.errors(record, "rate_limited")
        local limit = record.rate and record.rate > 0 and (" of %g"):format(record.rate) or ""
        parts[#parts + 1] = card(figures.total(record, "requests"), "requests")
        parts[#parts + 1] = card(peak .. limit, "at most in one second")
        parts[#parts + 1] = card(retries, "retries")
        parts[#parts + 1] = card(limited, "times throttled (429)", limited > 0)
    end
    parts[#parts + 1] = card(done, "changes done")
    parts[#parts + 1] = card(failed, "changes failed or not answered", failed > 0)
    parts[#parts + 1] = "</div>\n"
    return table.concat(parts)
end

local share_parts = {
    { "wire", "read", "until answers came" }, { "quota", "waited", "waiting for the quota" },
    { "backoff", "backoff", "waiting before retries" },
}

-- Where the time of all calls went, which is what made the run slow.
local function shares(record)
    local total = 0
    for _, part in ipairs(share_parts) do
        total = total + figures.total(record, part[1])
    end
    if total == 0 then
        return ""
    end
    local bar, legend = {}, {}
    for i, part in ipairs(share_parts) do
        local seconds = figures.total(record, part[1])
        bar[i] = ("<i class=%s style='width:%.2f%%'></i>"):format(part[2], 100 * seconds / total)
        legend[i] = ("<span><i class=%s></i>%s: %s (%.0f %%)</span>"):format(part[2], part[3], html.seconds(seconds),
            100 * seconds / total)
    end
    return ("<h2>Where the time went</h2>\n<p class=note>All calls together; they run side by side.</p>\n"
        .. "<div class=share>%s</div><p class=legend>%s</p>\n"):format(table.concat(bar), table.concat(legend))
end

local function about(document)
    local run, parts = document.runs[#document.runs], {}
    parts[1] = "began " .. html.moment(run.started)
    if document.target then
        parts[#parts + 1] = html.escape(document.target)
    end
    if document.job then
        parts[#parts + 1] = html.escape(("job %s, run %d"):format(document.job, #document.runs))
    end
    parts[#parts + 1] = "kmirror " .. html.escape(document.version)
    return table.concat(parts, " · ")
end

local function notices(document)
    local run, parts = document.runs[#document.runs], {}
    if run.state == "running" then
        parts[#parts + 1] = ("<p>Still running when this was written (%s). If it is not running any more, it was "
            .. "killed.</p>\n"):format(html.moment(document.written))
    end
    if document.error then
        parts[#parts + 1] = "<pre>" .. html.escape(document.error, 2000) .. "</pre>\n"
    end
    if document.resume then
        parts[#parts + 1] = "<p>To go on:</p>\n<pre>" .. html.escape(document.resume, 2000) .. "</pre>\n"
    end
    return table.concat(parts)
end

-- ---- changes and failures ---------------------------------------------------------------------------------

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

local function outcome_html(row)
    local class = row.outcome == "done" and "done" or (row.outcome == "recorded" or row.outcome == "planned"
        or row.outcome == "under way") and "dim" or "failed"
    return nil, ("<span class=%s>%s</span>"):format(class, html.escape((row.outcome:gsub("_", " "))))
end

local change_columns = {
    { "Change", function(row) return (row.operation:gsub("_", " ")) end },
    { "Topics", function(row) return row.topicsRegex or row.before and row.before.topicsRegex end },
    { "Mirror", function(row) return row.id end },
    { "Before", function(row) return nil, words_of(row.before) end },
    { "After", function(row) return nil, words_of(row.after) end },
    { "Outcome", outcome_html },
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

local failure_columns = {
    { "Call", function(row) return (row.operation:gsub("_", " ")) end },
    { "Topics or mirror", function(row) return row.topicsRegex or row.id end },
    { "Error", outcome_html },
    { "Message", function(row) return row.message end },
    { "Attempts", function(row) return #row.attempts end, sort = function(row) return #row.attempts end },
    { "At, s", function(row) return row.ended and ("%.2f"):format(row.ended) end,
        sort = function(row) return row.ended end },
}

local fine = { done = true, recorded = true, planned = true, ["under way"] = true }

local function deleted_in(record)
    local deleted = {}
    for _, change in ipairs(record.changes) do
        if change.operation == "delete" and change.outcome == "done" then
            deleted[change.id] = change.at
        end
    end
    return deleted
end

-- That a mirror is gone after it was deleted is what was wanted.
local function failures_of(document)
    local rows = {}
    for _, run in ipairs(document.runs) do
        local deleted = deleted_in(run.record)
        for _, call in ipairs(run.record.calls) do
            local gone = call.outcome == "not_found" and (deleted[call.id] or math.huge) <= call.ended
            call.run = run.number
            rows[#rows + 1] = not (fine[call.outcome] or gone) and call or nil
        end
    end
    return rows
end

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

-- ---- calls ------------------------------------------------------------------------------------------------

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
    { "Outcome", outcome_html },
}

local function kinds_of(call)
    local kinds = { call.operation == "list" and "get" or call.operation }
    kinds[#kinds + 1] = #call.attempts > 1 and "retried" or nil
    kinds[#kinds + 1] = not fine[call.outcome] and "failed" or nil
    return (' data-call=%d data-kind="%s"'):format(call.number, table.concat(kinds, " "))
end

local filter = [[
<div class=filter><input type=search aria-label="Filter the calls" placeholder="Filter: topics, mirror, error">
<select aria-label="Which calls"><option value="">all calls<option value=retried>retried<option value=failed>failed
<option value=create>creates<option value=delete>deletes<option value=update_target_latency>latency updates
<option value=get>reads</select><output class=dim></output></div>
]]

local function calls_of(run)
    local calls, left_out = figures.telling(run.record, run.under_way or {}, most_rows)
    if #calls == 0 then
        return ""
    end
    local count = html.count(#calls, "call") .. (left_out > 0 and (", the most telling of %d"):format(#calls + left_out)
        or "")
    return ("%s<details%s><summary>%s</summary>%s</details>\n"):format(filter, #calls <= 25 and " open" or "", count,
        html.table(call_columns, calls, "class=sortable", kinds_of))
end

-- ---- all --------------------------------------------------------------------------------------------------

local function run_title(run)
    return ("<h3>Run %d, began %s: %s</h3>\n"):format(run.number or 1, html.moment(run.started),
        html.escape(state_words[run.state]))
end

local function timelines(document)
    local parts = {}
    for i, run in ipairs(document.runs) do
        local note = run.journal and "<p class=note>From the journal: its changes alone are known.</p>\n" or ""
        parts[i] = ("<section class=calls>%s%s%s%s</section>\n"):format(#document.runs > 1 and run_title(run) or "",
            note, timeline.of(run), calls_of(run))
    end
    return table.concat(parts)
end

local function measured(run)
    if run.journal then
        return ""
    end
    return table.concat({
        "<h2>Quota</h2>\n<p class=note>Requests in any one second.</p>\n", charts.quota(run),
        "<h2>Lag</h2>\n<p class=note>The highest latency among a mirror's topics, each time it was looked at.</p>\n",
        charts.lag(run),
        "<h2>Timings</h2>\n", table_of(timing_columns, figures.timings(run.record), "No call has ended."),
    })
end

local template = [[
<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
 style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'">
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=referrer content=no-referrer>
<title>{command}: {state}</title>
<style>{{style}}</style>
</head>
<body>
<h1>{command}<span class="state {class}">{state}</span></h1>
<p class=dim>{{about}}</p>
{{notices}}{{cards}}{{shares}}
<h2>Timeline</h2>
{{timelines}}
<h2>Failures</h2>
{{failures}}
<h2>What changed</h2>
{{changes}}
{{measured}}
<script nonce="{nonce}">{{script}}</script>
</body>
</html>
]]

--- The page.
---@param document kmirror.report.document
---@return string
function M.of(document)
    local run = document.runs[#document.runs]
    return html.fill(template, {
        nonce = host.hmac_sha256("page", ("%.6f %s"):format(document.written, tostring(document))):sub(1, 32),
        command = document.command, state = state_words[run.state], class = run.state,
        style = assets.style, script = assets.script, about = about(document), notices = notices(document),
        cards = cards(document), shares = shares(run.record), timelines = timelines(document), measured = measured(run),
        changes = table_of(with_run(change_columns, document), changes_of(document), "Nothing."),
        failures = table_of(with_run(failure_columns, document), failures_of(document), "None."),
    })
end

return M
