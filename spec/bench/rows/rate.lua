-- How much of 35 requests a second is used (rate.sh, shorter), by one process and by four that share it.
return function(bench)
    local seconds = bench.count(8, 2)
    local function side(name, processes)
        local script = ("PROCESSES=%d SECONDS_EACH=%d bash spec/bench/rate.sh"):format(processes, seconds)
        return { name = name, measured = false,
            command = script .. [[ | awk 'NR > 2 { print "accepted", $3; print "refused", $4; print "used", $8 }']] }
    end
    local function printed(figure)
        return function(figures) return figures[figure] end
    end
    return {
        name = "rate",
        title = ("use of a sliding window of 35/s, %d s"):format(seconds),
        sides = { side("one process", 1), side("four processes", 4) },
        ratios = {
            { what = "share of the allowed rate, one process", at_least = 0.97, show = "%.3f",
                of = function(sides) return sides["one process"].used / 100 end },
            { what = "share of the allowed rate, four processes", at_least = 0.95, show = "%.3f",
                of = function(sides) return sides["four processes"].used / 100 end },
            { what = "answers 429, both together", at_most = 0, show = "%.0f", of = function(sides)
                return sides["one process"].refused + sides["four processes"].refused
            end },
        },
        figures = { { "accepted", "%.0f", printed "accepted" }, { "429", "%.0f", printed "refused" } },
    }
end
