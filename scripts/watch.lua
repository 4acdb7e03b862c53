-- watch: the mirrors of one or several clusters, live, until a condition holds. Changes nothing.
--
-- A round is one list per cluster and one get per mirror. It takes as long as the rate allows, and no more than half of
-- that rate is used: the rest is for whoever works meanwhile.

local bulk = require("kmirror.bulk")
local ends = require("kmirror.ends")
local health = require("kmirror.health")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local problems = require("kmirror.problem")
local profile = require("kmirror.profile")
local programs = require("kmirror.program")
local screens = require("kmirror.screen")
local selection = require("kmirror.selection")
local sparkline = require("kmirror.sparkline")
local tables = require("kmirror.table")
local task = require("task")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

-- ---- options ----------------------------------------------------------------------------------------------

local parser = programs.new("kmirror run watch", [[
Shows mirrors live: status, lag against the target, records a second. Redraws in
place on a terminal; elsewhere it writes one round after the other. On Kafka
Connect of your own also how many records are left.]]):epilog([[
CONDITION is in-sync, up (none is CREATING), idle (no record flows), gone (there
are none left), or an expression in Lua that must be true of every mirror, with
the API's field names and lag (ms), rate (records/s) and, on Kafka Connect of
your own, left (records): 'lag < 1000'. MirrorMaker's own heartbeats topic does
not count for idle, rate and left; in-sync takes a topic beside it.
Exit status: 0 when it holds, 1 when it does not within --for.]])
parser:argument("CLUSTER", "Kafka Connect clusters; default: --cluster."):args("*"):target("clusters")
parser:option("--interval", "From one round to the next, at least.", "2"):argname("SECONDS")
    :convert(options.number("--interval", "seconds, from 0.05", 0.05))
parser:option("--until", "End when it holds."):argname("CONDITION"):target("condition")
parser:option("--for", "End after that."):argname("SECONDS"):target("seconds")
    :convert(options.number("--for", "seconds, 0 or more", 0))
selection.define(parser, { "--in" })

local given = options.parse(parser, ...)
if not given then return end
selection.complete(given)

-- ---- conditions -------------------------------------------------------------------------------------------

local connector_statuses = { "RUNNING", "PAUSED", "UNASSIGNED", "FAILED", "RESTARTING", "STOPPED" }

-- On which an expression is tried out before anything is asked.
local sample = {
    id = "", connectorName = "", topicsRegex = "", status = "IN_SYNC", targetLatency = 30000, mirrorStatus = "RUNNING",
    checkpointStatus = "RUNNING", topicStatuses = {},
}

local named = {
    ["in-sync"] = function(mirror)
        return mirror.status == "IN_SYNC" and not health.has_failed(mirror) and #health.topics(mirror) > 0
    end,
    up = function(mirror)
        return mirror.status ~= "CREATING"
    end,
    idle = function(mirror)
        return mirror.status ~= "CREATING" and not health.has_failed(mirror) and health.is_measured(mirror)
            and health.rate(mirror) == 0
    end,
    gone = function()
        return false
    end,
}

-- What an expression may name: what the API tells of a mirror, some of it only with v2, and what is made of that here.
local known = {}
for name in ([[id connectorName topicsRegex status targetLatency mirrorStatus checkpointStatus topicStatuses sourceType
    kafkaSource usePrivateIps sourceAlias useRenaming maxTasks cluster lag left rate math string]]):gmatch("%S+") do
    known[name] = true
end

-- Words that are compared with a status have to be one, or it would be waited for ever.
local function check_statuses(expression)
    for name, status in expression:gmatch("(%w*[sS]tatus)%s*[=~]=%s*[\"']([^\"']*)[\"']") do
        local words = {}
        for _, word in ipairs(name == "status" and health.statuses or connector_statuses) do
            words[word] = true
        end
        if not words[status] and (name == "status" or mirrors.fields.nearest(status, words)) then
            refuse("--until '%s': %s", expression, mirrors.fields.unknown(name, status, words))
        end
    end
end

local function refuse_condition(expression, problem)
    refuse("--until '%s': expected in-sync, up, idle, gone, or an expression in Lua that is true or false: %s",
        expression, problem)
end

local function refuse_name(expression, name)
    local all = {}
    for each in pairs(named) do all[each] = true end
    for each in pairs(known) do all[each] = true end
    local question = mirrors.fields.meant(name, all)
    refuse_condition(expression, question ~= "" and ("unknown name '%s'%s"):format(name, question)
        or mirrors.fields.unknown("name", name, all))
end

local keywords = { ["and"] = true, ["or"] = true, ["not"] = true, ["true"] = true, ["false"] = true, ["nil"] = true }

-- Also names that would not be reached at first. What declares names of its own is only tried out.
local function check_names(expression)
    if expression:find("%f[%w_]function%f[^%w_]") or expression:find("{", 1, true) then return end
    local bare = expression:gsub("'[^']*'", "''"):gsub('"[^"]*"', "''"):gsub("[.:]%s*[%a_][%w_]*", "")
    for name in bare:gmatch("%f[%w_][%a_][%w_]*") do
        if not keywords[name] and not known[name] then refuse_name(expression, name) end
    end
