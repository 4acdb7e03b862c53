--- repl.watch: :watch, an expression shown again and again in the same place, until a condition holds or Ctrl-C.

local screens = require("kmirror.screen")
local show = require("kmirror.repl.show")
local task = require("task")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local default_seconds = 2

-- "[SECONDS] EXPR [until COND]". A number alone is the expression.
local function parse(argument)
    local seconds, rest = argument:match("^(%d+%.?%d*)%s+(.+)$")
    local code = rest or argument
    local wanted, condition = code:match("^(.-)%s+until%s+(.+)$")
    return tonumber(seconds or default_seconds), wanted or code, condition
end

local function fitting(block, height)
    local lines = {}
    for line in block:gmatch("[^\n]*\n") do lines[#lines + 1] = line end
    if #lines <= height then return block end
    return table.concat(lines, "", 1, math.max(height - 1, 1)) .. ("… and %d more lines\n"):format(#lines - height + 1)
end

local function title(code, seconds, where)
    local line = ("every %g s, %s: %s"):format(seconds, os.date("%H:%M:%S"), text.clean(code))
    return terminal.paint(where, "dim", where.width and text.cut(line, where.width) or line) .. "\n"
end

---@param session kmirror.repl.session
---@param argument string
return function(session, argument)
    local seconds, code, condition = parse(argument)
    if code == "" then refuse(":watch: which expression? :watch 5 api:list()") end
    local chunk = session:compile(code)
    local holds = condition and session:compile(condition)
    local screen = screens.new(io.stdout)
    while true do
        local where = terminal.of(io.stdout)
        local value = chunk()
        session.env._ = value
        local _, height = screen:room()
        screen:draw(fitting(title(code, seconds, where) .. show.value(value, where, session.style), height - 2))
        if holds and holds() then return end
        task.sleep(seconds)
    end
end
