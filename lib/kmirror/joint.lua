--- joint: several runners at work on one job, each a process of its own, on whatever machine: `run --job NAME --join`.
---
--- All of them run the same runbook. What they share are items: the things that a bulk.each() is about, and each
--- change that is made outside of one. An item is known on every runner by its part of the run (which bulk.each() it
--- is) and by what it is. The store gives each to one runner at a time; one whose runner is gone is given to another,
--- which reads first what that one has recorded of it. So each change is made once, however the runners come and go;
--- what the others came to is told to all.
---
--- Reads, and what else a runbook does outside of its items, each runner does for itself.

local host = require("host")
local json = require("kmirror.json")
local mirrors = require("mirrors")
local problems = require("kmirror.problem")
local task = require("task")
local refuse = require("kmirror.usage")

local M = {}

local pause = 0.5 -- seconds between two looks at what the others do
local most_of_a_value = 65536 -- bytes

local current ---@type kmirror.joint|nil of this run

---@class kmirror.joint
---@field journal kmirror.journal
---@field parts table<string, integer> how often each place has been come to
---@field at table<string, boolean> the places where work is shared just now
local Joint = {}
Joint.__index = Joint

-- ---- which runbooks may be shared ---------------------------------------------------------------------------

-- Why a runbook that ships is not for several runners; those that are not here may be.
local alone = {
    audit = "it changes nothing, so that there is nothing to share",
    drain = "its --max-delete counts what one runner is about to delete",
    failback = "its steps follow one another, and its hooks are run once",
    failover = "its steps follow one another, and its hooks are run once",
    rollout = "it judges each batch, and takes it back, as a whole",
    watch = "it changes nothing, so that there is nothing to share",
}

local function check_settings(given)
    if not given.job then
        refuse("--join is about a job that several runners share: give --job NAME, too")
    elseif given.command ~= "run" then
        refuse("kmirror %s has no --join: only kmirror run has", given.command)
    elseif given.sandbox then
        refuse("--join and --sandbox exclude each other, as each run would have a sandbox of its own: start one with "
            .. "kmirror sandbox, and give --endpoint")
    elseif given.script == "-" then
        refuse("--join needs a runbook that every runner can read: a file, or the name of a shipped one")
    end
end

--- Refuses a command line whose runbook cannot be shared.
---@param given table the command line, with --join
---Raises usage.
function M.check(given)
    check_settings(given)
    if alone[given.script] then
        refuse("%s takes no --join: %s", given.script, alone[given.script])
    end
    for _, argument in ipairs(given.script == "migrate" and given.rest or {}) do
        if argument == "--replace-failed" then
            refuse("migrate --replace-failed takes no --join: run it alone first")
        end
    end
end

-- ---- beginning and ending ---------------------------------------------------------------------------------

--- Begins to share the job of this run.
---@param opened kmirror.journal opened with `join`
---@return kmirror.joint
function M.begin(opened)
    current = setmetatable({ journal = opened, parts = {}, at = {} }, Joint)
    opened.store:reopen_items(opened.job.name)
    return current
end

--- The run has ended.
function M.finish()
    current = nil
end

--- What is shared here: nil in a run that shares nothing, and in the work on an item, which is one runner's alone.
---@return kmirror.joint|nil
function M.here()
    return current and not task.scope() and current or nil
end

-- ---- items ------------------------------------------------------------------------------------------------

---@class kmirror.joint.part
---@field place string
---@field name string place, and which time it is
---@field items string[] what the journal and the store know them by, in the order of the list
---@field places table<string, integer> where they are in it
---@field foreign string[] what others have shared and is not in this runner's list

-- What an item is, in words that are the same on every runner.
local function identity_of(item)
    if type(item) == "table" and type(item.id) == "string" then
        return "id " .. item.id
    elseif type(item) == "string" or math.type(item) then
        return math.type(item) and ("%.17g"):format(item) or item
    end
    local ok, text = pcall(json.encode, item)
    if ok and type(item) == "table" then return text end
    error(mirrors.error("invalid", "bulk.each: with --join each item has to be known on every runner: give it an id, "
        .. "or give options.key, a function that tells what it is"), 0)
end

local function digest(self, part, what)
    return host.hmac_sha256(self.journal.key, part .. "\n" .. what)
end

--- Shares the items of a list: those that no other runner has shared yet are new.
---@param place string where in the runbook they are worked on
---@param list any[]
---@param key? fun(item: any): string what an item is
---@param batch_of? fun(place: integer): integer the batch of an item, by its place in the list
---@return kmirror.joint.part
---Raises `invalid` for an item that other runners would not know, and for a place where another list is just being
---worked on; what keeps the store from writing it down.
---@async
function Joint:share(place, list, key, batch_of)
    if self.at[place] then
        error(mirrors.error("invalid", ("bulk.each at %s: with --join two at once cannot be told apart by the other "
            .. "runners: give each options.shared, a name that is the same on all"):format(place)), 0)
    end
    self.at[place] = true
    self.parts[place] = (self.parts[place] or 0) + 1
    local part = {
        place = place, name = ("%s #%d"):format(place, self.parts[place]), items = {}, places = {}, foreign = {},
    }
    local shared, times = {}, {}
    for i, item in ipairs(list) do
        local what = key and tostring(key(item)) or identity_of(item)
        times[what] = (times[what] or 0) + 1
        local name = digest(self, part.name, what .. " #" .. times[what])
        part.items[i], part.places[name] = name, i
        shared[i] = { key = name, number = i, batch = batch_of and batch_of(i) or 1 }
    end
    self.journal.store:share_items(self.journal.job.name, part.name, shared)
    return part
