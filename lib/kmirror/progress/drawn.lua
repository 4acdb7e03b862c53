--- progress.drawn: how far work has come, on a terminal: a line for each piece of work and one for the requests
--- underneath, drawn again and again below all that is written meanwhile.

local events = require("kmirror.events")
local guard = require("kmirror.progress.guard")
local line = require("kmirror.progress.line")
local task = require("task")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local traffic = require("kmirror.progress.traffic")

local M = {}

local usual_width = 80
local most_lines = 6 -- pieces of work that are drawn
local too_short = 0.1 -- seconds that work takes at least to be drawn

---@class kmirror.progress.drawn: kmirror.progress.display
---@field lines { width: integer }[] that are on the terminal, the cursor behind the last one
---@field works kmirror.progress[]
---@field at number when they were drawn
---@field write fun(file: file*, ...: string)
---@field undo fun()
local Drawn = { draws = true, pause = 0.15 }
Drawn.__index = Drawn

local showing -- the display, while there is one

-- How many calls have ended since a step began can be told, though not how much there is to do.
local function note(event)
    traffic.note(event)
    for _, work in ipairs(showing and event.what == "call" and event.ended and showing.works or {}) do
        work.calls = work.calls and work.calls + 1
    end
end

---@param works kmirror.progress[]
---@return kmirror.progress.drawn
function M.new(works)
    local self = setmetatable({ lines = {}, works = works, at = 0 }, Drawn)
    self.write, self.undo = guard.around(function()
        self:clear()
    end, function()
        self:look()
    end)
    showing = self
    events.observe()
    events.listen(note)
    return self
end

local function room()
    local width = math.tointeger(terminal.of(io.stderr).width) or usual_width
    return width > 0 and width or usual_width
end

-- Rows that the lines take now: a terminal that became narrower has wrapped them.
local function rows_of(lines, width)
    local rows = 0
    for _, each in ipairs(lines) do rows = rows + math.max(1, (each.width + width - 1) // width) end
    return rows
end

function Drawn:clear()
    if #self.lines > 0 then
        local up = rows_of(self.lines, room()) - 1
        self.write(io.stderr, "\r", up > 0 and ("\27[%dA"):format(up) or "", "\27[J")
        self.lines = {}
    end
end

local function lines_of(works, width, now)
    local lines = {}
    for i = math.max(1, #works - most_lines + 1), #works do
        lines[#lines + 1] = now - works[i].started >= too_short and line.of(works[i], width, now) or nil
    end
    if #lines > 0 then lines[#lines + 1] = text.cut(traffic.words(now), width) end
    return lines
end

--- Draws the lines.
function Drawn:look()
    if not guard.whole() or #self.works + #self.lines == 0 then return end
    local where, now = terminal.of(io.stderr), task.now()
    local lines, parts = lines_of(self.works, room() - 1, now), {}
    self:clear()
    for i, each in ipairs(lines) do
        self.lines[i] = { width = text.width(each) }
        parts[i] = terminal.paint(where, i == #lines and "dim" or nil, each)
    end
    self.write(io.stderr, table.concat(parts, "\n"))
    io.stderr:flush()
    self.at = now
end

function Drawn:changed()
    if task.now() - self.at >= self.pause then self:look() end
end

function Drawn:rest()
    self:clear()
end

function Drawn:close()
    self:clear()
    self.undo()
    showing = nil
end

return M
