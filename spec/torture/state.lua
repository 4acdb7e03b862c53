-- state.lua NAME LEAST MOST: says what is wrong with the mirrors that bear a name, and takes them away. Right are LEAST
-- to MOST of them, each there once; of three, the first has the latency that job.lua sets, and there is no fourth.
local api = require("mirrors").connect()

local name, least, most = ...
local count, seen = 0, {}
for _, mirror in ipairs(api:list()) do
    local number = mirror.topicsRegex:match("^" .. name .. "%-(%d)$")
    if number then
        count = count + 1
        if seen[number] then print(("mirror %s is there twice"):format(number)) end
        seen[number] = api:get(mirror.id)
        api:delete(mirror.id)
    end
end
if count < tonumber(least) or count > tonumber(most) then
    print(("%d mirrors are there, not %s to %s"):format(count, least, most))
elseif tonumber(least) == 3 and (seen["4"] or seen["1"].targetLatency ~= 12345) then
    print "the mirrors are not as the job makes them"
end
