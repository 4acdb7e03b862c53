-- cqueues SWITCHES SPAWNS SLEEPERS: runbooks/tasks.lua, with cqueues.
local cqueues, condition = require("cqueues"), require("cqueues.condition")

local switches, spawns, sleepers = math.tointeger((...)), math.tointeger((select(2, ...))),
    math.tointeger((select(3, ...)))

local function memory()
    collectgarbage()
    return tonumber(io.open("/proc/self/statm"):read "a":match "^%d+ (%d+)") * 4096
end

local function timed(name, count, work)
    local began = cqueues.monotime()
    work()
    print(name, (cqueues.monotime() - began) / count * 1e9)
end

timed("switch", switches, function()
    local queue = cqueues.new()
    for _ = 1, 100 do
        queue:wrap(function()
            for _ = 1, switches // 100 do cqueues.sleep(0) end
        end)
    end
    assert(queue:loop())
end)

timed("spawn", spawns, function()
    local queue = cqueues.new()
    queue:wrap(function()
        for i = 1, spawns do
            local ended, result = condition.new(), nil
            queue:wrap(function()
                result = i
                ended:signal()
            end)
            if not result then ended:wait() end
            assert(result == i)
        end
    end)
    assert(queue:loop())
end)

local queue = cqueues.new()
queue:wrap(function()
    local before = memory()
    for _ = 1, sleepers do queue:wrap(cqueues.sleep, 3600) end
    cqueues.sleep(0)
    print("memory", (memory() - before) / sleepers)
    os.exit(0)
end)
assert(queue:loop())
