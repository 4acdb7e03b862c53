--- rollout.saved: the mirrors that a rollout deletes before their successors are there, in its memory: a run that is
--- killed in between must not leave them forgotten.

local memory = require("kmirror.memory")
local successor = require("kmirror.successor")

local M = {}

---@class kmirror.rollout.saved
---@field path string
---@field left integer how many are not settled
local Saved = {}
Saved.__index = Saved

--- Where they are kept: the same place for the same regions.
---@param source kmirror.cluster
---@param target kmirror.cluster
---@return string path
function M.path(source, target)
    return memory.path("rollout", { alias = source.alias, connect = "" }, target) -- no more need be known
end

-- What of a mirror is needed to create it anew, without secrets.
local function kept(old)
    local mirror = { id = old.id, topicsRegex = old.topicsRegex, targetLatency = old.targetLatency }
    for _, field in ipairs(successor.fields) do mirror[field] = old[field] end
    return mirror
end

--- Keeps the old mirrors of changes, and those that are still missing and that these are not about.
---@param path string
---@param list kmirror.rollout.change[]
---@param missing table[] from missing()
---@return kmirror.rollout.saved
---Raises usage when it cannot be written.
function M.keep(path, list, missing)
    local mirrors, is_old = {}, {}
    for i, change in ipairs(list) do mirrors[i], is_old[change.old.id] = kept(change.old), true end
    for _, mirror in ipairs(missing) do
        mirrors[#mirrors + 1] = not is_old[mirror.id] and kept(mirror) or nil
    end
    memory.check(path)
    memory.write(path, { mirrors = mirrors })
    return setmetatable({ path = path, left = #mirrors }, Saved)
end

--- Notes down that a change is done, or taken back: its old mirror need not come back, or has done so.
---@param change kmirror.rollout.change
function Saved:settle(change)
    self.left = self.left - 1
    if self.left == 0 then
        memory.forget(self.path)
    else
        memory.note(self.path, { settled = change.old.id })
    end
end

--- The mirrors that an earlier run has deleted, and that are not there again.
---@param path string
---@param live table[] in full
---@return table[] with id, topicsRegex, targetLatency, and what else of them is known
function M.missing(path, live)
    memory.hold(path)
    local whole, facts = memory.read(path)
    local is_there, settled, missing = {}, {}, {}
    for _, mirror in ipairs(live) do is_there[mirror.topicsRegex] = true end
    for _, fact in ipairs(facts) do settled[fact.settled or ""] = true end
    for _, mirror in ipairs(type(whole) == "table" and whole.mirrors or {}) do
        local is_missing = not is_there[mirror.topicsRegex] and not settled[mirror.id]
        missing[#missing + 1] = is_missing and mirror or nil
    end
    return missing
end

return M
