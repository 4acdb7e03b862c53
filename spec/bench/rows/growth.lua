-- How the cost grows: lists of 1,000, 10,000 and 100,000 mirrors; 1, 10 and 100 clusters of 20 mirrors, each mirror
-- got. The slope is that of time over size, both as logarithms: 1 is linear, 2 is quadratic.
return function(bench)
    local function slope(smaller, larger, factor)
        return function(sides) return math.log(sides[larger].seconds / sides[smaller].seconds) / math.log(factor) end
    end

    local sides = {}
    local function side(name, count, command)
        sides[#sides + 1] = { name = name, command = bench.kmirror("--rate 0 " .. command), count = count }
    end
    local function list(name, count)
        side(name, count, ("--cluster %s run spec/bench/runbooks/list.lua %d"):format(bench.list_cluster(count), count))
    end
    list("1,000 mirrors", 1000)
    list("10,000 mirrors", 10000)
    list("100,000 mirrors", 100000)
    side("1 cluster", 1, "run spec/bench/runbooks/clusters.lua 1")
    side("10 clusters", 10, "run spec/bench/runbooks/clusters.lua 10")
    side("100 clusters", 100, "run spec/bench/runbooks/clusters.lua 100")

    return {
        name = "growth",
        title = "how cost grows",
        sides = sides,
        ratios = {
            { what = "slope from 1,000 to 100,000 mirrors listed", at_most = 1.1,
                of = slope("1,000 mirrors", "100,000 mirrors", 100) },
            { what = "slope from 10,000 to 100,000 mirrors listed", at_most = 1.1,
                of = slope("10,000 mirrors", "100,000 mirrors", 10) },
            { what = "slope from 1 to 100 clusters in full", at_most = 1.1,
                of = slope("1 cluster", "100 clusters", 100) },
            { what = "slope from 10 to 100 clusters in full", at_most = 1.1,
                of = slope("10 clusters", "100 clusters", 10) },
        },
        figures = {
            { "ms", "%.2f", function(figures) return figures.seconds * 1000 end },
            { "µs each", "%.2f", function(figures, one) return figures.seconds / one.count * 1e6 end },
            { "peak MB", "%.1f", function(figures) return figures.rss / 1e6 end },
        },
    }
end
