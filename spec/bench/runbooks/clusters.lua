-- clusters COUNT: every mirror of that many clusters, in full.
local mirrors, task, bulk = require("mirrors"), require("task"), require("kmirror.bulk")

local api, clusters = mirrors.connect {}, {}
for i = 1, math.tointeger((...)) do
    clusters[i] = api:on(("5a9b1c52-0000-4000-8000-%012x"):format(i))
end
local began = task.now()
local found = bulk.details(clusters)
print("seconds " .. task.now() - began)
assert(#found == 20 * #clusters)
