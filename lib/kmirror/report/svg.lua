--- report.svg: drawings with a time axis, as SVG to be put into a page.

local html = require("kmirror.report.html")

local M = {}

M.left, M.right, M.width = 60, 990, 1000 -- where time begins and ends, and how wide a drawing is
local axis_height = 22

local steps = { 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
    28800, 86400 }

--- A number short enough for many of them: 12.3, 400.
---@param value number
---@return string
function M.number(value)
    return (("%.1f"):format(value):gsub("%.0$", ""))
end

--- Where seconds are, from left to right.
---@param from number
---@param to number
---@return fun(seconds: number): number
function M.scale(from, to)
    local span = math.max(to - from, 0.001)
    return function(seconds)
        return M.left + (M.right - M.left) * math.max(0, math.min(1, (seconds - from) / span))
    end
end

local function step_of(span, most)
    for _, step in ipairs(steps) do
        if span / step <= most then
            return step
        end
    end
    return span / most
end

local function label_of(seconds, step)
    if step < 1 then
        return ("%g s"):format(seconds)
    elseif step < 60 and seconds < 120 then
        return ("%d s"):format(seconds // 1)
    elseif seconds < 7200 then
        return ("%d:%02d"):format(seconds // 60, seconds % 60 // 1)
    end
    return ("%d:%02d h"):format(seconds // 3600, seconds % 3600 // 60)
end

-- Lines down and labels below, at round times.
local function time_axis(from, to, height)
    local step, x, parts = step_of(to - from, 9), M.scale(from, to), {}
    for i = 0, math.floor((to - from) / step + 0.001) do
        local at = x(from + i * step)
        parts[#parts + 1] = ('<path class=grid d="M%s 0V%d"/><text class=axis x=%s y=%d text-anchor=middle>%s</text>')
            :format(M.number(at), height, M.number(at), height + 15, label_of(i * step, step))
    end
    return table.concat(parts)
end

--- A drawing of that height over time.
---@param title string for those who cannot see it
---@param from number
---@param to number
---@param height number without the axis
---@param content string
---@return string
function M.drawing(title, from, to, height, content)
    return ('<div class=scroll><svg viewBox="0 0 %d %d" role=img aria-label="%s">%s%s</svg></div>\n'):format(
        M.width, height + axis_height, html.escape(title), time_axis(from, to, height), content)
end

--- Lines across at round values, from 0 to the highest, with labels to the left.
---@param highest number
---@param height number
---@param unit string
---@return string
---@return fun(value: number): number y
function M.value_axis(highest, height, unit)
    local magnitude = 10 ^ math.floor(math.log(highest, 10))
    local step = magnitude * (highest / magnitude <= 2 and 0.5 or highest / magnitude <= 5 and 1 or 2)
    local function y(value)
        return height - (height - 8) * value / highest
    end
    local parts = {}
    for i = 0, math.floor(highest / step + 0.001) do
        parts[#parts + 1] = ('<path class=grid d="M%d %sH%d"/><text class=axis x=%d y=%s text-anchor=end>%s%s</text>')
            :format(M.left, M.number(y(i * step)), M.right, M.left - 5, M.number(y(i * step) + 4),
                ("%g"):format(i * step), unit)
    end
    return table.concat(parts), y
end

return M
