-- gets COUNT [ID]: that many gets, as many at once as connect() allows; tells its memory on the way.
local mirrors, task = require("mirrors"), require("task")

local count, id = math.tointeger((...)), select(2, ...) or "5a9b1c52-0000-4000-8000-00000000a001"
local api = mirrors.connect {}
local done, began = 0, task.now()

local function memory()
    return tonumber(io.open("/proc/self/statm"):read "a":match "^%d+ (%d+)") * 4096
end

local function work()
    while done < count do
        done = done + 1
        local number = done
        assert(api:get(id).status)
        if number == count // 10 or number == count // 2 or number == count then
            print(("memory_%d %d"):format(number * 100 // count, memory()))
        end
    end
end

do
    local group <close> = task.group()
    for _ = 1, 64 do group:spawn(work) end
end
print("seconds " .. task.now() - began)
