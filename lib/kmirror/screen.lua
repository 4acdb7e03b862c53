--- screen: a text that is drawn again and again in the same place of a terminal; elsewhere one after the other.

local progress = require("kmirror.progress")
local terminal = require("kmirror.terminal")

local M = {}

local usual_width, usual_height = 80, 24 -- of a terminal that does not say

---@class kmirror.screen
---@field file file*
---@field moves boolean the terminal can be drawn on again
---@field drawn integer lines of the last text
---@field size string|nil of the terminal when that was drawn
local Screen = {}
Screen.__index = Screen

--- A screen on a standard stream.
---@param file file*
---@return kmirror.screen
function M.new(file)
    local kind = os.getenv("TERM") or ""
    local moves = terminal.of(file).terminal and kind ~= "" and kind ~= "dumb"
    if moves then progress.leave_terminal() end
    return setmetatable({ file = file, moves = moves, drawn = 0 }, Screen)
end

local function positive(value, otherwise)
    value = math.tointeger(tonumber(value))
    return value and value > 0 and value or otherwise
end

--- How much fits on it now: it may have been resized. Where nothing is drawn again, any number of lines fit.
---@return integer|nil width in columns; nil when lines may be as long as they like
---@return number height in lines
function Screen:room()
    local where = terminal.of(self.file)
    if not where.terminal then
        return nil, math.huge
    elseif not self.moves then
        return positive(where.width, usual_width), math.huge
    end
    local pipe <close> = io.popen("stty size 2> /dev/null < /dev/tty")
    local rows = pipe and pipe:read("l") or ""
    return positive(where.width, usual_width), positive(rows:match("^(%d+)"), usual_height)
end

local function lines_of(text)
    return select(2, text:gsub("\n", "\n"))
end

--- Draws a text in place of the last one. No line may be longer, and no text higher, than there is room.
---@param text string lines, the last one ended, too
---@return boolean drawn false when it cannot be written any more: the reader has gone, say
function Screen:draw(text)
    local written
    if not self.moves then
        written = self.file:write(self.drawn > 0 and "\n" or "", text)
    else
        local size = table.concat({ self:room() }, "x")
        local back = self.drawn > 0 and ("\27[%dA\r"):format(self.drawn) or ""
        if self.size and self.size ~= size then
            back = "\27[H\27[2J" -- what was drawn may have been wrapped anew
        end
        self.size = size
        written = self.file:write(back, (text:gsub("\n", "\27[K\n")), "\27[J")
    end
    self.drawn = lines_of(text)
    return self.file:flush() and written ~= nil or false
end

return M
