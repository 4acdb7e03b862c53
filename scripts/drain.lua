-- drain: deletes mirrors, by what they are like; guarded against deleting more than was meant.

local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local files = require("kmirror.file")
local fleets = require("kmirror.fleet")
local health = require("kmirror.health")
local json = require("kmirror.json")
local lifecycle = require("kmirror.lifecycle")
local limits = require("kmirror.limits")
local log = require("kmirror.log")
local options = require("kmirror.options")
local order = require("kmirror.order")
local profile = require("kmirror.profile")
local programs = require("kmirror.program")
local selection = require("kmirror.selection")
local shell = require("kmirror.shell")
local steps = require("kmirror.steps").new()
local summary = require("kmirror.summary")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local parser = programs.new("kmirror run drain", [[
Deletes the mirrors that the options are about. What there was is saved first;
where the API tells all of it (--api v2), also as a fleet file by which kmirror
apply creates them anew. A mirror that records flow through is left alone,
unless --busy is given.]])
    :epilog([[
Exit status: 0 all are gone, or there were none; 1 nothing was deleted; 3 some are left.]])
selection.define(parser)
parser:flag("--all", "All mirrors of the clusters.")
parser:flag("--busy", "Also mirrors that records flow through.")
parser:option("--max-delete", "Refuse to delete more than this.", "10"):argname("N")
    :convert(options.integer("--max-delete", "a whole number, 0 or more", 0))
parser:option("--batches", "Sizes of batches, each gone before the next; the last is repeated.", "1,100%")
    :argname("N,N%,...")
parser:option("--max-failures", "How many may fail before nothing more is deleted.", "3"):argname("N|N%")
    :convert(limits.amount("--max-failures"))
parser:option("--wait", "How long a batch has to be gone.", "120"):argname("SECONDS")
    :convert(options.number("--wait", "seconds, 0 or more", 0))
parser:option("--save", "Where to save the previous state; a new file by default."):argname("FILE")

local given = options.parse(parser, ...)
if not given then
    return
elseif (given.all == true) == selection.is_narrowed(given) then
    refuse("say which mirrors: give --only, --source, --regex, --topic, --id or --status, or else --all; each with or "
        .. "without --except; see kmirror run drain --help")
end
local batches = limits.batches("--batches", given.batches)
local apis = selection.apis(given)
local api = apis[1]

-- ---- look and check ---------------------------------------------------------------------------------------

local found = steps:run("look", function() return selection.look(given, apis) end)
health.show(io.stderr, found)

local busy, flow = 0, "flow"
for _, mirror in ipairs(found) do
    if not health.is_measured(mirror) and not given.busy then
        busy, flow = busy + 1, "flow, or may,"
        log.error("whether records flow through mirror %s of '%s' is not known: no metrics are configured", mirror.id,
            text.short(mirror.topicsRegex))
    elseif health.rate(mirror) > 0 and not given.busy then
        busy = busy + 1
        log.error("mirror %s of '%s' is busy: %.1f records a second", mirror.id, text.short(mirror.topicsRegex),
            health.rate(mirror))
    end
end
if busy > 0 then
    error(("refused: records %s through %d of %s; stop their producers or consumers first, or give --busy; "
        .. "nothing was changed"):format(flow, busy, text.count(#found, "mirror")), 0)
elseif #found == 0 then
    print("There is no such mirror: nothing to do.")
    return 0
end
limits.check_deletes(#found, given.max_delete)
confirm.typed(("drain: delete %s for good"):format(text.count(#found, "mirror")), tostring(#found), nil,
    tables.aligned({ { "TOPICS", "topicsRegex" }, { "ID", "id" }, { "CLUSTER", function(mirror)
        return profile.name_of(mirror.cluster) or mirror.cluster
    end } }, order.sorted(found, "cluster", "topicsRegex", "id")))

-- ---- act --------------------------------------------------------------------------------------------------

local directory = profile.current().sandbox and (os.getenv("TMPDIR") or "/tmp") .. "/" or ""
local path = given.save or ("%sdrain-%s.json"):format(directory, os.date("!%Y%m%dT%H%M%SZ"))

-- Beside it, where the API tells enough: a fleet file by which they can be created anew.
local function save_fleet(beside)
    local content, notes = fleets.file_of(found)
    if not content or files.is_stream(beside) then return nil end
    local name = beside:gsub("%.json$", "") .. ".fleet.lua"
    files.write(name, content)
    for _, note in ipairs(notes) do log.warn("%s: %s", name, note) end
    return name
end

local fleet_path
if not changes.harmless() then
    json.write(path, { saved = os.date("!%Y-%m-%dT%H:%M:%SZ"), mirrors = json.array(found) })
    log.info("the previous state is saved in %s", path)
    fleet_path = save_fleet(path)
end

local function delete(mirror)
    lifecycle.remove(api, mirror, given.wait)
end

local would = changes.planned() and "would be " or ""
local result = steps:run("delete", function()
    local result = bulk.each(found, delete, {
        batches = batches, max_failures = given.max_failures, rounds = 3, progress = bulk.tell("delete"),
    })
    return ("%d %sgone, %d failed, %d not begun"):format(#result.done, would, #result.failed, #result.untouched), result
end)
for _, outcome in ipairs(result.failed) do
    log.error("mirror %s of '%s': %s", outcome.item.id, text.short(outcome.item.topicsRegex), tostring(outcome.problem))
end

-- ---- what came of it --------------------------------------------------------------------------------------

steps:show(io.stdout)
summary.say(("\nDrain: %d of %s %s, after %.1f seconds."):format(#result.done, text.count(#found, "mirror"),
    changes.planned() and "would be gone" or "gone", steps:seconds()))
if not changes.harmless() then
    print("Previous state:  " .. path)
    if fleet_path and not profile.current().sandbox then
        print(("To create anew:  %sapply %s"):format(again.prefix(true), shell.word(fleet_path)))
    end
end
if result:status() ~= 0 then print(again.line("To continue:     ", again.command("drain", ...))) end
return result:status()
