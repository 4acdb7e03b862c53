-- What tasks cost, beside those of cqueues and beside the coroutines that they are made of.
return function(bench)
    local counts = ("%d %d %d"):format(bench.count(1000000, 100000), bench.count(200000, 20000),
        bench.count(100000, 20000))
    local function beside_cqueues(figure)
        return function(sides) return sides.kmirror[figure] / sides.cqueues[figure] end
    end
    local function printed(figure)
        return function(figures) return figures[figure] end
    end
    return {
        name = "tasks",
        title = "tasks: switches, spawn + join, sleepers",
        sides = {
            { name = "kmirror", command = bench.kmirror("run spec/bench/runbooks/tasks.lua " .. counts) },
            { name = "cqueues", command = "lua5.4 spec/bench/peers/cqueues.lua " .. counts },
            { name = "coroutines", command = "lua5.4 spec/bench/peers/coroutines.lua " .. counts },
        },
        baseline = function(sides) return sides.cqueues.switch end,
        ratios = {
            { what = "task switch, beside cqueues", at_most = 1, of = beside_cqueues "switch" },
            { what = "spawn + join, beside cqueues", at_most = 1, of = beside_cqueues "spawn" },
            { what = "bytes of a sleeping task over a coroutine", at_most = 1024, show = "%.0f",
                of = function(sides) return sides.kmirror.memory - sides.coroutines.memory end },
        },
        figures = {
            { "switch ns", "%.0f", printed "switch" },
            { "spawn + join ns", "%.0f", printed "spawn" },
            { "bytes each, asleep", "%.0f", printed "memory" },
        },
    }
end
