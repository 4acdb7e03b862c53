--- report.page: the report of a run, or of all runs of a job, as one page that needs nothing else.
---
--- page.html is the page. Here is filled in what has to be readable where no script runs: how it went, what changed,
--- what failed and how to continue. All else is drawn by the page's script, from the packed document that lies in it.

local causes = require("kmirror.report.causes")
local figures = require("kmirror.report.figures")
local host = require("host")
local json = require("kmirror.json")
local mirrors = require("mirrors")
local text = require("kmirror.text")

local M = {}

local most_rows = 200 -- failures that are plain HTML
local most_open = 6 -- calls of one cause that are not folded up
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
    if length <= most then return valid end
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
        if not start then return table.concat(parts) end
        for _, item in ipairs(values[name] or {}) do parts[#parts + 1] = fill(inner, item) end
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

local function is_change(call)
    return mirrors.operations[call.operation].effect ~= "reads"
end

-- How many changes of each operation were done, or would be.
local function changed_of(document, outcome)
    local counts, words = {}, {}
    for _, run in ipairs(document.runs) do
        for _, change in ipairs(run.record.changes) do
            local is_one = change.outcome == outcome
            counts[change.operation] = (counts[change.operation] or 0) + (is_one and 1 or 0)
        end
    end
    local sum = 0
    for _, operation in ipairs(mirrors.operations) do
        local count = counts[operation.name] or 0
        sum = sum + count
        words[#words + 1] = count > 0 and text.count(count, operation.noun or operation.name) or nil
    end
    return sum, table.concat(words, ", ")
end

local function changed_words(document)
    local done, words = changed_of(document, "done")
    local planned, plan = changed_of(document, "planned")
    if planned > 0 then return ("Dry run, nothing was changed. It would be: %s."):format(plan) end
    return done > 0 and ("Changed: %s."):format(words) or "Nothing was changed."
end

local function cards(document, run, lasting, repaired)
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
    local failed, mended = causes.count(lasting, is_change), causes.count(repaired, is_change)
    add(changed_of(document, "done"), "changes done")
    add(failed, "changes failed or not answered", failed > 0)
    if mended > 0 then add(mended, "failed at first, done later") end
    return found
end

local function row_of(call, run, several)
    return {
        several = one_if(several, { run = run }), call = call.operation:gsub("_", " "),
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

-- A cause in words, and its calls; these are folded up where there are many.
local function cause_of(cause, room, several)
    local rows = {}
    for i = 1, math.min(#cause.calls, room) do
        rows[i] = row_of(cause.calls[i].call, cause.calls[i].run, several)
    end
    return {
        call = cause.operation:gsub("_", " "), outcome = cause.outcome:gsub("_", " "),
        count = text.count(#cause.calls, "call") .. (cause.tries > #cause.calls
            and (", after %d in vain,"):format(cause.tries - #cause.calls) or ""),
        about = text.count(cause.mirrors, "mirror"),
        message = cut(cause.message or "–", longest), open = #rows <= most_open and "open" or "",
        several = one_if(several), rows = rows,
    }
end

local function failures(document, lasting)
    local shown, all, found, several = 0, causes.count(lasting), {}, #document.runs > 1
    for i, cause in ipairs(lasting) do
        found[i] = cause_of(cause, most_rows - shown, several)
        shown = shown + #found[i].rows
    end
    return one_if(all > 0, {
        causes = found, title = ("%s, %s"):format(text.count(all, "call"), text.count(#lasting, "cause")),
        more = one_if(all > shown, { shown = shown, all = all }),
    })
end

local function mended(repaired)
    local found = {}
    for i, cause in ipairs(repaired) do found[i] = cause_of(cause, 0) end
    return one_if(#repaired > 0, {
        causes = found, title = ("%s, %s"):format(text.count(causes.count(repaired), "call"),
            text.count(#repaired, "cause")),
    })
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
    local lasting, repaired = causes.of(document)
    local failed, broken_ones, repairs = failures(document, lasting), troubled(run.record), mended(repaired)
    return fill(template, {
        command = cut(document.command, longest), state = run.state,
        about = about(document, run), style = hash(template, "style"), script = hash(template, "script"),
        running = one_if(run.state == "running", { written = moment(document.written) }),
        result = one_if(document.result, { lines = lines_of(document.result) }), changed = changed_words(document),
        error = one_if(document.error, { lines = lines_of(document.error) }),
        resume = one_if(document.resume, { command = document.resume }),
        cards = cards(document, run, lasting, repaired), failures = failed, troubled = broken_ones, mended = repairs,
        unfailed = one_if(#failed + #broken_ones + #repairs == 0),
        words = harmless(words()), record = harmless(record),
    })
end

return M
