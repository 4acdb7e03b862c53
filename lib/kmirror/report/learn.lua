--- report.learn: what is learned from the calls that have ended: of the mirrors, and of what was changed.

local changes = require("kmirror.changes")
local health = require("kmirror.health")
local json = require("kmirror.json")

local M = {}

local most_points = 240 -- kept of one mirror

local function mirror_of(record, cluster, id)
    local mirror = record.mirrors[id] or { id = id, cluster = cluster, points = json.array({}) }
    record.mirrors[id] = mirror
    return mirror
end

-- ---- reads ------------------------------------------------------------------------------------------------

-- Many points make way for the newest: of the older ones each second one goes.
local function thin(points)
    for i = 1, #points // 2 do
        points[i] = points[2 * i]
    end
    for i = #points, #points // 2 + 1, -1 do
        points[i] = nil
    end
end

local function note_mirror(record, event, call)
    local answer, mirror = event.answer, mirror_of(record, event.cluster, event.id)
    mirror.topicsRegex, mirror.connectorName = answer.topicsRegex, answer.connectorName
    mirror.target, mirror.status = answer.targetLatency, answer.status
    if #mirror.points >= most_points then
        thin(mirror.points)
    end
    table.insert(mirror.points, { call.ended, health.lag(answer) or false, answer.status })
end

local function note_list(record, event)
    for _, listed in ipairs(event.answer) do
        local mirror = mirror_of(record, event.cluster, listed.id)
        mirror.topicsRegex, mirror.connectorName = listed.topicsRegex, listed.connectorName
    end
end

-- ---- changes ----------------------------------------------------------------------------------------------

local function shown(mirror)
    return mirror and {
        topicsRegex = mirror.topicsRegex, connectorName = mirror.connectorName, targetLatency = mirror.target,
        status = mirror.status,
    }
end

local before_and_after = {
    create = function(_, event)
        return nil, changes.shown(event.argument)
    end,
    delete = function(known)
        return shown(known) or {}, nil
    end,
    update_target_latency = function(known, event)
        return { targetLatency = known and known.target }, { targetLatency = event.argument }
    end,
}

-- What is true from here on.
local function believe(record, event, call, known)
    local done = call.outcome == "done"
    if event.operation == "delete" then
        local gone = done or call.outcome == "recorded" or call.outcome == "not_found"
        record.deleted[event.id] = record.deleted[event.id] or gone
    elseif event.operation == "create" and done then
        mirror_of(record, event.cluster, event.answer).topicsRegex = event.argument.topicsRegex
    elseif known and done then
        known.target = event.argument
    end
end

local function note_change(record, event, call)
    local known = call.id and record.mirrors[call.id]
    local before, after = before_and_after[event.operation](known, event)
    table.insert(record.changes, {
        call = call.number, operation = event.operation, cluster = event.cluster, id = call.id, at = call.ended,
        topicsRegex = known and known.topicsRegex or event.operation == "create" and event.argument.topicsRegex or nil,
        before = before, after = after, outcome = call.outcome, message = call.message,
    })
    believe(record, event, call, known)
end

-- ---- all --------------------------------------------------------------------------------------------------

--- Learns from a call that has ended.
---@param record kmirror.report.record
---@param event kmirror.events.call
---@param call kmirror.report.call
function M.from(record, event, call)
    if event.operation == "get" and event.ok then
        note_mirror(record, event, call)
    elseif event.operation == "list" and event.ok then
        note_list(record, event)
    elseif event.operation ~= "get" and event.operation ~= "list" then
        note_change(record, event, call)
    end
    local known = call.id and record.mirrors[call.id]
    call.topicsRegex = known and known.topicsRegex
        or event.operation == "create" and event.argument.topicsRegex or nil
end

return M
