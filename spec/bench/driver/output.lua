--- What is shown and written: a table of the ratios on stdout, and in build/bench/ the same as Markdown with the
--- figures of each side, as JSON with those of each round, and as pictures.

local cjson = require("cjson")
local plot = require("plot")
local rounds = require("rounds")

local output = {}

-- ---- tables ----

local function length(cell)
    return utf8.len(cell)
end

local function line(cells, widths)
    local padded = {}
    for i, cell in ipairs(cells) do
        local space = (" "):rep(widths[i] - length(cell))
        padded[i] = i == 1 and cell .. space or space .. cell
    end
    return "| " .. table.concat(padded, " | ") .. " |"
end

-- As Markdown, which is easy to read as it is.
local function markdown(lines)
    local widths, rule, text = {}, {}, {}
    for _, cells in ipairs(lines) do
        for i, cell in ipairs(cells) do widths[i] = math.max(widths[i] or 3, length(cell)) end
    end
    for i, width in ipairs(widths) do
        rule[i] = i == 1 and ("-"):rep(width) or ("-"):rep(width - 1) .. ":"
    end
    for _, cells in ipairs(lines) do text[#text + 1] = line(cells, widths) end
    table.insert(text, 2, line(rule, widths))
    return table.concat(text, "\n") .. "\n"
end

-- ---- ratios ----

local function goal(ratio)
    local number = (ratio.show or "%.2f"):format(ratio.at_least or ratio.at_most or 0)
    return ratio.at_least and "at least " .. number or ratio.at_most and "at most " .. number or ""
end

-- The median decides.
local function met(ratio, spread)
    if ratio.at_least then return spread.median >= ratio.at_least end
    if ratio.at_most then return spread.median <= ratio.at_most end
end

local function ratio_lines(results)
    local lines = { { "what", "minimum", "median", "maximum", "goal", "met" } }
    for _, result in ipairs(results) do
        for _, ratio in ipairs(result.row.ratios) do
            local spread, show = rounds.spread(result.samples, ratio.of), ratio.show or "%.2f"
            local well = met(ratio, spread)
            lines[#lines + 1] = { result.row.name .. ": " .. ratio.what, show:format(spread.minimum),
                show:format(spread.median), show:format(spread.maximum), goal(ratio),
                well == nil and "" or well and "yes" or "no" }
        end
    end
    return lines
end

-- ---- figures of each side ----

local function figure(samples, side, of)
    return rounds.spread(samples, function(sides) return of(sides[side.name], side) end)
end

local function figure_lines(result)
    local lines = { { "median of " .. #result.samples } }
    for _, shown in ipairs(result.row.figures) do table.insert(lines[1], shown[1]) end
    for _, side in ipairs(rounds.sides(result.row)) do
        local cells = { side.name }
        for _, shown in ipairs(result.row.figures) do
            cells[#cells + 1] = shown[2]:format(figure(result.samples, side, shown[3]).median)
        end
        lines[#lines + 1] = cells
    end
    return lines
end

local function bars(result)
    local shown, all = result.row.figures[1], {}
    for _, side in ipairs(rounds.sides(result.row)) do
        all[#all + 1] = { name = side.name, spread = figure(result.samples, side, shown[3]), show = shown[2] }
    end
    return plot.bars(result.row.title, shown[1], all)
end

-- ---- how far it can be trusted ----

local function trust(results)
    local wandered = {}
    for _, result in ipairs(results) do
        local wander = rounds.wander(result.row, result.samples)
        if wander then
            wandered[#wandered + 1] = ("%s %.0f %%%s"):format(result.row.name, 100 * (wander - 1),
                wander > rounds.STEADY and " (the machine was busy, also when it was tried again)" or "")
        end
    end
    return #wandered == 0 and "" or "From its best round to its worst, what each row is measured beside wandered by: "
        .. table.concat(wandered, ", ") .. ".\n"
end

-- ---- where it was ----

local function first_line(command)
    local pipe = io.popen(command .. " 2> /dev/null")
    local text = pipe:read "l"
    pipe:close()
    return text or "?"
end

local function machine(context)
    local where = "%s; %s processors: %s; load %.1f before, %.1f after; Linux %s; nginx, one worker, "
        .. "on the same machine"
    return where:format(
        os.date "%Y-%m-%d %H:%M", first_line "nproc", first_line [[sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo]],
        context.load, io.open "/proc/loadavg":read "n", first_line "uname -r")
end

local function report(results, where)
    local parts = { "# Benchmarks\n", where .. "\n", markdown(ratio_lines(results)), trust(results) }
    for _, result in ipairs(results) do
        parts[#parts + 1] = "## " .. result.row.title .. "\n"
        parts[#parts + 1] = markdown(figure_lines(result))
        parts[#parts + 1] = ("![%s](%s.svg)\n"):format(result.row.title, result.row.name)
    end
    return table.concat(parts, "\n")
end

local function document(results, where)
    local rows = {}
    for i, result in ipairs(results) do
        local ratios = {}
        for j, ratio in ipairs(result.row.ratios) do
            local spread = rounds.spread(result.samples, ratio.of)
            ratios[j] = { what = ratio.what, minimum = spread.minimum, median = spread.median, maximum = spread.maximum,
                values = spread.values, at_least = ratio.at_least, at_most = ratio.at_most, met = met(ratio, spread) }
        end
        rows[i] = { name = result.row.name, title = result.row.title, ratios = ratios, samples = result.samples }
    end
    return cjson.encode { machine = where, rows = rows } .. "\n"
end

---@param results { row: bench.row, samples: bench.samples }[]
---@param context table
function output.write(results, context)
    local where = machine(context) .. (context.quick and "; small counts: a quick look" or "")
    local function write(name, content)
        local file = assert(io.open(context.results .. "/" .. name, "w"))
        assert(file:write(content))
        file:close()
    end
    write("bench.md", report(results, where))
    write("bench.json", document(results, where))
    for _, result in ipairs(results) do write(result.row.name .. ".svg", bars(result)) end
    print(where .. "\n")
    io.stdout:write(markdown(ratio_lines(results)), trust(results))
    print(("\n%d s; more in %s/bench.md"):format(os.difftime(os.time(), context.began), context.results))
end

return output
