--- report.page: the report of a run, or of all runs of a job, as one page that needs nothing else.
---
--- page.html is the page. Here is filled in what has to be readable where no script runs: how it went, what failed and
--- how to continue. All else is drawn by the page's script, from the document's JSON that lies in it.

local causes = require("kmirror.report.causes")
local figures = require("kmirror.report.figures")
local host = require("host")
local json = require("kmirror.json")
local mirrors = require("mirrors")
local text = require("kmirror.text")

local M = {}

local most_rows = 200 -- failures that are plain HTML
local longest = 300 -- characters of one text that are shown

local broken = { FAILED = true, STALE_TOPIC = true } -- mirrors' statuses

-- ---- the template -----------------------------------------------------------------------------------------

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(value)
    return (text.clean(text.valid(tostring(value))):gsub("[&<>\"']", entities))
end

local function cut(value, most)
    local valid = text.valid(tostring(value))
    local length = utf8.len(valid)
    if length <= most then
        return valid
    end
    return ("%s… (%d characters)"):format(valid:sub(1, utf8.offset(valid, most + 1) - 1), length)
end

local function fill_holes(template, values)
    return (template:gsub("{{({?)(%a+)}}}?", function(raw, name)
        local value = values[name] == nil and "" or values[name]
        return raw == "{" and value or escape(value)
    end))
end

