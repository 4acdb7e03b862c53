--- bulk.result: what came of the same work on many things: both halves, and what was not begun.

local fields = require("mirrors").fields

local M = {}

---@class kmirror.bulk.outcome
---@field item any
---@field value? any what the work returned
---@field problem? any what it raised

---@class kmirror.bulk.result
---@field done kmirror.bulk.outcome[] in the order of the items, as are the others
---@field failed kmirror.bulk.outcome[]
---@field untouched any[] items that were not begun
---@field stopped? string why some were not begun, or why the last batch is not well
---@field batch? integer the last batch that was begun
local Result = {}
Result.__index = Result

--- The result for the items from `first` to `last`.
---@param items any[]
---@param outcomes table<integer, kmirror.bulk.outcome>
---@param first integer
---@param last integer
---@param more table further fields
---@return kmirror.bulk.result
function M.new(items, outcomes, first, last, more)
    local self = setmetatable({ done = {}, failed = {}, untouched = {} }, Result)
    for i = first, last do
        local outcome = outcomes[i]
        if not outcome then
            table.insert(self.untouched, items[i])
        else
            table.insert(outcome.problem == nil and self.done or self.failed, outcome)
        end
    end
    for name, value in pairs(more) do
        self[name] = value
    end
    return self
end

--- What a runbook ends with: 0 when all is done, 1 when nothing is, 3 when some items failed or were not begun.
---@return integer
function Result:status()
    local left = #self.failed + #self.untouched
    if left == 0 then
        return self.stopped and 1 or 0
    end
    return #self.done == 0 and 1 or 3
end

--- What the work returned for the items that are done, in their order.
---@return any[]
function Result:values()
    local values = {}
    for i, outcome in ipairs(self.done) do
        values[i] = outcome.value
    end
    return values
end

--- In words: "58 done, 2 failed, 0 not begun".
---@return string
function Result:summary()
    return ("%d done, %d failed, %d not begun"):format(#self.done, #self.failed, #self.untouched)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

fields.guard_methods("result", Result, { status = {}, values = {}, summary = {} })

return fields.guard("result", M, {
    new = {
        "items", fields.list(), "outcomes", fields.table, "first", fields.integer(0), "last", fields.integer(0),
        "more", fields.table,
    },
})
