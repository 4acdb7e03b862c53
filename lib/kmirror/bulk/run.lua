--- bulk.run: does batches of items, in rounds, until too many have failed.

local batches = require("kmirror.batches")
local problems = require("kmirror.problem")
local task = require("task")
local text = require("kmirror.text")

local M = {}

---@class kmirror.bulk.run
---@field items any[]
---@field outcomes table<integer, kmirror.bulk.outcome>
---@field ended integer
---@field failed integer
---@field max_failures? integer|string
---@field concurrency integer
---@field rounds integer
---@field pause number seconds between two rounds
---@field bar kmirror.progress
---@field progress fun(ended: integer, failed: integer, total: integer)

-- Whether an error is a mistake in the runbook, such as a call of nil, and not something that it raised. To be called
-- by a handler of xpcall, above which stands what has raised.
local function is_mistake(problem)
    if type(problem) ~= "string" then return false end
    local raiser = debug.getinfo(3, "S")
    return raiser ~= nil and raiser.what ~= "C" or problem:find(":%d+: attempt to ") ~= nil
        or problem:find("bad argument #%d+ to ") ~= nil
end

--- Does one item, and notes what came of it.
---@param run kmirror.bulk.run
---@param work fun(item: any, index: integer): any
---@param i integer its place
---@return boolean ok
---@return any value or problem
---Raises what would befall every item.
function M.item(run, work, i)
    local item = run.items[i]
    local mistaken = false
    local ok, value = xpcall(work, function(problem)
        mistaken = is_mistake(problem)
        return problem
    end, item, i)
    if mistaken or not ok and problems.is_hopeless(value) then error(value, 0) end
    run.outcomes[i] = ok and { item = item, value = value }
        or { item = item, problem = value == nil and "no reason given" or value }
    return ok, value
end

-- Does one item, and counts it. Returns true when it is to be tried again.
local function attempt(run, work, i, is_last)
    local ok, value = M.item(run, work, i)
    if not ok and not is_last and problems.passes(value) then return true end
    run.ended = run.ended + 1
    run.failed = run.failed + (ok and 0 or 1)
    run.progress(run.ended, run.failed, #run.items)
end

-- Does items, by their places; begins no more when too many have failed. Returns the places of those to try again.
local function do_round(run, work, places, may_fail, is_last)
    local again = {}
    local group <close> = task.group({ concurrency = run.concurrency })
    for _, i in ipairs(places) do
        group:spawn(function()
            run.bar:join()
            if run.failed <= may_fail and attempt(run, work, i, is_last) then
                again[#again + 1] = i
            end
        end)
    end
    group:wait()
    return again
end

--- Does the items from `first` to `last`.
---@param run kmirror.bulk.run
---@param work fun(item: any, index: integer): any
---@param first integer
---@param last integer
---@return string|nil stopped why nothing more may be begun
function M.batch(run, work, first, last)
    local may_fail = batches.limit(run.max_failures, run.failed, last - first + 1)
    local places = {}
    for i = first, last do places[#places + 1] = i end
    for round = 1, run.rounds do
        places = do_round(run, work, places, may_fail, round == run.rounds)
        if #places == 0 or run.failed > may_fail then break end
        task.sleep(run.pause)
    end
    return M.too_many(run, may_fail)
end

--- Why nothing more may be begun, when too many have failed.
---@param run kmirror.bulk.run
---@param may_fail number
---@return string|nil
function M.too_many(run, may_fail)
    return run.failed > may_fail and ("%d of %s failed, more than %s"):format(run.failed, text.count(run.ended, "item"),
        run.max_failures) or nil
end

--- Asks whether the next batch may begin.
---@param gate fun(batch: kmirror.bulk.batch): any, string?
---@param batch kmirror.bulk.batch
---@return string|nil stopped why it may not
function M.ask(gate, batch)
    local ok, open, reason = pcall(gate, batch)
    if not ok and problems.is_hopeless(open) then
        error(open, 0)
    elseif not ok then
        return tostring(open)
    end
    return open == false and (reason or ("the gate closed after batch %d"):format(batch.number)) or nil
end

return M
