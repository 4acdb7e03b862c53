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
---
--- Where several runners share a job (see joint.lua), each change belongs to an item of it, and so does its pool: what
--- is recorded of an item is read when this run takes it. Numbers of changes are then made up of the run's, so that no
--- two runners give the same one; their order is given by the store.

local changes = require("kmirror.changes")
local creates = require("kmirror.journal.creates")
local hold = require("kmirror.journal.hold")
local host = require("host")
local postgres = require("postgres")
local problems = require("kmirror.problem")
local runs = require("kmirror.journal.runs")
local stores = require("kmirror.store")
local summaries = require("kmirror.journal.summary")
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
---@field join? boolean it shares the job with others: see joint.lua

---@class kmirror.journal
---@field run kmirror.store.run this one
---@field runs kmirror.store.run[] all, this one last
---@field changes kmirror.store.change[]
---@field joint boolean the job is shared with others
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

-- Rows are taken out in the order in which they were put in.
local function new_queue()
    return { first = 1, last = 0 }
end

local function take_first(queue)
    local row = queue[queue.first]
    if not row then return nil end
    queue[queue.first], queue.first = nil, queue.first + 1
    return row
end

-- The pools of an item of a shared job, by key; of all that belongs to none.
local function pools_of(self, item)
    return self.pools[self.joint and item or ""] or {}
end

local function put_into_pool(self, row)
    local item, pools = self.joint and row.item or "", pools_of(self, row.item)
    self.pools[item] = pools
    local pool = pools[row.key] or { done = new_queue(), sent = new_queue(), failed = new_queue() }
    pools[row.key] = pool
    local queue = pool[row.state]
    queue.last = queue.last + 1
    queue[queue.last] = row
end

-- What there is of a change in one of these states, the first of them that has any; nil where there is nothing.
local function take_from_pool(self, key, item, ...)
    local pool = pools_of(self, item)[key]
    for i = 1, pool and select("#", ...) or 0 do
        local row = take_first(pool[select(i, ...)])
        if row then return row end
    end
end

local function known_of(seen)
    local known, last = {}, 0
    for _, each in ipairs(seen) do
        known[each.cluster] = known[each.cluster] or {}
        for _, id in ipairs(each.ids) do known[each.cluster][id] = true end
        last = math.max(last, each.order)
    end
    return known, last
end

-- From where on several runners number their changes.
local numbers_of_a_run = 1000000

