--- topics: makes and deletes topics of a broker, by Kafka's protocol: its own tool is a Java program, which takes
--- seconds to start for each.

local socket = require("socket")

local topics = {}

local CREATE <const>, DELETE <const> = { 19, 2 }, { 20, 1 } -- what is asked, and in which version
local PATIENCE_MS <const> = 10000
local NONE <const> = 0 -- of errors

local function text(value)
    return (">s2"):pack(value)
end

local function array(values, of)
    local parts = { (">i4"):pack(#values) }
    for i, value in ipairs(values) do parts[i + 1] = of(value) end
    return table.concat(parts)
end

-- Returns what the broker answers, behind the number of the request.
local function ask(broker, what, body)
    local host, port = broker:match("^(.*):(%d+)$")
    local connection = assert(socket.connect(host, port))
    connection:settimeout(PATIENCE_MS / 1000 + 5)
    local request = (">i2i2i4"):pack(what[1], what[2], 1) .. text("spec") .. body
    assert(connection:send((">s4"):pack(request)))
    local length = (">i4"):unpack(assert(connection:receive(4)))
    local answer = assert(connection:receive(length))
    connection:close()
    return answer:sub(5)
end

-- Raises for the first topic that it did not go well with.
local function check(answer, has_message)
    local count, at = (">i4"):unpack(answer, 5) -- behind the time to wait
    for _ = 1, count do
        local name, problem
        name, problem, at = (">s2i2"):unpack(answer, at)
        if has_message then
            local length = (">i2"):unpack(answer, at)
            at = at + 2 + math.max(0, length)
        end
        if problem ~= NONE then
            error(("topic %s: error %d of Kafka's"):format(name, problem), 0)
        end
    end
end

---@param broker string  host:port
---@param names string[]
---@param partitions integer
function topics.make(broker, names, partitions)
    local body = array(names, function(name) return text(name) .. (">i4i2i4i4"):pack(partitions, 1, 0, 0) end)
    check(ask(broker, CREATE, body .. (">i4i1"):pack(PATIENCE_MS, 0)), true)
end

---@param broker string
---@param names string[]
function topics.delete(broker, names)
    check(ask(broker, DELETE, array(names, text) .. (">i4"):pack(PATIENCE_MS)))
end

return topics
