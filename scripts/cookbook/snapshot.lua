-- Saves every mirror in full, and says what has changed since it was last saved in that file. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/snapshot.lua /tmp/mirrors.json

local bulk = require("kmirror.bulk")
local json = require("kmirror.json")
local api = require("mirrors").connect {}

local path = ... or "mirrors.json"
local before, now = {}, {}
for _, mirror in ipairs(json.read(path) or {}) do before[mirror.id] = mirror end
local mirrors = bulk.details(api)
for _, mirror in ipairs(mirrors) do
    now[mirror.id] = mirror
    local old = before[mirror.id]
    if not old then
        print("new", mirror.id, mirror.topicsRegex)
    elseif old.targetLatency ~= mirror.targetLatency then
        print("retuned", mirror.id, old.targetLatency .. " -> " .. mirror.targetLatency)
    end
end
for id, mirror in pairs(before) do
    if not now[id] then print("gone", id, mirror.topicsRegex) end
end
json.write(path, json.array(mirrors))
print(#mirrors .. " mirrors saved in " .. path)
