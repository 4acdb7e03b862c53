-- rollout: gives mirrors a new topics regex, a few at first, and the others when these are healthy.
--
-- The vendor's API cannot change a regex, so each mirror gets a successor, which likely copies its topics from the
-- start. On Kafka Connect of one's own it is changed in place where nothing else changes, and copies nothing again.
-- Behind each batch of them there is a gate: when too many of it stay unhealthy, it is rolled back, and nothing more
-- is begun. What an earlier run has created is taken over: to continue, run the same command again.

local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local limits = require("kmirror.limits")
local log = require("kmirror.log")
local loops = require("kmirror.loops")
local mirrors = require("mirrors")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local programs = require("kmirror.program")
local rollout = require("kmirror.rollout")
local selection = require("kmirror.selection")
local steps = require("kmirror.steps").new()
local summary = require("kmirror.summary")
local successor = require("kmirror.successor")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local function uuid_of(text_given)
    return profile.is_uuid(text_given) and text_given or nil, "--kafka-source must be the UUID of a Kafka cluster"
end

-- ---- options ----------------------------------------------------------------------------------------------

local in_sandbox = profile.current().sandbox
local regions = profile.current().runbooks.failover or {}
local defaults = profile.current().runbooks.rollout
    or in_sandbox and { to_regex = "(?!.*\\.dead-letter){old}", strategy = "create-first" } or {}
local parser = programs.new("kmirror run rollout", [[
Gives the mirrors between two regions a new topics regex, batch by batch.
With the vendor's API each gets a successor, which likely copies its topics from
the start; on Kafka Connect of your own each is changed in place.]])
    :epilog([[
Strategies:
  create-first  new mirrors run next to the old ones until all are healthy:
                records arrive twice meanwhile, and it can be rolled back
  delete-first  a batch's old mirrors are deleted before its new ones are
                created: nothing arrives meanwhile, and nothing twice
  add           the old mirrors stay: for topics that they do not match
  in-place      the mirrors keep what they have copied; rolled back by the old
                regex. Only on Kafka Connect of your own, and where the regex
                alone changes: the default there
Exit status: 0 done; 1 nothing done, or stopped at a gate; 3 done, but some
mirrors could not be replaced and are unchanged.]])
parser:option("--source", "Region that the mirrors come from: a name or ALIAS=CONNECT-UUID,KAFKA-UUID; or an alias, "
    .. "where the API tells the rest, or --kafka-source or --source-properties.", defaults.source or regions.from)
    :argname("REGION")
parser:option("--target", "Region that they go into.", defaults.target or regions.to):argname("REGION")
parser:option("--to", "The new topics regex; {old} in it stands for the old one.", defaults.to_regex)
    :argname("REGEX"):target("to_regex")
parser:option("--map", "JSON file instead: an object of old and new regexes."):argname("FILE")
parser:option("--strategy", "create-first, delete-first, add or in-place.", defaults.strategy)
    :choices({ "create-first", "delete-first", "add", "in-place" }):argname("STRATEGY")
parser:option("--batches", "Sizes of the batches; the last is repeated.", "1,10%,100%"):argname("N,N%,...")
parser:option("--max-failures", "How many may fail: of all, or in percent of a batch.", "10%"):argname("N|N%")
    :convert(limits.amount("--max-failures"))
parser:option("--wait", "How long a batch has to get healthy.", "600"):argname("SECONDS")
    :convert(options.number("--wait", "seconds, 0 or more", 0))
parser:option("--stall", "Give a batch up when nothing has moved for so long.", "300"):argname("SECONDS")
    :convert(options.number("--stall", "seconds, more than 0", 0.001))
parser:option("--soak", "How long a batch has to stay healthy after that.", "0"):argname("SECONDS")
    :convert(options.number("--soak", "seconds, 0 or more", 0))
parser:option("--delete-old", "With create-first: after each batch, or at the end.", "end"):choices({ "batch", "end" })
    :argname("WHEN")
parser:option("--max-delete", "Refuse to delete more old mirrors than this.", "100"):argname("N")
    :convert(options.integer("--max-delete", "a whole number, 0 or more", 0))
parser:option("--topics", "File of the source's topics, one a line, for the preview."):argname("FILE")
    :target("topics_file")
