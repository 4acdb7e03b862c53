-- Gets over 64 connections: as many as there are in a second, and what they cost. Many short rounds, as a processor
-- that others share is faster now and slower then: a ratio is of runs that follow one another.
return function(bench)
    local count = bench.count(10000, 3000)
    local url = bench.mirror_url(bench.endpoint)
    local peers = { "Go net/http", "Node undici", "Python aiohttp", "curl -Z" }

    local function rate(figures) return count / (figures.seconds or figures.wall) end

    local function best(sides, of)
        local figure = -math.huge
        for _, name in ipairs(peers) do figure = math.max(figure, of(sides[name])) end
        return figure
    end

    local function less_cpu(figures) return -figures.cpu end

    local function peer(name, command)
        return { name = name, command = ("%s '%s' %d 64"):format(command, url, count) }
    end

    return {
        name = "gets",
        title = ("%d gets decoded, 64 connections"):format(count),
        rounds = bench.count(15, 3),
        sides = {
            { name = "kmirror",
                command = bench.kmirror("--rate 0 --concurrency 64 run spec/bench/runbooks/gets.lua " .. count) },
            peer("bare libcurl", bench.peer "bare"),
            peer("Go net/http", bench.peer "get-go"),
            peer("Node undici", "node spec/bench/peers/get.js"),
            peer("Python aiohttp", "/usr/bin/python3 spec/bench/peers/get.py"),
            { name = "curl -Z", command = ("curl -f --no-progress-meter -Z --parallel-max 64 -K '%s'"):format(
                bench.curl_config(url, count)) },
        },
        baseline = function(sides) return rate(sides["bare libcurl"]) end,
        ratios = {
            { what = "requests/s, beside the bare libcurl loop", at_least = 0.90,
                of = function(sides) return rate(sides.kmirror) / rate(sides["bare libcurl"]) end },
            { what = "requests/s, beside the best other peer", at_least = 1.4,
                of = function(sides) return rate(sides.kmirror) / best(sides, rate) end },
            { what = "processor time, beside the most frugal other peer", at_most = 0.5,
                of = function(sides) return sides.kmirror.cpu / -best(sides, less_cpu) end },
            { what = "processor time, beside the bare libcurl loop",
                of = function(sides) return sides.kmirror.cpu / sides["bare libcurl"].cpu end },
        },
        figures = {
            { "requests/s", "%.0f", rate },
            { "requests per CPU s", "%.0f", function(figures) return count / figures.cpu end },
            { "CPU s per 1,000", "%.4f", function(figures) return figures.cpu / count * 1000 end },
            { "server busy", "%.0f %%", function(figures)
                return 100 * figures.server / (figures.seconds or figures.wall)
            end },
            { "peak MB", "%.1f", function(figures) return figures.rss / 1e6 end },
        },
    }
end
