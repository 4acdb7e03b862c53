-- Which mirrors match a topic, or would match it if it existed. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/who_takes.lua orders.created

local regex = require("kmirror.regex")
local refuse = require("kmirror.usage")
local api = require("mirrors").connect {}

local topic = ... or refuse("give the name of a topic")
for _, listed in ipairs(api:list()) do
    if #regex.select(listed.topicsRegex, { topic }) > 0 then
        print(listed.id, listed.connectorName, listed.topicsRegex)
    end
end
