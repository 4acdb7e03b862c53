--- progress: how far work has come. On a terminal a line for each piece of work, drawn again and again below all that
--- is written meanwhile; elsewhere a message now and then; nothing with --json.
---
---     local bar <close> = progress.start({ title = "delete", total = #mirrors })
---     bar:step()
---
--- Steps (kmirror.steps) and what is done to many things (kmirror.bulk) are shown without a runbook's doing.

local display = require("kmirror.progress.display")
local task = require("task")

local M = { show = display.show, leave_terminal = display.leave_terminal }

---@class kmirror.progress
---@field title string
---@field total? integer how many there are to do
---@field count integer done
---@field failed integer
---@field text? string what it is at
---@field limit? number seconds that it may take
---@field seconds? number that it takes, when that is known
---@field calls? integer of a step: calls that have ended meanwhile
---@field started number
---@field since number when it began to count
---@field told number when it was last told of
---@field thread thread in which it began
---@field outer? kmirror.progress what it is a part of
---@field lent? kmirror.progress the step whose line it has
---@field transparent? boolean not shown itself, but what is done in it is
local Progress = {}
Progress.__index = Progress

local works = display.works
local inside = setmetatable({}, { __mode = "k" }) -- the piece of work that a coroutine is at

-- ---- pieces of work ---------------------------------------------------------------------------------------

---@class kmirror.progress.options
---@field title? string what is done
---@field total? integer how many there are to do
---@field limit? number seconds that it may take
---@field seconds? number that it takes, when that is known

local function new(options, outer)
    local now = task.now()
    return setmetatable({
        title = options.title, total = options.total, limit = options.limit ~= math.huge and options.limit or nil,
        seconds = options.seconds, count = 0, failed = 0, started = now, since = now, told = now,
        thread = coroutine.running(), outer = outer,
    }, Progress)
end

local function show(self)
    works[#works + 1] = self
    display.begun()
    return self
end

local function begin(options)
    local thread = coroutine.running()
    local self = new(options, inside[thread])
    inside[thread] = self
    return self
end

--- Begins to show a piece of work, on a line of its own.
---@param options kmirror.progress.options with a title
---@return kmirror.progress
function M.start(options)
    return show(begin(options))
end

--- Begins to show a step: it does not know how much there is to do, but the calls that end in it can be told.
---@param title string
---@return kmirror.progress
function M.step(title)
    local self = begin({ title = title })
    self.calls = 0
    return show(self)
end

--- Where in a runbook this is asked for, as "tighten.lua:5".
---@return string
function M.place()
    for level = 3, 20 do
        local info = debug.getinfo(level, "Sl")
        if not info then
            break
        elseif info.what ~= "C" and not info.source:find("lib/kmirror/", 1, true) then
            return ("%s:%d"):format(info.source:match("[^/=@]*$"), info.currentline)
        end
    end
    return "items"
end

local function index_of(work)
    for i, each in ipairs(works) do
        if each == work then return i end
    end
end

--- Begins to show a part of what goes on here: on the line of the step that it is in, else on one of its own, titled by
--- the place in the runbook. Not at all inside of a piece of work that is shown by itself.
---@param options kmirror.progress.options
---@return kmirror.progress
function M.part(options)
    local step = inside[coroutine.running()]
    local self = begin(options)
    local at = step and step.calls and not step.lent and index_of(step)
    if at then
        self.lent, self.title, self.started, self.calls = step, step.title, step.started, step.calls
        works[at] = self
    elseif not step then
        self.title = self.title or M.place()
        show(self)
    end
    return self
end

--- The same for so many things. One alone is not counted: what is done to it is shown by itself.
---@param total integer
---@param title? string
---@return kmirror.progress
function M.items(total, title)
    if total > 1 then return M.part({ title = title, total = total }) end
    local self = new({}, inside[coroutine.running()])
    self.transparent = true
    return self
end

--- The task that calls this does some of it.
function Progress:join()
    inside[coroutine.running()] = not self.transparent and self or self.outer
end

--- So many more are done.
---@param count? integer 1 by default
function Progress:step(count)
    self.count = self.count + (count or 1)
    display.changed()
end

--- So many are done in all, and so many of them have failed.
---@param count integer
---@param failed? integer
---@param total? integer when that was not known before, or has changed
function Progress:set(count, failed, total)
    self.count, self.failed, self.total = count, failed or self.failed, total or self.total
    display.changed()
end

--- What it is at, in a few words.
---@param text string|nil
function Progress:note(text)
    self.text = text
    display.changed()
end

local function belongs(work, to)
    while work and work ~= to do work = work.outer end
    return work ~= nil
end

-- Its line goes back to the step that had it before, or away.
local function give_up_line(self, at)
    if self.lent then
        self.lent.calls = self.calls
        works[at] = self.lent
    else
        table.remove(works, at)
    end
end

--- It has ended, well or not, and with it what was begun in it and left behind; does nothing a second time.
function Progress:done()
    for i = #works, 1, -1 do
        if belongs(works[i], self) then give_up_line(works[i], i) end
    end
    if belongs(inside[self.thread], self) then inside[self.thread] = self.outer end
    display.ended()
end

Progress.__close = Progress.done

-- ---- counters ---------------------------------------------------------------------------------------------

local Counter = {}
Counter.__index = Counter

function Counter:__call(ended, failed, total)
    if not self.bar then
        self.bar = show(new({ title = self.title, total = total }, self.outer))
        self.bar.started, self.bar.since, self.bar.told = self.began, self.began, self.began
    end
    self.bar:set(ended, failed)
    if ended >= total then self.bar:done() end
end

--- What bulk.each() takes as `progress`. It ends when all are done, with bulk.each(), or with the step in which it
--- began.
---@param title string
---@return fun(ended: integer, failed: integer, total: integer)
function M.counter(title)
    return setmetatable({ title = title, began = task.now(), outer = inside[coroutine.running()] }, Counter)
end

--- Begins work whose progress somebody else is told of: no part of it is shown, and with it ends what a counter shows.
---@param counter fun(ended: integer, failed: integer, total: integer)
---@return kmirror.progress
function M.told(counter)
    local self = begin({})
    if getmetatable(counter) == Counter then counter.outer = self end
    return self
end

return M
