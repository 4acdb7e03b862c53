-- tasks SWITCHES SPAWNS SLEEPERS: what tasks cost. peers/cqueues.lua and peers/coroutines.lua do the same.
local task = require("task")

local switches, spawns, sleepers = math.tointeger((...)), math.tointeger((select(2, ...))),
    math.tointeger((select(3, ...)))

local function memory()
    collectgarbage()
    return tonumber(io.open("/proc/self/statm"):read "a":match "^%d+ (%d+)") * 4096
end

local function timed(name, count, work)
    local began = task.now()
    work()
    print(name, (task.now() - began) / count * 1e9)
end

timed("switch", switches, function()
    local group <close> = task.group()
    for _ = 1, 100 do
        group:spawn(function()
            for _ = 1, switches // 100 do task.sleep(0) end
        end)
    end
end)

timed("spawn", spawns, function()
    for i = 1, spawns do
        assert(task.spawn(function() return i end):join() == i)
    end
end)

local before = memory()
for _ = 1, sleepers do task.spawn(task.sleep, 3600) end
task.sleep(0)
print("memory", (memory() - before) / sleepers)
os.exit(0)
