-- What --job costs: each change is written down before it is sent and after it was answered. Every run has a state
-- folder of its own, so that nobody waits for the window of the one before.
return function(bench)
    local unlimited, limited = bench.count(2000, 500), bench.count(200, 71)
    local runs = 0

    local function side(name, rate, count, job)
        runs = runs + 1
        local state = ("env XDG_STATE_HOME='%s/journal-%d' KMIRROR_ENDPOINT=%s "):format(bench.work, runs,
            bench.sandbox)
        return { name = name, command = state .. bench.kmirror(
            ("--rate %d %s run spec/bench/runbooks/changes.lua %d"):format(rate, job and "--job bench" or "", count)) }
    end

    local function dearer(with, without)
        return function(sides) return sides[with].seconds / sides[without].seconds end
    end

    return {
        name = "journal",
        title = ("%d changes as fast as they go, %d at 35/s, with --job and without"):format(unlimited, limited),
        sides = function()
            return {
                side("no limit", 0, unlimited, false),
                side("no limit, --job", 0, unlimited, true),
                side("35/s", 35, limited, false),
                side("35/s, --job", 35, limited, true),
            }
        end,
        baseline = function(sides) return sides["no limit"].seconds end,
        ratios = {
            { what = "time with --job at 35/s, beside without", at_most = 1.02, show = "%.3f",
                of = dearer("35/s, --job", "35/s") },
            { what = "time with --job and no limit, beside without", at_most = 3,
                of = dearer("no limit, --job", "no limit") },
        },
        figures = {
            { "seconds", "%.2f", function(figures) return figures.seconds end },
            { "CPU s", "%.2f", function(figures) return figures.cpu end },
        },
    }
end
