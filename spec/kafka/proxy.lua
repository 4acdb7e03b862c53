-- proxy.lua PORT PATTERN TIMES FILE COMMAND: an HTTP proxy before PORT of this machine, which carries out the first
-- TIMES requests whose first line fits PATTERN, runs COMMAND after each, and closes the connection in place of an
-- answer. Writes its port to FILE.
local socket = require("socket")

local upstream, pattern, times, port_file, command = tonumber(arg[1]), arg[2], tonumber(arg[3]), arg[4], arg[5]

local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
local file = assert(io.open(port_file .. ".new", "w"))
file:write(port)
file:close()
os.rename(port_file .. ".new", port_file)

-- A message: its head, and a body as long as it says.
local function read_message(from)
    local lines, length = {}, 0
    while true do
        local line = from:receive("*l")
        if not line then return nil end
        length = tonumber(line:lower():match("^content%-length: (%d+)")) or length
        if not line:lower():find("^connection:") then lines[#lines + 1] = line end
        if line == "" then break end
    end
    table.insert(lines, #lines, "Connection: close")
    return lines[1], table.concat(lines, "\r\n") .. "\r\n" .. (length > 0 and from:receive(length) or "")
end

local function serve(client)
    local first, request = read_message(client)
    if not first then return end
    local worker = socket.connect("127.0.0.1", upstream)
    if not worker then return end
    worker:settimeout(60)
    worker:send(request)
    local answer = worker:receive("*a")
    worker:close()
    if times > 0 and first:find(pattern) then
        times = times - 1
        os.execute(command)
    elseif answer then
        client:send(answer)
    end
end

while true do
    local client = server:accept()
    client:settimeout(60)
    serve(client)
    client:close()
end
