-- audit: what is wrong with the mirrors of one cluster or of many: for a look in the morning, and for CI.
-- Changes nothing.

local findings = require("kmirror.findings")
local fleets = require("kmirror.fleet")
local json = require("kmirror.json")
local options = require("kmirror.options")
local programs = require("kmirror.program")
local selection = require("kmirror.selection")
local steps = require("kmirror.steps").new()
local summary = require("kmirror.summary")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local parser = programs.new("kmirror run audit", [[
Reports what is wrong with mirrors: FAILED, stale, late, duplicate, overlapping,
in a loop, different from a fleet file. Without --in, on all clusters that the
profile names. Changes nothing.]])
    :epilog([[
Errors: records do not arrive, go round in a loop, or arrive twice for certain;
or there was nothing to check. Warnings: records are late, or may arrive twice
or go round (version 1 of the API does not tell for certain, --api v2 does), or
a mirror differs from the file. With --json, stdout
holds {"mirrors": N, "errors": N, "warnings": N,
"findings": [{"level", "kind", "cluster", "id", "topicsRegex", "message"}]}.
Exit status: 0 nothing found (with --errors-only: no errors); 3 findings.]])
selection.define(parser)
parser:option("--fleet", "Compare with this fleet file, too (.lua, .json, .csv)."):argname("FILE")
parser:option("--lag", "How late a topic may be; by default its mirror's target latency."):argname("MS")
    :convert(options.integer("--lag", "milliseconds, 1 or more", 1))
parser:flag("--errors-only", "Warnings are not shown, and do not count.")
parser:flag("--json", "The findings as JSON.")

local given = options.parse(parser, ...)
if not given then
    return
elseif given.fleet and not selection.is_whole(given) then
    refuse("--fleet compares whole clusters: give it without --source, --only, --except, --regex, --topic, --id "
        .. "and --status")
end
local fleet = given.fleet and fleets.read(given.fleet)
local apis = selection.apis(given, true)

-- ---- look -------------------------------------------------------------------------------------------------

local found = {}
local function note(list)
    for _, each in ipairs(list) do
        if each.level == "error" or not given.errors_only then found[#found + 1] = each end
    end
end

local missing, listed
local mirrors = steps:run("look at the mirrors", function()
    local all
    all, missing, listed = selection.details(given, apis, function(about, problem)
        note({ {
            level = "error", kind = "unreadable", cluster = about.cluster, id = about.id,
            topicsRegex = about.topicsRegex, message = "cannot be read: " .. tostring(problem),
        } })
    end)
    return ("%s on %s"):format(text.count(#all, "mirror"), text.count(#apis, "cluster")), all
end)

-- Where nothing was looked at, nothing is well.
local function note_empty(message)
    note({ { level = "error", kind = "empty", cluster = apis[1].cluster, message = message } })
end
for _, each in ipairs(missing) do note_empty(each.message) end
if #mirrors == 0 and #missing == 0 and not fleet then
    note_empty(not selection.is_whole(given) and "no mirror matches the options: nothing was checked"
        or "there are no mirrors: nothing was checked")
end
for _, mirror in ipairs(mirrors) do note(findings.of_mirror(mirror, given.lag)) end
note(findings.of_pairs(mirrors))
note(findings.of_loops(apis[1], mirrors, listed))
if fleet then
    note(steps:run("compare with the fleet file", function()
        local plan = fleets.plan(apis[1], fleet)
        return ("%s in the file"):format(text.count(#fleet.mirrors, "mirror")), findings.of_plan(plan)
    end))
end

-- ---- tell -------------------------------------------------------------------------------------------------

table.sort(found, function(a, b)
    if a.level ~= b.level then
        return a.level == "error"
    elseif a.cluster ~= b.cluster then
        return a.cluster < b.cluster
    end
    return (a.topicsRegex or "") .. a.kind .. a.message < (b.topicsRegex or "") .. b.kind .. b.message
end)
local count = { error = 0, warning = 0 }
for _, each in ipairs(found) do count[each.level] = count[each.level] + 1 end

local colors = { error = "red", warning = "yellow" }
if given.json then
    io.stdout:write(json.encode({
        mirrors = #mirrors, errors = count.error, warnings = count.warning, findings = json.array(found),
    }, true), "\n")
else
    if #found > 0 then
        tables.write(io.stdout, {
            { "LEVEL", "level", paint = function(level) return colors[level] end },
            { "KIND", "kind" },
            { "CLUSTER", function(each) return selection.cluster_name(each.cluster) end },
            { "MIRROR", "id", whole = true },
            { "TOPICS", "topicsRegex", key = true },
            { "WHAT", "message", whole = true },
        }, found)
    end
end
local told = ("%s on %s: %s, %s."):format(text.count(#mirrors, "mirror"), text.count(#apis, "cluster"),
    text.count(count.error, "error"), text.count(count.warning, "warning"))
summary.note(told)
if not given.json then io.stderr:write(told, "\n") end
return #found == 0 and 0 or 3
