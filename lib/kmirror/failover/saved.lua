--- What a failover saves before it acts, and as it goes: the way back, and how to go on after a failure.
---
--- A file of JSON: `from` and `to` (regions), `runbook`, `mode`, `endpoint`, `saved` (when), `mirrors` (in full, as
--- they were; each gets `reverse`, the id of what replaces it), `steps` (what was done), `acting` (when the first
--- mirror was about to be halted or deleted: from then on a run goes on, before that it starts afresh), `halted` (when
--- none of them copied anything any more), `creating` (true while creates are under way), `ends` (where the topics
--- ended that the mirrors wrote to, by their ids, when those that replace them begin there), and `finished`. In a
--- disaster each mirror gets `missing`, the records that it has not copied.
---
--- With --batches each mirror has the number of its batch as `batch`, and what is so of one batch stands in `batches`:
--- `name`, `count`, `acting`, `moved`, `ends` and the like, and `over`. `selection` is what the options chose;
--- `accepted` the findings that the operator took responsibility for; `earlier` the mirrors that finished failovers
--- before this one have reversed and nobody has brought back; `abandoned` when it was closed without an end, and `left`
--- the mirrors that it did not reverse.

local memory = require("kmirror.memory")
local refuse = require("kmirror.usage")

local M = {}

local function is_one(saved)
    return type(saved) == "table" and type(saved.from) == "table" and type(saved.to) == "table"
        and type(saved.mirrors) == "table"
end

-- ---- what is noted down --------------------------------------------------------------------------------------

---@class kmirror.failover.fact one of
---@field set? table<string, any> fields of the state
---@field batch? integer they are of this batch
---@field step? table what was done
---@field number? integer which of the steps that is
---@field reverse? { of: string, id: string } the mirror that replaces another
---@field missing? table<string, integer> records that mirrors have not copied, by their ids

local function apply(whole, by_id, fact)
    local batch = fact.batch and whole.batches and whole.batches[fact.batch]
    for name, value in pairs(fact.set or {}) do (batch or whole)[name] = value end
    whole.acting = whole.acting or batch and batch.acting
    if fact.step and fact.number > #whole.steps then -- or it is in the file already
        table.insert(whole.steps, fact.step)
    end
    for id, records in pairs(fact.missing or {}) do by_id[id].missing = records end
    local replaced = fact.reverse and by_id[fact.reverse.of]
    if replaced then replaced.reverse = fact.reverse.id end
end

-- The file, and what was noted down behind it.
local function load(path)
    local whole, facts = memory.read(path)
    if not is_one(whole) then return whole end
    local by_id = {}
    whole.steps = whole.steps or {}
    for _, mirror in ipairs(whole.mirrors) do by_id[mirror.id] = mirror end
    for _, fact in ipairs(facts) do apply(whole, by_id, fact) end
    return whole
end

-- ---- reading ------------------------------------------------------------------------------------------------

--- What is saved in a file; nil when there is no such file. Raises usage when it is something else, or of others.
---@param path string
---@param from kmirror.cluster
---@param to kmirror.cluster
---@return table|nil
function M.read(path, from, to)
    local saved = load(path)
    if saved == nil then
        return nil
    elseif not is_one(saved) then
        refuse("%s is not what a failover saved; give another name", path)
    elseif saved.from.connect ~= from.connect or saved.to.connect ~= to.connect
        or saved.endpoint and saved.endpoint ~= memory.endpoint() then
        refuse("%s is of other regions or another endpoint; give another name", path)
    end
    return saved
end

--- Whether a failover has begun to delete, and is not over.
---@param state table|nil
---@return boolean
function M.is_open(state)
    return state ~= nil and state.acting ~= nil and not state.finished
end

--- Whether what was reversed was told where to begin, all of it.
---@param state table
---@return boolean
function M.is_exact(state)
    for _, batch in ipairs(state.batches or {}) do
        if not batch.ends then return false end
    end
    return state.ends ~= nil or state.batches ~= nil
end

--- What an earlier run saved, if it is to be gone on with. One that is done is put aside, when nobody named it.
---@param path string
---@param given table the options of the run
---@return table|nil open
---@return table|nil finished
function M.unfinished(path, given)
    local saved = M.read(path, given.from, given.to)
    if saved and saved.finished and given.state then
        refuse("%s is of a failover that is done; give --state another name", path)
    end
    return M.is_open(saved) and saved or nil, saved and saved.finished and saved or nil
end

--- The mirrors that a state says were reversed, by it and before it, and that nobody has brought back.
---@param state table|nil
---@return table[]
function M.reversed(state)
    local found = {}
    for _, list in ipairs(state and { state.mirrors, state.earlier or {} } or {}) do
        for _, mirror in ipairs(list) do
            found[#found + 1] = mirror.reverse and not mirror.back and mirror or nil
        end
    end
    return found
end

--- Removes what a run has left that has changed nothing.
---@param path string
function M.forget(path)
    local saved = load(path)
    if is_one(saved) and not saved.acting then memory.forget(path) end
end

--- Puts aside what a run has left that is done, so that its report can be read later.
---@param path string
function M.put_aside(path)
    local saved = load(path)
    if is_one(saved) and saved.finished then
        os.rename(path, ("%s-%s.json"):format(path:gsub("%.json$", ""), saved.saved:gsub("[-:]", "")))
    end
end

--- Notes in what a failover has saved that mirrors were brought back. It is put aside when all of them were.
---@param path string
---@param is_back fun(mirror: table): boolean
function M.give_back(path, is_back)
    local state, left = load(path), 0
    if not is_one(state) then return end
    for _, mirror in ipairs(M.reversed(state)) do
        if is_back(mirror) then mirror.back = memory.time() else left = left + 1 end
    end
    if left > 0 then
        memory.write(path, state)
    else
        M.put_aside(path)
    end
end

--- A new one.
---@param runbook string
---@param given table the options of the run
---@param mirrors table[] in full
---@return table
function M.new(runbook, given, mirrors)
    return {
        runbook = runbook,
        mode = given.disaster and "disaster" or "planned",
        endpoint = memory.endpoint(),
        from = given.from,
        to = given.to,
        saved = memory.time(),
        mirrors = mirrors,
        selection = given.selection.words[1] and given.selection.words or nil,
        steps = {},
    }
end

return M
