--- store.records: what a store is asked for, as rows of its tables and back: the same for each database. What is the
--- database's own is little: how rows are written and looked for, who holds a job, and the key.

local fields = require("mirrors").fields
local json = require("kmirror.json")
local mirrors = require("mirrors")
local rows = require("kmirror.store.rows")
local shell = require("kmirror.shell")

---@class kmirror.store.records: kmirror.store
---@field name string what messages call the store
---@field rows fun(self, name: string, condition: string, ...: any): table[] rows of a table; ? stands for a value
---@field write fun(self, job: string, changed: table[]) all or nothing; each is { table, row, what may be there
---  already: "new" nothing, "any", "unless there": then that stays }
local M = {}

local labels = { jobs = "its record", runs = "run %d", changes = "change %d", seen = "what was seen on its clusters" }

local function damaged(self, name, row)
    local job = tostring(row.job or row.name)
    error(mirrors.error("store", ("the store %s: job %s: %s is damaged, so nothing can be concluded from it: put "
        .. "the store back from a backup, or look with kmirror list at what is there, and then kmirror jobs forget %s "
        .. "--yes --store %s"):format(self.name, fields.shown(job), labels[name]:format(tonumber(row.number) or 0),
        shell.word(job), shell.word(self.name)), { details = { damaged = job } }), 0)
end

-- The rows that a condition holds for. Raises when one of them is not as it was written.
local function select(self, name, condition, ...)
    local found = self:rows(name, condition, ...)
    for _, row in ipairs(found) do
        if not rows.intact(name, row) then damaged(self, name, row) end
        row.digest = nil
    end
    return found
end

-- ---- jobs and runs ----------------------------------------------------------------------------------------

function M:jobs()
    return select(self, "jobs", "ORDER BY name")
end

function M:job(name)
    return select(self, "jobs", "WHERE name = ?", name)[1]
end

function M:names()
    local names = {}
    for i, row in ipairs(self:rows("jobs", "ORDER BY name")) do names[i] = tostring(row.name) end
    return names
end

function M:has(name)
    return #self:rows("jobs", "WHERE name = ?", name) > 0
end

-- A table that is kept as JSON.
local function decoded(self, name, row, column)
    local value = json.decode(row[column])
    return type(value) == "table" and value or damaged(self, name, row)
end

function M:begin_run(job, run, among_others)
    local row = { job = job.name, args = json.encode(json.array(run.args)), settings = json.encode(run.settings) }
    self:write(job.name, {
        { "jobs", job, "unless there" },
        { "runs", setmetatable(row, { __index = run }), among_others and "unless there" or "new" },
    })
end

-- The changes of a job of which it was not known before whether they were asked for. As a rule all were, before and
-- now: then none is read.
local function asked(self, job, unasked, changed)
    local missed = {}
    for _, number in ipairs(unasked) do missed[number] = true end
    local which = #unasked > 0 and "WHERE job = ?" or "WHERE job = ? AND asked = 0"
    for _, row in ipairs(select(self, "changes", which, job)) do
        local now = missed[row.number] and 0 or 1
        if row.asked ~= now then
            row.asked = now
            changed[#changed + 1] = { "changes", row, "any" }
        end
    end
end

function M:end_run(job, run, unasked)
    local changed = {}
    for _, row in ipairs(select(self, "runs", "WHERE job = ? AND number = ?", job, run.number)) do
        row.ended, row.status = run.ended, run.status
        changed[#changed + 1] = { "runs", row, "any" }
    end
    if unasked then asked(self, job, unasked, changed) end
    self:write(job, changed)
end

function M:runs(job)
    local is_there = self:has(job) -- asked first: another runner may begin the job meanwhile
    local found = select(self, "runs", "WHERE job = ? ORDER BY number", job)
    if #found == 0 and is_there then damaged(self, "runs", { job = job, number = 1 }) end
    for i, row in ipairs(found) do
        if row.number ~= i then damaged(self, "runs", { job = job, number = i }) end
        row.args, row.settings = decoded(self, "runs", row, "args"), decoded(self, "runs", row, "settings")
        row.job = nil
    end
    return found
end

-- ---- changes and what was seen ----------------------------------------------------------------------------

function M:write_changes(job, changes)
    local changed = {}
    for i, change in ipairs(changes) do
        local row = { job = job, position = change.order, arguments = json.encode(change.arguments) }
        changed[i] = { "changes", setmetatable(row, { __index = change }), "any" }
    end
    self:write(job, changed)
end

function M:changes(job, item)
    local found = item and select(self, "changes", "WHERE job = ? AND item = ? ORDER BY number", job, item)
        or select(self, "changes", "WHERE job = ? ORDER BY number", job)
    for _, row in ipairs(found) do
        row.arguments = decoded(self, "changes", row, "arguments")
        if not mirrors.operations[row.operation] then damaged(self, "changes", row) end
        row.job, row.order, row.position = nil, row.position, nil
        row.asked = row.asked ~= 0
    end
    return found
end

function M:write_seen(job, seen)
    local changed = {}
    for i, id in ipairs(seen.ids) do
        changed[i] = { "seen", { job = job, cluster = seen.cluster, id = id, position = seen.order }, "unless there" }
    end
    self:write(job, changed)
end

function M:seen(job)
    local all = {}
    for _, row in ipairs(select(self, "seen", "WHERE job = ? ORDER BY position, cluster, id", job)) do
        local last = all[#all]
        if not last or last.order ~= row.position or last.cluster ~= row.cluster then
            last = { order = row.position, cluster = row.cluster, ids = {} }
            all[#all + 1] = last
        end
        last.ids[#last.ids + 1] = row.id
    end
    return all
end

return M
