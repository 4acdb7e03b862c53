--- rollout.saved: the mirrors that a rollout deletes before their successors are there, in a file: a run that is killed
--- in between must not leave them forgotten.

local json = require("kmirror.json")
local saved = require("kmirror.failover.saved")
local successor = require("kmirror.successor")

local M = {}

--- Where they are kept: the same place for the same regions.
---@param source kmirror.cluster
---@param target kmirror.cluster
---@return string path
function M.path(source, target)
    return saved.default_path("rollout", { alias = source.alias, connect = "" }, target) -- no more need be known
end

--- Keeps the old mirrors of changes; removes the file when there are none.
---@param path string
---@param list kmirror.rollout.change[]
---Raises usage when it cannot be written.
function M.keep(path, list)
    if #list == 0 then
        os.remove(path)
        return
    end
    local mirrors = {}
    for i, change in ipairs(list) do
        local old = change.old
        mirrors[i] = { id = old.id, topicsRegex = old.topicsRegex, targetLatency = old.targetLatency }
        for _, field in ipairs(successor.fields) do mirrors[i][field] = old[field] end
    end
    saved.check_writable(path)
    json.write(path, { mirrors = mirrors })
end

--- The mirrors that an earlier run has deleted, and that are not there again.
---@param path string
---@param live table[] in full
---@return table[] with id, topicsRegex, targetLatency, and what else of them is known
function M.missing(path, live)
    local kept, is_there, missing = json.read(path), {}, {}
    for _, mirror in ipairs(live) do
        is_there[mirror.topicsRegex] = true
    end
    for _, mirror in ipairs(type(kept) == "table" and kept.mirrors or {}) do
        missing[#missing + 1] = not is_there[mirror.topicsRegex] and mirror or nil
    end
    return missing
end

return M
