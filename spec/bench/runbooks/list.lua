-- list COUNT: one list, which has that many mirrors.
local mirrors, task = require("mirrors"), require("task")

local began = task.now()
local list = mirrors.connect {}:list()
print("seconds " .. task.now() - began)
assert(#list == math.tointeger((...)))
