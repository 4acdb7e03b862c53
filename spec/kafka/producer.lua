-- producer.lua RATE STOP: writes the numbers from 1 on, RATE a second, until the file STOP is there.
local socket = require "socket"

local rate, stop = tonumber(arg[1]), arg[2]
local STEP <const> = 0.05 -- s

io.stdout:setvbuf("full")
local began, number = socket.gettime(), 0
local function is_over()
    local file <close> = io.open(stop)
    return file ~= nil
end

while not is_over() do
    while number < (socket.gettime() - began) * rate do
        number = number + 1
        io.stdout:write(number, "\n")
    end
    io.stdout:flush()
    socket.sleep(STEP)
end
