-- kernels NAME COUNT: one of the kernels whose instructions are counted (instructions.sh), so many times. One request
-- at a time, so that the count does not depend on who is quicker.
local mirrors, task = require "mirrors", require "task"

local name, count = ..., math.tointeger((select(2, ...)))
local api = mirrors.connect {}

local kernels = {
    get = function() return api:get "5a9b1c52-0000-4000-8000-00000000a001" end,
    list = function() return api:list() end,
    task = function() return task.spawn(task.sleep, 0):join() end,
}

for _ = 1, count do kernels[name]() end
