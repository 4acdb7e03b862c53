--- report.causes: which calls failed for good and which a later one has made up for, and why they failed.

local M = {}

-- What comes of calls without being a failure; else it is the kind of an error, or "not answered" (from a journal).
M.fine = { "done", "recorded", "planned", "gone", "under way" }

local is_fine, succeeds = {}, { done = true, recorded = true, gone = true }
for _, outcome in ipairs(M.fine) do is_fine[outcome] = true end

--- Whether a call, or a change, has not failed.
---@param call { outcome: string }
---@return boolean
function M.is_fine(call)
    return is_fine[call.outcome] or false
end

-- What a call is about: a create has no id before it was answered.
local function subject_of(call)
    local about = call.operation ~= "create" and call.id or call.topicsRegex or ""
    return ("%s %s %s"):format(call.operation, call.cluster, about)
end

---@class kmirror.report.failure
---@field call kmirror.report.call|kmirror.report.change
---@field run kmirror.report.run
---@field repaired boolean a later call about the same went well

--- What failed in some runs, in order.
---@param runs kmirror.report.run[]
---@param list "calls"|"changes"
---@return kmirror.report.failure[]
function M.failures(runs, list)
    local found, done = {}, {}
    for i = #runs, 1, -1 do
        local its = runs[i].record[list]
        for at = #its, 1, -1 do
            local call = its[at]
            if succeeds[call.outcome] then
                done[subject_of(call)] = true
            elseif not is_fine[call.outcome] then
                table.insert(found, { call = call, run = runs[i], repaired = done[subject_of(call)] or false })
            end
        end
    end
    for i = 1, #found // 2 do found[i], found[#found + 1 - i] = found[#found + 1 - i], found[i] end
    return found
end

-- What differs between calls that failed for one reason.
local function general(message)
    return (message or ""):gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("'[^']*'", "TEXT"):gsub("%d+%.?%d*", "N")
end

---@class kmirror.report.cause
---@field first kmirror.report.failure
---@field count integer

--- The same by cause: operation, kind of error and what the message says in general; the most frequent first.
---@param failures kmirror.report.failure[]
---@return kmirror.report.cause[]
function M.by_cause(failures)
    local causes, known = {}, {}
    for _, failure in ipairs(failures) do
        local call = failure.call
        local key = ("%s\0%s\0%s"):format(call.operation, call.outcome, general(call.message))
        if not known[key] then
            known[key] = { first = failure, count = 0, number = #causes }
            causes[#causes + 1] = known[key]
        end
        known[key].count = known[key].count + 1
    end
    table.sort(causes, function(a, b)
        if a.count ~= b.count then return a.count > b.count end
        return a.number < b.number
    end)
    return causes
end

return M
