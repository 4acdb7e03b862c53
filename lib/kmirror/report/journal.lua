--- report.journal: the runs of a job as its journal has them: the changes alone, as reads are not recorded.

local changes = require("kmirror.changes")
local figures = require("kmirror.report.figures")
local json = require("kmirror.json")
local ended = require("kmirror.ended")
local mirrors = require("mirrors")
local records = require("kmirror.report.record")
local sensitive = require("kmirror.sensitive")
local stores = require("kmirror.store")
local refuse = require("kmirror.usage")

local M = {}

local outcomes = { done = "done", failed = "failed", sent = "not answered" }

local function after_of(change)
    if mirrors.operations[change.operation].effect == "removes" then return nil end
    return changes.shown(change.arguments)
end

local function attempt_of(change, from)
    return {
        operation = change.operation, sent = change.sent - from, ended = (change.answered or change.sent) - from,
        error = change.state ~= "done" and outcomes[change.state] or nil,
    }
end

local function add(record, change, from)
    local call = {
        number = change.number, operation = change.operation, cluster = change.cluster, id = change.id,
        topicsRegex = change.arguments.topicsRegex, asked = change.sent - from,
        ended = (change.answered or change.sent) - from, outcome = outcomes[change.state],
        message = change.problem, attempts = { attempt_of(change, from) }, waits = json.array({}),
    }
    table.insert(record.calls, call)
    figures.count_ended(record, call)
    table.insert(record.changes, {
        call = call.number, operation = change.operation, cluster = change.cluster, id = change.id, at = call.ended,
        topicsRegex = call.topicsRegex, after = after_of(change), outcome = call.outcome, message = call.message,
    })
end

local function run_of(run, recorded, running)
    local record, last = records.new(), run.started
    for _, change in ipairs(recorded) do
        add(record, change, run.started)
        last = math.max(last, change.answered or change.sent)
    end
    return {
        number = run.number, started = run.started, seconds = (run.ended or last) - run.started, journal = true,
        status = run.status, record = record,
        state = ended.state(run.ended and run.status, running),
    }
end

local function command_of(job, run)
    local words = { "kmirror run", job.script }
    table.move(sensitive.words(run.args), 1, #run.args, #words + 1, words)
    return table.concat(words, " ")
end

local function read(store, name)
    local job = store:job(name)
    if not job then return nil end
    local runs, recorded, found = store:runs(name), store:changes(name), {}
    local running, unanswered, by_run = stores.is_running(store, name), false, {}
    for _, change in ipairs(recorded) do
        by_run[change.run] = by_run[change.run] or {}
        table.insert(by_run[change.run], change)
        unanswered = unanswered or change.state == "sent"
    end
    for i, run in ipairs(runs) do
        found[i] = run_of(run, by_run[run.number] or {}, running and i == #runs)
    end
    return {
        job = name, target = job.target, command = command_of(job, runs[#runs]), runs = found,
        unfinished = unanswered or runs[#runs].status ~= 0,
    }
end

--- What the journal has of a job; nil when it has no such job.
---@param name string
---@param url? string of the store
---@return table|nil fields of a kmirror.report.document, and `unfinished`
---Raises usage when the store cannot be read.
function M.of(name, url)
    local ok, result = pcall(function()
        local store = stores.open(url)
        local read_ok, found = pcall(read, store, name)
        store:close()
        return read_ok and found or not read_ok and error(found, 0) or nil
    end)
    if not ok and type(result) == "table" and result.kind == "store" then
        refuse("%s", result.message)
    elseif not ok then
        error(result, 0)
    end
    return result
end

--- The command that goes on with a job.
---@param name string
---@param url? string of its store
---@return string
function M.resume(name, url)
    return stores.command("resume", name, url)
end

return M
