-- Waits until all mirrors are in sync; exit status 3 when they are not in time. For scripts around kmirror.
-- Changes nothing.
--   kmirror run --sandbox scripts/cookbook/until_in_sync.lua 60

local bulk = require("kmirror.bulk")
local wait = require("kmirror.wait")
local api = require("mirrors").connect {}

local ids = bulk.map(api:list(), function(listed)
    return listed.id
end)
local outcome = wait.settle(api, ids, function(mirror)
    return mirror.status == "IN_SYNC"
end, { seconds = tonumber(... or 60), stall = 30 })

print(#outcome.ready .. " of " .. #ids .. " mirrors are in sync")
if #outcome.ready < #ids then
    print(wait.describe(outcome.failed), wait.describe(outcome.late))
    return 3
end
