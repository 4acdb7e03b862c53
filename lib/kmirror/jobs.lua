--- jobs: what is recorded of jobs, how one is resumed and forgotten, and what is said of it when a run of it begins and
--- ends.

local again = require("kmirror.again")
local changes = require("kmirror.changes")
local config = require("kmirror.config")
local ended = require("kmirror.ended")
local host = require("host")
local journal = require("kmirror.journal")
local json = require("kmirror.json")
local log = require("kmirror.log")
local meant = require("mirrors").fields.meant
local problems = require("kmirror.problem")
local sensitive = require("kmirror.sensitive")
local shell = require("kmirror.shell")
local stores = require("kmirror.store")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

-- ---- words ------------------------------------------------------------------------------------------------

local function time_of(seconds)
    return seconds and os.date("!%Y-%m-%dT%H:%M:%SZ", seconds // 1)
end

-- How a run ended, or that it goes on.
local function state_of(run, running)
    return ended.state(run.ended and run.status, running)
end

--- What a job has done, in words: "12 creates, 3 deletes".
---@param summary { done: table<string, integer> }
---@return string
function M.done(summary)
    local parts = {}
    for _, operation in ipairs(changes.operations) do
        local count = summary.done[operation.name] or 0
        if count > 0 then parts[#parts + 1] = text.count(count, operation.noun) end
    end
    return #parts > 0 and table.concat(parts, ", ") or "nothing"
end

-- Who else is at work on a job that is shared; nil when nobody is.
local function others(opened)
    local names, own = {}, opened.run
    for _, holder in ipairs(opened.joint and opened.store:holders(opened.job.name) or {}) do
        local is_own = holder.pid == own.pid and holder.host == own.host
        names[#names + 1] = not is_own and ("%s@%s (process %d)"):format(holder.user, holder.host, holder.pid) or nil
    end
    return #names > 0 and table.concat(names, ", ") or nil
end

--- What to tell when a run of a job begins; nil for the first one.
---@param opened kmirror.journal
---@return string|nil
function M.notice(opened)
    local last, with = opened.runs[opened.run.number - 1], others(opened)
    if not last then return nil end
    local summary = journal.summary(opened.job.name, opened.runs, opened.changes)
    if with then
        return ("job %s, run %d: joins %s; done so far: %s"):format(opened.job.name, opened.run.number, with,
            M.done(summary))
    end
    local notice = ("job %s, run %d: the last one (%s) was %s; done so far: %s"):format(opened.job.name,
        opened.run.number, time_of(last.started), state_of(last, false), M.done(summary))
    if summary.unanswered > 0 then
        notice = ("%s; %s to be reconciled"):format(notice, text.count(summary.unanswered, "unanswered change"))
    end
    if last.status == 0 then
        notice = ("%s; to start over: %s"):format(notice, stores.command("forget", opened.job.name,
            opened.run.settings.store))
    end
    return notice
end

--- What to tell when a run of a job has ended, a line each. The last line is how to continue, if there is anything left
--- and the runbook has not told that.
---@param summary kmirror.journal.summary
---@return string[]
function M.closing(summary)
    local lines = { ("job %s: %s in %s"):format(summary.job, M.done(summary), text.count(summary.runs, "run")) }
    if summary.own then
        lines[1] = ("%s (%s by this one)"):format(lines[1], text.count(summary.own, "change"))
    end
    if summary.failed > 0 then
        lines[1] = ("%s; %s failed"):format(lines[1], text.count(summary.failed, "change"))
    end
    if summary.unanswered > 0 then
        lines[1] = ("%s; %s never answered"):format(lines[1],
            text.count(summary.unanswered, "change was", "changes were"))
    end
    if #summary.unasked > 0 then
        lines[#lines + 1] = ("not needed again: %s of earlier runs; see %s"):format(
            text.count(#summary.unasked, "change"), stores.command("show", summary.job, summary.store))
    end
    if summary.problem then
        lines[#lines + 1] = ("nothing more could be written down: %s"):format(tostring(summary.problem))
    end
    if summary.resume and again.noted() == nil then
        lines[#lines + 1] = "to continue: " .. summary.resume
    end
    return lines
end

-- ---- looking ----------------------------------------------------------------------------------------------

-- Calls a function with an open store.
local function with_store(url, body)
    return stores.asked(function()
        local store = stores.open(url)
        local called, value = pcall(body, store)
        store:close()
        if not called then error(value, 0) end
        return value
    end)
end

local most_named = 20

local function find(store, name)
    local job = store:job(name)
    if job then return job end
    local names, by_name = store:names(), {}
    for _, each in ipairs(names) do by_name[each] = true end
    local told = table.concat(names, ", ", 1, math.min(#names, most_named))
    local more = #names > most_named and (" and %d more; kmirror jobs lists them"):format(#names - most_named) or ""
    local known = #names > 0 and "there are: " .. told .. more .. meant(name, by_name)
    refuse("there is no job '%s'; %s", name, known or "there are none: kmirror run --job NAME makes one")
end

--- Calls a function with an open store that has that job. Raises usage when there is none of that name, and for what
--- the store raises.
---@generic T
---@param url string|nil
---@param name string of the job
---@param body fun(store: kmirror.store, job: kmirror.store.job): T
---@return T
function M.with(url, name, body)
    return with_store(url, function(store)
        return body(store, find(store, name))
    end)
end

-- The store that a command line means.
local function named(given)
    local url = given.store or variable("KMIRROR_STORE")
    if url or given.sandbox then return url end
    local _, profile = config.choose(given.profile or variable("KMIRROR_PROFILE"))
    return profile.store
end

--- Whether a store has a job of that name.
---@param name string
---@param url? string
---@return boolean
function M.knows(name, url)
    return with_store(url, function(store)
        return store:job(name) ~= nil
    end)
end

--- Which store of jobs a command line means that starts no run itself: an option, else the environment, else the
--- profile. The sandbox knows of no profile: a job of it that is known by name is where it left it.
---@param given { store: string|nil, profile: string|nil, sandbox: boolean|nil }
---@param job? string its name
---@return string|nil url nil: the one among the user's state
---Raises usage when the configuration file is wrong.
function M.store_of(given, job)
    local url = named(given)
    local elsewhere = url and job and not given.store and not M.knows(job, url) and M.knows(job)
    return not elsewhere and url or nil
end

---@class kmirror.jobs.holder who holds a job by a lease
---@field user string
---@field host string
---@field pid integer
---@field since string
---@field lease number seconds for which it is still valid

---@class kmirror.jobs.approval
---@field state "asked"|"approved"|"refused"|"timed out"
---@field digest string of what is shown
---@field shown string
---@field asked_by string user of the store
---@field asked string
---@field seconds_left integer|nil
---@field decided_by string|nil
---@field decided string|nil
---@field why string|nil

---@class kmirror.jobs.job a job as --json shows it; times are UTC, ISO 8601
---@field name string
---@field state "running"|"to approve"|"done"|"done, some items failed"|"failed"|"interrupted"|"killed"
---@field script string
---@field target string
---@field created string
---@field runs integer
---@field started string of the last run
---@field ended string|nil
---@field status integer|nil exit status of the last run
---@field user string|nil who started the last run, and on which machine, as which process, by which version of kmirror
---@field host string|nil
---@field pid integer|nil
---@field version string|nil
---@field reason string|nil what --reason gave that run
---@field holders kmirror.jobs.holder[]|nil who is at work on it, in a store with leases
---@field approval kmirror.jobs.approval|nil what it has asked to be approved last
---@field done table<string, integer> by operation
---@field failed integer surely not done
---@field unanswered integer not known
---@field unasked integer recorded, but not asked for by the last run

local function holders_of(store, job)
    local holders = store:holders(job)
    for i, each in ipairs(holders or {}) do
        holders[i] = {
            user = each.user, host = each.host, pid = each.pid, since = time_of(each.since),
            lease = math.floor(each.left * 10) / 10,
        }
    end
    return holders and json.array(holders)
end

-- Of a shared job, all is done when one of its runs has come to its end, however the others ended.
local function telling(runs)
    for i = #runs, 1, -1 do
        if not runs[i].settings.join then
            break
        elseif runs[i].status == 0 then
            return runs[i]
        end
    end
    return runs[#runs]
end

-- What it has asked to be approved; nil where nothing was, or that cannot be.
local function approval_of(store, job)
    local row = store.approval and store:approval(job)
    return row and {
        state = row.state == "asked" and row.left <= 0 and "timed out" or row.state,
        digest = row.digest, shown = row.shown, asked_by = row.asked_by, asked = time_of(row.asked_at),
        seconds_left = row.state == "asked" and math.max(0, row.left // 1) or nil,
        decided_by = row.decided_by, decided = time_of(row.decided_at), why = row.why,
    } or nil
end

local function state_now(store, job, last, approval)
    local is_running = stores.is_running(store, job.name)
    local waits = is_running and approval and approval.state == "asked"
    return waits and "to approve" or is_running and "running" or state_of(last, false)
end

local function describe(store, job)
    local runs, approval = store:runs(job.name), approval_of(store, job.name)
    local last = telling(runs)
    local summary = journal.summary(job.name, runs, store:changes(job.name))
    return {
        user = last.user, host = last.host, pid = last.pid, version = last.version, reason = last.reason,
        holders = holders_of(store, job.name),
        name = job.name, script = job.script, target = job.target, created = time_of(job.created),
        state = state_now(store, job, last, approval), approval = approval, runs = #runs,
        started = time_of(last.started), ended = time_of(last.ended), status = last.status,
        done = summary.done, failed = summary.failed, unanswered = summary.unanswered, unasked = #summary.unasked,
    }
end

-- A job, or why its record tells nothing; neither when it was forgotten meanwhile. Raises what is about the store as a
-- whole.
local function look_at(store, name)
    local ok, found = problems.try(function()
        local job = store:job(name)
        return job and describe(store, job)
    end)
    if ok then return found end
    local is_its_own = type(found) == "table" and found.details and found.details.damaged == name
    if not is_its_own then error(found, 0) end
    return nil, found
end

--- All jobs of a store, by name, but for those whose record is damaged.
---@param url? string
---@return kmirror.jobs.job[]
---@return any[] problems why, of those
function M.all(url)
    return table.unpack(with_store(url, function(store)
        local found, damaged = {}, {}
        for _, name in ipairs(store:names()) do
            local job, problem = look_at(store, name)
            found[#found + 1], damaged[#damaged + 1] = job, problem
        end
        return { found, damaged }
    end))
end

local function run_shape(run, running, made)
    return {
        number = run.number, args = json.array(sensitive.words(run.args)), directory = run.directory,
        settings = run.settings,
        started = time_of(run.started), ended = time_of(run.ended), status = run.status,
        done = made, state = state_of(run, running), user = run.user,
        host = run.host, pid = run.pid, version = run.version,
        reason = run.reason,
    }
end

local function change_shape(change)
    return {
        number = change.number, operation = change.operation, cluster = change.cluster, id = change.id,
        arguments = change.arguments, state = change.state == "sent" and "unanswered" or change.state,
        problem = change.problem, run = change.run,
        sent = time_of(change.sent), answered = time_of(change.answered), asked = change.asked,
    }
end

-- Who holds the job by a lease for this run.
local function holder_of(shape, run)
    for _, holder in ipairs(shape.holders or {}) do
        if holder.host == run.host and holder.pid == run.pid and not run.ended then
            return holder
        end
    end
end

-- Whether a run goes on: among those who hold the job, or, where nobody tells, the last one.
local function is_at_work(shape, number, run)
    local is_running = shape.state == "running" or shape.state == "to approve"
    return holder_of(shape, run) ~= nil or not shape.holders and is_running and number == shape.runs
end

--- One job with its runs and changes. Raises usage when there is none of that name.
---@param name string
---@param url? string
---@return kmirror.jobs.job with `history` (runs) and `changes`
function M.one(name, url)
    return with_store(url, function(store)
        local shape = describe(store, find(store, name))
        local recorded = store:changes(name)
        local made = journal.made_by_run(recorded)
        shape.history, shape.changes = json.array({}), json.array({})
        for i, run in ipairs(store:runs(name)) do
            shape.history[i] = run_shape(run, is_at_work(shape, i, run), made[run.number])
            shape.history[i].lease = (holder_of(shape, run) or {}).lease
        end
        for i, change in ipairs(recorded) do shape.changes[i] = change_shape(change) end
        return shape
    end)
end

-- ---- going on, and forgetting ----------------------------------------------------------------------------

---@class kmirror.jobs.resumption what to run, for `kmirror run`
---@field job string
---@field script string
---@field args string[]
---@field settings table<string, string|number|boolean> kmirror's own options, as they were given to the last run
---@field reason string|nil that of the last run

-- Why a job cannot be resumed here; nil when it can be.
local function obstacle(store, job, run, directory, url)
    local summary = journal.summary(job.name, { run }, store:changes(job.name))
    if not store:holders(job.name) and stores.is_running(store, job.name) then -- a lease may yet run out
        return "job '%s' is running in another kmirror process", job.name
    elseif run.status == 0 and summary.unanswered == 0 then
        return "job '%s' has succeeded (%s): there is nothing to resume; to start over: %s", job.name,
            time_of(run.ended), stores.command("forget", job.name, url)
    elseif job.script == "-" then
        return "the runbook of job '%s' came from standard input, and was not kept: give it to kmirror run --job %s "
            .. "once more", job.name, job.name
    elseif run.directory ~= directory and run.host == host.machine() then
        return "job '%s' ran in another directory: cd %s and resume it there", job.name, shell.word(run.directory)
    end
end

--- `kmirror jobs resume`: what the command line has to run for it. Raises usage when there is nothing to run.
---@param options { name: string, store: string|nil, directory: string } directory: where this process runs
---@return kmirror.jobs.resumption
function M.resume(options)
    return with_store(options.store, function(store)
        local job = find(store, options.name)
        local run = telling(store:runs(job.name))
        local problem = table.pack(obstacle(store, job, run, options.directory, options.store))
        if problem[1] then refuse(table.unpack(problem, 1, problem.n)) end
        return { job = job.name, script = job.script, args = run.args, settings = run.settings, reason = run.reason }
    end)
end

--- `kmirror jobs forget`: removes a job and all that is recorded of it. Raises usage when it is at work, and,
--- unless `yes` is given, when it has changes that were never answered.
---@param options { name: string, store: string|nil, yes: boolean|nil }
---@return integer exit status
function M.forget(options)
    return with_store(options.store, function(store)
        local name = options.name
        if not (options.yes and store:has(name)) then -- with --yes even one whose record is damaged can be forgotten
            find(store, name)
        end
        local lock <close> = store:lock(name)
        if not lock then
            refuse("job '%s' is running %s: what it does could not be told any more", name,
                journal.by_whom(store, name))
        end
        local unanswered = options.yes and 0 or journal.summary(name, {}, store:changes(name)).unanswered
        if unanswered > 0 then
            refuse("job '%s' has %s, and only its record can tell what became of %s: resume the job first, or "
                .. "give --yes to forget it anyway", name, text.count(unanswered, "unanswered change"),
                unanswered == 1 and "it" or "them")
        end
        store:forget(name)
        log.info("forgot job %s", name)
        return 0
    end)
end

return M
