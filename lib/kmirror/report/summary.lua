--- report.summary: the head of a page: how the run went, in a few figures.

local figures = require("kmirror.report.figures")
local html = require("kmirror.report.html")
local outcome = require("kmirror.report.outcome")

local M = {}

local function card(value, label, bad)
    return ("<div class='card%s'><b>%s</b><span>%s</span></div>\n"):format(bad and " bad" or "", html.escape(value),
        html.escape(label))
end

local function outcomes_of(document)
    local done, failed = 0, 0
    for _, run in ipairs(document.runs) do
        for _, change in ipairs(run.record.changes) do
            done = done + (change.outcome == "done" and 1 or 0)
            failed = failed + (outcome.is_fine(change.outcome) and 0 or 1)
        end
    end
    return done, failed
end

--- Figures, a card each.
---@param document kmirror.report.document
---@return string html
function M.cards(document)
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
    { "wire", "reads", "until answers came" }, { "quota", "waited", "waiting for the quota" },
    { "backoff", "backoff", "waiting before retries" },
}

--- Where the time of all calls went, which is what made the run slow.
---@param record kmirror.report.record
---@return string html
function M.shares(record)
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

--- When, where and by what it was made.
---@param document kmirror.report.document
---@return string html
function M.about(document)
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

--- What stopped it, and how to go on.
---@param document kmirror.report.document
---@return string html
function M.notices(document)
    local run, parts = document.runs[#document.runs], {}
    if run.state == "running" then
        parts[#parts + 1] = ("<p>Still running when this was written (%s). If it is not running any more, it was "
            .. "killed.</p>\n"):format(html.moment(document.written))
    end
    if document.error then
        parts[#parts + 1] = "<pre>" .. html.escape(document.error, 2000) .. "</pre>\n"
    end
    if document.resume then
        parts[#parts + 1] = "<p>To continue:</p>\n<pre>" .. html.escape(document.resume, 2000) .. "</pre>\n"
    end
    return table.concat(parts)
end

return M
