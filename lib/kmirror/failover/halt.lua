--- halt: has the mirrors FROM -> TO stand still before they are deleted, where the backend can. From then on nothing
--- but clients writes in TO, so that they may move at once: deleting many mirrors takes a while.
---
--- That this is right: all of FROM had arrived, and the mirrors copy nothing more. So TO's topics end where the new
--- mirrors have to begin, and what clients write behind that is copied, whenever the old mirrors go. What a producer
--- may still write in FROM stays there alone, as it would behind a deleted mirror; it does not come back a second time.
---
--- In a disaster they are stopped, as then all that was copied is recorded: what is missing can be counted exactly.

local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local missing = require("kmirror.failover.missing")
local problems = require("kmirror.problem")
local recopy = require("kmirror.failover.recopy")
local shell = require("kmirror.shell")
local task = require("task")
local text = require("kmirror.text")

local M = {}

local patience = 30 -- seconds

-- Only where it was counted that all has arrived; in a disaster nobody waits for that.
local function can_halt(run, how)
    if run.state.moved or not run.forward:can(how) then
        return false
    elseif run.given.disaster or run.state.counted then
        return true
    end
    return changes.planned() and recopy.is_exact(run)
end

local function halt_all(run, how)
    bulk.map(run.state.mirrors, function(mirror)
        local done, problem = pcall(run.forward[how], run.forward, mirror.id)
        if not done and not problems.is_gone(problem) then error(problem, 0) end
    end)
end

local words = { pause = "paused", stop = "stopped" }

--- Has the mirrors stand still, and notes down what can be told then: where TO's topics end, or what is missing.
---@param run kmirror.failover.run
---@return boolean done false where that cannot be done; the mirrors are then deleted first
function M.halt(run)
    local how = run.given.disaster and "stop" or "pause"
    if not can_halt(run, how) then return false end
    run.halting = true
    run:set({ acting = run.state.acting or memory.time() })
    local done, problem = problems.try(run.step, run, ("%s %s"):format(how, run.way), function()
        task.timeout(patience, halt_all, run, how)
        local would = changes.planned() and "would be " or ""
        return ("%s %s%s"):format(text.count(#run.state.mirrors, "mirror"), would, words[how])
    end)
    if not done then
        log.warn("the mirrors %s cannot be %s, so that clients move once they are deleted: %s", run.way,
            words[how], tostring(problem))
        return false
    elseif changes.harmless() then
        return false
    end
    recopy.note_ends(run)
    if run.given.disaster then missing.count_again(run) end
    run:set({ halted = run.state.halted or memory.time() })
    return true
end

--- The command that lets mirrors go on that were told to stand still.
---@param cluster string TO's Kafka Connect cluster
---@param mirrors table[]
---@return string
function M.way_back(cluster, mirrors)
    local ids = {}
    for i, mirror in ipairs(mirrors) do ids[i] = mirror.id end
    return ("%sresume --cluster %s %s"):format(again.prefix(true), shell.word(cluster), table.concat(ids, " "))
end

return M
