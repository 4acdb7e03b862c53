-- Deletes a mirror, however long the API is away: waits a minute at most. A mirror that is gone already is fine.
--   kmirror run --sandbox --faults flaky scripts/cookbook/retry_until.lua

local task = require("task")
local api = require("mirrors").connect {}

local id = ... or api:list()[1].id
local ok, problem = pcall(task.timeout, 60, function()
    while true do
        local done, why = pcall(api.delete, api, id)
        if done or why.kind == "not_found" then
            return
        elseif why.kind ~= "transport" and why.kind ~= "timeout" and why.kind ~= "server" then
            error(why, 0)
        end
        task.sleep(2)
    end
end)
print(id, ok and "is gone" or tostring(problem))
return ok and 0 or 1