parser:flag("--allow-overlap", "Continue although mirrors match the same topics.")
selection.define(parser, { "--in", "--source" })
successor.define(parser, "the source")
parser:option("--kafka-source", "Kafka cluster of the source; by default the old mirror's, where the API tells, else "
    .. "that of --source."):argname("UUID"):convert(uuid_of)

local given = options.parse(parser, ...)
if not given then
    return
elseif not (given.source and given.target) then
    refuse("give --source, --target and --strategy; see kmirror run rollout --help")
end
if given.kafka_source and given.source_properties then
    refuse("--kafka-source and --source-properties exclude each other")
end
selection.complete(given)
local source, target = profile.source(given.source), profile.cluster(given.target)
local properties = successor.properties(given)
local rule = rollout.plan.rule(not given.map and given.to_regex or nil, given.map)
local batches = limits.batches("--batches", given.batches)
local api = mirrors.connect({ cluster = target.connect })

-- Whether mirrors can keep their ids and what they have copied, as nothing but their regexes changes.
local function only_regexes_change()
    return api:can("set_topics") and given.use_renaming == nil and given.use_private_ips == nil
        and given.max_tasks == nil and not given.source_properties and not given.kafka_source
end

given.strategy = given.strategy or only_regexes_change() and "in-place"
    or refuse("give --source, --target and --strategy; see kmirror run rollout --help")
local adds, in_place = given.strategy == "add", given.strategy == "in-place"
if in_place and not only_regexes_change() then
    refuse("--strategy in-place changes topics regexes alone, and only on Kafka Connect of your own: %s",
        api:can("set_topics") and "leave out the options of the new mirrors" or "the vendor's API cannot change one")
end
local command = again.command("rollout", ...)
local saved_path = given.strategy == "delete-first" and not in_sandbox and rollout.saved.path(source, target)

-- Where an old mirror's successor comes from. Connection properties are not saved: what version 1 of the API does not
-- tell, and the saved state of an earlier run does not hold, has to be given.
local function source_for(old)
    local kafka = given.kafka_source or source.kafka
    if properties or given.kafka_source then
        return { alias = source.alias, kafka = kafka, properties = properties }
    elseif old.sourceType == "custom" and not old.sourceConnectionProperties then
        refuse("the connection properties of mirror %s of '%s' are not known any more: give --source-properties FILE",
            old.id, old.topicsRegex)
    elseif not (old.kafkaSource or old.sourceConnectionProperties or kafka) then
        refuse("which Kafka cluster is '%s'? Give --kafka-source UUID, or --source-properties FILE, or --source "
            .. "ALIAS=CONNECT-UUID,KAFKA-UUID", source.alias)
    end
    return { alias = source.alias, kafka = old.kafkaSource or kafka, properties = old.sourceConnectionProperties }
end

-- What to create.
local function spec(regex, old)
    local made = successor.spec(given, old, source_for(old), regex)
    made.targetLatency = api:can("target_latency_at_create") and old.targetLatency or nil
    return made
end

-- A run that ended between the deletion of a mirror and the creation of the next would have lost these.
local function refuse_unsaved(list)
    for _, change in ipairs(list) do
        if given.strategy == "delete-first" and change.old.sourceConnectionProperties and not properties then
            refuse("mirror %s of '%s' has connection properties, which are nowhere once it is deleted: give "
                .. "--source-properties FILE, or --strategy create-first", change.old.id, change.old.topicsRegex)
        end
    end
end

-- ---- look, preview, check ---------------------------------------------------------------------------------

