-- job.lua NAME: makes three mirrors, tunes the first and deletes a fourth. What it makes bears the name.
local mirrors, task = require("mirrors"), require("task")

local name = ...
local api = mirrors.connect { settle = 0.2 }

local function create(number)
    return api:create {
        sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", usePrivateIps = false,
        sourceAlias = "a", useRenaming = true, topicsRegex = ("%s-%d"):format(name, number), maxTasks = 3,
    }
end

do
    local group <close> = task.group()
    for number = 2, 3 do group:spawn(create, number) end
end
api:update_target_latency(create(1), 12345)
api:delete(create(4))
print "done"