end

---@class kmirror.joint.counts of a part
---@field total integer
---@field done integer
---@field failed integer
---@field failed_before integer of earlier batches
---@field failed_now integer of the batch that is asked for
---@field busy integer which others are at, or may come to be
---@field stopped string|nil why nobody is to begin any more

--- Takes items that are free for this runner, the first ones of the list: those that nobody has begun, and those whose
--- runner is gone.
---@param part kmirror.joint.part
---@param batch integer
---@param most integer
---@return string[] items
---@return kmirror.joint.counts
---Raises `store`, also when this runner has lost its hold on the job.
---@async
function Joint:take(part, batch, most)
    local taken, counts = self.journal.store:claim_items(self.journal.job.name, part.name, {
        batch = batch, most = most, run = self.journal.run.number, foreign = part.foreign,
    })
    local items = {}
    for _, each in ipairs(taken) do
        items[#items + 1] = part.places[each.key] and each.key or nil
        part.foreign[#part.foreign + 1] = not part.places[each.key] and each.key or nil
        if each.before and part.places[each.key] then self.journal:take_over(each.key) end
    end
    if #items < #taken then
        self.journal.store:release_items(self.journal.job.name, part.name, part.foreign)
    end
    return items, counts
end

--- Nobody is to begin any more of the list: neither this runner nor the others.
---@param part kmirror.joint.part
---@param why string
---@async
function Joint:stop(part, why)
    self.journal.store:stop_part(self.journal.job.name, part.name, why)
end

-- What the others are to know of it: nothing that cannot be written down, and no secrets, however deep they are.
local function written(value)
    local ok, text = pcall(json.encode, value)
    if value == nil or not ok or #text > most_of_a_value then return nil end
    return not text:find('"sourceConnectionProperties":', 1, true) and text or nil
end

--- An item has ended.
---@param part kmirror.joint.part
---@param item string
---@param ok boolean
---@param value any what came of it, or why it failed
---@async
function Joint:done(part, item, ok, value)
    if ok then self.journal:leave(item) end
    self.journal.store:end_item(self.journal.job.name, part.name, {
        key = item, state = ok and "done" or "failed",
        value = ok and written(value) or not ok and type(value) == "table" and written(value.kind) or nil,
        problem = not ok and (value == nil and "no reason given" or tostring(value)) or nil,
    })
end

--- The work on a list is over.
---@param part kmirror.joint.part
function Joint:left(part)
    self.at[part.place] = nil
end

--- Gives back the items that this runner has taken and not ended: to whoever wants them.
---@async
function Joint:give_back()
    self.journal.store:release_items(self.journal.job.name)
end

---@class kmirror.joint.ended
---@field place integer|nil in this runner's list; nil when it is not in it
---@field batch integer
---@field run integer that did it
---@field value any of one that failed, the kind of its error
---@field problem string|nil why it failed

--- The items of a part that have ended, whoever did them.
---@param part kmirror.joint.part
---@return kmirror.joint.ended[]
---@async
function Joint:ended(part)
    local found = {}
    for _, row in ipairs(self.journal.store:items(self.journal.job.name, part.name)) do
        if row.state == "done" or row.state == "failed" then
            found[#found + 1] = {
                place = part.places[row.key], batch = row.batch, run = row.run, problem = row.problem,
                value = row.value and json.decode(row.value) or nil,
            }
        end
    end
    return found
end

-- ---- a change outside of all items --------------------------------------------------------------------------

-- Runs it as the item, whose scope ends with it.
local function within(item, body)
    task.enter(item)
    local result = table.pack(pcall(body))
    task.enter(nil)
    return table.unpack(result, 1, result.n)
end

local function do_once(self, part, item, go_on)
    local ok, value = within(item, go_on)
    if not ok and problems.is(value, "cancelled") then
        self:give_back()
    else
        self:done(part, item, ok, value)
    end
    if not ok then error(value, 0) end
    return value
end

--- Makes a change that belongs to no item, on one of the runners that ask for it. What it returned, or that it failed,
--- the others are told.
---@param key string what it is
---@param go_on fun(): any makes it
---@return any
---@async
function Joint:once(key, go_on)
    local part = self:share("change " .. key, { key })
    self:left(part) -- equal ones are interchangeable
    while true do
        local taken = self:take(part, 1, 1)
        if taken[1] then return do_once(self, part, taken[1], go_on) end
        local ended = self:ended(part)[1]
        if ended and ended.problem then
            error(mirrors.error(ended.value or "failed", ended.problem .. " (another runner)"), 0)
        elseif ended then
            return ended.value
        end
        task.sleep(pause)
    end
end

-- ---- the runner's own concurrency ---------------------------------------------------------------------------

local letting = {} -- by item: what makes room for the next one

--- For the work on an item: while it waits for what takes no effort, the next one may begin.
function M.let_next()
    local let = letting[task.scope()]
    if let then
        letting[task.scope()] = nil
        let()
    end
end

--- What makes room for the next item while that one goes on; nil: it has ended.
---@param item string
---@param let nil|fun()
function M.on_let_next(item, let)
    letting[item] = let
end

M.pause = pause

return M
