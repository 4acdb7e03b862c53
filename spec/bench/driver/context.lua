--- What the rows are made with.

local context = {
    quick = os.getenv "QUICK" == "1",
    began = os.time(),
    load = io.open "/proc/loadavg":read "n", -- of the last minute, when nothing has been measured yet
    kmirror_path = os.getenv "KMIRROR",
    endpoint = os.getenv "KMIRROR_ENDPOINT",
    tls = os.getenv "BENCH_TLS",
    sandbox = os.getenv "BENCH_SANDBOX",
    results = os.getenv "BENCH",
    work = os.getenv "BENCH" .. "/work",
}

--- How much of something: as much as it takes, or as little as does for a quick look.
---@param full integer
---@param quick integer
function context.count(full, quick)
    return context.quick and quick or full
end

--- The command line of kmirror. It is told to be quiet and to ask nothing.
function context.kmirror(arguments)
    return ("'%s' --yes --log-level error %s"):format(context.kmirror_path, arguments)
end

--- The command of a peer that bench.sh has built.
function context.peer(name)
    return ("'%s/%s'"):format(context.results, name)
end

function context.write(name, content)
    local path = context.work .. "/" .. name
    local file = assert(io.open(path, "w"))
    assert(file:write(content))
    file:close()
    return path
end

--- The URL of a mirror, the same that kmirror asks for.
function context.mirror_url(endpoint)
    return ("%s/provisioning/v1/%s/kafka-connect/mirrors/5a9b1c52-0000-4000-8000-00000000a001"):format(endpoint,
        os.getenv "KMIRROR_CLUSTER")
end

--- A configuration file for curl, with so many times a URL.
function context.curl_config(url, count)
    local transfer = ('url = "%s"\noutput = "/dev/null"\n'):format(url)
    return context.write("curl.config", ('user = "%s"\n'):format(os.getenv "BENCH_USER") .. transfer:rep(count))
end

--- The cluster whose list has that many mirrors; see bench.sh.
function context.list_cluster(count)
    return ("5a9b1c52-0000-4000-8000-9%011d"):format(count)
end

function context.list_file(count)
    return ("%s/lists/%s.json"):format(context.work, context.list_cluster(count))
end

return context