local missing = {}
local live = steps:run("look", function()
    local others = {}
    local found = bulk.details(api, selection.between(source.alias, target.alias, source.kafka, function(listed)
        others[#others + 1] = listed.id
    end))
    if #others > 0 then
        log.warn("left alone, as they come from another Kafka cluster that is called '%s', too: %s", source.alias,
            table.concat(others, ", "))
    end
    missing = saved_path and rollout.saved.missing(saved_path, found) or {}
    table.move(missing, 1, #missing, #found + 1, found)
    local deleted = #missing > 0 and (", %d of them deleted by an earlier run that did not end"):format(#missing) or ""
    return ("%s %s -> %s%s"):format(text.count(#found, "mirror"), source.alias, target.alias, deleted), found
end)
local plan = rollout.plan.make(live, rule, rollout.plan.selected(given, live, rule))
if #plan.changes == 0 then
    summary.say(("Nothing to do: %s the new regex, %s not selected."):format(
        text.count(#plan.done, "mirror has", "mirrors have"), text.count(#plan.others, "other is", "others are")))
    return #live == 0 and 1 or 0
end
local preview = steps:run("preview", function()
    local result = rollout.preview.make(plan, rollout.preview.topics(live, given.topics_file), adds)
    return ("%s, %s, %s"):format(text.count(#result.rows, "new regex", "new regexes"),
        text.count(#result.warnings, "warning"), text.count(#result.overlaps, "overlap")), result
end)
rollout.preview.show(io.stdout, preview)
if #preview.overlaps > 0 and not given.allow_overlap then
    error(("refused: %s%s of mirrors would copy the same topics twice; change the regex, or give --allow-overlap; "
        .. "nothing was changed"):format(preview.whole and "" or "at least ", text.count(#preview.overlaps, "pair")), 0)
end
local specs = {}
for _, change in ipairs(plan.changes) do
    specs[#specs + 1] = not (change.new or in_place) and spec(change.regex, change.old) or nil
end
refuse_unsaved(plan.changes)
local clusters = { [source.alias] = source, [target.alias] = target }
for _, warning in ipairs(loops.check_specs(api, specs, "rollout", clusters)) do
    log.warn("%s", warning.message)
end
if not (adds or in_place) then limits.check_deletes(#plan.changes, given.max_delete) end
if in_place then
    log.info("only topics regexes change: the mirrors are changed in place, none is created or deleted, and what they "
        .. "have copied is not copied again")
elseif only_regexes_change() and not adds then
    log.info("only topics regexes change: --strategy in-place would do so without copying anything again")
end
local verb = adds and "add to" or in_place and "change in place" or "replace"
confirm.typed(("rollout: %s %s %s -> %s, %s"):format(verb, text.count(#plan.changes, "mirror"), source.alias,
    target.alias, given.strategy), target.alias, nil, tables.aligned({
        { "OLD", function(change) return change.old.topicsRegex end },
        { "NEW", "regex" },
        { "ID", function(change) return change.old.id end },
    }, plan.changes))

-- ---- act --------------------------------------------------------------------------------------------------

local run = rollout.run.new({
    api = api,
    steps = steps,
    strategy = given.strategy,
    delete_old = given.delete_old,
    batches = batches,
    max_failures = given.max_failures,
    wait = given.wait,
    stall = given.stall,
    soak = given.soak,
    spec = spec,
})
local _ <close> = setmetatable({}, { __close = function(_, problem)
    if problem and not changes.harmless() then
        log.error("stopped: %s healthy, %s", text.count(#run.passed, "new mirror is", "new mirrors are"),
            in_place and "others may be changed already" or text.count(#run.replaced, "old one", "old ones")
            .. " deleted")
        again.warn_of_haste()
        log.error("%s", again.line("to continue: ", command))
    end
end })
if saved_path and not changes.harmless() then
    run.memory = rollout.saved.keep(saved_path, plan.changes, missing)
end
local stopped = run:go(plan.changes)

-- ---- what came of it --------------------------------------------------------------------------------------

print()
steps:show(io.stdout)
if changes.planned() then return 0 end
local passed, replaced = #run.passed, #run.replaced
summary.say(("\nRollout %s -> %s, %s: %d of %s healthy, %s, after %.1f seconds."):format(
    source.alias, target.alias, given.strategy, passed,
    text.count(#plan.changes, in_place and "mirror" or "new mirror"),
    in_place and "none created or deleted" or text.count(replaced, "old one", "old ones") .. " deleted",
    steps:seconds()))
if #run.taken_back > 0 then
    summary.say(in_place and ("%s rolled back: the old regex is back."):format(
            text.count(#run.taken_back, "mirror was", "mirrors were"))
        or ("%s rolled back; what they replaced is unchanged."):format(
            text.count(#run.taken_back, "new mirror was", "new mirrors were")))
end
if stopped then summary.say("Stopped: " .. stopped .. ".") end
if passed > replaced and not adds then
    summary.say(("%s next to what they replace: continue, or delete them."):format(
        text.count(passed - replaced, "new mirror runs", "new mirrors run")))
end
local complete = passed == #plan.changes and (adds or replaced == passed)
if not complete then print(again.line("To continue:  ", command)) end
return complete and 0 or stopped and 1 or 3
