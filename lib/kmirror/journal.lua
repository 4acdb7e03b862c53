--- journal: makes any runbook resumable. It stands between the runbook and the API and writes down each
--- change: that it is about to be sent, and what was answered. When the runbook runs again under the same
--- name, the changes that were done return what they returned then, those that were never answered are
--- reconciled, and the rest is sent.
---
--- A change is known by what it is: operation, cluster, mirror and arguments, as a digest under a key of the
--- store, so that secrets among the arguments are neither kept nor to be guessed. What is recorded of equal
--- changes is a pool: the runbook that asks for one gets a done one first, then one that was never answered;
--- it does not matter which, nor in which order or how concurrently it asks. What surely was not done is out
--- of the pool: it is sent again.
---
--- Reads are not recorded. A runbook must ask for the same changes again when it runs again; what it did not
--- ask for a second time is reported in the end.

local changes = require("kmirror.changes")
local host = require("host")
local order = require("kmirror.order")
local problems = require("kmirror.problem")
local shell = require("kmirror.shell")
local stores = require("kmirror.store")
local task = require("task")
local refuse = require("kmirror.usage")

local M = {}

---@class kmirror.journal.options
---@field job string its name
---@field store? string|kmirror.store URL of the store, or the store itself; see kmirror.store
---@field script string a shipped runbook's name, a file's absolute path, or - for standard input
---@field args? string[] of the script
---@field target string what is changed: an endpoint and user, say. Another target under the same name is refused
---@field directory? string where this process runs
---@field settings? table<string, string|number|boolean> kmirror's options, for resuming; without secrets
---@field reason? string why it is run, in the user's words

---@class kmirror.journal
---@field run kmirror.store.run this one
---@field runs kmirror.store.run[] all, this one last
---@field changes kmirror.store.change[]
local Journal = {}
Journal.__index = Journal

-- ---- what a change is -------------------------------------------------------------------------------------

