--- Pictures: a bar for each side, as long as its median, with a line from the least to the most.

local plot = {}

local HEIGHT, LEFT, WIDTH = 26, 170, 420

local function escape(text)
    return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function bar(i, each, scale)
    local top = 40 + (i - 1) * HEIGHT
    local middle = top + HEIGHT / 2 - 4
    local spread = each.spread
    return ([[
<text x="%d" y="%.0f" text-anchor="end">%s</text>
<rect x="%d" y="%.0f" width="%.1f" height="%d" fill="%s"/>
<path d="M%.1f %.0fH%.1f" stroke="#000" stroke-width="2"/>
<text x="%.1f" y="%.0f">%s</text>
]]):format(LEFT - 8, middle + 4, escape(each.name),
        LEFT, top, spread.median * scale, HEIGHT - 8, i == 1 and "#2a78b8" or "#a9b8c4",
        LEFT + spread.minimum * scale, middle, LEFT + spread.maximum * scale,
        LEFT + spread.maximum * scale + 6, middle + 4, escape(each.show:format(spread.median)))
end

---@param title string
---@param unit string
---@param sides { name: string, spread: bench.spread, show: string }[]
---@return string svg
function plot.bars(title, unit, sides)
    local most = 0
    for _, each in ipairs(sides) do most = math.max(most, each.spread.maximum) end
    local scale, parts = WIDTH / math.max(most, 1e-9), {}
    for i, each in ipairs(sides) do parts[i] = bar(i, each, scale) end
    return ([[
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="8" y="20" font-size="14">%s: %s</text>
%s</svg>
]]):format(LEFT + WIDTH + 80, 48 + #sides * HEIGHT, escape(title), escape(unit), table.concat(parts))
end

return plot
