-- requests LOG: what a sandbox's log says of the requests: how many, of each kind, refused, and over how many seconds.
local cjson = require("cjson")

local kinds, requests, refused, first, last = {}, 0, 0, math.huge, -math.huge
for line in io.lines((...)) do
    local entry = cjson.decode(line)
    if entry.method and entry.operation then
        requests = requests + 1
        refused = refused + (entry.status == 429 and 1 or 0)
        kinds[entry.operation] = (kinds[entry.operation] or 0) + 1
        first, last = math.min(first, entry.time), math.max(last, entry.time)
    end
end
print(("requests %d\nrefused %d\nelapsed %.3f"):format(requests, refused, last - first))
for kind, count in pairs(kinds) do print(("%s %d"):format(kind, count)) end
