--- report.metrics: what --metrics FILE holds: figures of a run as OpenMetrics text, for a collector that reads files.

local figures = require("kmirror.report.figures")
local order = require("kmirror.order")
local records = require("kmirror.report.record")

local M = {}

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function quote(value)
    return '"' .. require("kmirror.text").valid(tostring(value)):gsub('[\\"\n]', escapes) .. '"'
end

-- Labels in the order in which they are given: { "operation", "get", "outcome", "done" }.
local function labels_of(labels)
    local parts = {}
    for i = 1, #labels, 2 do
        parts[#parts + 1] = ("%s=%s"):format(labels[i], quote(labels[i + 1]))
    end
    return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function number(value)
    return math.type(value) == "integer" and ("%d"):format(value) or ("%.6g"):format(value)
end

---@class kmirror.metrics.family
local Text = {}
Text.__index = Text

function Text:family(name, kind, help, unit)
    self.name = "kmirror_" .. name
    table.insert(self, ("# TYPE %s %s"):format(self.name, kind))
    if unit then table.insert(self, ("# UNIT %s %s"):format(self.name, unit)) end
    table.insert(self, ("# HELP %s %s"):format(self.name, help))
end

function Text:sample(suffix, labels, value)
    table.insert(self, ("%s%s%s %s"):format(self.name, suffix, labels_of(labels), number(value)))
end

local function by_outcome(text, record, field)
    for _, operation in ipairs(order.keys(record.totals)) do
        local counts = record.totals[operation][field]
        for _, outcome in ipairs(order.keys(counts)) do
            text:sample("_total", { "operation", operation, "outcome", outcome }, counts[outcome])
        end
    end
end

local function by_operation(text, record, field)
    for _, operation in ipairs(order.keys(record.totals)) do
        text:sample("_total", { "operation", operation }, record.totals[operation][field])
    end
end

local function histogram(text, record)
    for _, operation in ipairs(order.keys(record.totals)) do
        local totals = record.totals[operation]
        for i, limit in ipairs(records.buckets) do
            text:sample("_bucket", { "operation", operation, "le", ("%.6g"):format(limit):gsub("^%d+$", "%0.0") },
                totals.buckets[i])
        end
        text:sample("_bucket", { "operation", operation, "le", "+Inf" }, totals.requests)
        text:sample("_sum", { "operation", operation }, totals.wire)
        text:sample("_count", { "operation", operation }, totals.requests)
    end
end

local function mirrors(text, record)
    for _, id in ipairs(order.keys(record.mirrors)) do
        local mirror = record.mirrors[id]
        local last = mirror.points[#mirror.points]
        if last and last[2] then
            text:sample("", { "cluster", mirror.cluster, "mirror", id, "connector", mirror.connectorName or "" },
                last[2] / 1000)
        end
    end
end

local function statuses(text, record)
    local counts = {}
    for _, mirror in pairs(record.mirrors) do
        local last = mirror.points[#mirror.points]
        if last and last[3] then counts[last[3]] = (counts[last[3]] or 0) + 1 end
    end
    for _, status in ipairs(order.keys(counts)) do
        text:sample("", { "status", status }, counts[status])
    end
end

local function of_requests(text, record)
    text:family("requests", "counter", "Attempts of requests, by what came of them.")
    by_outcome(text, record, "errors")
    text:family("calls", "counter", "Calls with all their attempts, by what came of them.")
    by_outcome(text, record, "outcomes")
    text:family("retries", "counter", "Attempts after the first.")
    by_operation(text, record, "retries")
    text:family("quota_wait_seconds", "counter", "Time that calls waited for the quota.", "seconds")
    by_operation(text, record, "quota")
    text:family("retry_wait_seconds", "counter", "Time that calls waited before retries.", "seconds")
    by_operation(text, record, "backoff")
    text:family("request_duration_seconds", "histogram", "From when a request was sent until it ended.", "seconds")
    histogram(text, record)
end

local function of_run(text, run, about)
    text:family("run", "info", "The run.")
    text:sample("_info", { "command", about.command, "job", about.job or "", "version", about.version }, 1)
    text:family("run_start_time_seconds", "gauge", "When it began, since the epoch.", "seconds")
    table.insert(text, ("kmirror_run_start_time_seconds %.3f"):format(run.started))
    text:family("run_duration_seconds", "gauge", "How long it took, or has taken.", "seconds")
    text:sample("", {}, run.seconds)
    text:family("run_running", "gauge", "1 while it runs.")
    text:sample("", {}, run.status and 0 or 1)
    if run.status then
        text:family("run_exit_status", "gauge", "0 done, 1 failed, 2 usage, 3 some items failed, 130 interrupted.")
        text:sample("", {}, run.status)
    end
end

--- The text for a run.
---@param run kmirror.report.run
---@param about { command: string, job: string|nil, version: string }
---@return string
function M.of(run, about)
    local text, record = setmetatable({}, Text), run.record
    of_run(text, run, about)
    of_requests(text, record)
    local _, peak = figures.rate(record)
    text:family("rate_peak", "gauge", "The most requests in any one second.")
    text:sample("", {}, peak)
    if record.rate then
        text:family("rate_limit", "gauge",
            "Requests in any one second that are allowed, with --rate auto at the end; 0: no limit.")
        text:sample("", {}, record.rate)
    end
    text:family("mirror_lag_seconds", "gauge", "Highest latency among the topics, when last looked at.", "seconds")
    mirrors(text, record)
    text:family("mirrors", "gauge", "Mirrors that were looked at, by their status then.")
    statuses(text, record)
    table.insert(text, "# EOF\n")
    return table.concat(text, "\n")
end

return M
