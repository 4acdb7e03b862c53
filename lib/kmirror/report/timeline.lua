--- report.timeline: steps and calls over time: when each call was asked for, waited, was sent, retried and answered.

local figures = require("kmirror.report.figures")
local html = require("kmirror.report.html")
local mirrors = require("mirrors")
local svg = require("kmirror.report.svg")
local text = require("kmirror.text")

local M = {}

local most_drawn = 1500 -- calls that are drawn one by one
local step_height, lane_height = 22, 9
local letter_width, label_gap = 6.4, 5 -- of labels: about as wide as their letters are, on the safe side

local step_template = '<g><title>{title}</title><rect class="{class}" x={from} y={top} width={width} height={height} '
    .. 'rx=2 /><text class=label x={at} y={base} text-anchor={anchor}>{label}</text></g>\n'

local number = svg.number

-- ---- steps ------------------------------------------------------------------------------------------------

-- Where a label goes: into its bar if that is long enough, else beside it, else as far to the left as it has to.
local function place_label(label, from, to)
    local width = text.width(label) * letter_width
    if to - from >= width + 2 * label_gap then
        return from + label_gap, "start"
    elseif to + label_gap + width <= svg.width then
        return to + label_gap, "start"
    elseif from - label_gap >= width then
        return from - label_gap, "end"
    end
    return svg.width - label_gap, "end"
end

local function draw_step(step, x, y, now)
    local ended = step.ended or now
    local from, to = x(step.started), x(ended)
    local label = ("%s, %s"):format(text.cut(text.clean(step.title), 80), html.seconds(ended - step.started))
    local at, anchor = place_label(label, from, math.max(to, from + 2))
    return html.fill(step_template, {
        title = ("%s: %s"):format(step.title, step.error or step.outcome or "under way"), label = label,
        class = step.error and "failed" or step.ended and "step" or "step open",
        from = number(from), width = number(math.max(2, to - from)), top = number(y + 3),
        height = number(step_height - 6), at = number(at), base = number(y + 15), anchor = anchor,
    })
end

-- The steps as bars, one below the other, and how high that is.
local function steps_of(record, x, now)
    local parts = {}
    for i, step in ipairs(record.steps) do
        parts[i] = draw_step(step, x, (i - 1) * step_height, now)
    end
    return table.concat(parts), #record.steps * step_height
end

-- ---- calls ------------------------------------------------------------------------------------------------

-- Puts each call into the first lane that is free by then; the number of lanes.
local function place(calls, now, gap)
    local free, lanes = {}, {}
    table.sort(calls, function(a, b)
        return a.asked < b.asked or a.asked == b.asked and a.number < b.number
    end)
    for _, call in ipairs(calls) do
        local lane = 1
        while free[lane] and free[lane] > call.asked do
            lane = lane + 1
        end
        free[lane] = math.max(call.ended or now, call.asked + gap) + gap / 4
        lanes[call] = lane
    end
    return lanes, #free
end

local function bar(parts, class, from, to, y, height)
    parts[#parts + 1] = ('<rect class="%s" x=%s y=%s width=%s height=%s />'):format(class, number(from), number(y),
        number(math.max(0.8, to - from)), number(height))
end

local function note_of(call)
    local subject = call.topicsRegex or call.id or call.cluster
    return ("#%d %s %s: %s"):format(call.number, html.escape((call.operation:gsub("_", " "))),
        html.escape(subject, 80), html.escape(call.outcome))
end

-- One call: a thin line while it waits, a bar while a request is under way, one in red when that failed.
local function draw_call(call, x, y, now)
    local parts = { ('<g class=call data-call=%d><title>%s</title>'):format(call.number, note_of(call)) }
    bar(parts, "waited", x(call.asked), x(call.ended or now), y + 3, 1.5)
    for _, wait in ipairs(call.waits) do
        bar(parts, "backoff", x(wait.from), x(math.min(wait.to, call.ended or now)), y + 1.5, 4.5)
    end
    for i, attempt in ipairs(call.attempts) do
        local wanted = not attempt.error or call.outcome == "gone" and i == #call.attempts
        local class = wanted and mirrors.operations[attempt.operation].effect or "failed"
        bar(parts, class, x(attempt.sent or attempt.granted or attempt.ended), x(attempt.ended), y, 7.5)
    end
    if #call.attempts == 0 then
        bar(parts, call.outcome == "under way" and "open" or "recorded", x(call.asked), x(call.ended or now), y + 1, 5)
    end
    parts[#parts + 1] = "</g>"
    return table.concat(parts)
end

local function calls_of(calls, x, top, now)
    local gap = 2 * now / svg.width
    local lanes, count = place(calls, now, gap)
    local parts = {}
    for _, call in ipairs(calls) do
        parts[#parts + 1] = draw_call(call, x, top + (lanes[call] - 1) * lane_height, now)
    end
    return table.concat(parts, "\n"), count * lane_height
end

-- ---- all --------------------------------------------------------------------------------------------------

local legend = [[<p class=legend><span><i class=reads></i>list, get</span><span><i class=makes></i>create</span>
<span><i class=alters></i>set latency</span><span><i class=removes></i>delete</span>
<span><i class=failed></i>failed attempt</span><span><i class=backoff></i>wait before a retry</span>
<span><i class=waited></i>waiting for its turn</span></p>
]]

--- The timeline of a run.
---@param run kmirror.report.run
---@return string html
function M.of(run)
    local record, now = run.record, math.max(run.seconds, 0.05)
    local calls, left_out = figures.telling(record, run.under_way or {}, most_drawn)
    if #calls == 0 and #record.steps == 0 then
        return "<p>No call was made.</p>\n"
    end
    local x = svg.scale(0, now)
    local steps, steps_height = steps_of(record, x, now)
    local top = steps_height > 0 and steps_height + 8 or 4
    local drawn, height = calls_of(calls, x, top, now)
    local note = left_out > 0 and ("<p class=note>%d more calls succeeded at once and are not drawn: failed, retried, "
        .. "changing and slow ones are.</p>\n"):format(left_out) or ""
    return legend .. svg.drawing("Steps and calls over time", 0, now, top + height + 4, steps .. drawn) .. note
end

return M
