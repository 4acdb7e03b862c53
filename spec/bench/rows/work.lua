-- How what a command computes grows with the mirrors that there are, up to 10,000, and what the sandbox computes
-- meanwhile: seconds of the processor, which other work on the machine changes little. The slope is that of a straight
-- line through all four sizes, both as logarithms: 1 is linear, 2 is quadratic.
return function(bench)
    local commands = {
        "plan", "apply", "audit", "failover", "migrate", "watch", "report", "rollout", "retune", "drain", "export",
    }
    local sizes = {}
    for i = 0, 3 do sizes[i + 1] = bench.count(1250, 100) << i end

    local sides = {}
    for _, command in ipairs(commands) do
        for _, size in ipairs(sizes) do
            sides[#sides + 1] = { name = command .. " " .. size, measured = false,
                command = ("bash spec/bench/driver/work.sh %s %d"):format(command, size) }
        end
    end

    local function mean(list)
        local sum = 0
        for _, value in ipairs(list) do sum = sum + value end
        return sum / #list
    end

    local function slope(figures)
        local x, y, above, below = {}, {}, 0, 0
        for i, size in ipairs(sizes) do x[i], y[i] = math.log(size), math.log(figures[i]) end
        for i in ipairs(sizes) do
            above, below = above + (x[i] - mean(x)) * (y[i] - mean(y)), below + (x[i] - mean(x)) ^ 2
        end
        return above / below
    end

    local function slope_of(command, figure)
        return function(samples)
            local figures = {}
            for i, size in ipairs(sizes) do figures[i] = samples[command .. " " .. size][figure] end
            return slope(figures)
        end
    end

    local ratios = {}
    for _, command in ipairs(commands) do
        ratios[#ratios + 1] = { what = "slope of " .. command, at_most = 1.15, of = slope_of(command, "client") }
    end
    ratios[#ratios + 1] = { what = "slope of the sandbox, in a failover", at_most = 1.15,
        of = slope_of("failover", "sandbox") }

    return {
        name = "work",
        title = ("what commands compute, for %d to %d mirrors"):format(sizes[1], sizes[#sizes]),
        rounds = 1,
        sides = sides,
        ratios = ratios,
        figures = {
            { "CPU s", "%.2f", function(figures) return figures.client end },
            { "the sandbox's", "%.2f", function(figures) return figures.sandbox end },
            { "peak MB", "%.1f", function(figures) return figures.peak / 1e6 end },
        },
    }
end
