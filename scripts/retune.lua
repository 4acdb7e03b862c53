-- retune: sets the target latencies of mirrors: to a number, or to what they have been measured to need.

local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local health = require("kmirror.health")
local limits = require("kmirror.limits")
local log = require("kmirror.log")
local options = require("kmirror.options")
local order = require("kmirror.order")
local profile = require("kmirror.profile")
local programs = require("kmirror.program")
local selection = require("kmirror.selection")
local steps = require("kmirror.steps").new()
local summary = require("kmirror.summary")
local tables = require("kmirror.table")
local task = require("task")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local function milliseconds(name)
    return options.integer(name, "milliseconds, 1000 or more", 1000)
end

local parser = programs.new("kmirror run retune", [[
Sets the target latency above which a mirror counts as out of sync: to a number,
or to what its topics have been measured to need.]])
    :epilog([[
--from-measured looks several times, takes the highest latency seen, times --margin,
rounded up to whole seconds. A mirror that is not up, or lists no topic, is left.
Exit status: 0 done, or nothing to do; 1 nothing was set; 3 some were not.]])
selection.define(parser)
parser:mutex(
    parser:option("--latency", "The target latency to set."):argname("MS"):convert(milliseconds("--latency")),
    parser:flag("--from-measured", "Set it from what is measured.")
)
parser:option("--samples", "How many samples to take.", "3"):argname("N")
    :convert(options.integer("--samples", "a whole number, 1 or more", 1))
parser:option("--interval", "Time between two samples.", "5"):argname("SECONDS")
    :convert(options.number("--interval", "seconds, 0 or more", 0))
parser:option("--margin", "The highest latency is multiplied by this.", "3"):argname("FACTOR")
    :convert(options.number("--margin", "a number, 1 or more", 1))
parser:option("--least", "No target latency below this.", "5000"):argname("MS"):convert(milliseconds("--least"))
parser:option("--most", "None above this.", "600000"):argname("MS"):convert(milliseconds("--most"))
parser:option("--max-failures", "How many may fail before no more is set.", "3"):argname("N|N%")
    :convert(limits.amount("--max-failures"))

local given = options.parse(parser, ...)
if not given then
    return
elseif not (given.latency or given.from_measured) then
    refuse("give --latency MS or --from-measured; see kmirror run retune --help")
elseif given.least > given.most then
    refuse("--least %d is more than --most %d", given.least, given.most)
end
local apis = selection.apis(given)
local api = apis[1]

-- ---- measure ----------------------------------------------------------------------------------------------

local found = steps:run("look", function() return selection.look(given, apis) end)

local highest = {} -- ms by id; nil for a mirror that tells nothing

local function sample(mirrors)
    for _, mirror in ipairs(mirrors) do
        local lag = health.works(mirror) and #health.topics(mirror) > 0 and health.lag(mirror)
        if lag then highest[mirror.id] = math.max(highest[mirror.id] or 0, lag) end
    end
end

if given.from_measured then
    steps:run("measure", function()
        sample(found)
        for _ = 2, given.samples do
            task.sleep(given.interval)
            sample(selection.details(given, apis))
        end
        return text.count(given.samples, "sample")
    end)
end

local function wanted(mirror)
    if given.latency then
        return given.latency
    elseif highest[mirror.id] then
        local needed = math.ceil(highest[mirror.id] * given.margin / 1000) * 1000
        return math.min(given.most, math.max(given.least, needed))
    end
end

if #found == 0 and not selection.is_whole(given) then
    error("no mirror matches the options: nothing was set", 0)
end
local work, left = {}, 0
for _, mirror in ipairs(found) do
    local latency = wanted(mirror)
    left = left + (latency and 0 or 1)
    if latency and latency ~= mirror.targetLatency then
        work[#work + 1] = { mirror = mirror, latency = latency, topicsRegex = mirror.topicsRegex, id = mirror.id }
    end
end
if #work == 0 then
    summary.say(("Nothing to do: %s the target latency wanted, %s not known."):format(
        text.count(#found - left, "mirror has", "mirrors have"), text.count(left, "latency is", "latencies are")))
    return 0
end
tables.write(io.stdout, {
    { "CONNECTOR", function(item) return item.mirror.connectorName end },
    { "TOPICS", function(item) return item.mirror.topicsRegex end, key = true },
    { "HIGHEST ms", function(item) return highest[item.mirror.id] or health.lag(item.mirror) end, align = "right" },
    { "TARGET", function(item) return item.mirror.targetLatency end, align = "right" },
    { "NEW", "latency", align = "right" },
}, work)
confirm.typed(("retune: set %s"):format(text.count(#work, "target latency", "target latencies")), tostring(#work),
    nil, tables.aligned({
        { "TOPICS", "topicsRegex" }, { "ID", "id" },
        { "TARGET", function(item) return item.mirror.targetLatency end, align = "right" },
        { "NEW", "latency", align = "right" },
        { "CLUSTER", function(item) return profile.name_of(item.mirror.cluster) or item.mirror.cluster end },
    }, order.sorted(work, "topicsRegex", "id")))

-- ---- act --------------------------------------------------------------------------------------------------

local result = steps:run("set target latencies", function()
    local result = bulk.each(work, function(item)
        api:on(item.mirror.cluster):update_target_latency(item.mirror.id, item.latency)
    end, { max_failures = given.max_failures, rounds = 3, progress = bulk.tell("retune") })
    return result:summary(), result
end)
for _, outcome in ipairs(result.failed) do
    log.error("mirror %s of '%s': %s", outcome.item.mirror.id, text.short(outcome.item.mirror.topicsRegex),
        tostring(outcome.problem))
end
print()
steps:show(io.stdout)
summary.say(("\nRetune: %d of %s %s, %s unknown, after %.1f seconds."):format(#result.done,
    text.count(#work, "target latency", "target latencies"), changes.planned() and "would be set" or "set",
    text.count(left, "latency", "latencies"), steps:seconds()))
if result:status() ~= 0 then print(again.line("To continue:  ", again.command("retune", ...))) end
return result:status()