end

-- What the names in an expression stand for, for the mirror that `of` returns.
local function names_for(of, expression)
    return setmetatable({ math = math, string = string }, { __index = function(_, name)
        local mirror = of()
        if name == "lag" then
            return health.lag(mirror) or health.is_measured(mirror) and 0 or math.huge -- what is not known is no good
        elseif name == "rate" then
            return health.rate(mirror)
        elseif not known[name] then
            refuse_name(expression, name)
        end
        return mirror[name]
    end })
end

local function check(expression, chunk)
    check_names(expression)
    check_statuses(expression)
    local ran, value = pcall(chunk)
    if not ran and type(value) == "table" then
        error(value, 0)
    elseif ran and value ~= nil and type(value) ~= "boolean" then
        refuse_condition(expression, ("it is %s"):format(mirrors.fields.shown(value)))
    end
end

local function compile(expression)
    local seen = sample
    local names = names_for(function() return seen end, expression)
    local chunk, problem = load("return " .. expression, "=--until", "t", names)
    if not chunk then refuse_condition(expression, problem) end
    check(expression, chunk)
    return function(mirror)
        seen = mirror
        local ran, value = pcall(chunk)
        if not ran then
            error(type(value) == "table" and value
                or ("--until '%s': %s, for mirror %s"):format(expression, tostring(value), mirror.id), 0)
        end
        return value
    end
end

-- in_sync and In-Sync are in-sync; they are no names of the API's.
local condition = given.condition and given.condition:lower():gsub("_", "-")
local holds_for = given.condition and (named[condition] or compile(given.condition))