-- Fills the holes, and repeats what stands between "each" and "end" for each of a list. What was filled in is not
-- looked at again.
local function fill(template, values)
    local parts, from = {}, 1
    while true do
        local start, stop, name, inner = template:find("<!%-%-each (%a+)%-%->\n(.-)<!%-%-end %1%-%->\n", from)
        parts[#parts + 1] = fill_holes(template:sub(from, start and start - 1), values)
        if not start then
            return table.concat(parts)
        end
        for _, item in ipairs(values[name] or {}) do
            parts[#parts + 1] = fill(inner, item)
        end
        from = stop + 1
    end
end

-- The hash by which the page's policy lets a style or script in it work, and no other.
local function hash(template, tag)
    return "sha256-" .. host.sha256_base64(template:match("<" .. tag .. ">(.-)</" .. tag .. ">"))
end

-- JSON in which nothing ends the script element that it stands in.
local function harmless(encoded)
    return (encoded:gsub("<", "\\u003c"))
end

-- ---- what is filled in ------------------------------------------------------------------------------------

local function one_if(condition, item)
    return condition and { item or {} } or {}
end

local function moment(epoch)
    return os.date("!%Y-%m-%d %H:%M:%S UTC", epoch // 1)
end

local function duration(seconds)
    if seconds < 10 then
        return ("%.2f s"):format(seconds)
    elseif seconds < 60 then
        return ("%.1f s"):format(seconds)
    elseif seconds < 3600 then
        return ("%d min %d s"):format(seconds // 60, seconds % 60 // 1)
    end
    return ("%d h %d min"):format(seconds // 3600, seconds % 3600 // 60)
end

local function lines_of(problem)
    local lines = {}
    for line in (cut(problem or "", 2000) .. "\n"):gmatch("(.-)\n") do
        lines[#lines + 1] = { line = line }
    end
    return lines
end

-- When, where and by what it was made.
local function about(document, run)
    local parts = { "started " .. moment(run.started) }
    parts[#parts + 1] = document.target
    parts[#parts + 1] = document.job and ("job %s, run %d"):format(document.job, #document.runs)
    parts[#parts + 1] = "kmirror " .. document.version
    return table.concat(parts, " · ")
end

-- Changes that were done, that failed for good, and that failed before they were done.
local function counts_of(document)
    local done, lost, repaired = 0, 0, 0
    for _, run in ipairs(document.runs) do
        for _, change in ipairs(run.record.changes) do done = done + (change.outcome == "done" and 1 or 0) end
    end
    for _, failure in ipairs(causes.failures(document.runs, "changes")) do
        lost, repaired = lost + (failure.repaired and 0 or 1), repaired + (failure.repaired and 1 or 0)
    end
    return done, lost, repaired
end

local function cards(document, run)
    local record, found = run.record, {}
    local function add(value, label, bad)
        found[#found + 1] = { value = value, label = label, class = bad and "bad" or "" }
    end
    add(duration(run.seconds), "took")
    if not run.journal then
        local _, peak = figures.rate(record)
        local limited = figures.errors(record, "rate_limited")
        add(figures.total(record, "requests"), "requests")
        add(record.rate and record.rate > 0 and ("%d of %g"):format(peak, record.rate) or peak, "at most in one second")
        add(figures.total(record, "retries"), "retries")
        add(limited, "throttled (429)", limited > 0)
    end
    local done, lost, repaired = counts_of(document)
    add(done, "changes done")
    add(lost, "changes failed or not answered", lost > 0)
    if repaired > 0 then add(repaired, "failed at first, done later") end
    return found
end

local function row_of(failure, several)
    local call, run = failure.call, failure.run
    return {
        several = one_if(several, { run = run.number }), call = call.operation:gsub("_", " "),
        subject = cut(call.topicsRegex or call.id or "–", longest), outcome = call.outcome:gsub("_", " "),
        message = cut(call.message or "–", longest), attempts = #call.attempts,
        at = call.ended and ("%.2f"):format(call.ended) or "–",
    }
end

-- A table of these rows; none when there is nothing to show.
local function listed(rows, all, more)
    more.rows, more.more = rows, one_if(all > #rows, { shown = #rows, all = all })
    return one_if(all > 0, more)
end

local function failures(all, several)
    local rows = {}
    for i = 1, math.min(#all, most_rows) do rows[i] = row_of(all[i], several) end
    return listed(rows, #all, { several = one_if(several), number = #all })
end

-- Where several failed for one reason.
local function grouped(all)
    local rows, found = {}, causes.by_cause(all)
    for i = 1, #found < #all and math.min(#found, most_rows) or 0 do
        rows[i] = row_of(found[i].first, false)
        rows[i].count = found[i].count
    end
    return listed(rows, #rows, {})
end

local function apart(all)
    local lost, repaired = {}, {}
    for _, failure in ipairs(all) do table.insert(failure.repaired and repaired or lost, failure) end
    return lost, repaired
end

-- Mirrors that are there and did not work when they were last read, even if no call failed.
local function troubled(record)
    local found, rows = {}, {}
    for id, mirror in pairs(record.mirrors) do
        found[#found + 1] = not record.deleted[id] and broken[mirror.status] and mirror or nil
    end
    table.sort(found, function(a, b)
        return a.id < b.id
    end)
    for i = 1, math.min(#found, most_rows) do
        local mirror = found[i]
        rows[i] = {
            topics = cut(mirror.topicsRegex or "–", longest), connector = cut(mirror.connectorName or "–", longest),
            id = mirror.id, status = mirror.status,
        }
    end
    return listed(rows, #found, {})
end

-- What the script has to know of the words in a record.
local function words()
    local operations = {}
    for i, operation in ipairs(mirrors.operations) do
        operations[i] = { name = operation.name, noun = operation.noun, effect = operation.effect }
    end
    return json.encode({ operations = operations, fine = causes.fine })
end

--- The page.
---@param document kmirror.report.document
---@param record string the same as JSON, packed
---@return string
function M.of(document, record)
    local template, run = host.source("lib/kmirror/report/page.html"), document.runs[#document.runs]
    local lost, repaired = apart(causes.failures(document.runs, "calls"))
    local several, broken_ones = #document.runs > 1, troubled(run.record)
    return fill(template, {
        command = cut(document.command, longest), state = run.state,
        about = about(document, run), style = hash(template, "style"), script = hash(template, "script"),
        running = one_if(run.state == "running", { written = moment(document.written) }),
        error = one_if(document.error, { lines = lines_of(document.error) }),
        resume = one_if(document.resume, { command = document.resume }),
        cards = cards(document, run), causes = grouped(lost), failures = failures(lost, several),
        repaired = failures(repaired, several), troubled = broken_ones,
        unfailed = one_if(#lost + #broken_ones == 0),
        words = harmless(words()), record = harmless(record),
    })
end

return M
