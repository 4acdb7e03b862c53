-- connect_status: how a mirror on Kafka Connect is doing, in the words of the API: from the states of its connectors
-- and tasks, the offsets it has replicated, and the latencies that its workers measure. The first rule that fits holds.

local status = {}

-- Seconds. What a worker commits by default each minute is not known before.
local SETTING_UP <const>, FIRST_OFFSETS <const> = 120, 60

local LONGEST_CAUSE <const> = 300

-- What a trace says: its first line, and the last cause, which is what to put right.
local function cause_of(trace)
    local first = trace:match("^[^\r\n]*")
    local last
    for cause in trace:gmatch("Caused by: ([^\r\n]*)") do last = cause end
    return (last and last ~= first and last or first):sub(1, LONGEST_CAUSE)
end

---Why a connector and its tasks have failed, each that has.
---@param its table  of Kafka Connect's /status
---@return string[]
function status.failures(its)
    local found = {}
    if its.connector.state == "FAILED" then
        found[1] = "its connector failed: " .. cause_of(its.connector.trace or "?")
    end
    for _, each in ipairs(its.tasks) do
        if each.state == "FAILED" then
            found[#found + 1] = ("its task %d failed: %s"):format(each.id, cause_of(each.trace or "?"))
        end
    end
    return found
end

local function failure_of(its)
    return status.failures(its)[1]
end

---The state of a connector, in one word.
---@param its table?  of Kafka Connect's /status
---@return string?
function status.state_of(its)
    if not its then return nil end
    local worst = its.connector.state
    for _, each in ipairs(its.tasks) do
        if each.state == "FAILED" then return "FAILED" end
        if each.state ~= "RUNNING" and worst == "RUNNING" then worst = each.state end
    end
    return worst
end

---@class connect_status.look what was found of a mirror
---@field name string
---@field source? table        /status of its source connector; nil: there is none
---@field checkpoint? table    of its checkpoint connector
---@field pair boolean         whether it should have both
---@field age number           seconds since it was created
---@field moved boolean        whether any offset was committed
---@field vanished? string     a topic that it has copied, and that its source has no more
---@field stuck? { topic: string, since: number }  one of which no record is copied, though some are left
---@field latency? number      ms, the highest of its topics
---@field target number        ms

local function missing(look)
    if look.source and (look.checkpoint or not look.pair) then return nil end
    local which = look.source and "checkpoint" or "source"
    if look.age < SETTING_UP then return "CREATING" end
    return "FAILED", ("its %s connector is missing: %s"):format(which, look.source and "`kmirror resume` makes it again"
        or "delete the mirror, and create it again")
end

local function set_up(look)
    local state, tasks = look.source.connector.state, #look.source.tasks
    local young = look.age < SETTING_UP
    if not look.moved and state ~= "RUNNING" and young then return "CREATING" end
    if state == "RUNNING" and tasks == 0 then
        if young then return "CREATING" end
        return "STALE_TOPIC", "it has no task: its topics regex takes no topic, or its source is out of reach"
    end
    if state == "RUNNING" and not look.moved and look.age < FIRST_OFFSETS and not look.latency then
        return "CREATING"
    end
end

local function stale(look)
    if look.vanished then
        return "STALE_TOPIC", ("its source has no topic '%s' any more, which it has copied before"):format(
            look.vanished)
    elseif look.stuck then
        return "STALE_TOPIC", ("of its topic '%s' no record was copied since %s, though some are left"):format(
            look.stuck.topic, os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(look.stuck.since)))
    end
end

local function halted(look)
    local state = status.state_of(look.source)
    if state == "PAUSED" or state == "STOPPED" then
        return "OUT_OF_SYNC", ("it is %s: `kmirror resume` starts it again"):format(state:lower())
    elseif state ~= "RUNNING" then
        return "OUT_OF_SYNC", ("its source connector is %s"):format(state)
    end
end

---@param look connect_status.look
---@return string status
---@return string? cause
function status.of(look)
    local failed = look.source and failure_of(look.source) or look.checkpoint and failure_of(look.checkpoint)
    if failed then return "FAILED", failed end
    for _, rule in ipairs { missing, set_up, halted, stale } do
        local found, cause = rule(look)
        if found then return found, cause end
    end
    if look.latency and look.latency > look.target then
        return "OUT_OF_SYNC", ("it is %.0f ms behind, more than %d"):format(look.latency, look.target)
    end
    return "IN_SYNC"
end

return status
