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
---@field stopped? string why some were not begun, or why the last batch is not healthy
---@field batch? integer the last batch that was begun
---@field own? integer with --join: how many of the items this runner did
local Result = {}

-- What each holds. Not in the object itself, so that it is seen whether somebody looks.
local contents = setmetatable({}, { __mode = "k" })

-- Results with failures that nobody has looked at, and where they come from.
local unseen = {}

local shows_failures = { failed = true, untouched = true, stopped = true, status = true, summary = true }

function Result:__index(name)
    if shows_failures[name] then unseen[self] = nil end
    local method = rawget(Result, name)
    if method ~= nil then return method end
    return contents[self][name]
end

function Result:__pairs()
    unseen[self] = nil
    return pairs(contents[self])
end

--- The result for the items from `first` to `last`.
---@param items any[]
---@param outcomes table<integer, kmirror.bulk.outcome>
---@param first integer
---@param last integer
---@param more table further fields
---@return kmirror.bulk.result
function M.new(items, outcomes, first, last, more)
    local all = { done = {}, failed = {}, untouched = {} }
    for i = first, last do
        local outcome = outcomes[i]
        if not outcome then
            table.insert(all.untouched, items[i])
        else
            table.insert(outcome.problem == nil and all.done or all.failed, outcome)
        end
    end
    for name, value in pairs(more) do all[name] = value end
    local self = setmetatable({}, Result)
    contents[self] = all
    return self
end

-- ---- failures that nobody looks at ------------------------------------------------------------------------

--- From here on until somebody looks at its failures, they count as not looked at.
---@param self kmirror.bulk.result
---@param place string where it comes from
---@return kmirror.bulk.result self
function M.watch(self, place)
    local all = contents[self]
    if #all.failed + #all.untouched > 0 then unseen[self] = place end
    return self
end

local function tell(self, place)
    local failed, left = self.failed, #self.untouched
    local words = { ("%d of %d failed"):format(#failed, #failed + #self.done + left) }
    words[#words + 1] = left > 0 and ("%d were not begun"):format(left) or nil
    local first = failed[1] and ("; the first: " .. require("kmirror.uncaught").words(failed[1].problem)) or ""
    require("kmirror.log").error("%s: %s, and nobody looked at the result of bulk.each%s", place,
        table.concat(words, ", "), first)
end

--- Tells of the results with failures that nobody has looked at: the run is over.
---@param status integer the run's exit status
---@return integer status that of such a result instead of 0
function M.finish(status)
    for self, place in pairs(unseen) do
        tell(self, place)
        status = status == 0 and self:status() or status
    end
    return status
end

--- What a runbook ends with: 0 when all is done, 1 when nothing is, 3 when some items failed or were not begun.
---@return integer
function Result:status()
    local left = #self.failed + #self.untouched
    if left == 0 then return self.stopped and 1 or 0 end
    return #self.done == 0 and 1 or 3
end

--- What the work returned for the items that are done, in their order.
---@return any[]
function Result:values()
    local values = {}
    for i, outcome in ipairs(self.done) do values[i] = outcome.value end
    return values
end

--- In words: "58 done, 2 failed, 0 not begun"; with --join also who did them: "(20 by this runner, 40 by others)".
---@return string
function Result:summary()
    local words = ("%d done, %d failed, %d not begun"):format(#self.done, #self.failed, #self.untouched)
    if not self.own then return words end
    return ("%s (%d by this runner, %d by others)"):format(words, self.own, #self.done + #self.failed - self.own)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

fields.guard_methods("result", Result, { status = {}, values = {}, summary = {} })

return fields.guard("result", M, {
    new = {
        "items", fields.list(), "outcomes", fields.table, "first", fields.integer(0), "last", fields.integer(0),
        "more", fields.table,
    },
    watch = { "self", fields.table, "place", fields.string },
    finish = { "status", fields.integer(0) },
})
