--- report.document: what is reported of a run, as JSON: --report FILE.json, and what the page is drawn from.

local causes = require("kmirror.report.causes")
local figures = require("kmirror.report.figures")
local host = require("host")
local json = require("kmirror.json")
local light = require("kmirror.report.light")
local order = require("kmirror.order")
local packed = require("kmirror.report.packed")

local M = {}

---@class kmirror.report.run
---@field number? integer of a job
---@field started number seconds since the epoch
---@field seconds number how long it took, or has taken
---@field state string one of kmirror.ended
---@field status? integer exit status
---@field record kmirror.report.record
---@field under_way? kmirror.report.call[]
---@field journal? boolean only its changes are known

---@class kmirror.report.document
---@field command string as it was typed
---@field version string
---@field written number seconds since the epoch
---@field job? string
---@field target? string
---@field error? string why it failed
---@field resume? string
---@field result? string what the runbook says of itself
---@field runs kmirror.report.run[] the latest is the last

local function iso(epoch)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", epoch // 1)
end

-- The most requests in any one second, for each second.
local function requests_by_second(record)
    local found = json.array({})
    for tenth, count in ipairs((figures.rate(record))) do
        local second = (tenth - 1) // 10 + 1
        found[second] = math.max(found[second] or 0, count)
    end
    return found
end

local function mirrors_of(record)
    local found = json.array({})
    for _, mirror in pairs(record.mirrors) do found[#found + 1] = mirror end
    table.sort(found, order.by("id"))
    return found
end

local function call_shape(call)
    local shape = {}
    for key, value in pairs(call) do shape[key] = value end
    shape.free = nil
    return shape
end

local function run_shape(run)
    local record = run.record
    local calls = json.array({})
    for _, list in ipairs({ record.calls, run.under_way or {} }) do
        for _, call in ipairs(list) do calls[#calls + 1] = call_shape(call) end
    end
    local _, peak = figures.rate(record)
    local every, counts = figures.over_time(record, run.seconds)
    return {
        number = run.number, started = iso(run.started), seconds = run.seconds, state = run.state, status = run.status,
        journal_only = run.journal or false, rate_limit = record.rate, rate_peak = peak,
        requests = figures.total(record, "requests"), retries = figures.total(record, "retries"),
        calls_left_out = record.left_out, requests_by_second = requests_by_second(record),
        calls_over_time = { every = every, counts = counts }, steps = record.steps,
        calls = calls, changes = record.changes, mirrors = mirrors_of(record),
        timings = json.array(figures.timings(record)),
    }
end

-- By cause; what it is about is in the calls.
local function failures_of(document)
    local found = json.array({})
    local lasting, repaired = causes.of(document)
    for _, list in ipairs({ lasting, repaired }) do
        for _, cause in ipairs(list) do
            found[#found + 1] = {
                operation = cause.operation, outcome = cause.outcome, message = cause.message,
                calls = #cause.calls, tries = cause.tries, mirrors = cause.mirrors, repaired = list == repaired,
            }
        end
    end
    return found
end

local schema_version = 1 -- one more when a field goes or gets another meaning

-- The document as its JSON has it; fields.lua describes it.
local function shape_of(document)
    local runs = json.array({})
    for i, run in ipairs(document.runs) do runs[i] = run_shape(run) end
    return {
        schema_version = schema_version, command = document.command, version = document.version,
        written = iso(document.written), job = document.job, target = document.target, error = document.error,
        resume = document.resume, result = document.result, failures = failures_of(document), runs = runs,
    }
end

--- The document in the form that the file's name asks for: JSON for .json, else a page.
---@param document kmirror.report.document
---@param path string
---@return string
function M.render(document, path)
    document.version, document.written = host.version, host.time()
    if path:lower():find("%.json$") then return json.encode(shape_of(document)) .. "\n" end
    local record = packed.encode(light.of(shape_of(document)))
    return require("kmirror.report.page").of(document, record)
end

return M
