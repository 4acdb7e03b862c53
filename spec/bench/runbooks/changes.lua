-- changes COUNT: that many target latencies set, none twice the same.
local mirrors, task = require("mirrors"), require("task")

local count = math.tointeger((...))
local api = mirrors.connect {}
local list = api:list()
local done, began = 0, task.now()

local function work()
    while done < count do
        done = done + 1
        api:update_target_latency(list[done % #list + 1].id, 10000 + done)
    end
end

do
    local group <close> = task.group()
    for _ = 1, 64 do group:spawn(work) end
end
print("seconds " .. task.now() - began)
