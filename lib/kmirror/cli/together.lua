--- cli.together: whether the options that were given go together, and with the command.

local commands = require("kmirror.cli.commands")
local sets = require("kmirror.cli.sets")
local refuse = require("kmirror.usage")

-- Two commands have no name of their own.
local typed = { runbooks = "run --list", evaluate = "-e" }
local helped = { runbooks = "kmirror help run", evaluate = "kmirror help" }

local function refuse_option(command, option)
    refuse("kmirror %s has no %s; see %s", typed[command] or command, option,
        helped[command] or "kmirror help " .. command)
end

--- Refuses an option that the command has no use for, so that nobody relies on it. Raises usage.
---@param given table
local function check(given)
    local taken = {}
    for _, set in ipairs(commands.of(given.command).sets) do taken[set] = true end
    if given.json and not taken.results then
        refuse_option(given.command, "--json")
    end
    if given.job and not taken.job then
        refuse_option(given.command, "--job")
    end
    if given.reason and not given.job and given.command ~= "jobs" then
        refuse("--reason is kept with a job's run: give --job NAME, too")
    end
    if given.join and given.command ~= "jobs" then require("kmirror.joint").check(given) end
    local of_approval = given.approval and "--approval" or given.approval_timeout and "--approval-timeout"
    if of_approval and not given.job and given.command ~= "jobs" then
        refuse("%s takes a job, which another user of the store can find: give --job NAME, too", of_approval)
    end
    local timed = given.not_before and "--not-before" or given.stop_at and "--stop-at"
    if timed and not taken.times and not (given.command == "jobs" and given.action == "resume") then
        refuse_option(given.command, timed)
    end
    if (given.hook or given.hook_timeout) and not (taken.hooks or given.command == "jobs") then
        refuse("kmirror %s has no --hook; see kmirror help run", typed[given.command] or given.command)
    end
    if given.output and not (taken.tables or taken.formats) then
        refuse_option(given.command, "--output")
    elseif given.output and given.output ~= "csv" and not taken.formats then
        refuse("option '--output' must be 'csv' for kmirror %s; see kmirror help %s", given.command, given.command)
    elseif given.output and given.json then
        refuse("--output and --json exclude each other")
    end
    local reported = given.report and "--report" or given.metrics and "--metrics"
    if reported and not commands.needs_api(given.command) then
        refuse_option(given.command, reported)
    end
    local _, world = sets.world_given(given)
    if given.jump and given.command == "sandbox" then
        refuse("--jump goes with --sandbox: the clock can jump only where runbook and sandbox are one process")
    end
    world[#world + 1] = given.jump and "--jump" or nil
    if #world > 0 and not (given.sandbox or taken.world) then
        refuse("%s is about the sandbox: give --sandbox, too", world[1])
    end
end

return check
