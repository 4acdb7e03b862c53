--- fleet.items: the changes of a plan, as apply works on them.

local text = require("kmirror.text")

local M = {}

---@class kmirror.fleet.item a change
---@field change kmirror.fleet.create|kmirror.fleet.retune|kmirror.fleet.found
---@field what string in words, with its place in the file
---@field cluster string UUID of the Kafka Connect cluster
---@field id? string of the mirror
---@field latency? integer that is wanted, ms
---@field since? number when it was created, on task.now()'s clock
---@field is_done? boolean its request was answered
---@field problem? any what it failed of
---@field details? mirrors.Mirror

local function item_of(plan, verb, change)
    local wanted, found = change.wanted, change.found
    if not wanted then
        found = change
    end
    local about = wanted or found
    local place = wanted and plan.fleet.document:at(wanted.line) .. ": " or ""
    return {
        change = change,
        what = ("%s%s '%s' from %s into %s"):format(place, verb, text.short(about.topicsRegex), about.sourceAlias,
            plan.names[about.cluster]),
        cluster = about.cluster,
        id = found and found.id,
        latency = wanted and wanted.targetLatency,
    }
end

--- The changes of a plan, by kind.
---@param plan kmirror.fleet.plan
---@return table<"create"|"retune"|"delete", kmirror.fleet.item[]>
function M.of(plan)
    local items = {}
    for _, verb in ipairs({ "create", "retune", "delete" }) do
        items[verb] = {}
        for i, change in ipairs(plan[verb]) do
            items[verb][i] = item_of(plan, verb, change)
        end
    end
    return items
end

return M
