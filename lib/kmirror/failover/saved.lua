--- What a failover saves before it acts, and as it goes: the way back, and how to go on after a failure.
---
--- A file of JSON: `from` and `to` (regions), `runbook`, `mode`, `endpoint`, `saved` (when), `mirrors` (in full, as
--- they were; each gets `reverse`, the id of what replaces it), `steps` (what was done), `acting` (when the first
--- mirror was about to be deleted: from then on a run goes on, before that it starts afresh), and `finished`.
---
--- The file is written as a whole when a run begins to act and when it ends. What happens in between is noted down
--- behind it, in FILE.log: a line a fact, so that it costs the same however many mirrors there are.

local files = require("kmirror.file")
local host = require("host")
local json = require("kmirror.json")
local profile = require("kmirror.profile")
local state = require("kmirror.state")
local usage = require("kmirror.usage")

local M = {}

--- A time for people and files, in UTC.
---@param seconds? number since the epoch; now by default
---@return string
function M.time(seconds)
    return tostring(os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds or host.time())))
end

local function endpoint()
    return profile.current().endpoint or "https://api.instaclustr.com"
end

--- Where it is saved unless the operator says where: the same place for the same regions, so that running the same
--- command again goes on; in a sandbox that ends with the run, a place of its own.
---@param runbook string
---@param from kmirror.cluster
---@param to kmirror.cluster
---@return string path
function M.default_path(runbook, from, to)
    local name = ("%s-%s-%s"):format(runbook, from.alias, to.alias):gsub("[^%w._-]", "_")
    if profile.current().sandbox then
        return ("%s/%s-%s-%s.json"):format(os.getenv("TMPDIR") or "/tmp", name, os.date("!%Y%m%dT%H%M%SZ"),
            host.hmac_sha256("state", tostring(host.monotonic())):sub(1, 6))
    end
    local directory, problem = state.directory()
    if not directory then
        usage("no place to save the present state: %s; give --state", problem)
    end
    local which = host.hmac_sha256("state", endpoint() .. (from.connect or "") .. (to.connect or "")):sub(1, 8)
    return ("%s/%s-%s.json"):format(directory, name, which)
end

-- Nothing comes back from a pipe or a device; to read it might never end.
local function refuse_stream(path)
    if files.is_stream(path) then
        usage("cannot save the present state: %s is not a regular file; give --state another path", path)
    end
end

local function is_one(saved)
    return type(saved) == "table" and type(saved.from) == "table" and type(saved.to) == "table"
        and type(saved.mirrors) == "table"
end

-- ---- what is noted down --------------------------------------------------------------------------------------

local function log_of(path)
    return path .. ".log"
end

local function must(value, problem)
    return value or error(problem, 0)
end

--- Writes all of it; what was noted down since the last time is in it.
---@param path string
---@param whole table
function M.write(path, whole)
    json.write(path, whole)
    os.remove(log_of(path))
end

---@class kmirror.failover.fact one of
---@field set? table<string, any> fields of the state
---@field step? table what was done
---@field number? integer which of the steps that is
---@field reverse? { of: string, id: string } the mirror that replaces another

--- Notes down a fact.
---@param path string
---@param fact kmirror.failover.fact
function M.note(path, fact)
    local file <close> = must(files.append(log_of(path)))
    must(file:write(json.encode(fact), "\n"))
end

local function apply(whole, by_id, fact)
    for name, value in pairs(fact.set or {}) do
        whole[name] = value
    end
    if fact.step and fact.number > #whole.steps then -- or it is in the file already
        table.insert(whole.steps, fact.step)
    end
    local replaced = fact.reverse and by_id[fact.reverse.of]
    if replaced then
        replaced.reverse = fact.reverse.id
    end
end

-- The file with what was noted down behind it. The last line may be cut, when the machine stopped.
local function load(path)
    local whole = json.read(path)
    local log <close> = io.open(log_of(path), "rb")
    if not log or not is_one(whole) then
        return whole
    end
    local by_id = {}
    whole.steps = whole.steps or {}
    for _, mirror in ipairs(whole.mirrors) do
        by_id[mirror.id] = mirror
    end
    for line in log:lines() do
        local fact = json.decode(line)
        if type(fact) == "table" then
            apply(whole, by_id, fact)
        end
    end
    return whole
end

-- ---- reading ------------------------------------------------------------------------------------------------

--- What is saved in a file; nil when there is no such file. Raises usage when it is something else, or of others.
---@param path string
---@param from kmirror.cluster
---@param to kmirror.cluster
---@return table|nil
function M.read(path, from, to)
    refuse_stream(path)
    local saved = load(path)
    if saved == nil then
        return nil
    elseif not is_one(saved) then
        usage("%s is not what a failover saved; give another name", path)
    elseif saved.from.connect ~= from.connect or saved.to.connect ~= to.connect
        or saved.endpoint and saved.endpoint ~= endpoint() then
        usage("%s is of other regions or another endpoint; give another name", path)
    end
    return saved
end

--- What an earlier run saved, if it is to be gone on with. One that is done is put aside, when nobody named it.
---@param path string
---@param given table the options of the run
---@return table|nil
function M.unfinished(path, given)
    local saved = M.read(path, given.from, given.to)
    if saved and saved.finished and given.state then
        usage("%s is of a failover that is done; give --state another name", path)
    elseif not saved or not saved.acting or saved.finished then
        return nil
    end
    return saved
end

--- Removes what a run has left that has changed nothing.
---@param path string
function M.forget(path)
    local saved = load(path)
    if is_one(saved) and not saved.acting then
        os.remove(path)
        os.remove(log_of(path))
    end
end

--- Puts aside what a run has left that is done, so that its report can be read later.
---@param path string
function M.put_aside(path)
    local saved = load(path)
    if is_one(saved) and saved.finished then
        os.rename(path, ("%s-%s.json"):format(path:gsub("%.json$", ""), saved.saved:gsub("[-:]", "")))
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
        endpoint = endpoint(),
        from = given.from,
        to = given.to,
        saved = M.time(),
        mirrors = mirrors,
        steps = {},
    }
end

--- Raises when a file could not be written there, before anything depends on it.
---@param path string
function M.check_writable(path)
    refuse_stream(path)
    local ok, problem = pcall(files.try, path)
    if not ok then
        usage("cannot save the present state: %s; give --state a path that can be written", problem)
    end
end

return M
