-- Tasks of a group, and one beside it.
local task = require("task")

local group <close> = task.group { concurrency = 3 }
local sum = 0
for i = 1, 5 do
    group:spawn(function()
        task.sleep(i / 1e4)
        sum = sum + i
    end)
end
local beside = task.spawn(function() return 1 end)
group:wait()
print(sum + beside:join(), task.timeout(5, function() return "in time" end))