local function load_journal(store, options, lock)
    local name = options.job
    local job = store:job(name)
    if job then runs.check_same(job, options, (options.settings or {}).store) end
    job = job or { name = name, script = options.script, target = options.target, created = host.time() }
    local self = setmetatable({
        store = store, lock = lock, job = job, key = store:secret(),
        runs = store:runs(name), changes = store:changes(name), history = store:seen(name),
        pools = {}, places = {}, asked = {}, prepared = {}, taken_over = {}, waiting = {}, sent = 0,
        joint = options.join or false,
    }, Journal)
    self.known, self.order = known_of(self.history)
    self.last = 0
    for place, change in ipairs(self.changes) do
        self.places[change.number] = place
        self.order, self.last = math.max(self.order, change.order), math.max(self.last, change.number)
        if not (self.joint and change.item) then put_into_pool(self, change) end
    end
    self.recorded = table.move(self.changes, 1, #self.changes, 1, {})
    runs.begin(self, options)
    self.last = self.joint and self.run.number * numbers_of_a_run or self.last
    return self
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

local function refuse_to_share(store)
    store:close()
    refuse("--join needs a store that the other machines reach, too: give --store postgresql://HOST/DATABASE, or set "
        .. "KMIRROR_STORE; kmirror store init makes one")
end

--- Raises usage unless a job can be called so.
---@param name string
function M.check_name(name)
    if not name:find("^%w[%w._-]*$") or #name > 64 then
        refuse("'%s' cannot be a job's name: expected up to 64 letters, digits, dots, hyphens and underscores",
            #name > 80 and name:sub(1, 60) .. "..." or name)
    end
end

--- Opens the journal of a job, for one run of it. Raises usage when it cannot be written, when another
--- process is at work on that job, and when the job is one of another script or target.
---@param options kmirror.journal.options
---@return kmirror.journal
function M.open(options)
    local name = options.job
    M.check_name(name)
    local store = stores.asked(open_store, options.store)
    if options.join and not store.share_items then refuse_to_share(store) end
    local ok, lock = pcall(stores.asked, hold.take, store, name, options.join)
    if not ok then
        store:close()
        error(lock, 0)
    end
    local loaded, self = pcall(stores.asked, load_journal, store, options, lock)
    if not loaded then
        lock:close()
        store:close()
        error(self, 0)
    end
    current = self
    return self
end

-- ---- writing down -----------------------------------------------------------------------------------------

-- After the first failure nothing more is written and nothing more is sent: what is in the store stays true.
local function attempt(self, method, ...)
    if self.broken then return self.broken end
    local ok, problem = pcall(self.store[method], self.store, self.job.name, ...)
    self.broken = not ok and problem or nil
    return self.broken
end

local longest_write = 3600 -- seconds: the store gives up sooner

-- Writes down the changes that wait for it.
local function write_waiting(self)
    local waiting, rows = self.waiting, {}
    for i, each in ipairs(waiting) do rows[i] = each.row end
    self.waiting = {}
    local problem = #rows > 0 and attempt(self, "write_changes", rows) or nil
    for _, each in ipairs(waiting) do
        each.written, each.problem = true, problem
        if each.alarm then each.alarm:ring() end
    end
end

-- A row that another task is just writing. A coroutine of the runbook's own, in which that one cannot go on, writes it
-- once more, which does no harm.
local function await(self, mine)
    mine.alarm = postgres.alarm()
    local others_run = mine.alarm:wait(longest_write)
    if not mine.written and not others_run then
        mine.problem = attempt(self, "write_changes", { mine.row })
    elseif not mine.written then
        await(self, mine)
    end
end

-- What has happened before is in the store before it.
function Journal:write(method, ...)
    write_waiting(self)
    local problem = attempt(self, method, ...)
    if problem then error(problem, 0) end
end

-- To have something on the disk takes longer than to write it: changes that are under way together wait for each other,
-- and the first that wakes writes them all. One that may not wait any more, as its task was cancelled, does so at once.
function Journal:write_change(row)
    local mine = { row = row }
    table.insert(self.waiting, mine)
    pcall(task.sleep, 0)
    if not mine.written then write_waiting(self) end
    if not mine.written then await(self, mine) end
    if mine.problem then error(mine.problem, 0) end
end

-- Among several runners the store says what came after what: whatever it is told after that comes later.
function Journal:next_order()
    self.order = self.joint and self.store:next_position(self.job.name) or self.order + 1
    return self.order
end

-- Adds a change that is new, or has been read anew.
local function remember(self, row)
    local place = self.places[row.number] or #self.changes + 1
    self.changes[place], self.places[row.number] = row, place
end

local function new_row(self, change, key, item)
    self.last = self.last + 1
    return {
        number = self.last, key = key, operation = change.operation, cluster = change.cluster,
        id = change.id, arguments = changes.shown(changes.fields(change)), -- secrets are only in the key
        item = item,
    }
end

-- Writes down that a change is about to be sent: a new one, or one that was recorded before. The record of
-- one that failed is used again. What was chosen for a create, such as a name, is recorded with its arguments.
--
-- To write it down may take a while, and others are begun meanwhile: its number is taken before.
local function begin(self, change, key, row, chosen)
    local item = self.joint and task.scope() or nil
    row = row or take_from_pool(self, key, item, "failed") or new_row(self, change, key, item)
    for field, value in pairs(chosen or {}) do row.arguments[field] = value end
    row.order, row.state, row.problem, row.answered = self:next_order(), "sent", nil, nil
    row.run, row.sent, row.asked = self.run.number, host.time(), true
    remember(self, row)
    self.asked[row.number] = true
    local ok, e = pcall(self.write_change, self, row)
    if not ok then
        row.state, row.problem = "failed", "it could not be written down, so it was not sent"
        error(e, 0)
    end
    self.sent = self.sent + 1
    return row
end

-- Writes down what came of it. When that cannot be done the change stays unanswered, and will be reconciled.
local function finish(self, row, state, problem, id)
    row.state, row.problem, row.answered = state, problem, host.time()
    row.id = id or row.id
    local ok, e = pcall(self.write_change, self, row)
    if not ok then
        row.state = "sent"
        error(e, 0)
    end
end

-- ---- stepping in ------------------------------------------------------------------------------------------

-- The change that an earlier run has recorded, to be used for this one; nil when there is none left.
local function take(self, key, item)
    local row = take_from_pool(self, key, item, "done", "sent")
    if not row and item then -- of the time before the job was shared
        return take(self, key)
    end
    if row then self.asked[row.number] = true end
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
        put_into_pool(self, row)
    else
        row.problem = type(e) == "table" and e.message or tostring(e)
        pcall(self.write_change, self, row)
        if row.operation ~= "create" then -- asked for once more, it is the same change, sent again
            put_into_pool(self, row)
        end
    end
    error(e, 0)
end

local function create(self, change, proceed, key, row)
    local entries = creates.prepare(self, change.ledger, change.cluster)
    local lost = row and entries[row.number]
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
    if not ok and not gone then fail(self, row, result) end
    finish(self, row, "done")
end

local function step_in(self, change, proceed, key)
    local row = take(self, key, self.joint and task.scope() or nil)
    if row and row.state == "done" then return change.operation == "create" and row.id or nil end
    local send = change.operation == "create" and create or repeatable
    return send(self, change, proceed, key, row)
end

--- What mirrors.intercept() takes.
---@param outside? fun(key: string, go_on: fun(): any): any of a shared job: what becomes of a change that belongs to no
---  item yet
---@return fun(change: mirrors.Change, proceed: fun(how?: table): any): any
function Journal:intercept(outside)
    return function(change, proceed)
        if self.broken then error(self.broken, 0) end
        local key = host.hmac_sha256(self.key, canonical(change))
        if outside and not task.scope() then
            return outside(key, function()
                return step_in(self, change, proceed, key)
            end)
        end
        return step_in(self, change, proceed, key)
    end
end

-- ---- items of a shared job --------------------------------------------------------------------------------

--- Reads what other runs have recorded of an item, which this one has taken.
---@param item string
---Raises what keeps the store from telling.
function Journal:take_over(item)
    local made = {}
    for _, row in ipairs(self.store:changes(self.job.name, item)) do
        remember(self, row)
        put_into_pool(self, row)
        made[#made + 1] = row.operation == "create" and row or nil
    end
    if #made > 0 then
        self.history = self.store:seen(self.job.name)
        creates.take_over(self, made)
    end
end

--- An item is done: what is recorded of it and was not asked for this time is not needed.
---@param item string
function Journal:leave(item)
    local left = {}
    for _, pool in pairs(pools_of(self, item)) do
        for _, queue in ipairs({ pool.done, pool.sent }) do
            for i = queue.first, queue.last do
                queue[i].asked = false
                left[#left + 1] = queue[i]
            end
        end
    end
    self.pools[item] = nil
    if #left > 0 then self:write("write_changes", left) end
    if self.broken then error(self.broken, 0) end
end

--- How things stand with a job.
---@type fun(job: string, runs: kmirror.store.run[], recorded: kmirror.store.change[]): kmirror.journal.summary
M.summary = summaries.of

--- Who has a job, in words that follow "is running".
---@type fun(store: kmirror.store, name: string): string
M.by_whom = hold.by_whom

--- How many changes each run of a job has made.
---@type fun(recorded: kmirror.store.change[]): table<integer, integer>
M.made_by_run = summaries.by_run

-- ---- the end ----------------------------------------------------------------------------------------------

local function unasked_of(self)
    local numbers = {}
    for _, row in ipairs(self.recorded) do
        if not self.asked[row.number] then numbers[#numbers + 1] = row.number end
    end
    return numbers
end

-- What the others have done, too.
local function read_all(self)
    self.runs, self.changes = self.store:runs(self.job.name), self.store:changes(self.job.name)
end

--- Ends the run, and lets go of the job. Raises nothing: what cannot be written down is the summary's
--- `problem`.
---@param status integer exit status of the run
---@return kmirror.journal.summary
function Journal:finish(status)
    self.run.ended, self.run.status = host.time(), status
    local unasked = not self.joint and (status == 0 or status == 3) and unasked_of(self) or nil
    local ok, problem = pcall(self.write, self, "end_run", self.run, unasked)
    for _, row in ipairs(unasked and self.recorded or {}) do row.asked = true end
    for _, number in ipairs(unasked or {}) do self.changes[self.places[number]].asked = false end
    if self.joint and ok then ok, problem = pcall(read_all, self) end
    local summary = summaries.of(self.job.name, self.runs, self.changes)
    summary.sent, summary.problem = self.sent, not ok and problem or nil
    summary.own = self.joint and summaries.by_run(self.changes)[self.run.number] or nil
    summary.store = self.run.settings.store
    if not ok or status ~= 0 or summary.unanswered > 0 then
        summary.resume = stores.command("resume", self.job.name, summary.store)
    end
    self.lock:close()
    self.store:close()
    current = current ~= self and current or nil
    return summary
end

return M
