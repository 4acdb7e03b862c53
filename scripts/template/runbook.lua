-- NAME: sets the target latency of mirrors: one, then a tenth, then the rest; behind each batch it checks that they are
-- healthy, and sets the batch back when they are not.
--   kmirror run --sandbox NAME.lua --latency 20000
--   kmirror test NAME_spec.lua

local argparse = require("argparse")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local health = require("kmirror.health")
local log = require("kmirror.log")
local options = require("kmirror.options")
local wait = require("kmirror.wait")

local parser = argparse("NAME", "Sets a target latency where it is higher.")
parser:option("--latency", "The target latency.", "20000"):argname("MS")
    :convert(options.integer("--latency", "milliseconds, 1000 or more", 1000))
parser:option("--only", "Only mirrors whose topics regex contains this."):argname("TEXT")
local given = options.parse(parser, ...)
if not given then
    return -- it was --help
end

local api = require("mirrors").connect {}

-- Look first: until here nothing has changed, and what is as wanted is left alone, so it can be run again.
local found = bulk.filter(bulk.details(api), function(mirror)
    local meant = not given.only or mirror.topicsRegex:find(given.only, 1, true)
    return meant and mirror.targetLatency > given.latency
end)

local function set_back(batch)
    bulk.map(batch.done, function(outcome)
        api:update_target_latency(outcome.item.id, outcome.item.targetLatency)
    end)
end

-- Asked behind each batch; nothing more is begun when it says false.
local function gate(batch)
    if changes.planned() then
        return true -- in a dry run nothing has changed
    end
    local ids = bulk.map(batch.done, function(outcome)
        return outcome.item.id
    end)
    local outcome = wait.settle(api, ids, function(mirror)
        return health.problem(mirror) == nil
    end, { seconds = 60 })
    if #outcome.ready < #ids then
        set_back(batch)
        return false, "set back: " .. wait.describe(outcome.late) .. wait.describe(outcome.failed)
    end
end

local result = bulk.each(found, function(mirror)
    api:update_target_latency(mirror.id, given.latency)
end, { batches = { 1, "10%", "100%" }, max_failures = "10%", gate = gate })

for _, outcome in ipairs(result.failed) do
    log.error("%s: %s", outcome.item.topicsRegex, tostring(outcome.problem))
end
print(result:summary(), result.stopped or "")
return result:status()
