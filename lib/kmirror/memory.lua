--- memory: what a runbook keeps in a file of its own, so that a later run of it goes on where one ended, be it a job or
--- not: mirrors that are about to be deleted are nowhere else.
---
--- A file of JSON has all of it. It is written when a run begins to act and when it ends. What happens in between is
--- noted down behind it, in FILE.log: a line a fact, so that it costs the same however many mirrors there are.

local changes = require("kmirror.changes")
local files = require("kmirror.file")
local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local profile = require("kmirror.profile")
local state = require("kmirror.state")
local refuse = require("kmirror.usage")

local M = {}

--- A time for people and files, in UTC.
---@param seconds? number since the epoch; now by default
---@return string
function M.time(seconds)
    return tostring(os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds or host.time())))
end

--- Whose mirrors they are.
---@return string URL
function M.endpoint()
    return profile.current().endpoint or profile.own_urls() or "https://api.instaclustr.com"
end

--- Where it is kept unless the operator says where: the same place for the same regions, so that running the same
--- command again goes on; in a sandbox that ends with the run, a place of its own.
---@param runbook string
---@param from kmirror.cluster
---@param to kmirror.cluster
---@return string path
---Raises usage when there is none.
function M.path(runbook, from, to)
    local name = ("%s-%s-%s"):format(runbook, from.alias, to.alias):gsub("[^%w._-]", "_")
    if profile.current().sandbox then
        return ("%s/%s-%s-%s.json"):format(os.getenv("TMPDIR") or "/tmp", name, os.date("!%Y%m%dT%H%M%SZ"),
            host.hmac_sha256("state", tostring(host.monotonic())):sub(1, 6))
    end
    local directory, problem = state.directory()
    if not directory then
        refuse("no place to save the present state: %s; give --state", problem)
    end
    local which = host.hmac_sha256("state", M.endpoint() .. (from.connect or "") .. (to.connect or "")):sub(1, 8)
    return ("%s/%s-%s.json"):format(directory, name, which)
end

-- Nothing comes back from a pipe or a device; to read it might never end.
local function refuse_stream(path)
    if files.is_stream(path) then
        refuse("cannot save the present state: %s is not a regular file; give --state another path", path)
    end
end

--- Raises usage when a file could not be written there, before anything depends on it.
---@param path string
function M.check(path)
    refuse_stream(path)
    local ok, problem = pcall(files.try, path)
    if not ok then
        refuse("cannot save the present state: %s; give --state a path that can be written", problem)
    end
end

local held = {} -- locks by path, until this process ends

--- Keeps others from what is kept there while this process lives: two runs that go on from it at once would each take
--- the other's changes for a stranger's. Raises usage when another one does.
---@param path string
function M.hold(path)
    if held[path] or changes.harmless() then return end
    local lock, problem = host.lock(path .. ".lock")
    if problem == "held" then
        refuse("another run goes on with %s at this moment: see what it does, and wait until it has ended; nothing was "
            .. "changed", path)
    elseif not lock then
        log.warn("%s.lock: %s; see to it that no other run goes on with the same state", path, problem)
    end
    held[path] = lock or true
end

local function log_of(path)
    return path .. ".log"
end

--- Writes all of it; what was noted down since the last time is in it.
---@param path string
---@param whole table
function M.write(path, whole)
    json.write(path, whole)
    os.remove(log_of(path))
end

local function must(value, problem)
    return value or error(problem, 0)
end

--- Notes down a fact.
---@param path string
---@param fact table
function M.note(path, fact)
    local file <close> = must(files.append(log_of(path)))
    must(file:write(json.encode(fact), "\n"))
end

--- What is kept there, and what was noted down behind it. The last line may be cut, when the machine stopped.
---@param path string
---@return any whole nil when there is no such file
---@return table[] facts
---Raises usage for a pipe or a device, and for what is no JSON.
function M.read(path)
    refuse_stream(path)
    local whole, facts = json.read(path), {}
    local noted <close> = io.open(log_of(path), "rb")
    for line in noted and noted:lines() or function() end do
        local fact = json.decode(line)
        facts[#facts + 1] = type(fact) == "table" and fact or nil
    end
    return whole, facts
end

--- Forgets all of it.
---@param path string
function M.forget(path)
    os.remove(path)
    os.remove(log_of(path))
end

return M
