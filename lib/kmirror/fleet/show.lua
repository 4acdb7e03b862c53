--- fleet.show: a plan for people, and for programs.

local changes = require("kmirror.changes")
local drift = require("kmirror.fleet.drift")
local json = require("kmirror.json")
local log = require("kmirror.log")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

-- ---- for people -------------------------------------------------------------------------------------------

local colors = { ["+"] = "green", ["~"] = "yellow", ["-"] = "red", ["!"] = "red" }

local columns = {
    { "", "sign", whole = true, paint = function(sign)
        return colors[sign]
    end },
    { "INTO", "into" },
    { "FROM", "from" },
    { "TOPICS", "topics", key = true },
    { "CHANGE", "change" },
}

local function creation_text(create)
    local spec, latency = create.spec, create.wanted.targetLatency
    return ("create: %s, %d task%s%s"):format(spec.useRenaming and "renamed" or "same names", spec.maxTasks,
        spec.maxTasks == 1 and "" or "s", latency and (", %d ms"):format(latency) or "")
end

local function blocked_text(blocked)
    if blocked.reason == "duplicate" then
        return ("left: %d of them exist"):format(#blocked.found)
    end
    return blocked.reason == "differs" and "left: it has " .. drift.words(blocked.differences)
        or "left: an existing one may be it"
end

local function wanted_row(sign, wanted, change)
    return { sign = sign, into = wanted.to, from = wanted.sourceAlias, topics = wanted.topicsRegex, change = change }
end

local function rows_of(plan)
    local rows = {}
    for _, create in ipairs(plan.create) do
        rows[#rows + 1] = wanted_row("+", create.wanted, creation_text(create))
    end
    for _, retune in ipairs(plan.retune) do
        rows[#rows + 1] = wanted_row("~", retune.wanted, ("target latency %s -> %d ms"):format(retune.old or "unknown",
            retune.wanted.targetLatency))
    end
    for _, found in ipairs(plan.delete) do
        rows[#rows + 1] = {
            sign = "-", into = plan.names[found.cluster], from = found.sourceAlias, topics = found.topicsRegex,
            change = "delete " .. found.connectorName,
        }
    end
    for _, blocked in ipairs(plan.blocked) do
        rows[#rows + 1] = wanted_row("!", blocked.wanted, blocked_text(blocked))
    end
    return rows
end

local what_to_do = {
    duplicate = "is there more than once. Delete all but one:",
    unclear = "may be one of these; their names do not tell.\nGive the cluster its alias in the file:",
    differs = "differs in what only a new mirror can change.\nDelete it to have it created as in the file, or change "
        .. "the file:",
}

local function show_blocked(file, blocked)
    local wanted = blocked.wanted
    file:write(("\n'%s' from %s into %s %s\n"):format(text.short(wanted.topicsRegex), wanted.sourceAlias, wanted.to,
        what_to_do[blocked.reason]))
    for _, found in ipairs(blocked.found) do
        file:write(("  %s  %s\n"):format(found.id, found.connectorName))
    end
end

local function count(list, what)
    return #list > 0 and ("%d to %s"):format(#list, what) or nil
end

local function summary(plan)
    local parts = {}
    for _, kind in ipairs({ "create", "retune", "delete" }) do
        parts[#parts + 1] = count(plan[kind], kind)
    end
    if #plan.blocked > 0 then parts[#parts + 1] = ("%d to settle by hand"):format(#plan.blocked) end
    if #parts == 0 then return ("Nothing to change; %d as wanted."):format(plan.unchanged) end
    return ("Plan: %s; %d as wanted."):format(table.concat(parts, ", "), plan.unchanged)
end

--- What the API does not tell of a mirror, so that a plan cannot compare it.
M.not_compared = { "kafkaSource", "maxTasks", "sourceConnectionProperties", "usePrivateIps", "useRenaming" }

-- What stands below the table.
local function write_rest(file, plan, where)
    for _, blocked in ipairs(plan.blocked) do show_blocked(file, blocked) end
    local has_rows = #plan.create + #plan.retune + #plan.delete + #plan.blocked > 0
    file:write(has_rows and "\n" or "", terminal.paint(where, "bold", summary(plan)), "\n")
    if #plan.unlisted > 0 then
        file:write(("%d more exist that the file does not have; they stay, unless --prune is given.\n")
            :format(#plan.unlisted))
    end
    if #plan.unclear > 0 then
        file:write(("%d have names that do not tell where they come from; they stay.\n"):format(#plan.unclear))
    end
    if plan.unchanged + #plan.retune > 0 and not plan.whole then
        file:write("Not compared, as the API does not tell it: kafkaSource, maxTasks, useRenaming,\n"
            .. "usePrivateIps, connection properties.\n")
    end
end

--- Writes a plan as a table and a summary; a line for each change.
---@param file file*
---@param plan kmirror.fleet.plan
function M.write(file, plan)
    local rows = rows_of(plan)
    if #rows > 0 then tables.write(file, columns, rows) end
    write_rest(file, plan, terminal.of(file))
end

--- The same as a text.
---@param plan kmirror.fleet.plan
---@return string
function M.text(plan)
    local rows = rows_of(plan)
    local parts = { #rows > 0 and tables.aligned(columns, rows) or "" }
    write_rest({ write = function(_, ...)
        table.move({ ... }, 1, select("#", ...), #parts + 1, parts)
    end }, plan, { terminal = false, color = false })
    return table.concat(parts)
end

--- Says on stderr what may not be meant by a plan.
---@param plan kmirror.fleet.plan
function M.warn(plan)
    for _, warning in ipairs(plan.warnings) do
        local place = warning.line and plan.fleet.document:at(warning.line) .. ": " or ""
        log.warn("%s", place .. warning.message)
    end
end

-- ---- for programs -----------------------------------------------------------------------------------------

local function found_shape(found)
    return {
        id = found.id, cluster = found.cluster, connectorName = found.connectorName,
        sourceAlias = found.sourceAlias, topicsRegex = found.topicsRegex,
    }
end

local function map(list, shape)
    local shapes = json.array({})
    for i, item in ipairs(list) do shapes[i] = shape(item) end
    return shapes
end

--- One change as JSON.
---@param item kmirror.fleet.create|kmirror.fleet.retune|kmirror.fleet.found
---@return table
function M.change_shape(item)
    if item.spec then
        local shape = changes.shown(item.spec)
        shape.cluster, shape.line = item.wanted.cluster, item.wanted.line
        shape.targetLatency = item.wanted.targetLatency
        return shape
    elseif item.wanted then
        local shape = found_shape(item.found)
        shape.line, shape.oldTargetLatency = item.wanted.line, item.old
        shape.targetLatency = item.wanted.targetLatency
        return shape
    end
    return found_shape(item)
end

local function blocked_shape(blocked)
    local wanted = blocked.wanted
    return {
        cluster = wanted.cluster, line = wanted.line, sourceAlias = wanted.sourceAlias,
        topicsRegex = wanted.topicsRegex, reason = blocked.reason, found = map(blocked.found, found_shape),
        differences = blocked.differences,
    }
end

local function item_shape(item)
    local shape = M.change_shape(item.change)
    shape.id = item.id
    shape.status = item.details and item.details.status
    return shape
end

local function failed_shape(item)
    local shape, problem = item_shape(item), item.problem
    local is_object = type(problem) == "table" and problem.kind
    shape.error = { kind = is_object and problem.kind or "error", message = tostring(problem) }
    return shape
end

--- What a run of apply came to, as JSON.
---@param result kmirror.fleet.result
---@return table
function M.result_shape(result)
    return {
        created = map(result.created, item_shape),
        retuned = map(result.retuned, item_shape),
        deleted = map(result.deleted, item_shape),
        failed = map(result.failed, failed_shape),
        skipped = map(result.skipped, item_shape),
        dryRun = changes.planned() or nil,
    }
end

--- A plan as JSON.
---@param plan kmirror.fleet.plan
---@return table
function M.shape(plan)
    return {
        create = map(plan.create, M.change_shape),
        retune = map(plan.retune, M.change_shape),
        delete = map(plan.delete, M.change_shape),
        blocked = map(plan.blocked, blocked_shape),
        unlisted = map(plan.unlisted, found_shape),
        unclear = map(plan.unclear, found_shape),
        unchanged = plan.unchanged,
        notCompared = json.array(plan.whole and {} or table.move(M.not_compared, 1, #M.not_compared, 1, {})),
        warnings = map(plan.warnings, function(warning)
            return { line = warning.line, message = warning.message }
        end),
    }
end

return M
