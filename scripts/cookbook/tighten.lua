-- Sets a target latency for all mirrors whose topics begin with a word.
--   kmirror run --sandbox scripts/cookbook/tighten.lua 10000 orders payments

local bulk = require("kmirror.bulk")
local api = require("mirrors").connect {}

local latency, words = math.tointeger((...)), { select(2, ...) }

local function is_meant(mirror)
    for _, word in ipairs(words) do
        if mirror.topicsRegex:sub(1, #word) == word then return true end
    end
end

for _, mirror in ipairs(bulk.details(api, is_meant)) do
    if mirror.targetLatency ~= latency then
        api:update_target_latency(mirror.id, latency)
        print(mirror.topicsRegex, mirror.targetLatency .. " -> " .. latency)
    end
end
