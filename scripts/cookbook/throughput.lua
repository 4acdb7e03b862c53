-- Records a second over all mirrors, looked at a few times. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/throughput.lua 3 0.5

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local task = require("task")
local api = require("mirrors").connect {}

local looks, pause = ...
for look = 1, math.tointeger(looks or 3) do
    if look > 1 then task.sleep(tonumber(pause or 5)) end
    local rate, topics = 0, 0
    for _, mirror in ipairs(bulk.details(api)) do
        rate, topics = rate + health.rate(mirror), topics + #health.topics(mirror)
    end
    print(("%s  %8.1f records/s over %d topics"):format(os.date("%H:%M:%S"), rate, topics))
end