-- Those of which the condition is not true yet; nil when it holds. Of no mirror at all only `gone` holds.
local function left_over(seen)
    local left = {}
    for _, mirror in ipairs(seen) do
        left[#left + 1] = (mirror.unread or not holds_for(mirror)) and mirror or nil
    end
    return (#left > 0 or #seen == 0 and condition ~= "gone") and left or nil
end

-- ---- a round ----------------------------------------------------------------------------------------------

local default = mirrors.connect({})
local apis = {}
for i, name in ipairs(given.clusters) do
    apis[i] = { name = name, api = default:on(profile.connect_cluster(name)) }
end
if #apis == 0 and not default.cluster then
    refuse("no cluster: name one or several, or give --cluster")
elseif #apis == 0 then
    apis[1] = { api = default }
end

local rank = { FAILED = 1, STALE_TOPIC = 2, OUT_OF_SYNC = 3, CREATING = 4, IN_SYNC = 6 }
local history = {} -- by id, the share of the target that the lag was, round by round
local history_length = 16

local function note(mirror)
    local past = history[mirror.id] or {}
    history[mirror.id] = past
    local lag = health.lag(mirror)
    past[#past + 1] = lag and lag / (mirror.targetLatency or 30000) or false
    if #past > history_length then table.remove(past, 1) end
end

-- What no mirror is meant by is told once: when it is spelled wrong, its condition would be waited for in vain.
local told = false
local function tell_missing(listed)
    for _, each in ipairs(not told and selection.missing(given, listed) or {}) do
        log.warn("%s", each.message)
    end
    told = true
end

-- The mirrors that are meant of those on the clusters.
local function list()
    local is_meant, all, meant = selection.filter(given), {}, {}
    for i, listed in ipairs(bulk.map(apis, function(place) return place.api:list() end)) do
        meant[i] = {}
        for _, each in ipairs(listed) do
            each.cluster = apis[i].api.cluster
            all[#all + 1] = each
            table.insert(meant[i], is_meant(each) and each or nil)
        end
    end
    tell_missing(all)
    return meant
end

local count_wait = 5 -- seconds that counting may take in a round: a source may be out of reach

-- How many records each has left, where that can be told. It is noted down, too, should a region be lost.
local function count(place, watched)
    local lags = {}
    local function ask(mirror)
        if mirror.unread then return end
        local ok, lag = problems.try(place.api.lag, place.api, mirror.id)
        if ok then
            mirror.left, lags[#lags + 1] = lag.recordsLeft, lag
        elseif problems.is(lag, "unsupported") then
            place.uncounted = true -- there is no librdkafka
        end
    end
    problems.try(task.timeout, count_wait, bulk.map, watched, ask, bulk.reads)
    if lags[1] then ends.note(place.api.cluster, lags) end
end

-- All mirrors, those that need a look first.
local function look()
    local seen, meant, is_in_status = {}, list(), selection.in_status(given)
    bulk.map(apis, function(place, i)
        local watched = {}
        bulk.map(meant[i], function(listed)
            local mirror = bulk.read(place.api, listed, function(about, problem)
                if problems.is(problem, "forbidden") then error(problem, 0) end
                return { id = about.id, topicsRegex = about.topicsRegex, status = "unread", unread = true }
            end)
            if mirror and is_in_status(mirror) then
                mirror.place = place.name
                note(mirror)
                seen[#seen + 1], watched[#watched + 1] = mirror, mirror
            end
        end)
        if place.api:can("lag") and not place.uncounted then count(place, watched) end
    end)
    table.sort(seen, function(a, b)
        local rank_a, rank_b = rank[a.status] or 5, rank[b.status] or 5
        if rank_a ~= rank_b then return rank_a < rank_b end
        return a.topicsRegex == b.topicsRegex and a.id < b.id or a.topicsRegex < b.topicsRegex
    end)
    return seen
end

-- ---- what is shown ----------------------------------------------------------------------------------------

local screen = screens.new(io.stdout)

local function columns_for()
    local columns = {
        { "TOPICS", "topicsRegex", key = true },
        { "STATUS", "status", whole = true, paint = tables.status_color },
        { "LAG ms", health.lag, align = "right" },
        { "RECORDS/s", function(mirror)
            return ("%.1f"):format(health.rate(mirror))
        end, align = "right", spare = true },
        { "TARGET", "targetLatency", align = "right", spare = true },
    }
    if apis[1].api:can("lag") then table.insert(columns, 4, { "LEFT", "left", align = "right" }) end
    if #apis > 1 then table.insert(columns, 1, { "CLUSTER", "place" }) end
    if screen.moves then
        columns[#columns + 1] = { "LAG / TARGET", function(mirror)
            return sparkline.of(history[mirror.id], 1, history_length)
        end, whole = true, spare = true }
    end
    return columns
end

local function summary(seen)
    local counts, order, lag, rate, unknown = {}, {}, 0, 0, 0
    for _, mirror in ipairs(seen) do
        local status = tostring(mirror.status)
        if not counts[status] then order[#order + 1] = status end
        counts[status] = (counts[status] or 0) + 1
        lag, rate = math.max(lag, health.lag(mirror) or 0), rate + health.rate(mirror)
        unknown = unknown + (health.is_measured(mirror) and 0 or 1)
    end
    for i, status in ipairs(order) do order[i] = ("%d %s"):format(counts[status], status) end
    return ("%s  %s%s; highest lag %d ms; %.1f records/s%s"):format(os.date("%H:%M:%S"), text.count(#seen, "mirror"),
        #order > 0 and ": " .. table.concat(order, ", ") or "", lag, rate,
        unknown > 0 and ("; of %d not known"):format(unknown) or "")
end

local function show(seen, problem)
    local width, height = screen:room()
    local lines = { summary(seen) }
    if problem then lines[2] = "cannot refresh, this is older: " .. problem end
    for i, line in ipairs(lines) do
        line = text.clean(line)
        lines[i] = width and text.cut(line, width) or line
    end
    local fitting = math.max(1, math.min(#seen, height - #lines - 3)) -- titles, `and more`, and where the cursor is
    local shown = table.move(seen, 1, fitting, 1, {})
    local terminal = require("kmirror.terminal").of(io.stdout)
    terminal.width = width
    lines[#lines + 1] = #seen > 0 and tables.aligned(columns_for(), shown, terminal):sub(1, -2) or nil
    lines[#lines + 1] = #seen > fitting and ("and %d more"):format(#seen - fitting) or nil
    return screen:draw(table.concat(lines, "\n") .. "\n")
end

-- ---- round after round ------------------------------------------------------------------------------------

local started, seen, looked = task.now(), {}, false

local function late(left)
    local names = {}
    for i = 1, math.min(5, #left) do
        names[i] = ("%s of '%s' (%s)"):format(left[i].id, text.short(left[i].topicsRegex), left[i].status)
    end
    local more = #left > #names and (" and %d more"):format(#left - #names) or ""
    return ("--until %s does not hold after %g seconds: %s"):format(given.condition, given.seconds,
        #names > 0 and table.concat(names, ", ") .. more or looked and "there are no mirrors" or "nothing was seen")
end

while true do
    local began = task.now()
    local ok, found = pcall(look)
    if ok then
        seen, looked = found, true
    elseif not (problems.passes(found) or problems.is(found, "protocol")) then
        error(found, 0)
    end
    local problem = not ok and tostring(found) or nil
    if not show(seen, problem) and not holds_for then
        return 0 -- nobody can see it any more
    end
    local left = ok and holds_for and left_over(seen)
    if ok and holds_for and not left then
        log.info("%s holds", given.condition)
        return 0
    end
    local now = task.now()
    if given.seconds and now - started >= given.seconds then
        return holds_for and error(late(left or seen), 0) or 0
    end
    local took = now - began
    local pause = math.max(given.interval - took, took)
    if given.seconds then pause = math.max(0, math.min(pause, started + given.seconds - now)) end
    task.sleep(pause)
end
