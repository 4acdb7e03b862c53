--- report.mirrors: what the calls that have ended tell of the mirrors, and what they changed.

local changes = require("kmirror.changes")
local health = require("kmirror.health")
local json = require("kmirror.json")
local mirrors = require("mirrors")

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
    for i = 1, #points // 2 do points[i] = points[2 * i] end
    for i = #points, #points // 2 + 1, -1 do points[i] = nil end
end

local function note_mirror(record, event, call)
    local answer, mirror = event.answer, mirror_of(record, event.cluster, event.id)
    mirror.topicsRegex, mirror.connectorName = answer.topicsRegex, answer.connectorName
    mirror.target, mirror.status = answer.targetLatency, answer.status
    mirror.reads = (mirror.reads or 0) + 1
    if #mirror.points >= most_points then thin(mirror.points) end
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

local function altered(known, after)
    local before, now = {}, shown(known) or {}
    for field in pairs(after) do before[field] = now[field] end
    return before
end

-- What the mirror was like before and after a change, by what the operation does to it.
local before_and_after = {
    makes = function(_, after)
        return nil, changes.shown(after)
    end,
    alters = function(known, after)
        return altered(known, after), after
    end,
    removes = function(known)
        return shown(known) or {}, nil
    end,
}

-- What is true from here on.
local believe = {
    makes = function(record, event, call)
        if call.outcome == "done" then
            mirror_of(record, event.cluster, event.answer).topicsRegex = event.argument.topicsRegex
        end
    end,
    alters = function(_, _, call, known, after)
        if known and call.outcome == "done" then
            known.target = after.targetLatency or known.target
        end
    end,
    removes = function(record, event, call)
        local gone = call.outcome == "done" or call.outcome == "recorded" or call.outcome == "not_found"
        record.deleted[event.id] = record.deleted[event.id] or gone
    end,
}

local function note_change(record, event, call, operation)
    local known = call.id and record.mirrors[call.id]
    local wanted = operation.after and operation.after(event.argument)
    local before, after = before_and_after[operation.effect](known, wanted)
    table.insert(record.changes, {
        call = call.number, operation = event.operation, cluster = event.cluster, id = call.id, at = call.ended,
        topicsRegex = known and known.topicsRegex or wanted and wanted.topicsRegex,
        before = before, after = after, outcome = call.outcome, message = call.message,
    })
    believe[operation.effect](record, event, call, known, wanted)
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
    elseif changes.is_change(event.operation) then
        note_change(record, event, call, mirrors.operations[event.operation])
    end
    local known = call.id and record.mirrors[call.id]
    local wanted = type(event.argument) == "table" and event.argument.topicsRegex
    call.topicsRegex = known and known.topicsRegex or wanted or nil
end

return M
