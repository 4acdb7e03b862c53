-- The mirrors that lag most. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/lag.lua 5

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local api = require("mirrors").connect {}

local mirrors = bulk.details(api)
table.sort(mirrors, function(a, b)
    return (health.lag(a) or 0) > (health.lag(b) or 0)
end)
health.show(io.stdout, { table.unpack(mirrors, 1, math.tointeger(... or 3)) })