local function canonical(change)
    local parts = {}
    for field, value in pairs(changes.fields(change)) do
        local whole = math.type(value) == "float" and math.tointeger(value)
        parts[#parts + 1] = ("%s=%q"):format(field, whole or value)
    end
    table.sort(parts)
    table.insert(parts, 1, ("%s %s %s"):format(change.operation, change.cluster, change.id or "-"):lower())
    return table.concat(parts, "\n")
end

-- ---- opening ----------------------------------------------------------------------------------------------

local lock_attempts, lock_pause = 5, 0.1 -- `kmirror jobs` looks at locks, for an instant

local function lock_job(store, name)
    for _ = 1, lock_attempts do
        local lock = store:lock(name)
        if lock then
            return lock
        end
        task.sleep(lock_pause)
    end
    refuse("job '%s' is running in another kmirror process: wait until it has ended, or give another --job NAME", name)
end

local function check_same(job, options)
    if job.script ~= options.script then
        refuse("job '%s' belongs to the runbook %s, not to %s: give another --job NAME, or start it over: "
            .. "kmirror jobs forget %s", job.name, job.script, options.script, job.name)
    elseif job.target ~= options.target then
        refuse("job '%s' has changed %s, not %s: give another --job NAME, or start it over: kmirror jobs forget %s",
            job.name, job.target, options.target, job.name)
    end
end

-- What there is of a change, by its state.
local function pool_of(self, key)
    local pool = self.pools[key] or { done = {}, sent = {}, failed = {} }
    self.pools[key] = pool
    return pool
end

local function known_of(seen)
    local known, last = {}, 0
    for _, each in ipairs(seen) do
        known[each.cluster] = known[each.cluster] or {}
        for _, id in ipairs(each.ids) do
            known[each.cluster][id] = true
        end
        last = math.max(last, each.order)
    end
    return known, last
end

local function load_journal(store, options)
    local name = options.job
    local job = store:job(name)
    if job then
        check_same(job, options)
    end
    job = job or { name = name, script = options.script, target = options.target, created = host.time() }
    local self = setmetatable({
        store = store, job = job, key = store:secret(),
        runs = store:runs(name), changes = store:changes(name), history = store:seen(name),
        pools = {}, asked = {}, prepared = {}, sent = 0,
    }, Journal)
    self.known, self.order = known_of(self.history)
    for _, change in ipairs(self.changes) do
        self.order = math.max(self.order, change.order)
        table.insert(pool_of(self, change.key)[change.state], change)
    end
    self.recorded = #self.changes
    self.run = {
        number = #self.runs + 1, args = options.args or {}, directory = options.directory or ".",
        settings = options.settings or {}, started = host.time(), user = host.user(), host = host.machine(),
        pid = host.process(), version = host.version, reason = options.reason,
    }
    self.runs[self.run.number] = self.run
    store:begin_run(job, self.run)
    return self
end

-- Raises the errors of a store as usage: nothing has been sent yet, and it is for the user to put right.
local function guarded(fn, ...)
    local ok, result = pcall(fn, ...)
    if ok then
        return result
    elseif type(result) == "table" and result.kind == "store" then
        refuse("%s", result.message)
    end
    error(result, 0)
end

local function open_store(store)
    return type(store) == "table" and store or stores.open(store)
end

local current ---@type kmirror.journal|nil

--- The journal of the job that this process runs; nil when it is none, and when it is over.
---@return kmirror.journal|nil
function M.current()
    return current
end

--- Opens the journal of a job, for one run of it. Raises usage when it cannot be written, when another
--- process is at work on that job, and when the job is one of another script or target.
---@param options kmirror.journal.options
---@return kmirror.journal
function M.open(options)
    local name = options.job
    if not name:find("^%w[%w._-]*$") or #name > 64 then
        refuse("'%s' cannot be a job's name: expected up to 64 letters, digits, dots, hyphens and underscores", name)
    end
    local store = guarded(open_store, options.store)
    local ok, lock = pcall(guarded, lock_job, store, name)
    if not ok then
        store:close()
        error(lock, 0)
    end
    local loaded, self = pcall(guarded, load_journal, store, options)
    if not loaded then
        lock:close()
        store:close()
        error(self, 0)
    end
    self.lock, current = lock, self
    return self
end

-- ---- writing down -----------------------------------------------------------------------------------------

-- After the first failure nothing more is written and nothing more is sent: what is in the store stays true.
local function write(self, method, ...)
    if self.broken then
        error(self.broken, 0)
    end
    local ok, problem = pcall(self.store[method], self.store, self.job.name, ...)
    if not ok then
        self.broken = problem
        error(problem, 0)
    end
end

local function next_order(self)
    self.order = self.order + 1
    return self.order
end

-- Writes down that a change is about to be sent: a new one, or one that was recorded before. The record of
-- one that failed is used again. What was chosen for a create, such as a name, is recorded with its arguments.
local function begin(self, change, key, row, chosen)
    row = row or table.remove(pool_of(self, key).failed, 1) or {
        number = #self.changes + 1, key = key, operation = change.operation, cluster = change.cluster,
        id = change.id, arguments = changes.shown(changes.fields(change)), -- secrets are only in the key
    }
    for field, value in pairs(chosen or {}) do
        row.arguments[field] = value
    end
    row.order, row.state, row.problem, row.answered = next_order(self), "sent", nil, nil
    row.run, row.sent, row.asked = self.run.number, host.time(), true
    write(self, "write_change", row)
    self.changes[row.number] = row
    self.asked[row.number] = true
    self.sent = self.sent + 1
    return row
end

-- Writes down what came of it. When that cannot be done the change stays unanswered, and will be reconciled.
local function finish(self, row, state, problem, id)
    row.state, row.problem, row.answered = state, problem, host.time()
    row.id = id or row.id
    local ok, e = pcall(write, self, "write_change", row)
    if not ok then
        row.state = "sent"
        error(e, 0)
    end
end

-- ---- creates: what is known already -----------------------------------------------------------------------

-- What is known of a cluster and the creates in it, in order, as reconcile.lua takes it.
local function history_of(self, cluster)
    local events = {}
    for _, seen in ipairs(self.history) do
        if seen.cluster == cluster then
            events[#events + 1] = { order = seen.order, seen = seen.ids }
        end
    end
    for _, row in ipairs(self.changes) do
        if row.operation == "create" and row.cluster:lower() == cluster and row.state ~= "failed" then
            local made = row.state == "done"
            events[#events + 1] = {
                order = row.order, identity = row.key, row = row,
                made = made and row.id or nil, spec = made and row.arguments or nil,
                sent = not made and row.arguments or nil,
            }
        end
    end
    table.sort(events, order.by("order"))
    return events
end

local function note_seen(self, cluster, ids)
    local known, new = self.known[cluster] or {}, {}
    for _, id in ipairs(ids) do
        if not known[id] then
            new[#new + 1] = id
        end
    end
    if #new == 0 then
        return
    end
    write(self, "write_seen", { order = next_order(self), cluster = cluster, ids = new })
    self.known[cluster] = known
    for _, id in ipairs(new) do
        known[id] = true
    end
end

-- Tells a ledger what is known of a cluster, from earlier runs or other ledgers, before its first create
-- there, and has it tell what it sees. Returns the ledger's entry for each unanswered create.
local function prepare(self, ledger, cluster)
    local clusters = self.prepared[ledger]
    if not clusters then
        clusters = {}
        self.prepared[ledger] = clusters
        ledger:listen(function(...) note_seen(self, ...) end)
    end
    cluster = cluster:lower()
    if not clusters[cluster] then
        clusters[cluster] = {}
        local events, unanswered = history_of(self, cluster), {}
        for _, event in ipairs(events) do
            if event.sent then
                unanswered[#unanswered + 1] = event.row
            end
        end
        for i, entry in ipairs(ledger:seed(cluster, events)) do
            clusters[cluster][unanswered[i]] = entry
        end
    end
    return clusters[cluster]
end

-- ---- stepping in ------------------------------------------------------------------------------------------

-- The change that an earlier run has recorded, to be used for this one; nil when there is none left.
local function take(self, key)
    local pool = pool_of(self, key)
    local row = table.remove(pool.done, 1) or table.remove(pool.sent, 1)
    if row then
        self.asked[row.number] = true
    end
    return row
end

local surely_not_done = {
    invalid = true, unauthorized = true, forbidden = true, not_found = true, unsupported_media_type = true,
    read_only = true,
}

-- Whether an error leaves open if the change was made. For creates reconcile.lua answers for it.
local function is_open(operation, e)
    if type(e) ~= "table" or e.kind == "cancelled" or e.kind == "unknown_outcome" then
        return true
    end
    return operation ~= "create" and not surely_not_done[e.kind]
end

-- Ends a change that has failed: an error that leaves its outcome open is no outcome.
local function fail(self, row, e)
    if not is_open(row.operation, e) then
        finish(self, row, "failed", e.message)
        table.insert(pool_of(self, row.key).failed, row)
    else
        row.problem = type(e) == "table" and e.message or tostring(e)
        pcall(write, self, "write_change", row)
        if row.operation ~= "create" then -- asked for once more, it is the same change, sent again
            table.insert(pool_of(self, row.key).sent, row)
        end
    end
    error(e, 0)
end

local function create(self, change, proceed, key, row)
    local entries = prepare(self, change.ledger, change.cluster)
    local lost = row and entries[row]
    local function sending(chosen)
        if lost then
            -- It keeps its place: what was seen since then may be of its first sending.
            row.run, row.sent, self.sent = self.run.number, host.time(), self.sent + 1
        else
            row = begin(self, change, key, nil, chosen)
        end
    end
    local ok, result = pcall(proceed, { identity = key, lost = lost, sending = sending })
    if ok then
        finish(self, row, "done", nil, result)
        return result
    elseif row then
        fail(self, row, result)
    end
    error(result, 0)
end

-- Delete and latency do no harm when they are done twice. A delete that was sent before has done its work
-- when the mirror is gone.
local function repeatable(self, change, proceed, key, row)
    local before = row ~= nil
    row = begin(self, change, key, row)
    local ok, result = pcall(proceed)
    local gone = before and not ok and change.operation == "delete" and problems.is_gone(result)
    if not ok and not gone then
        fail(self, row, result)
    end
    finish(self, row, "done")
end

--- What mirrors.intercept() takes.
---@return fun(change: mirrors.Change, proceed: fun(how?: table): any): any
function Journal:intercept()
    return function(change, proceed)
        if self.broken then
            error(self.broken, 0)
        end
        local key = host.hmac_sha256(self.key, canonical(change))
        local row = take(self, key)
        if row and row.state == "done" then
            return change.operation == "create" and row.id or nil
        end
        local send = change.operation == "create" and create or repeatable
        return send(self, change, proceed, key, row)
    end
end

-- ---- the end ----------------------------------------------------------------------------------------------

local function unasked_of(self)
    local numbers = {}
    for number = 1, self.recorded do
        if not self.asked[number] then
            numbers[#numbers + 1] = number
        end
    end
    return numbers
end

---@class kmirror.journal.summary of a job, over all its runs
---@field job string
---@field runs integer
---@field started number when the first of them began
---@field sent integer changes that this run has sent
---@field done table<string, integer> by operation
---@field failed integer surely not done
---@field unanswered integer outcome not known, and still asked for
---@field unasked kmirror.store.change[] recorded, but not asked for by this run, if that has ended by itself
---@field problem any|nil why nothing more could be written down
---@field resume string|nil the command that goes on with it, unless all is done

--- How things stand with a job: of its runs and changes.
---@param job string
---@param runs kmirror.store.run[]
---@param recorded kmirror.store.change[]
---@return kmirror.journal.summary
function M.summary(job, runs, recorded)
    local summary = {
        job = job, runs = #runs, started = runs[1] and runs[1].started, sent = 0, failed = 0, unanswered = 0,
        done = {}, unasked = {},
    }
    for _, operation in ipairs(changes.operations) do
        summary.done[operation.name] = not operation.missing and 0 or nil -- most jobs have none of those
    end
    for _, change in ipairs(recorded) do
        if change.state == "done" then
            summary.done[change.operation] = (summary.done[change.operation] or 0) + 1
        elseif change.state == "failed" then
            summary.failed = summary.failed + 1
        elseif change.asked then -- one that a later run could do without is no loose end
            summary.unanswered = summary.unanswered + 1
        end
        if not change.asked and change.state ~= "failed" then
            table.insert(summary.unasked, change)
        end
    end
    return summary
end

-- The words that make a shell run it again.
local function resume_command(self)
    local store = self.run.settings.store
    return ("kmirror jobs resume %s%s"):format(shell.word(self.job.name),
        store and " --store " .. shell.word(store) or "")
end

--- Ends the run, and lets go of the job. Raises nothing: what cannot be written down is the summary's
--- `problem`.
---@param status integer exit status of the run
---@return kmirror.journal.summary
function Journal:finish(status)
    self.run.ended, self.run.status = host.time(), status
    local unasked = (status == 0 or status == 3) and unasked_of(self) or nil
    local ok, problem = pcall(write, self, "end_run", self.run, unasked)
    for number = 1, unasked and self.recorded or 0 do
        self.changes[number].asked = true
    end
    for _, number in ipairs(unasked or {}) do
        self.changes[number].asked = false
    end
    local summary = M.summary(self.job.name, self.runs, self.changes)
    summary.sent, summary.problem = self.sent, not ok and problem or nil
    if not ok or status ~= 0 or summary.unanswered > 0 then
        summary.resume = resume_command(self)
    end
    self.lock:close()
    self.store:close()
    current = current ~= self and current or nil
    return summary
end

return M
