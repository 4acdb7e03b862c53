-- An empty runbook, from start to end.
return function(bench)
    local empty = bench.write("empty.lua", "")
    local function beside_host(side)
        return function(sides) return sides[side].wall / sides["bare host"].wall end
    end
    local starts = bench.count(20, 5)
    return {
        name = "startup",
        title = "start-up: an empty runbook",
        sides = {
            { name = "kmirror", times = starts, command = ("'%s' run '%s'"):format(bench.kmirror_path, empty) },
            { name = "kmirror with options", times = starts, command = bench.kmirror(("run '%s'"):format(empty)) },
            { name = "bare host", times = starts, command = bench.peer("host") .. (" '%s'"):format(empty) },
        },
        baseline = function(sides) return sides["bare host"].wall end,
        ratios = {
            { what = "time from start to end, beside a bare host", at_most = 1.25, of = beside_host "kmirror" },
            { what = "time with options, beside without", at_most = 1.1, of = function(sides)
                return sides["kmirror with options"].wall / sides.kmirror.wall
            end },
        },
        figures = {
            { "ms", "%.2f", function(figures) return figures.wall * 1000 end },
            { "CPU ms", "%.2f", function(figures) return figures.cpu * 1000 end },
            { "peak MB", "%.1f", function(figures) return figures.rss / 1e6 end },
        },
    }
end
