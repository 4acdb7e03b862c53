--- report.causes: the calls of a run, or of all runs of a job, that failed: by their cause, and those that failed for
--- good apart from those that a later try repaired.

local mirrors = require("mirrors")

local M = {}

-- What comes of calls without being a failure; else it is the kind of an error, or "not answered" (from a journal).
M.fine = { "done", "recorded", "planned", "gone", "under way" }
local is_fine = {}
for _, outcome in ipairs(M.fine) do is_fine[outcome] = true end

--- Whether an outcome is no failure.
---@param outcome string
---@return boolean
function M.is_fine(outcome)
    return is_fine[outcome] == true
end

---@class kmirror.report.cause
---@field operation string
---@field outcome string
---@field message string|nil of the first of its calls
---@field calls { call: kmirror.report.call, run: integer|nil }[]
---@field mirrors integer how many mirrors, or topics, it has befallen
---@field tries integer how many calls have failed so, with those that a later one has repeated in vain

-- What a call is about: a later one about the same that went well has repaired it. A create that failed has no id.
local function key_of(call)
    local is_new = mirrors.operations[call.operation].effect == "makes"
    return ("%s\0%s\0%s"):format(call.operation, call.cluster, not is_new and call.id or call.topicsRegex or "")
end

local went_well = { done = true, recorded = true, gone = true }

-- What became of the calls that failed: repaired, when a later one about the same went well; tried again, when a later
-- change of the same failed, too, and that is the one to tell of; else it was for good.
local function fates_of(document)
    local last, fates = {}, {}
    for i = #document.runs, 1, -1 do
        local calls = document.runs[i].record.calls
        for j = #calls, 1, -1 do
            local call, key = calls[j], key_of(calls[j])
            if went_well[call.outcome] then
                last[key] = last[key] or "well"
            elseif not is_fine[call.outcome] then
                local is_change = mirrors.operations[call.operation].effect ~= "reads"
                fates[call] = last[key] == "well" and "repaired" or is_change and last[key] or "for good"
                last[key] = last[key] or call
            end
        end
    end
    return fates
end

-- The same but for ids, names and numbers.
local function cause_of(call)
    local message = (call.message or ""):gsub("%x+%-%x+%-%x+%-%x+%-%x+", "…"):gsub("'[^']*'", "'…'"):gsub("%d+", "0")
    return ("%s\0%s\0%s"):format(call.operation, call.outcome, message)
end

local function add(groups, call, run)
    local key = cause_of(call)
    local group = groups[key]
    if not group then
        group = { operation = call.operation, outcome = call.outcome, message = call.message, calls = {}, mirrors = 0,
            tries = 0, seen = {} }
        groups[key] = group
        groups[#groups + 1] = group
    end
    table.insert(group.calls, { call = call, run = run })
    group.tries = group.tries + 1
    local subject = call.id or call.topicsRegex or call.cluster
    group.mirrors = group.mirrors + (group.seen[subject] and 0 or 1)
    group.seen[subject] = true
    return group
end

local function by_size(groups)
    table.sort(groups, function(a, b)
        if #a.calls ~= #b.calls then return #a.calls > #b.calls end
        return a.calls[1].call.number < b.calls[1].call.number
    end)
    return groups
end

--- The calls that failed, by cause; the most frequent first.
---@param document kmirror.report.document
---@return kmirror.report.cause[] lasting
---@return kmirror.report.cause[] repaired
function M.of(document)
    local fates, lasting, mended, group_of = fates_of(document), {}, {}, {}
    for _, run in ipairs(document.runs) do
        for _, call in ipairs(run.record.calls) do
            if fates[call] == "for good" then
                group_of[call] = add(lasting, call, run.number)
            elseif fates[call] == "repaired" then
                add(mended, call, run.number)
            end
        end
    end
    for _, fate in pairs(fates) do
        local group = group_of[fate]
        if group then group.tries = group.tries + 1 end
    end
    return by_size(lasting), by_size(mended)
end

--- How many calls some causes have.
---@param causes kmirror.report.cause[]
---@param counts? fun(call: kmirror.report.call): boolean only such calls
---@return integer
function M.count(causes, counts)
    local sum = 0
    for _, cause in ipairs(causes) do
        for _, each in ipairs(cause.calls) do
            sum = sum + ((not counts or counts(each.call)) and 1 or 0)
        end
    end
    return sum
end

return M
