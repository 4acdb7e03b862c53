--- cli.trace: what goes on underneath a command, as messages: waits before retries, what became of a create that was
--- not answered, long waits for the quota, and in detail each attempt.

local events = require("kmirror.events")
local mirrors = require("mirrors")
local task = require("task")

local M = {}

local fates = { -- of a create whose answer was lost
    lost = "a create was not answered; the list will tell what became of it, in %.0f s or more",
    adopted = "the create that was not answered made mirror %s",
    undone = "the create that was not answered made nothing",
    undecided = "what became of the create that was not answered cannot be told",
}

local quiet = 1 -- seconds after a retry was told of in which others of the same cause are details

local every = 30 -- seconds after which it is said again that the API is away

local told = {} -- by cause: when last, and how many of them since

-- How important a retry is, and how many like it were passed over before.
local function level_of(problem)
    local cause = ("%s %s"):format(problem.kind, problem.status)
    local now, last = task.now(), told[cause]
    if last and now - last.at < quiet then
        last.more = last.more + 1
        return "debug", ""
    end
    told[cause] = { at = now, more = 0 }
    local more = last and last.more or 0
    return "info", more > 0 and ("; and %d more like it since the last such line"):format(more) or ""
end

local away_told -- when it was last told that the API is away

local function clock(seconds)
    return ("%.0f:%02.0f"):format(seconds // 60, math.floor(seconds % 60))
end

-- An outage is told of at once, and then every now and then.
local function tell_away(event, fields, write)
    local now = task.now()
    local level = (not away_told or now - away_told >= every) and "info" or "debug"
    if level == "info" then away_told = now end
    local since = os.time() - event.away // 1
    fields.away, fields.patience = event.away, event.patience
    write(level, fields, "the API has not answered since %s (%s): %s; it is asked again in %.0f s, and so on until %s; "
        .. "nothing else is sent meanwhile; Ctrl-C stops", os.date("%T", since // 1 | 0), clock(event.away),
        tostring(event.error), math.max(0, event.wait), os.date("%T", (since + event.patience) // 1 | 0))
end

-- What is given to the log here fits, and is not checked for each request. A short runbook does not need the log.
local function unchecked(name)
    return mirrors.fields.original(require("kmirror.log")[name])
end

local function write(...)
    unchecked("event")(...)
end

local shows -- the log's; it is asked each time, as a runbook may set its level

local function shows_attempts()
    shows = shows or unchecked("shows")
    return shows("debug")
end

--- Writes a message of an event, unless it is a detail that nobody wants.
---@param event mirrors.Event
function M.tell(event)
    local is_detail = event.what == "attempt" and not shows_attempts()
    if is_detail or event.what == "call" or event.what == "step" then return end
    local fields = {
        event = event.what, operation = event.operation, cluster = event.cluster, id = event.id,
        attempt = event.attempt, error = event.error and event.error.kind, wait = event.wait,
    }
    if event.what == "retry" then
        local level, others = "debug", ""
        if not event.expected then level, others = level_of(event.error) end
        write(level, fields, "%s; trying again in %.1f s%s", tostring(event.error), event.wait, others)
    elseif fates[event.what] then
        write("info", fields, fates[event.what], event.wait or event.id)
    elseif event.what == "quota" and event.throttled then
        write("info", fields, "waiting %.1f s: after an answer 429 the kmirror processes of this user send nothing "
            .. "for so long", event.wait)
    elseif event.what == "quota" then
        write("info", fields, "waiting %.1f s for the quota of %g requests a second, which the kmirror processes "
            .. "of this user share", event.wait, event.rate)
    elseif event.what == "away" then
        tell_away(event, fields, write)
    elseif event.what == "back" then
        away_told = nil
        write("info", fields, "the API answers again, after %s", clock(event.away))
    elseif event.what == "rate" then
        fields.rate = event.rate
        write(event.rejected and "info" or "debug", fields, event.rejected and "the API takes no more than about %.0f "
            .. "requests a second (429): --rate auto goes on with that" or "--rate auto tries %.0f requests a second",
            event.rate)
    elseif event.what == "key" then
        write("info", fields, "the API key is not accepted (401): it was read again, and is another one now; going on "
            .. "with that")
    elseif event.what == "alone" then
        write("warn", fields, "the quota file %s: %s; this process counts its requests alone (see kmirror doctor)",
            event.file, event.problem)
    elseif event.what == "attempt" and event.ended > 0 then
        local what = ("%s %s"):format(event.operation:gsub("_", " "), event.id or "on cluster " .. event.cluster)
        fields.seconds = event.ended - event.granted
        write("debug", fields, "%s: %s after %.0f ms", what, event.error and event.error.kind or "done",
            1000 * fields.seconds)
    end
end

--- Has all events told, from here on.
function M.begin()
    events.listen(M.tell, shows_attempts)
end

return M
