-- A whole planned failover on the sandbox, at 35/s. The server's log tells the requests and what was changed; README.md
-- says which requests a failover of so many mirrors cannot do without.
return function(bench)
    local count = bench.count(400, 40)
    local function printed(figure)
        return function(figures) return figures[figure] or 0 end
    end
    -- Four reads of a mirror that is deleted; one of a new one, and another when its target latency is set.
    local function fewest_gets(figures)
        return 4 * figures.delete + figures.create + (figures.update_target_latency or 0)
    end
    local function fewest(figures)
        return 3 + fewest_gets(figures) + figures.delete + figures.create + (figures.update_target_latency or 0)
    end
    return {
        name = "failover",
        title = ("a planned failover of %d mirrors at 35/s"):format(count),
        rounds = 1,
        sides = { { name = "kmirror", command = "bash spec/bench/driver/failover.sh " .. count } },
        ratios = {
            { what = "time from first request to last, beside what its requests take", at_most = 1.03,
                of = function(sides) return sides.kmirror.elapsed / (sides.kmirror.requests / 35) end },
            { what = "time from first request to last, beside what the fewest take", at_most = 1.03,
                of = function(sides) return sides.kmirror.elapsed / (fewest(sides.kmirror) / 35) end },
        },
        figures = {
            { "seconds", "%.1f", printed "elapsed" },
            { "the fewest take", "%.1f", function(figures) return fewest(figures) / 35 end },
            { "more than its requests take", "%.1f", function(figures)
                return figures.elapsed - figures.requests / 35
            end },
            { "requests", "%.0f", printed "requests" },
            { "fewest", "%.0f", fewest },
            { "429", "%.0f", printed "refused" },
            { "lists", "%.0f", printed "list" },
            { "fewest lists", "%.0f", function() return 3 end },
            { "gets", "%.0f", printed "get" },
            { "fewest gets", "%.0f", fewest_gets },
            { "creates", "%.0f", printed "create" },
            { "deletes", "%.0f", printed "delete" },
        },
    }
end
