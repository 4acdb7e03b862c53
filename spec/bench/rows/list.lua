-- A long list: kmirror gets and checks it, stock Lua only reads the same bytes from a file and decodes them.
return function(bench)
    local count = bench.count(100000, 10000)
    local function beside(figure)
        return function(sides) return sides.kmirror[figure] / sides["lua5.4 + lua-cjson"][figure] end
    end
    return {
        name = "list",
        title = ("a list of %d mirrors"):format(count),
        sides = {
            { name = "kmirror", command = bench.kmirror(("--cluster %s run spec/bench/runbooks/list.lua %d"):format(
                bench.list_cluster(count), count)) },
            { name = "lua5.4 + lua-cjson", command = ("lua5.4 spec/bench/peers/list.lua '%s' %d"):format(
                bench.list_file(count), count) },
        },
        baseline = function(sides) return sides["lua5.4 + lua-cjson"].wall end,
        ratios = {
            { what = "time of the whole process, beside stock Lua with lua-cjson", at_most = 1.3, of = beside "wall" },
            { what = "peak memory, beside stock Lua with lua-cjson", at_most = 1.3, of = beside "rss" },
        },
        figures = {
            { "ms", "%.0f", function(figures) return figures.wall * 1000 end },
            { "CPU ms", "%.0f", function(figures) return figures.cpu * 1000 end },
            { "peak MB", "%.1f", function(figures) return figures.rss / 1e6 end },
        },
    }
end
