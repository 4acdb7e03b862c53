--- progress.display: shows the pieces of work that have not ended, as the command line asks for: drawn on a terminal,
--- told of elsewhere, or not at all.

local host = require("host")
local task = require("task")
local terminal = require("kmirror.terminal")

---@class kmirror.progress.display
---@field pause number seconds from one look to the next
---@field look fun(self) shows how far work is
---@field changed fun(self) some of it has moved
---@field rest fun(self) there is no work any more
---@field close fun(self)
---@field draws? boolean

local M = { works = {} }

---@type kmirror.progress.display|nil
local display
local tells = false -- there will be a display as soon as there is something to tell
local looker -- the task that looks while nothing else happens
local deciding = false -- a command has said what to show

local function keep_looking()
    pcall(function()
        while display do
            display:look()
            task.sleep(display.pause, true)
        end
    end)
end

local function stop_looking()
    if looker then
        looker:cancel()
        looker = nil
    end
end

--- There is more work.
function M.begun()
    if tells and not display then display = require("kmirror.progress.told").new(M.works) end
    if display and not looker then
        local ok, started = pcall(task.spawn, keep_looking)
        looker = ok and host.background(started) or nil
    end
end

--- Some of it has moved.
function M.changed()
    if display then display:changed() end
end

--- Some of it has ended.
function M.ended()
    if #M.works == 0 then
        stop_looking()
        if display then display:rest() end
    end
end

-- ---- the run ----------------------------------------------------------------------------------------------

local draws_itself = { repl = true }

local function wants_drawing(given)
    local kind = os.getenv("TERM") or ""
    return terminal.of(io.stderr).terminal and kind ~= "" and kind ~= "dumb" and not draws_itself[given.command]
        and given.log_format ~= "json"
end

local function stop()
    if display then display:close() end
    display, tells = nil, false
    stop_looking()
end

local shown = { __close = function()
    stop()
    deciding = false
    for i = #M.works, 1, -1 do M.works[i] = nil end
end }

--- Shows progress as the command line asks for, until what it returns is closed. Of a command and one that it runs, the
--- first decides.
---@param given table the command line
---@return table|nil
function M.show(given)
    if deciding then return nil end
    deciding, tells = true, not given.json
    if tells and wants_drawing(given) then
        display = require("kmirror.progress.drawn").new(M.works)
    end
    return setmetatable({}, shown)
end

--- Shows nothing more when somebody else is going to draw on the terminal.
function M.leave_terminal()
    if display and display.draws then stop() end
end

return M
