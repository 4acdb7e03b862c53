--- bulk: the same work on many things, several at a time.

local task = require("task")

local M = {}

local default_concurrency = 16

--- What `work` makes of each item, in the same order. The first failure stops the others, and is raised.
---@generic T, U
---@param items T[]
---@param work fun(item: T, index: integer): U
---@param concurrency? integer how many at a time; 16 by default
---@return U[]
function M.map(items, work, concurrency)
    local results = {}
    local group <close> = task.group({ concurrency = concurrency or default_concurrency })
    for i, item in ipairs(items) do
        group:spawn(function()
            results[i] = work(item, i)
        end)
    end
    group:wait()
    return results
end

return M
