--- repl.locals: the local variables of a function, as they were last: after it has ended they are gone, so they are
--- taken down line by line while it runs.

local M = {}

local function take_down(values, level)
    for i = 1, math.huge do
        local name, value = debug.getlocal(level + 1, i)
        if not name then break end
        if not name:find("^%(") then values[name] = value end
    end
end

--- Takes down the variables of a function that the running coroutine is about to call.
---@param fn function
---@return table<string, any> values filled as it runs
---@return table watch ends when it is closed
function M.watch(fn)
    local values = {}
    debug.sethook(function()
        if debug.getinfo(2, "f").func == fn then take_down(values, 2) end
    end, "lr")
    return values, setmetatable({}, { __close = function() debug.sethook() end })
end

return M
