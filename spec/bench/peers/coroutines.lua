-- coroutines SWITCHES SPAWNS SLEEPERS: runbooks/tasks.lua, with what Lua itself has.
local switches, spawns, sleepers = math.tointeger((...)), math.tointeger((select(2, ...))),
    math.tointeger((select(3, ...)))

local function memory()
    collectgarbage()
    return tonumber(io.open("/proc/self/statm"):read "a":match "^%d+ (%d+)") * 4096
end

local function timed(name, count, work)
    local began = os.clock()
    work()
    print(name, (os.clock() - began) / count * 1e9)
end

timed("switch", switches, function()
    local all = {}
    for i = 1, 100 do
        all[i] = coroutine.create(function()
            for _ = 1, switches // 100 do coroutine.yield() end
        end)
    end
    for _ = 1, switches // 100 do
        for _, each in ipairs(all) do coroutine.resume(each) end
    end
end)

timed("spawn", spawns, function()
    for i = 1, spawns do
        assert(coroutine.wrap(function() return i end)() == i)
    end
end)

local before, sleeping = memory(), {}
for i = 1, sleepers do
    sleeping[i] = coroutine.create(coroutine.yield)
    coroutine.resume(sleeping[i], 3600)
end
print("memory", (memory() - before) / sleepers)
