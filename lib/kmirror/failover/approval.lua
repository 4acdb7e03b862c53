--- failover.approval: under --approval: what another user is asked to approve, and whether it is still so when that is
--- done. It is about all that the failover is about, also when a run continues: what was approved need not be approved
--- again.

local accept = require("kmirror.failover.accept")
local confirm = require("kmirror.confirm")
local order = require("kmirror.order")
local parts = require("kmirror.failover.parts")
local regions = require("kmirror.failover.regions")
local report = require("kmirror.failover.report")
local tables = require("kmirror.table")
local text = require("kmirror.text")

local M = {}

local function list_of(run)
    return tables.aligned({
        { "TOPICS", "topicsRegex" }, { "ID", "id" },
        #run.parts > 1 and { "BATCH", "batch", align = "right" } or nil,
    }, order.sorted(run.all_mirrors, "batch", "topicsRegex", "id"))
end

local function summary(run)
    local given, mirrors = run.given, text.count(#run.all_mirrors, "mirror")
    local loss = given.disaster and report.loss(run.state)
    local lines = {
        ("%s%s: delete %s %s, and %s"):format(run.runbook, given.disaster and " (disaster)" or "", mirrors, run.way,
            given.no_reverse and "create none the other way" or "create them the other way"),
    }
    lines[#lines + 1] = #run.parts > 1 and ("In %d batches: %s"):format(#run.parts, parts.words(run.parts)) or nil
    for _, accepted in ipairs(run.accepted) do
        lines[#lines + 1] = ("Accepted (%s): mirror %s of '%s' %s"):format(accepted.kind, accepted.id,
            text.short(accepted.topicsRegex or ""), accepted.message)
    end
    lines[#lines + 1] = loss and "May be lost: " .. loss or nil
    return table.concat(lines, "\n") .. "\n\n" .. list_of(run)
end

local function changed(mirror, what)
    error(("mirror %s of '%s' %s, since the approval was asked for; nothing was changed: run it again"):format(
        mirror.id, text.short(mirror.topicsRegex), what), 0)
end

local function by_id(...)
    local found = {}
    for _, list in ipairs({ ... }) do
        for _, mirror in ipairs(list) do found[mirror.id] = mirror end
    end
    return found
end

-- An approval may take an hour: what it was about must still be there, and as healthy as it was.
local function look_again(run)
    local now = regions.between(run.forward, run.from, run.to)
    local before, there = by_id(run.live, run.staying), by_id(now)
    local meant = {}
    for _, mirror in ipairs(now) do
        if not before[mirror.id] then changed(mirror, "is new") end
    end
    for _, mirror in ipairs(run.live) do
        if not there[mirror.id] then changed(mirror, "is gone") end
        meant[#meant + 1] = there[mirror.id]
    end
    if not run.given.disaster then
        accept.refuse_unless_accepted(run, regions.problems(meant), "nothing was changed")
    end
    return "as it was when the approval was asked for"
end

--- Asks another user to approve the run, where that has to be.
---@param run kmirror.failover.run
---@return boolean asked
function M.ask(run)
    if confirm.allowed() then
        return false
    elseif confirm.approval(summary(run)) and not run.went_on then
        run:step("look again", function()
            return look_again(run)
        end)
    end
    return true
end

return M
