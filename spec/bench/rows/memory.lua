-- Memory over a long run of gets, after a tenth of them, half and all.
return function(bench)
    local count = bench.count(200000, 20000)
    local function megabytes(figure)
        return function(figures) return figures[figure] / 1e6 end
    end
    return {
        name = "memory",
        title = ("memory over %d gets, 64 connections"):format(count),
        rounds = bench.count(5, 1),
        sides = {
            { name = "kmirror",
                command = bench.kmirror("--rate 0 --concurrency 64 run spec/bench/runbooks/gets.lua " .. count) },
        },
        ratios = {
            { what = "memory after all gets, beside after a tenth of them", at_most = 1.02, show = "%.3f",
                of = function(sides) return sides.kmirror.memory_100 / sides.kmirror.memory_10 end },
            { what = "peak memory, MB", at_most = 25, show = "%.1f",
                of = function(sides) return sides.kmirror.rss / 1e6 end },
        },
        figures = {
            { "MB after 10 %", "%.2f", megabytes "memory_10" },
            { "50 %", "%.2f", megabytes "memory_50" },
            { "100 %", "%.2f", megabytes "memory_100" },
            { "peak", "%.2f", megabytes "rss" },
        },
    }
end
