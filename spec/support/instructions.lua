--- instructions: how many of Lua's instructions a run of the executable takes, which nothing else that the machine does
--- changes.
local support = require("spec.support")

local M = {}

---Runs the executable; takes what support.run takes.
---@param options table
---@return integer instructions to the next hundred, of each coroutine
---@return support.result
function M.of(options)
    local path = support.temporary("instructions")
    local counted = { env = support.preload("lua_count", { LUA_COUNT = path }) }
    for name, value in pairs(options.env or {}) do counted.env[name] = value end
    for name, value in pairs(options) do counted[name] = counted[name] or value end
    local result, sum = support.run(counted), 0
    for number in support.read(path):gmatch("%d+") do sum = sum + tonumber(number) end
    return sum, result
end

---How what is counted grows: 2 when twice as much takes twice as long, 4 when each is compared with each. What does not
---grow plays no part.
---@param size integer
---@param count fun(size: integer): integer
---@return number
function M.growth(size, count)
    local few, more, most = count(size), count(2 * size), count(4 * size)
    return (most - more) / (more - few)
end

return M
