--- progress: how far work has come. On a terminal a line for each piece of work, drawn again and again below all that
--- is written meanwhile; elsewhere a message now and then; nothing with --json.
---
---     local bar <close> = progress.start({ title = "delete", total = #mirrors })
---     bar:step()
---
--- The steps of a runbook (kmirror.steps) are shown without its doing.

local events = require("kmirror.events")
local line = require("kmirror.progress.line")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local task = require("task")
local terminal = require("kmirror.terminal")

local M = {}

local draw_pause = 0.15 -- seconds between two drawings
local told_pause = 5 -- seconds between two messages, where nothing is drawn
local usual_width = 80
local most_lines = 6 -- pieces of work that are drawn

---@class kmirror.progress
---@field title string
---@field total? integer how many there are to do
---@field count integer done
---@field failed? integer
---@field text? string what it is at
---@field calls? integer of a step: calls that have ended in it
---@field started number
---@field told number when it was last told of
local Progress = {}
Progress.__index = Progress

---@type "silent"|"told"|"drawn"
local manner = "told"
local works = {} -- that have not ended, in the order in which they began
local drawn = {} -- the lines that are on the terminal, the cursor behind the last one
local drawn_at = 0
local whole = true -- whether what others wrote last has ended its line
local drawer -- the task that draws while nothing else happens

-- ---- the requests underneath ------------------------------------------------------------------------------

local sent, retries, limit, pause_until, pause_reason = {}, 0, nil, 0, nil

local function in_last_second(now)
    local first = 1
    while sent[first] and sent[first] <= now - 1 do
        first = first + 1
    end
    table.move(sent, first, #sent + first - 1, 1)
    return #sent
end

local function note_request(event)
    if event.what == "retry" then
        retries = retries + 1
        local ends = task.now() + event.wait
        if ends > pause_until then
            pause_until, pause_reason = ends, event.error.kind:gsub("_", " ")
        end
    elseif event.sent > 0 then
        sent[#sent + 1] = event.sent
        if #sent > 2000 then
            in_last_second(event.sent)
        end
    end
end

local function traffic(now)
    local rate = in_last_second(now)
    local parts = { limit and limit > 0 and ("%d of %g requests/s"):format(rate, limit)
        or ("%d requests/s"):format(rate) }
    local waiting = mirrors.under_way()
    parts[#parts + 1] = waiting > 0 and ("%d under way"):format(waiting) or nil
    parts[#parts + 1] = retries > 0 and ("%d %s"):format(retries, retries == 1 and "retry" or "retries") or nil
    parts[#parts + 1] = pause_until > now + 0.5 and ("waiting %s more after: %s"):format(
        line.clock(pause_until - now), pause_reason) or nil
    return table.concat(parts, ", ")
end

-- ---- drawing ----------------------------------------------------------------------------------------------

local write -- io.stderr's own

-- Rows that the drawn lines take now: a terminal that became narrower has wrapped them.
local function rows_of(width)
    local rows = 0
    for _, each in ipairs(drawn) do
        rows = rows + math.max(1, (each.width + width - 1) // width)
    end
    return rows
end

local function room()
    local width = math.tointeger(terminal.of(io.stderr).width) or usual_width
    return width > 0 and width or usual_width
end

local function clear()
    if #drawn > 0 then
        local up = rows_of(room()) - 1
        write(io.stderr, "\r", up > 0 and ("\27[%dA"):format(up) or "", "\27[J")
        drawn = {}
    end
end

local function lines_of(width, now)
    local lines = {}
    for i = math.max(1, #works - most_lines + 1), #works do
        lines[#lines + 1] = line.of(works[i], width, now)
    end
    if #lines > 0 then
        lines[#lines + 1] = require("kmirror.text").cut(traffic(now), width)
    end
    return lines
end

local function draw()
    if manner ~= "drawn" or not whole then
        return
    end
    local text, where = require("kmirror.text"), terminal.of(io.stderr)
    local now, lines, parts = task.now(), lines_of(room() - 1, task.now()), {}
    clear()
    for i, each in ipairs(lines) do
        drawn[i] = { width = text.width(each) }
        parts[i] = terminal.paint(where, i == #lines and "dim" or nil, each)
    end
    write(io.stderr, table.concat(parts, "\n"))
    io.stderr:flush()
    drawn_at = now
end

local function keep_drawing()
    pcall(function()
        while #works > 0 do
            draw()
            task.sleep(draw_pause)
        end
    end)
    drawer = nil
    if #works == 0 then
        clear()
    end
end

local function wake()
    if manner == "drawn" and not drawer then
        local ok, started = pcall(task.spawn, keep_drawing)
        drawer = ok and started or nil
    end
end

-- ---- what others write ------------------------------------------------------------------------------------

-- A terminal has one cursor: whatever is written there goes above the lines, which are drawn again below it.
local function beside(fn, writes_here)
    return function(...)
        if not writes_here(...) then
            return fn(...)
        end
        clear()
        local results = table.pack(fn(...))
        if whole and #works > 0 then
            draw()
        end
        return table.unpack(results, 1, results.n)
    end
end

local function ends_line(...)
    local last = tostring(select(-1, "", ...))
    if last ~= "" then
        whole = last:sub(-1) == "\n"
    end
end

local undo

local function guard_output()
    local methods = getmetatable(io.stderr).__index
    local plain_write, plain_print, plain_io_write = methods.write, print, io.write
    write = plain_write
    local on_terminal = { [io.stderr] = true, [io.stdout] = terminal.of(io.stdout).terminal or nil }
    methods.write = beside(plain_write, function(file, ...)
        local here = on_terminal[file]
        if here then
            ends_line(...)
        end
        return here
    end)
    if on_terminal[io.stdout] then
        print = beside(plain_print, function() -- luacheck: ignore 121
            whole = true
            return true
        end)
        io.write = beside(plain_io_write, function(...) -- luacheck: ignore 122
            local here = io.output() == io.stdout
            if here then
                ends_line(...)
            end
            return here
        end)
    end
    return function()
        methods.write, print, io.write = plain_write, plain_print, plain_io_write -- luacheck: ignore 121 122
    end
end

-- ---- pieces of work ---------------------------------------------------------------------------------------

-- Where nothing is drawn: a message every few seconds.
local function tell(self)
    local now = task.now()
    if manner ~= "told" or now - self.told < told_pause or not self.total or self.count >= self.total then
        return
    end
    self.told = now
    local left = line.left(self, now)
    log.info("%s: %d of %d%s%s%s", self.title, self.count, self.total,
        (self.failed or 0) > 0 and (", %d failed"):format(self.failed) or "",
        left and (", %.0f seconds left"):format(left) or "", self.text and ", " .. self.text or "")
end

local function changed(self)
    if manner == "told" then
        tell(self)
    elseif manner == "drawn" and task.now() - drawn_at >= draw_pause then
        draw()
    end
end

---@class kmirror.progress.options
---@field title string what is done
---@field total? integer how many there are to do

--- Begins to show a piece of work.
---@param options kmirror.progress.options
---@return kmirror.progress
function M.start(options)
    local now = task.now()
    local self = setmetatable({
        title = options.title, total = options.total, count = 0, failed = 0, started = now, told = now,
    }, Progress)
    works[#works + 1] = self
    wake()
    return self
end

--- So many more are done.
---@param count? integer 1 by default
function Progress:step(count)
    self.count = self.count + (count or 1)
    changed(self)
end

--- So many are done in all, and so many of them have failed.
---@param count integer
---@param failed? integer
function Progress:set(count, failed)
    self.count, self.failed = count, failed or self.failed
    changed(self)
end

--- What it is at, in a few words.
---@param text string|nil
function Progress:note(text)
    self.text = text
    changed(self)
end

--- It has ended, well or not; does nothing a second time.
function Progress:done()
    for i = #works, 1, -1 do
        if works[i] == self then
            table.remove(works, i)
            if #works == 0 and manner == "drawn" then
                clear()
            end
        end
    end
end

Progress.__close = Progress.done

--- What bulk.each() takes as `progress`. It ends when all are done, or with the step in which it began.
---@param title string
---@return fun(ended: integer, failed: integer, total: integer)
function M.counter(title)
    local began, bar = task.now(), nil
    return function(ended, failed, total)
        if not bar then
            bar = M.start({ title = title, total = total })
            bar.started, bar.told = began, began
        end
        bar:set(ended, failed)
        if ended >= total then
            bar:done()
        end
    end
end

-- ---- steps ------------------------------------------------------------------------------------------------

local steps = {}

-- With a step ends what was begun in it and left behind.
local function end_step(bar)
    local after = false
    for _, each in ipairs(table.move(works, 1, #works, 1, {})) do
        after = after or each == bar
        if after then
            each:done()
        end
    end
end

-- A step does not say how much there is to do, but how many calls have ended in it can be told.
local function note_call(event)
    limit = event.options.rate
    for _, bar in pairs(steps) do
        bar.calls = bar.calls + (event.ended and 1 or 0)
    end
end

local function note(event)
    if event.what == "attempt" or event.what == "retry" then
        note_request(event)
    elseif event.what == "call" then
        note_call(event)
    elseif event.what == "step" and event.ended then
        end_step(steps[event])
        steps[event] = nil
    elseif event.what == "step" then
        steps[event] = M.start({ title = event.title })
        steps[event].calls = 0
    end
end

-- ---- the run ----------------------------------------------------------------------------------------------

local draws_itself = { repl = true }

local function manner_for(given)
    if given.json then
        return "silent"
    end
    local kind = os.getenv("TERM") or ""
    local draws = terminal.of(io.stderr).terminal and kind ~= "" and kind ~= "dumb" and not draws_itself[given.command]
        and given.log_format ~= "json"
    return draws and "drawn" or "told"
end

local shown = { __close = function()
    if manner == "drawn" then
        clear()
        works = {}
        if drawer then
            drawer:cancel()
        end
        undo()
        manner = "told"
    end
end }

--- Shows progress as the command line asks for, until what it returns is closed.
---@param given table the command line
---@return table|nil
function M.show(given)
    if manner == "drawn" then
        return nil -- a command that runs another one: that one's lines are these
    end
    manner = manner_for(given)
    if manner == "drawn" then
        undo = guard_output()
        events.observe()
        events.listen(note)
    end
    return setmetatable({}, shown)
end

return M
