--- fleet.plan: what to change so that what is there becomes what a fleet file asks for.

local creation = require("kmirror.fleet.creation")
local drift = require("kmirror.fleet.drift")
local live = require("kmirror.live")
local matching = require("kmirror.fleet.matching")
local loops = require("kmirror.loops")
local order = require("kmirror.order")
local text = require("kmirror.text")
local wanted = require("kmirror.fleet.wanted")
local warnings = require("kmirror.fleet.warnings")

local M = {}

---@class kmirror.fleet.create
---@field wanted kmirror.fleet.wanted
---@field spec mirrors.Spec

---@class kmirror.fleet.retune
---@field wanted kmirror.fleet.wanted
---@field found kmirror.fleet.found
---@field old? integer milliseconds

---@class kmirror.fleet.blocked a wanted mirror that is left as it is
---@field wanted kmirror.fleet.wanted
---@field reason "duplicate"|"unclear"|"differs" there are several of it; or one that may be it, or may not; or it
---  is there, and differs in what only a new mirror can change
---@field found kmirror.fleet.found[]
---@field differences? kmirror.fleet.difference[]

---@class kmirror.fleet.plan
---@field fleet kmirror.fleet
---@field names table<string, string> what the file calls a cluster, by its UUID
---@field create kmirror.fleet.create[]
---@field retune kmirror.fleet.retune[]
---@field delete kmirror.fleet.found[]
---@field blocked kmirror.fleet.blocked[]
---@field unlisted kmirror.fleet.found[] there, but not in the file; they stay
---@field unclear kmirror.fleet.found[] there, but with a name that does not tell their source; they stay
---@field whole boolean the API tells whole specifications, and all of them are compared
---@field unchanged integer how many mirrors are as wanted
---@field mirrors kmirror.fleet.wanted[] those of the file that it is about
---@field there kmirror.fleet.found[] all that is on the clusters that these go into
---@field warnings kmirror.fleet.warning[]

---@class kmirror.fleet.plan_options
---@field prune? boolean delete mirrors that the file does not have, on the clusters that it has mirrors into
---@field cluster? string UUID: only what concerns that Kafka Connect cluster

--- The mirrors of the file that a plan is about.
---@param fleet kmirror.fleet
---@param cluster? string UUID
---@return kmirror.fleet.wanted[]
function M.scope(fleet, cluster)
    local mirrors = {}
    for _, mirror in ipairs(fleet.mirrors) do
        if not cluster or mirror.cluster == cluster:lower() then mirrors[#mirrors + 1] = mirror end
    end
    return mirrors
end

-- Asks for no more details than the comparison needs.
local function examine(api, mirrors, by_key)
    local needed = {}
    for _, mirror in ipairs(mirrors) do
        local matches = by_key[wanted.key(mirror)] or {}
        if #matches > 1 or mirror.targetLatency then
            table.move(matches, 1, #matches, #needed + 1, needed)
        end
    end
    live.examine(api, needed)
end

-- Takes out what was gone when it was asked for.
local function not_gone(mirrors)
    local left = {}
    for _, mirror in ipairs(mirrors) do left[#left + 1] = not mirror.gone and mirror or nil end
    return left
end

-- One that is there, with one that it may be.
local function compare_one(plan, mirror, found)
    local differences, problem = drift.of(mirror, found, plan.fleet.document.directory)
    if problem then
        plan.uncompared[problem] = plan.uncompared[problem] or { first = mirror, count = 0 }
        plan.uncompared[problem].count = plan.uncompared[problem].count + 1
    end
    local latency = mirror.targetLatency and found.details.targetLatency
    if #differences > 0 then
        local blocked = { wanted = mirror, reason = "differs", found = { found }, differences = differences }
        table.insert(plan.blocked, blocked)
    end
    if mirror.targetLatency and latency ~= mirror.targetLatency then
        table.insert(plan.retune, { wanted = mirror, found = found, old = latency })
    elseif #differences == 0 then
        plan.unchanged = plan.unchanged + 1
    end
end

-- Once for what is wrong with a file, for however many mirrors.
local function warn_of_uncompared(plan)
    for problem, each in pairs(plan.uncompared) do
        local more = each.count > 1 and (" and %s"):format(text.count(each.count - 1, "more mirror")) or ""
        table.insert(plan.warnings, { line = each.first.line, message = ("the connection properties of '%s'%s are not "
            .. "compared: %s"):format(text.short(each.first.topicsRegex), more, problem) })
    end
    plan.uncompared = nil
end

local function compare(plan, api, mirror, matches, alike_of)
    local alike = #matches == 0 and alike_of(mirror) or {}
    if #matches > 1 then
        table.insert(plan.blocked, { wanted = mirror, reason = "duplicate", found = matches })
    elseif #alike > 0 then
        table.insert(plan.blocked, { wanted = mirror, reason = "unclear", found = alike })
    elseif #matches == 0 then
        local spec = creation.spec(plan.fleet.document, api, mirror)
        table.insert(plan.create, { wanted = mirror, spec = spec })
    else
        compare_one(plan, mirror, matches[1])
    end
end

local function is_new(plan)
    local new = {}
    for _, create in ipairs(plan.create) do new[create.wanted] = true end
    return new
end

--- Compares a fleet with what is there. Each cluster is listed once; mirrors are asked for only where the list does not
--- tell enough. Raises what the API raises, and usage for what the file has too little of to create a mirror.
---@param api mirrors.Api
---@param fleet kmirror.fleet
---@param options? kmirror.fleet.plan_options
---@return kmirror.fleet.plan
function M.make(api, fleet, options)
    options = options or {}
    local mirrors = M.scope(fleet, options.cluster)
    local targets = matching.targets(fleet, mirrors)
    local found = live.list(api, targets)
    local by_key, unclear = matching.index(found)
    local plan = {
        fleet = fleet, create = {}, retune = {}, delete = {}, blocked = {}, unlisted = {}, unclear = unclear,
        unchanged = 0, warnings = {}, uncompared = {}, names = {}, whole = true, mirrors = mirrors,
    }
    for _, target in ipairs(targets) do
        plan.names[target.cluster] = target.name
        plan.whole = plan.whole and api:on(target.cluster):can("specification")
    end
    examine(api, mirrors, by_key)
    plan.there = not_gone(found)
    for key, matches in pairs(by_key) do by_key[key] = not_gone(matches) end
    local matched, assigned, left = {}, matching.assign(api, fleet.document, mirrors, by_key)
    local alike_of = matching.look_alikes(unclear)
    plan.unlisted = left
    for _, mirror in ipairs(mirrors) do
        local matches = assigned[mirror]
        table.move(matches, 1, #matches, #matched + 1, matched)
        compare(plan, api, mirror, matches, alike_of)
    end
    warn_of_uncompared(plan)
    table.sort(plan.unlisted, order.by("cluster", "sourceAlias", "topicsRegex", "id"))
    if options.prune then plan.delete, plan.unlisted = plan.unlisted, {} end
    local new = is_new(plan)
    local of_loops = loops.check(api, fleet, mirrors, new, plan.unlisted)
    table.move(of_loops, 1, #of_loops, #plan.warnings + 1, plan.warnings)
    fleet.document:finish()
    plan.warnings = warnings.of(plan, mirrors, matched, new)
    return plan
end

--- How many changes it has.
---@param plan kmirror.fleet.plan
---@return integer
function M.size(plan)
    return #plan.create + #plan.retune + #plan.delete
end

return M
