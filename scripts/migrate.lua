-- migrate: creates the mirrors of a list, hundreds at a time, and sees to it that they work.
--
-- What exists already is adopted, and is not created a second time; so to continue after a failure, or after being
-- stopped, run the same command again. With kmirror's own --job NAME, creates that were under way are sorted out too.

local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local fleets = require("kmirror.fleet")
local health = require("kmirror.health")
local lifecycle = require("kmirror.lifecycle")
local limits = require("kmirror.limits")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local programs = require("kmirror.program")
local selection = require("kmirror.selection")
local steps = require("kmirror.steps").new()
local summary = require("kmirror.summary")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local parser = programs.new("kmirror run migrate", [[
Creates the mirrors in a list, waits until they are up, and sets their target
latencies. What exists already is adopted.]])
    :epilog([[
FILE is a fleet file: Lua, JSON, or CSV with a line of titles, such as
  from,to,topicsRegex,useRenaming,usePrivateIps,maxTasks,targetLatency
See kmirror help plan for all that may stand in it.
Exit status: 0 all work; 1 none does; 3 some do not, and are named.]])
parser:argument("FILE", "The list of mirrors: .csv, .json or .lua."):target("file")
parser:option("--batches", "Sizes of batches, each waited for before the next; the last is repeated.", "100%")
    :argname("N,N%,...")
parser:option("--max-failures", "How many may fail before nothing new is begun.", "10%"):argname("N|N%")
    :convert(limits.amount("--max-failures"))
parser:option("--wait", "How long a batch has to come up.", "900"):argname("SECONDS")
    :convert(options.number("--wait", "seconds, 0 or more", 0))
parser:option("--stall", "Give up waiting when nothing has moved for so long.", "300"):argname("SECONDS")
    :convert(options.number("--stall", "seconds, more than 0", 0.001))
parser:flag("--replace-failed", "Delete mirrors of the list that are FAILED, and create them again.")
parser:option("--max-delete", "With --replace-failed: refuse when there are more.", "10"):argname("N")
    :convert(options.integer("--max-delete", "a whole number, 0 or more", 0))

selection.define(parser, { "--id", "--status" })

local given = options.parse(parser, ...)
if not given then return end
selection.complete(given)
local batches = limits.batches("--batches", given.batches)
local fleet = fleets.read(given.file)
if #fleet.mirrors == 0 then
    refuse("%s: there is no mirror in it; expected at least one", given.file)
end
if not selection.is_whole(given) or #given.clusters > 0 then
    fleet.mirrors = selection.of_list(given, fleet.mirrors, given.file)
end
local api = mirrors.connect({})

-- ---- what is there, and what is missing -------------------------------------------------------------------

local counts = { new = 0, adopted = 0, unclear = 0 }
local items = steps:run("look at what is there", function()
    local found, warnings = fleets.migration.look(api, fleet)
    for _, warning in ipairs(warnings) do
        log.warn("%s%s", warning.line and fleet.document:at(warning.line) .. ": " or "", warning.message)
    end
    for _, item in ipairs(found) do
        local kind = item.spec and "new" or item.adopted and "adopted" or "unclear"
        counts[kind] = counts[kind] + 1
    end
    return ("%d of %s to create, %d exist, %d unclear"):format(counts.new, text.count(#found, "mirror"), counts.adopted,
        counts.unclear), found
end)

-- Under --approval: the whole list, so that a run that goes on need not ask again.
local function all_of_them()
    return ("migrate: create what is missing of the %s of %s, and set their target latencies\n\n%s"):format(
        text.count(#items, "mirror"), given.file, tables.aligned({
            { "INTO", function(item) return item.wanted.to end },
            { "FROM", function(item) return item.wanted.sourceAlias end },
            { "TOPICS", function(item) return item.wanted.topicsRegex end },
            { "TARGET ms", function(item) return item.wanted.targetLatency end, align = "right" },
        }, items))
end

confirm.approval(all_of_them(), { optional = true })

-- Those that were adopted are looked at before any of them is deleted.
if given.replace_failed then
    local adopted = {}
    for _, item in ipairs(items) do adopted[#adopted + 1] = item.adopted and item or nil end
    local failed = bulk.filter(adopted, function(item)
        return health.has_failed(api:on(item.wanted.cluster):get(item.id))
    end)
    if #failed > 0 and api:can("restart") then
        failed = steps:run("restart those that FAILED", function()
            local left = fleets.migration.restart(api, failed)
            return ("%d restarted, %d still FAILED"):format(#failed, #left), left
        end)
    end
    limits.check_deletes(#failed, given.max_delete)
    if #failed > 0 then
        confirm.typed(("migrate: delete %s FAILED, and create %s again"):format(
            text.count(#failed, "mirror that is", "mirrors that are"), #failed == 1 and "it" or "them"), "replace")
    end
    fleets.migration.replace(api, fleet, failed)
end

-- ---- act --------------------------------------------------------------------------------------------------

local function how_far()
    local well, created, retuned, adopted = 0, 0, 0, 0
    for _, item in ipairs(items) do
        well = well + (item.id and not item.problem and 1 or 0)
        created = created + (item.since and item.id and 1 or 0)
        retuned = retuned + (item.retuned and 1 or 0)
        adopted = adopted + (item.adopted and 1 or 0)
    end
    return well, created, retuned, adopted
end

local command = again.command("migrate", ...)
local _ <close> = setmetatable({}, { __close = function(_, problem)
    if problem and not changes.harmless() then
        local _, created = how_far()
        log.error("stopped: %s created in this run", text.count(created, "mirror"))
        again.warn_of_haste()
        log.error("%s", again.line("to continue: ", command))
    end
end })
local stopped = fleets.migration.run({
    api = api,
    steps = steps,
    batches = batches,
    max_failures = given.max_failures,
    wait = given.wait,
    stall = given.stall,
}, items)

-- ---- what came of it --------------------------------------------------------------------------------------

local bad, has_failed, empty = {}, false, {}
for _, item in ipairs(items) do
    empty[#empty + 1] = item.is_empty and { id = item.id, topicsRegex = item.wanted.topicsRegex } or nil
    if item.problem or not item.id then
        item.problem = item.problem or "was not begun"
        has_failed = has_failed or item.has_failed
        bad[#bad + 1] = item
    end
end
if #bad > 0 then
    tables.write(io.stdout, {
        { "WHERE", "place", whole = true },
        { "INTO", function(item) return item.wanted.to end },
        { "FROM", function(item) return item.wanted.sourceAlias end },
        { "TOPICS", function(item) return item.wanted.topicsRegex end, key = true },
        { "PROBLEM", "problem", whole = true },
    }, bad)
    print()
end
lifecycle.warn_of_empty(empty)
steps:show(io.stdout)
local well, created, retuned, adopted = how_far()
local would = changes.planned() and "would be " or ""
summary.say(("\nMigration of %s: %d of %s %s, %d %screated, %d adopted, %s set, after %.1f seconds.")
    :format(given.file, well, text.count(#items, "mirror"), changes.planned() and "would exist" or "up", created,
        would, adopted, text.count(retuned, "target latency", "target latencies"), steps:seconds()))
if stopped then summary.say("Stopped: " .. stopped .. ".") end
if #bad > 0 then
    local replaces = has_failed and not given.replace_failed
    print(again.line("To continue:  ", replaces and again.anew("migrate", ...) .. " --replace-failed" or command))
end
return #bad == 0 and 0 or well == 0 and 1 or 3
