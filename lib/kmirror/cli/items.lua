--- items: the same work on each of several things: several at a time, one failure not stopping the others.

local json = require("kmirror.json")
local log = require("kmirror.log")
local problems = require("kmirror.problem")
local task = require("task")

local M = {}

local concurrency = 16

---@class kmirror.work
---@field json boolean results as JSON instead of text
---@field single boolean in JSON: one object, instead of an array of them
---@field run fun(item: any): any
---@field text fun(value: any, item: any): string a result as text
---@field shape fun(value: any, item: any): table a result as JSON
---@field name fun(item: any): table what a failed item is called in JSON

---@class kmirror.outcome
---@field item any
---@field value? any
---@field problem? any

--- An error as a table for JSON.
---@param problem any what was raised
---@return table
function M.error_shape(problem)
    if type(problem) ~= "table" or not problem.kind then
        return { kind = "error", message = tostring(problem) }
    end
    local shape = {}
    for key, value in pairs(problem) do shape[key] = value end
    return shape
end

local function is_cancelled(problem)
    return problems.is(problem, "cancelled")
end

local function attempt(work, item)
    local ok, result = pcall(work.run, item)
    if not ok and is_cancelled(result) then error(result, 0) end
    return ok and { item = item, value = result } or { item = item, problem = result }
end

local function tell_text(work, outcome)
    if outcome.problem then
        log.error("%s", tostring(outcome.problem))
    else
        io.stdout:write(work.text(outcome.value, outcome.item))
        io.stdout:flush()
    end
end

local function entry_of(work, outcome)
    if not outcome.problem then return work.shape(outcome.value, outcome.item) end
    local entry = work.name(outcome.item)
    entry.error = M.error_shape(outcome.problem)
    return entry
end

-- Tells outcomes in the order they were asked for: text as soon as those before are known, and at the end,
-- however it comes, all that is known.
local function teller(work, count)
    local outcomes, told = {}, 0
    local function advance()
        while not work.json and outcomes[told + 1] do
            told = told + 1
            tell_text(work, outcomes[told])
        end
    end
    local function finish()
        local document = json.array({})
        for i = told + 1, count do
            if outcomes[i] and work.json then
                document[#document + 1] = entry_of(work, outcomes[i])
            elseif outcomes[i] then
                tell_text(work, outcomes[i])
            end
        end
        if work.json then io.stdout:write(json.encode(document, true), "\n") end
    end
    return outcomes, advance, setmetatable({}, { __close = finish })
end

local function run_all(work, items)
    local outcomes, advance, finish = teller(work, #items)
    local _ <close> = finish
    local group <close> = task.group({ concurrency = concurrency })
    local failed = 0
    for i, item in ipairs(items) do
        group:spawn(function()
            outcomes[i] = attempt(work, item)
            failed = failed + (outcomes[i].problem and 1 or 0)
            advance()
        end)
    end
    group:wait()
    return failed
end

--- Does the work on each item and prints the results in order. A single item's failure is simply raised.
---@param items any[]
---@param work kmirror.work
---@return integer status 0; 1 when all failed, 3 when some did
function M.each(items, work)
    if work.single then
        local outcome = { item = items[1], value = work.run(items[1]) }
        io.stdout:write(work.json and json.encode(entry_of(work, outcome), true) .. "\n"
            or work.text(outcome.value, outcome.item))
        return 0
    end
    local failed = run_all(work, items)
    if failed > 0 then log.error("%d of %d failed", failed, #items) end
    return failed == 0 and 0 or failed == #items and 1 or 3
end

return M
