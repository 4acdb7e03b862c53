-- A whole planned failover on the sandbox, at 35/s. The server's log tells the requests; the fewest calls are: get and
-- delete each old mirror, create each new one and get it, and one list for each of the two clusters.
return function(bench)
    local count = bench.count(400, 40)
    local fewest = 4 * count + 2
    local function printed(figure)
        return function(figures) return figures[figure] or 0 end
    end
    return {
        name = "failover",
        title = ("a planned failover of %d mirrors at 35/s"):format(count),
        rounds = 1,
        sides = { { name = "kmirror", command = "bash bench/driver/failover.sh " .. count } },
        ratios = {
            { what = "time from first request to last, beside what its requests take", at_most = 1.05,
                of = function(sides) return sides.kmirror.elapsed / (sides.kmirror.requests / 35) end },
            { what = "time from first request to last, beside what the fewest take", at_most = 1.05,
                of = function(sides) return sides.kmirror.elapsed / (fewest / 35) end },
        },
        figures = {
            { "seconds", "%.1f", printed "elapsed" },
            { "requests", "%.0f", printed "requests" },
            { "429", "%.0f", printed "refused" },
            { "lists", "%.0f", printed "list" },
            { "gets", "%.0f", printed "get" },
            { "creates", "%.0f", printed "create" },
            { "deletes", "%.0f", printed "delete" },
            { "fewest", "%.0f", function() return fewest end },
        },
    }
end
