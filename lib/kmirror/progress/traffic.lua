--- progress.traffic: the requests underneath, in a few words: how many a second of those that are allowed, how many are
--- under way, retries, and what is waited for.

local line = require("kmirror.progress.line")
local mirrors = require("mirrors")
local task = require("task")

local M = {}

local most_kept = 2000 -- requests that are looked through at a time

local sent, retries, limit, pause_until, pause_reason = {}, 0, nil, 0, nil

local function in_last_second(now)
    local first = 1
    while sent[first] and sent[first] <= now - 1 do first = first + 1 end
    table.move(sent, first, #sent + first - 1, 1)
    return #sent
end

local function note_attempt(event)
    if event.sent > 0 then
        sent[#sent + 1] = event.sent
        if #sent > most_kept then in_last_second(event.sent) end
    end
end

local function note_retry(event)
    retries = retries + 1
    local ends = task.now() + event.wait
    if ends > pause_until then pause_until, pause_reason = ends, event.error.kind:gsub("_", " ") end
end

local away -- since when the API has not answered, when it is asked again, and the last error

local function note_away(event)
    local now = task.now()
    away = { since = now - event.away, next = now + event.wait, error = event.error.kind }
end

--- Takes note of an event, as kmirror.events tells it.
---@param event table
function M.note(event)
    if event.what == "attempt" then
        note_attempt(event)
    elseif event.what == "retry" then
        note_retry(event)
    elseif event.what == "away" then
        note_away(event)
    elseif event.what == "back" then
        away = nil
    elseif event.what == "call" then
        limit = event.options.rate == "auto" and math.floor(event.rate) or event.rate
    end
end

--- The words.
---@param now number
---@return string
function M.words(now)
    if away then
        return ("the API has not answered for %s (%s), asking again in %s; Ctrl-C stops"):format(
            line.clock(now - away.since), away.error, line.clock(away.next - now))
    end
    local rate = in_last_second(now)
    local parts = { limit and limit > 0 and ("%d of %g requests/s"):format(rate, limit)
        or ("%d requests/s"):format(rate) }
    local waiting = mirrors.under_way()
    parts[#parts + 1] = waiting > 0 and ("%d under way"):format(waiting) or nil
    parts[#parts + 1] = retries > 0 and ("%d %s"):format(retries, retries == 1 and "retry" or "retries") or nil
    parts[#parts + 1] = pause_until > now + 0.5 and ("waiting %s more after: %s"):format(
        line.clock(pause_until - now), pause_reason) or nil
    return table.concat(parts, ", ")
end

return M
