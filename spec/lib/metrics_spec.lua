local support = require("spec.support")

local function metrics_of(...)
    local path = support.temporary("kmirror.prom")
    local result = support.run { "--sandbox", "--rate", "50", "--metrics", path, ... }
    return support.read(path), result
end

-- Each sample by its name and labels. Fails for a line that is none.
local function samples_of(text)
    local samples, families = {}, {}
    for line in text:gmatch("[^\n]+") do
        local family = line:match("^# TYPE (%S+) %l+$")
        if family then
            assert.is_nil(families[family], "two families " .. family)
            families[family] = true
        elseif line:sub(1, 1) ~= "#" then
            local name, value = line:match("^(kmirror_[%w_]+%b{}) (%S+)$")
            if not name then name, value = line:match("^(kmirror_[%w_]+) (%S+)$") end
            assert.is_truthy(tonumber(value), line)
            samples[name] = tonumber(value)
        end
    end
    return samples
end

describe("--metrics", function()
    it("holds what was requested, and how it went", function()
        local text, result = metrics_of("list")
        assert.are.equal(0, result.status, result.stderr)
        local samples = samples_of(text)
        assert.are.equal(0, samples.kmirror_run_exit_status)
        assert.are.equal(0, samples.kmirror_run_running)
        assert.are.equal(50, samples.kmirror_rate_limit)
        assert.is_truthy(text:find("# EOF\n$"))
    end)

    it("counts requests, calls and lag", function()
        local text = metrics_of("--json", "get", "00000000-0000-4000-8000-000000000000")
        local samples = samples_of(text)
        assert.are.equal(1, samples['kmirror_requests_total{operation="get",outcome="not_found"}'])
        assert.are.equal(1, samples['kmirror_calls_total{operation="get",outcome="not_found"}'])
        assert.are.equal(1, samples['kmirror_request_duration_seconds_bucket{operation="get",le="+Inf"}'])
        assert.are.equal(1, samples['kmirror_request_duration_seconds_count{operation="get"}'])
        assert.are.equal(1, samples.kmirror_run_exit_status)
    end)

    it("has the lag and status of mirrors that were looked at", function()
        local path = support.temporary("kmirror.prom")
        local result = support.run { "--sandbox", "--world", "3", "--metrics", path, "run", "-", stdin = [[
            local api = require("mirrors").connect {}
            for _, listed in ipairs(api:list()) do api:get(listed.id) end
        ]] }
        assert.are.equal(0, result.status, result.stderr)
        local text, lags = support.read(path), 0
        assert.are.equal(3, samples_of(text)['kmirror_mirrors{status="IN_SYNC"}'])
        for _ in text:gmatch("\nkmirror_mirror_lag_seconds{") do lags = lags + 1 end
        assert.are.equal(3, lags)
    end)

    it("is refused when the file cannot be written, before anything is done", function()
        local result = support.run { "--sandbox", "--metrics", "/nowhere/m", "run", "-", stdin = "print 'ran'" }
        assert.are.equal(2, result.status)
        assert.are.equal("", result.stdout)
        assert.is_truthy(result.stderr:find("cannot write /nowhere/m: No such file", 1, true))
    end)

    it("is refused for a command without the API", function()
        local result = support.run { "--metrics", "m", "version" }
        assert.are.equal(2, result.status)
        assert.are.equal("kmirror: kmirror version has no --metrics; see kmirror help version\n", result.stderr)
    end)
end)
