--- report.page: the report of a run, or of all runs of a job, as one page that needs nothing else.

local assets = require("kmirror.report.assets")
local calls = require("kmirror.report.calls")
local charts = require("kmirror.report.charts")
local host = require("host")
local html = require("kmirror.report.html")
local outcome = require("kmirror.report.outcome")
local summary = require("kmirror.report.summary")
local tables = require("kmirror.report.tables")
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

local function run_title(run)
    return ("<h3>Run %d, began %s: %s</h3>\n"):format(run.number or 1, html.moment(run.started),
        html.escape(outcome.states[run.state]))
end

local function timelines(document)
    local parts = {}
    for i, run in ipairs(document.runs) do
        local note = run.journal and "<p class=note>From the journal: its changes alone are known.</p>\n" or ""
        parts[i] = ("<section class=calls>%s%s%s%s</section>\n"):format(#document.runs > 1 and run_title(run) or "",
            note, timeline.of(run), calls.of(run))
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
        "<h2>Timings</h2>\n", tables.timings(run),
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
        command = document.command, state = outcome.states[run.state], class = run.state,
        style = assets.style, script = assets.script, about = summary.about(document),
        notices = summary.notices(document), cards = summary.cards(document), shares = summary.shares(run.record),
        timelines = timelines(document), failures = tables.failures(document), changes = tables.changes(document),
        measured = measured(run),
    })
end

return M
