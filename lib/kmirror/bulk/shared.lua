--- bulk.shared: bulk.each() of a job that several runners share: each takes the next items that are free.

local batches = require("kmirror.batches")
local joint = require("kmirror.joint")
local problems = require("kmirror.problem")
local runs = require("kmirror.bulk.run")
local task = require("task")

local M = {}

local shortest = 0.05 -- seconds after which a runner that has room takes more: others have had their turn meanwhile

---@class kmirror.bulk.sharing
---@field joint kmirror.joint
---@field part kmirror.joint.part
---@field run kmirror.bulk.run
---@field work fun(item: any, index: integer): any
---@field own integer items that this runner has done
---@field busy integer items that it is at
---@field idle integer those among them that let the next one begin
---@field rung boolean one has ended since the last look
---@field broken boolean this runner cannot go on
---@field bell? task.Task ends when one of them has ended, or the others are to be looked at again

-- ---- items ------------------------------------------------------------------------------------------------

-- In place of rounds: it is this runner's until it has ended.
local function persist(run, work, place)
    for round = 1, run.rounds do
        local ok, value = runs.item(run, work, place)
        if ok or round == run.rounds or not problems.passes(value) then return ok, value end
        task.sleep(run.pause)
    end
end

local function do_item(self, item)
    task.enter(item)
    self.run.bar:join()
    local ok, value = persist(self.run, self.work, self.part.places[item])
    self.joint:done(self.part, item, ok, value)
    self.own = self.own + 1
end

-- There may be room for another item.
local function ring(self)
    self.rung = true
    if self.bell then self.bell:cancel() end
end

local function begin_item(self, item)
    local idle = 0
    joint.on_let_next(item, function()
        idle, self.idle = 1, self.idle + 1
        ring(self)
    end)
    local ok, problem = pcall(do_item, self, item)
    joint.on_let_next(item, nil)
    self.busy, self.idle, self.broken = self.busy - 1, self.idle - idle, self.broken or not ok
    ring(self)
    if not ok then error(problem, 0) end
end

-- Takes so many items of a batch. Returns why none is to be begun any more, if so it is: on each runner for the same
-- reason, whosever items they were and whenever it has come to this batch.
local function take(self, batch, most)
    local run = self.run
    local items, counts = self.joint:take(self.part, batch.number, most)
    run.ended, run.failed = counts.done + counts.failed, counts.failed
    run.progress(run.ended, run.failed, counts.total)
    local may_fail = batches.limit(run.max_failures, counts.failed_before, batch.last - batch.first + 1)
    local failed = counts.failed_before + counts.failed_now
    local stopped = runs.too_many({ failed = failed, ended = run.ended, max_failures = run.max_failures }, may_fail)
    return stopped or counts.stopped and counts.stopped .. " (another runner)", items, counts.busy
end

-- Until an item has ended, or for so long.
local function wait(self, seconds)
    if self.rung then return end
    local bell = task.spawn(function()
        pcall(task.sleep, seconds)
    end)
    self.bell = bell
    local _ <close> = setmetatable({}, { __close = function()
        self.bell = nil
        bell:cancel()
    end })
    pcall(bell.join, bell) -- it may be rung before it has begun
    task.sleep(0) -- raises when this task was cancelled
end

-- ---- batches ----------------------------------------------------------------------------------------------

-- Takes what is free and does it, until nobody is at any item of the batch. Returns why not all of it was begun, or why
-- nothing is to be begun after it.
local function do_batch(self, batch)
    local group <close> = task.group()
    local stopped = take(self, batch, 0)
    while not self.broken do
        self.rung = false
        local free = stopped and 0 or self.run.concurrency - (self.busy - self.idle)
        local items, others
        stopped, items, others = take(self, batch, free)
        for _, item in ipairs(items) do
            self.busy = self.busy + 1
            group:spawn(begin_item, self, item)
        end
        if self.busy == 0 and (others == 0 or stopped) then break end
        wait(self, #items > 0 and #items < free and shortest or joint.pause)
    end
    group:wait()
    return stopped
end

-- What the others have done, of this runner's list.
local function learn(self)
    for _, ended in ipairs(self.joint:ended(self.part)) do
        local item = ended.place and self.run.items[ended.place]
        if item ~= nil and not self.run.outcomes[ended.place] then
            self.run.outcomes[ended.place] = { item = item, problem = ended.problem,
                value = not ended.problem and ended.value or nil }
        end
    end
end

local function batch_of(plan)
    return function(place)
        for i, span in ipairs(plan) do
            if place <= span.last then return i end
        end
    end
end

local gives_back = {
    __close = function(self, problem)
        self.joint:left(self.part)
        if problem then pcall(self.joint.give_back, self.joint) end
    end,
}

--- Does the items of a run, with the others.
---@param run kmirror.bulk.run
---@param work fun(item: any, index: integer): any
---@param plan { first: integer, last: integer }[] batches
---@param how { joint: kmirror.joint, place: string, key: nil|fun(item: any): string }
---@param after fun(batch: integer, span: { first: integer, last: integer }): string|nil asks whether the next may begin
---@return string|nil stopped why nothing more was begun
---@return integer|nil batch the last one that was begun
---@return integer own how many items this runner has done
---@async
function M.run(run, work, plan, how, after)
    local self <close> = setmetatable({ joint = how.joint, run = run, work = work, own = 0, busy = 0, idle = 0,
        part = how.joint:share(how.place, run.items, how.key, batch_of(plan)) }, gives_back)
    local stopped, number
    for i, span in ipairs(plan) do
        number = i
        stopped = do_batch(self, { number = i, first = span.first, last = span.last })
        learn(self)
        local closed = not stopped and after(i, span)
        if closed then self.joint:stop(self.part, closed) end
        stopped = stopped or closed
        if stopped then break end
    end
    return stopped or nil, number, self.own
end

return M
