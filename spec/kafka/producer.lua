-- producer.lua RATE STOP [LAST [BEFORE]]: writes numbers, RATE a second, until LAST or until the file STOP is there;
-- from 1 on, or from behind those that the file BEFORE holds: then a thousand at least.
local socket = require("socket")

local rate, stop, last, before = tonumber(arg[1]), arg[2], tonumber(arg[3]), arg[4]
local STEP <const> = 0.05 -- s

local function exists(name)
    local file <close> = io.open(name)
    return file ~= nil
end

local first = 1
for line in io.lines(before or "/dev/null") do first = tonumber(line) + 1 end

if last and first > 1 then last = math.max(last, first + 999) end

io.stdout:setvbuf("full")
local began, number = socket.gettime(), first - 1
while not exists(stop) and number < (last or math.huge) do
    local due = math.min(last or math.huge, first - 1 + (socket.gettime() - began) * rate)
    while number < due do
        number = number + 1
        io.stdout:write(("%d\n"):format(number))
    end
    io.stdout:flush()
    socket.sleep(STEP)
end
