-- The same gets over TLS, by HTTP/1.1 as kmirror always speaks it.
return function(bench)
    local count = bench.count(2000, 1000)
    local ca = bench.work .. "/ca.pem"
    local function rate(figures) return count / figures.seconds end
    return {
        name = "tls",
        title = ("%d gets over TLS, 64 connections"):format(count),
        rounds = bench.count(9, 3),
        sides = {
            { name = "kmirror", command = bench.kmirror(
                ("--endpoint %s --ca-file '%s' --rate 0 --concurrency 64 run spec/bench/runbooks/gets.lua %d"):format(
                bench.tls, ca, count)) },
            { name = "bare libcurl", command = ("%s '%s' %d 64 '%s'"):format(bench.peer "bare",
                bench.mirror_url(bench.tls), count, ca) },
        },
        baseline = function(sides) return rate(sides["bare libcurl"]) end,
        ratios = {
            { what = "requests/s, beside the bare libcurl loop", at_least = 0.95,
                of = function(sides) return rate(sides.kmirror) / rate(sides["bare libcurl"]) end },
        },
        figures = {
            { "requests/s", "%.0f", rate },
            { "CPU s per 1,000", "%.4f", function(figures) return figures.cpu / count * 1000 end },
            { "server busy", "%.0f %%", function(figures) return 100 * figures.server / figures.seconds end },
        },
    }
end
