-- cut: a TCP proxy on 127.0.0.1 whose network is cut when a client has sent a word so many times: what it sends from
-- then on, that word too, reaches nobody, and no connection ends.
--     lua5.4 spec/support/cut.lua PORT WORD TIMES      prints the port that it listens on, and "cut" when it is
local socket = require("socket")

local port, word, times = tonumber(arg[1]), arg[2], tonumber(arg[3])
local listener = assert(socket.bind("127.0.0.1", 0, 64))
local sockets, other, is_client = { listener }, {}, {}
print(math.tointeger(select(2, listener:getsockname())))
io.stdout:flush()

local function add(a, b)
    a:settimeout(0)
    a:setoption("tcp-nodelay", true)
    sockets[#sockets + 1], other[a] = a, b
end

local function connect()
    local near, far = listener:accept(), socket.connect("127.0.0.1", port)
    if not far then near:close() return end
    is_client[near] = true
    add(near, far)
    add(far, near)
end

local function drop(a)
    for _, each in ipairs { a, other[a] } do
        for i, found in ipairs(sockets) do
            if found == each then table.remove(sockets, i) break end
        end
        each:close()
        other[each] = nil
    end
end

-- Whether that was the word for the last time.
local function counted(from, bytes)
    times = times - (is_client[from] and bytes:find(word, 1, true) and 1 or 0)
    return times <= 0
end

local function pass_on(from)
    local bytes, why, part = from:receive(65536)
    bytes = bytes or part
    if counted(from, bytes) then return false end
    if #bytes > 0 then
        other[from]:settimeout(5)
        other[from]:send(bytes)
        other[from]:settimeout(0)
    end
    if why == "closed" then drop(from) end
    return true
end

while true do
    for _, ready in ipairs((socket.select(sockets))) do
        if ready == listener then
            connect()
        elseif other[ready] and not pass_on(ready) then
            print("cut")
            io.stdout:flush()
            while true do socket.sleep(60) end
        end
    end
end
