--- report.fields: the fields of --report FILE.json, for help and the manual; a spec holds them against real reports.

local changes = require("kmirror.changes")
local mirrors = require("mirrors")

local M = {}

-- "create, update_target_latency or delete": those that every backend has.
local function names(operations)
    local words = {}
    for _, operation in ipairs(operations) do
        words[#words + 1] = not operation.missing and operation.name or nil
    end
    return ("%s or %s"):format(table.concat(words, ", ", 1, #words - 1), words[#words])
end

---@class kmirror.report.fields of one kind of object
---@field at string where such objects are: "runs.calls" are those in `calls` of each of those in `runs`
---@field title string
---@field [integer] { [1]: string, [2]: string } name and meaning

---@type kmirror.report.fields[]
M.all = {
    { at = "", title = "The document",
        { "schema_version", "1; one more when a field goes or gets another meaning" },
        { "command", "what was run, as one would type it" },
        { "version", "of kmirror" },
        { "written", "when, in UTC, as all times of day" },
        { "job", "its name, if it has one" },
        { "target", "where the API is, and as whom; or \"the sandbox\"" },
        { "error", "why the run failed" },
        { "resume", "the command that continues the job" },
        { "result", "what the runbook says of itself when it is over" },
        { "failures", "calls that failed, by cause; the most frequent first" },
        { "runs", "the runs of the job, the latest last; one without a job" },
    },
    { at = "failures", title = "Each of failures, of all runs together",
        { "operation", names(mirrors.operations) },
        { "outcome", "as of a call" },
        { "message", "of the first of these calls" },
        { "calls", "how many there are" },
        { "tries", "with those before them that were repeated in vain" },
        { "mirrors", "how many mirrors, or topics, they are about" },
        { "repaired", "true: a later call about the same succeeded" },
    },
    { at = "runs", title = "Each of runs",
        { "number", "from 1" },
        { "started", "when" },
        { "seconds", "how long it took, or has taken" },
        { "state", "running, or how it ended, as kmirror jobs says it" },
        { "status", "exit status, when it has ended" },
        { "journal_only", "true: only its changes are known" },
        { "rate_limit", "requests that any one second may have; 0: no limit" },
        { "rate_peak", "the most that one second had" },
        { "requests", "how many were sent" },
        { "retries", "how many of these were not a first attempt" },
        { "requests_by_second", "the most in any one second, for each second" },
        { "calls_over_time", "how many calls have ended, also of those left out" },
        { "steps", "in order" },
        { "calls", "with those under way last" },
        { "calls_left_out", "reads that succeeded and were too many to keep" },
        { "changes", "in the order in which they ended" },
        { "mirrors", "that were listed, read or made" },
        { "timings", "one for each operation" },
    },
    { at = "runs.calls_over_time", title = "Of calls_over_time",
        { "every", "seconds that each count is of" },
        { "counts", "by operation, a list of counts" },
    },
    { at = "runs.steps", title = "Each of steps; its times, as all below, are seconds since the run began",
        { "title", "what it was for" },
        { "started", "when" },
        { "ended", "when; absent while it runs" },
        { "outcome", "in words; not there when it failed" },
        { "error", "why it failed" },
    },
    { at = "runs.calls", title = "Each of calls",
        { "number", "from 1, in the order in which they were made" },
        { "operation", names(mirrors.operations) },
        { "cluster", "id of the Kafka Connect cluster" },
        { "id", "of the mirror" },
        { "topicsRegex", "of the mirror, as far as known" },
        { "asked", "when it was made" },
        { "ended", "when; absent while it runs" },
        { "outcome", "done, under way, planned (--dry-run), recorded (by an" },
        { "", "earlier run), gone (not found after it was deleted)," },
        { "", "not answered, or the kind of its error" },
        { "message", "of its error" },
        { "attempts", "the requests that it took" },
        { "waits", "before its retries" },
    },
    { at = "runs.calls.attempts", title = "Each of attempts",
        { "operation", "as the call's; but a create may look at the list, too" },
        { "granted", "when the quota let it go" },
        { "sent", "when" },
        { "ended", "when it was answered, or given up" },
        { "error", "kind; absent when it succeeded" },
        { "message", "of the error" },
    },
    { at = "runs.calls.waits", title = "Each of waits",
        { "from", "when" },
        { "to", "when" },
        { "reason", "kind of the error before it; lost; away (an outage)" },
        { "", "what had become of a create" },
    },
    { at = "runs.changes", title = "Each of changes",
        { "call", "number of the call" },
        { "operation", names(changes.operations) },
        { "cluster", "id of the Kafka Connect cluster" },
        { "id", "of the mirror" },
        { "topicsRegex", "of the mirror, as far as known" },
        { "at", "when it ended" },
        { "before", "fields of the mirror, as far as known; none of a create" },
        { "after", "fields that it was given; none of a delete; no secrets" },
        { "outcome", "as of a call" },
        { "message", "of its error" },
    },
    { at = "runs.mirrors", title = "Each of mirrors",
        { "id", "of the mirror" },
        { "cluster", "id of the Kafka Connect cluster" },
        { "topicsRegex", "as the API has it" },
        { "connectorName", "as the API has it" },
        { "target", "target latency in ms, when last read" },
        { "status", "when last read" },
        { "reads", "how many times it was read" },
        { "points", "a [seconds, lag in ms or false, status] for each time" },
        { "", "that it was read, thinned when there are many" },
    },
    { at = "runs.timings", title = "Each of timings; sums are of all calls together, in seconds",
        { "operation", "as of a call" },
        { "calls", "how many" },
        { "requests", "how many were sent" },
        { "retries", "how many of these were not a first attempt" },
        { "quota", "sum of the waits for the quota" },
        { "wire", "sum of the times until answers came" },
        { "backoff", "sum of the waits before retries" },
        { "median", "seconds that a call took" },
        { "slow", "95 % of the calls were faster" },
        { "slowest", "seconds that the slowest call took" },
    },
}

--- All fields, in lines of less than 80 columns.
---@return string
function M.text()
    local lines = {}
    for _, kind in ipairs(M.all) do
        lines[#lines + 1] = (#lines > 0 and "\n" or "") .. kind.title .. ":\n"
        for _, field in ipairs(kind) do
            lines[#lines + 1] = ("  %-18s  %s"):format(field[1], field[2])
        end
    end
    return table.concat(lines, "\n")
end

return M
