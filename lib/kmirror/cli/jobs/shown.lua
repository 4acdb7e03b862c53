--- cli.jobs.shown: jobs as tables, for people and for spreadsheets, and as JSON.

local changes = require("kmirror.changes")
local csv = require("kmirror.csv")
local jobs = require("kmirror.jobs")
local json = require("kmirror.json")
local log = require("kmirror.log")
local tables = require("kmirror.table")
local refuse = require("kmirror.usage")

local M = {}

local state_colors = { done = "green", running = "cyan", failed = "red", killed = "red" }

local function paint(state)
    return state_colors[state] or "yellow"
end

-- Who runs it, or did, and where.
local function by(run)
    return run.user and ("%s@%s"):format(run.user, run.host) or nil
end

-- Those who are at work on a job, or else who was last.
local function by_whom(job)
    local names = {}
    for i, holder in ipairs(job.holders or {}) do names[i] = by(holder) end
    return #names > 0 and table.concat(names, ", ") or by(job)
end

-- For how long a lease is valid yet.
local function lease(run)
    return run.lease and ("%.1f s"):format(run.lease) or nil
end

-- For how long the leases of those at work on a job are valid yet; of several, the one that ends first.
local function leases(job)
    local least = math.huge
    for _, holder in ipairs(job.holders or {}) do least = math.min(least, holder.lease) end
    return least < math.huge and lease({ lease = least }) or nil
end

local job_columns = {
    { "JOB", "name", whole = true },
    { "STATE", "state", paint = paint, whole = true },
    { "RUNS", "runs", align = "right" },
    { "LAST RUN", "started", whole = true },
    { "DONE", jobs.done },
    { "FAILED", "failed", align = "right", spare = true },
    { "UNANSWERED", "unanswered", align = "right", spare = true },
    { "RUNBOOK", "script" },
    { "BY", by_whom, key = true },
}

-- Only where jobs are held by leases.
local function with_leases(found, columns, value)
    for _, job in ipairs(found) do
        if job.holders then
            columns = table.move(columns, 1, #columns, 1, {})
            columns[#columns + 1] = { "LEASE", value, whole = true }
            break
        end
    end
    return columns
end

local run_columns = {
    { "RUN", "number", align = "right" },
    { "STATE", "state", paint = paint },
    { "STARTED", "started", whole = true },
    { "ENDED", "ended", whole = true, spare = true },
    { "ARGUMENTS", function(run)
        return table.concat(run.args, " ")
    end },
    { "BY", by },
    { "DONE", "done", align = "right" },
    { "PID", "pid", align = "right", spare = true },
    { "VERSION", "version", spare = true },
    { "REASON", "reason" },
}

local approval_columns = {
    { "APPROVAL", "state", paint = paint },
    { "ASKED BY", "asked_by" },
    { "ASKED", "asked", whole = true },
    { "DIGEST", function(approval)
        return approval.digest:sub(1, 12)
    end, whole = true },
    { "DECIDED BY", "decided_by" },
    { "DECIDED", "decided", whole = true },
    { "WHY", "why" },
}

local change_columns = {
    { "#", "number", align = "right" },
    { "CHANGE", function(change)
        return changes.describe(changes.recorded(change))
    end, key = true },
    { "STATE", "state", paint = paint },
    { "RUN", "run", align = "right" },
    { "ANSWERED", "answered" },
    { "NOTE", function(change)
        local made = change.operation == "create" and change.id and "mirror " .. change.id
        return change.problem or not change.asked and "not needed by the last run" or made or nil
    end },
}

-- ---- spreadsheets ------------------------------------------------------------------------------------------

local job_fields = { "name", "state", "script", "target", "created", "runs", "started", "ended", "status" }
for _, operation in ipairs(changes.operations) do
    job_fields[#job_fields + 1] = operation.column -- those that only some backends have, have none
end
for _, field in ipairs({ "failed", "unanswered", "unasked", "user", "host", "pid", "version", "reason" }) do
    job_fields[#job_fields + 1] = field
end
local change_fields = { "number", "operation", "cluster", "id", "newTargetLatency", "state", "run", "sent", "answered",
    "problem", "asked" }

-- Counts are cells of their own.
local function flat_job(job)
    local row = setmetatable({}, { __index = job })
    for _, operation in ipairs(changes.operations) do
        if operation.column then row[operation.column] = job.done[operation.name] end
    end
    return row
end

local function flat_change(change)
    return setmetatable({ newTargetLatency = change.arguments.newTargetLatency }, { __index = change })
end

local function write_csv(fields, rows, flatten)
    local flat = {}
    for i, row in ipairs(rows) do flat[i] = flatten(row) end
    io.stdout:write(csv.shown(io.stdout, csv.rows(fields, flat)))
end

-- ---- the commands ------------------------------------------------------------------------------------------

--- `kmirror jobs`: prints all jobs; then raises why the record of one tells nothing, if there is such a one.
---@param options { store: string|nil, json: boolean|nil, output: "csv"|nil }
---@return integer exit status
function M.list(options)
    local found, damaged = jobs.all(options.store)
    if options.json then
        io.stdout:write(json.encode(json.array(found), true), "\n")
    elseif options.output == "csv" then
        write_csv(job_fields, found, flat_job)
    elseif #found > 0 then
        tables.write(io.stdout, with_leases(found, job_columns, leases), found)
    elseif #damaged == 0 then
        log.info("there are no jobs: kmirror run --job NAME makes one")
    end
    for i = 2, #damaged do log.error("%s", tostring(damaged[i])) end
    if damaged[1] then refuse("%s", tostring(damaged[1])) end
    return 0
end

--- `kmirror jobs show`: prints one job, its runs and its changes; for a spreadsheet, its changes.
---@param options { name: string, store: string|nil, json: boolean|nil, output: "csv"|nil }
---@return integer exit status
function M.one(options)
    local job = jobs.one(options.name, options.store)
    if options.json then
        io.stdout:write(json.encode(job, true), "\n")
        return 0
    elseif options.output == "csv" then
        write_csv(change_fields, job.changes, flat_change)
        return 0
    end
    tables.write(io.stdout, with_leases({ job }, job_columns, leases), { job })
    io.stdout:write("\n")
    tables.write(io.stdout, with_leases({ job }, run_columns, lease), job.history)
    if job.approval then
        io.stdout:write("\n")
        tables.write(io.stdout, approval_columns, { job.approval })
    end
    if #job.changes > 0 then
        io.stdout:write("\n")
        tables.write(io.stdout, change_columns, job.changes)
    end
    return 0
end

return M
