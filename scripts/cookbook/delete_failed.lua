-- Deletes the mirrors that are FAILED, one of them first, and continues after a failure.
--   kmirror run --sandbox scripts/cookbook/delete_failed.lua

local bulk = require("kmirror.bulk")
local confirm = require("kmirror.confirm")
local log = require("kmirror.log")
local api = require("mirrors").connect {}
local text = require("kmirror.text")

local failed = {}
for _, mirror in ipairs(bulk.details(api)) do
    failed[#failed + 1] = mirror.status == "FAILED" and mirror or nil
end
if #failed > 0 then
    confirm.typed(("delete %s FAILED"):format(text.count(#failed, "mirror that is", "mirrors that are")),
        tostring(#failed))
end
local result = bulk.each(failed, function(mirror)
    api:delete(mirror.id)
end, { batches = { 1, "100%" }, max_failures = 3 })
for _, outcome in ipairs(result.failed) do
    log.error("%s: %s", outcome.item.topicsRegex, tostring(outcome.problem))
end
print(result:summary())
return result:status()
