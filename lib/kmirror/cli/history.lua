local csv = require("kmirror.csv")
local history = require("kmirror.history")
local json = require("kmirror.json")
local log = require("kmirror.log")
local moment = require("kmirror.moment")
local options = require("kmirror.options")
local shell = require("kmirror.shell")
local tables = require("kmirror.table")

-- ---- which --------------------------------------------------------------------------------------------------

local units = { s = 1, min = 60, m = 60, h = 3600, d = 86400, w = 604800 }

-- So long ago, or since a moment; HH:MM is the last one.
local function since(text)
    local count, unit = text:match("^(%d+%.?%d*) ?(%l+)$")
    if count and units[unit] then return os.time() - tonumber(count) * units[unit] end
    if text:find("^%d%d%d%d%-%d%d%-%d%d$") then text = text .. "T00:00" end
    local found, problem = moment.read(text)
    if found and found > os.time() and text:find("^%s*%d%d?:") then found = found - 86400 end
    return found, problem and ("--since '%s': expected how long ago, such as 90min, 12h or 7d, or %s"):format(text,
        (problem:gsub("^expected ", ""))) or nil
end

-- As they are typed.
local states = { "running", "done", "partly", "failed", "interrupted", "killed", "begun" }
local partly = "done, some items failed"

local function named(run, name)
    local its = run.runbook or run.command
    return its == name or its:match("([^/]+)$") == name or its:match("([^/]+)%.lua$") == name
end

local function is_meant(run, given)
    return (not given.since or run.began >= given.since) and (not given.runbook or named(run, given.runbook))
        and (not given.status or run.state == (given.status == "partly" and partly or given.status))
end

-- The latest of them, and how many are left out.
local function find(given)
    local found = {}
    for _, run in ipairs(history.all()) do
        if is_meant(run, given) then found[#found + 1] = run end
    end
    local left_out = given.limit > 0 and math.max(0, #found - given.limit) or 0
    return table.move(found, left_out + 1, #found, 1, {}), left_out
end

-- ---- how they are shown ----------------------------------------------------------------------------------------

local function time_of(field)
    return function(run) return run[field] and os.date("!%Y-%m-%dT%H:%M:%SZ", run[field] // 1) end
end

local function what(run)
    local words = {}
    local is_code = run.arguments[1] == "-e" -- which stands in the place of a command
    for _, word in ipairs({ not is_code and run.command or nil, run.runbook }) do
        words[#words + 1] = shell.word(word)
    end
    for _, word in ipairs(run.arguments) do
        words[#words + 1] = word == "(hidden)" and word or shell.word(word)
    end
    return table.concat(words, " ")
end

local colors = { done = "green", running = "cyan", failed = "red", killed = "red" }

local function counts(run)
    return history.words(run.changes)
end

local columns = {
    { "BEGAN", time_of("began"), whole = true },
    { "STATUS", "state", paint = function(state) return colors[state] or "yellow" end },
    { "BY", function(run) return ("%s@%s"):format(run.user, run.host) end, spare = true },
    { "CHANGES", counts },
    { "COMMAND", what },
    { "JOB", "job", spare = true },
    { "ACCOUNT", "account", spare = true },
}

-- As programs have it: times as text, and what was done with each kind of change.
local function plain(run)
    local shown = {}
    for name, value in pairs(run) do shown[name] = value end
    shown.began, shown.ended, shown.process = time_of("began")(run), time_of("ended")(run), nil
    shown.seconds = run.ended and math.floor((run.ended - run.began) * 10 + 0.5) / 10 or nil
    return shown
end

local fields = {
    "id", "began", "ended", "seconds", "state", "status", "user", "host", "pid", "version", "directory", "command",
    "runbook", "arguments", "account", "endpoint", "profile", "cluster", "job", "reason", "changes", "problem",
}

local function flat(run)
    local row = plain(run)
    row.arguments, row.changes = what({ arguments = run.arguments }), counts(run)
    return row
end

local function each(runs, shape)
    local rows = {}
    for i, run in ipairs(runs) do rows[i] = shape(run) end
    return rows
end

---@type kmirror.command
return {
    name = "history",
    summary = "What was run here and changed something.",
    details = [[
Each run and command of this user that sent a change leaves a line, before the
first one: who, where and when, the version of kmirror, the runbook and its
arguments without secrets, the account, how many changes of each kind went well
and failed, and how it ended. Nothing is left by --dry-run, --read-only and
--sandbox. The lines are in $XDG_STATE_HOME/kmirror/history, about the last two
thousand of them at least, and can be read by their user alone.

A run that goes on is "running", one that was killed "killed"; "begun" is one on
another machine of which no more is known.

With --json: an array of {"id", "began", "ended", "seconds", "state", "status",
"user", "host", "pid", "version", "directory", "command", "runbook",
"arguments", "account", "endpoint", "profile", "cluster", "job", "reason",
"changes": {OPERATION: {"done", "failed"}}, "problem"}, the oldest first;
--output csv has a row for each.]],
    sets = { "results", "tables", "messages" },

    define = function(parser)
        parser:option("--since", "Only what began since then: 90min, 12h, 7d, a date, or a date and time.")
            :argname("TIME"):convert(since)
        parser:option("--runbook", "Only runs of this runbook, or of this command."):argname("NAME")
        parser:option("--status", "Only what is " .. table.concat(states, ", ") .. "; partly: done, some items failed.")
            :argname("STATUS"):convert(options.one_of("--status", states))
        parser:option("--limit", "At most so many, the latest; default: 50, 0: all."):argname("N"):default("50")
            :convert(options.integer("--limit", "a whole number, 0 for all", 0))
    end,

    run = function(given)
        local runs, left_out = find(given)
        if given.json then
            io.stdout:write(json.encode(json.array(each(runs, plain)), true), "\n")
        elseif given.output == "csv" then
            io.stdout:write(csv.shown(io.stdout, csv.rows(fields, each(runs, flat))))
        elseif #runs > 0 then
            tables.write(io.stdout, columns, runs)
        else
            log.info("no run %s", (given.since or given.runbook or given.status) and "is like that"
                or "has changed anything yet")
        end
        if left_out > 0 then
            log.info("%d older ones are left out; --limit 0 shows all", left_out)
        end
        return 0
    end,
}
