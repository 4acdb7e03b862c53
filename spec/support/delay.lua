-- delay: a TCP proxy on 127.0.0.1 behind which a server is farther away: what goes either way arrives so many
-- milliseconds later.
--     lua5.4 spec/support/delay.lua PORT MS      prints the port that it listens on
local socket = require("socket")

local port, delay = tonumber(arg[1]), tonumber(arg[2]) / 1000
local listener = assert(socket.bind("127.0.0.1", 0, 64))
local sockets, other, queues = { listener }, {}, {} -- a queue of { due, bytes } by the socket that they go to
print(math.tointeger(select(2, listener:getsockname())))
io.stdout:flush()

local function add(a, b)
    a:settimeout(0)
    a:setoption("tcp-nodelay", true)
    sockets[#sockets + 1], other[a], queues[a] = a, b, {}
end

local function drop(a)
    for _, each in ipairs { a, other[a] } do
        for i, found in ipairs(sockets) do
            if found == each then table.remove(sockets, i) break end
        end
        each:close()
        other[each], queues[each] = nil, nil
    end
end

local function connect()
    local near, far = listener:accept(), socket.connect("127.0.0.1", port)
    if not far then near:close() return end
    add(near, far)
    add(far, near)
end

local function send_due(now)
    local wait = 1
    for to, queue in pairs(queues) do
        while queue[1] and queue[1][1] <= now do
            local first = table.remove(queue, 1)
            local sent, why, part = to:send(first[2])
            if not sent and why == "timeout" then
                table.insert(queue, 1, { now, first[2]:sub(part + 1) }) break
            end
            if not sent then drop(to) return 0 end
        end
        if queue[1] then wait = math.min(wait, queue[1][1] - now) end
    end
    return math.max(wait, 0)
end

while true do
    for _, ready in ipairs((socket.select(sockets, nil, send_due(socket.gettime())))) do
        if ready == listener then
            connect()
        elseif other[ready] then
            local bytes, why, part = ready:receive(65536)
            bytes = bytes or part
            if bytes and #bytes > 0 then
                local queue = queues[other[ready]]
                queue[#queue + 1] = { socket.gettime() + delay, bytes }
            end
            if why == "closed" then drop(ready) end
        end
    end
end
