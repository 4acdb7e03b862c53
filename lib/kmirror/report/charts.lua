--- report.charts: the quota that was used, and how late the mirrors were, over time.

local figures = require("kmirror.report.figures")
local html = require("kmirror.report.html")
local svg = require("kmirror.report.svg")

local M = {}

local height, columns = 150, 465
local most_lines = 60 -- mirrors that are drawn one by one

local number = svg.number

-- The highest of the counts in each column, so that no peak is lost.
local function peaks(counts, seconds)
    local found, tenths = {}, math.max(1, seconds * 10)
    for tenth, count in ipairs(counts) do
        local column = math.min(columns, math.floor((tenth - 1) / tenths * columns)) + 1
        found[column] = math.max(found[column] or 0, count)
    end
    return found
end

--- Requests in any one second, against the limit.
---@param run kmirror.report.run
---@return string html
function M.quota(run)
    local record, seconds = run.record, math.max(run.seconds, 0.1)
    local counts, highest = figures.rate(record)
    local limit = record.rate and record.rate > 0 and record.rate or nil
    if highest == 0 then
        return "<p>No request was sent.</p>\n"
    end
    local axis, y = svg.value_axis(math.max(highest, limit or 1) * 1.1, height, "")
    local x, parts, last = svg.scale(0, seconds), { ("M%d %d"):format(svg.left, height) }, 0
    local per_column = peaks(counts, seconds)
    for column = 1, columns + 1 do
        local value = per_column[column]
        if value == nil and column <= #counts / (seconds * 10) * columns then
            value = last
        end
        last = value or 0
        parts[#parts + 1] = ("L%s %s"):format(number(x((column - 1) / columns * seconds)), number(y(last)))
    end
    local area = ('<path class=area d="%sV%dZ"/>'):format(table.concat(parts), height)
    local line = limit and ('<path class=limit d="M%d %sH%d"/><text class=axis x=%d y=%s text-anchor=end>limit %g'
        .. '</text>'):format(svg.left, number(y(limit)), svg.right, svg.right, number(y(limit) - 4), limit) or ""
    return svg.drawing("Requests in any one second over time", 0, seconds, height, axis .. area .. line)
end

-- ---- lag --------------------------------------------------------------------------------------------------

local function mirrors_of(record)
    local found = {}
    for _, mirror in pairs(record.mirrors) do
        local highest
        for _, point in ipairs(mirror.points) do
            highest = point[2] and math.max(highest or 0, point[2]) or highest
        end
        if #mirror.points > 0 then
            found[#found + 1] = { mirror = mirror, highest = highest }
        end
    end
    table.sort(found, function(a, b)
        local left, right = a.highest or -1, b.highest or -1
        return left > right or left == right and a.mirror.id < b.mirror.id
    end)
    return found
end

local function line_of(points, x, y)
    local parts, first = {}, true
    for _, point in ipairs(points) do
        if point[2] then
            parts[#parts + 1] = ("%s%s %s"):format(first and "M" or "L", number(x(point[1])), number(y(point[2])))
        end
        first = first and not point[2]
    end
    return table.concat(parts)
end

local function draw_mirror(each, x, y)
    local mirror, parts = each.mirror, {}
    parts[1] = ("<g><title>%s: at most %d ms</title>"):format(html.escape(mirror.topicsRegex or mirror.id, 80),
        each.highest)
    parts[2] = ('<path class=lag d="%s"/>'):format(line_of(mirror.points, x, y))
    for _, point in ipairs(mirror.points) do
        if point[2] and #mirror.points <= 60 then
            parts[#parts + 1] = ('<circle class=lag cx=%s cy=%s r=1.8 />'):format(number(x(point[1])),
                number(y(point[2])))
        end
    end
    parts[#parts + 1] = "</g>"
    return table.concat(parts)
end

local lag_columns = {
    { "Topics", function(each) return each.mirror.topicsRegex or each.mirror.id end },
    { "Connector", function(each) return each.mirror.connectorName end },
    { "Status", function(each) return each.mirror.status end },
    { "First, ms", function(each) return each.mirror.points[1][2] or nil end,
        sort = function(each) return each.mirror.points[1][2] or -1 end },
    { "Highest, ms", function(each) return each.highest end, sort = function(each) return each.highest end },
    { "Last, ms", function(each) return each.mirror.points[#each.mirror.points][2] or nil end,
        sort = function(each) return each.mirror.points[#each.mirror.points][2] or -1 end },
    { "Target, ms", function(each) return each.mirror.target end, sort = function(each) return each.mirror.target end },
    { "Looks", function(each) return #each.mirror.points end, sort = function(each) return #each.mirror.points end },
}

local most_rows = 300

--- How late mirrors were, each time that one was looked at; the latest of them by name.
---@param run kmirror.report.run
---@return string html
function M.lag(run)
    local found, seconds = mirrors_of(run.record), math.max(run.seconds, 0.1)
    if #found == 0 then
        return "<p>No mirror was looked at.</p>\n"
    end
    local drawing = ""
    if found[1].highest then
        local axis, y = svg.value_axis(math.max(found[1].highest, 1) * 1.1, height, "")
        local x, parts = svg.scale(0, seconds), { axis }
        for i = 1, math.min(#found, most_lines) do
            parts[#parts + 1] = found[i].highest and draw_mirror(found[i], x, y) or nil
        end
        drawing = svg.drawing("Lag of mirrors over time, ms", 0, seconds, height, table.concat(parts, "\n"))
    end
    local note = #found > most_lines and ("<p class=note>The %d that were latest are drawn, of %d.</p>\n")
        :format(most_lines, #found) or ""
    local rows = table.move(found, 1, math.min(#found, most_rows), 1, {})
    return ("%s%s<details%s><summary>%s</summary>%s</details>\n"):format(drawing, note, #rows <= 12 and " open" or "",
        html.count(#found, "mirror") .. (#rows < #found and (", the latest %d"):format(#rows) or ""),
        html.table(lag_columns, rows, "class=sortable"))
end

return M
