-- Topics that get no records. Mind that a rate of 0 can mean an idle producer as well as a fault. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/idle.lua

local bulk = require("kmirror.bulk")
local api = require("mirrors").connect {}

for _, mirror in ipairs(bulk.details(api)) do
    for _, topic in ipairs(mirror.topicStatuses) do
        if topic.averageRate == 0 then print(mirror.connectorName, topic.name) end
    end
end
