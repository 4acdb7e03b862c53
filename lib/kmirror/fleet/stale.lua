--- fleet.stale: whether a saved plan is still true, and what has changed since it was made.

local drift = require("kmirror.fleet.drift")
local json = require("kmirror.json")
local plans = require("kmirror.fleet.plan")
local saved = require("kmirror.fleet.saved")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local most_told = 20

-- ---- words --------------------------------------------------------------------------------------------------

local function add(list, message, ...)
    list[#list + 1] = message:format(...)
end

local function named(mirror)
    return ("'%s' from %s"):format(text.short(mirror.topicsRegex), mirror.sourceAlias or "an unknown source")
end

local function found_words(found)
    return ("mirror %s of %s"):format(found.id, named(found))
end

local function ms(value)
    return value and ("%d ms"):format(value) or "not set"
end

-- ---- the account --------------------------------------------------------------------------------------------

local function account_problem(was, is)
    if was.endpoint ~= is.endpoint then
        return ("it was made at %s, and this is %s"):format(was.endpoint, is.endpoint)
    elseif was.username ~= is.username then
        return ("it was made as %s, and this is %s"):format(was.username or "nobody", is.username or "nobody")
    end
    for cluster, version in pairs(was.apis) do
        if is.apis[cluster] ~= version then
            return ("it was made with --api %s, and this is --api %s"):format(version, is.apis[cluster] or "unknown")
        end
    end
end

--- Refuses a plan that was made with another account, endpoint or version of the API. Nothing is sent for that.
---@param path string of the plan
---@param plan kmirror.fleet.saved
---@param api mirrors.Api
function M.check_account(path, plan, api)
    local problem = account_problem(plan.made.account, saved.account(api, plan))
    if problem then refuse("%s is not for this account: %s; nothing was sent", path, problem) end
end

-- ---- the fleet file -----------------------------------------------------------------------------------------

local compared = {
    "to", "cluster", "sourceAlias", "topicsRegex", "targetLatency", "sourceType", "kafkaSource", "useRenaming",
    "usePrivateIps", "maxTasks", "properties",
}

-- Things of the file's mirrors by what these are known by and, of several that have that in common, their number.
local function by_key(things, mirror_of)
    local keyed, keys = {}, {}
    for _, thing in ipairs(things) do
        local mirror, number = mirror_of and mirror_of(thing) or thing, 1
        local key = ("%s\0%s\0%s\0"):format(mirror.cluster, mirror.sourceAlias, mirror.topicsRegex)
        while keyed[key .. number] do number = number + 1 end
        keys[#keys + 1] = key .. number
        keyed[keys[#keys]] = thing
    end
    return keyed, keys
end

local function value_words(value)
    if type(value) == "table" then
        return ("connection properties of %s"):format(value.name or "the fleet file")
    end
    return tostring(value == nil and "not set" or value)
end

local function compare_wanted(list, place, was, is)
    for _, field in ipairs(compared) do
        if json.encode(was[field]) ~= json.encode(is[field]) then
            add(list, "%s: %s: %s is %s now, and was %s", place(is.line), named(is), field, value_words(is[field]),
                value_words(was[field]))
        end
    end
end

local function fleet_changes(plan, now)
    local list = {}
    local function place(line)
        return plan.fleet.document:at(line)
    end
    local was, keys = by_key(plan.mirrors)
    local is, new_keys = by_key(now)
    for _, key in ipairs(keys) do
        if is[key] then
            compare_wanted(list, place, was[key], is[key])
        else
            add(list, "%s: %s into %s is no longer in the file", place(was[key].line), named(was[key]), was[key].to)
        end
    end
    for _, key in ipairs(new_keys) do
        if not was[key] then
            add(list, "%s: %s into %s is new in the file", place(is[key].line), named(is[key]), is[key].to)
        end
    end
    return list
end

-- ---- what is there ------------------------------------------------------------------------------------------

local function by_id(mirrors)
    local found = {}
    for _, mirror in ipairs(mirrors) do found[mirror.id] = mirror end
    return found
end

local function changes_there(list, plan, now, own)
    local was, is = by_id(plan.there), by_id(now.there)
    for _, mirror in ipairs(plan.there) do
        local latency = is[mirror.id] and is[mirror.id].targetLatency
        if not is[mirror.id] then
            if not own.deleted[mirror.id] then add(list, "%s is gone", found_words(mirror)) end
        elseif latency ~= mirror.targetLatency and not own.retuned[mirror.id] then
            add(list, "%s: its target latency is %s now, and was %s", found_words(mirror), ms(latency),
                ms(mirror.targetLatency))
        end
    end
    for _, mirror in ipairs(now.there) do
        if not was[mirror.id] and not own.is_created(mirror) then
            add(list, "%s is new", found_words(mirror))
        end
    end
end

-- Why a mirror of the file is left as it is, in words.
local function reasons(plan)
    local found = {}
    for _, blocked in ipairs(plan.blocked) do
        local why = blocked.differences and drift.words(blocked.differences) or blocked.reason
        found[named(blocked.wanted)] = why
    end
    return found
end

local function changed_reasons(list, plan, now)
    local was, is = reasons(plan), reasons(now)
    for name, why in pairs(is) do
        if was[name] ~= why then add(list, "%s is left to settle by hand now: %s", name, why) end
    end
    for name in pairs(was) do
        if not is[name] then add(list, "%s need not be settled by hand any more", name) end
    end
end

local function wanted_of(create)
    return create.wanted
end

local function changed_properties(list, plan, now)
    local was = by_key(plan.create, wanted_of)
    for key, create in pairs(by_key(now.create, wanted_of)) do
        if was[key] and was[key].properties ~= create.properties then
            add(list, "%s: its connection properties are others now, in more than a secret", named(create.wanted))
        end
    end
end

-- What a plan does, but not in which lines of the file.
local function acts(plan)
    local parts = {}
    for _, create in ipairs(plan.create) do
        parts[#parts + 1] = { create.wanted.cluster, create.spec, create.wanted.targetLatency }
    end
    for _, retune in ipairs(plan.retune) do
        parts[#parts + 1] = { retune.found.id, retune.wanted.targetLatency }
    end
    for _, found in ipairs(plan.delete) do parts[#parts + 1] = { found.id } end
    return json.encode(parts)
end

-- ---- all of it ----------------------------------------------------------------------------------------------

local function tell(path, plan, what, list)
    local lines = { ("%s is stale: %s since %s; nothing was changed:"):format(path, what, plan.made.at) }
    for i = 1, math.min(#list, most_told) do lines[#lines + 1] = text.clean(list[i]) end
    if #list > most_told then lines[#lines + 1] = ("... and %d more"):format(#list - most_told) end
    return table.concat(lines, "\n  ")
end

---@class kmirror.fleet.own what this job has done of a plan already
---@field deleted table<string, true> by id
---@field retuned table<string, true> by id
---@field is_created fun(found: kmirror.fleet.found): boolean

--- Refuses a plan whose fleet file says something else by now. Nothing is sent for that.
---@param path string of the plan
---@param plan kmirror.fleet.saved
---@param fleet kmirror.fleet the file, now
---@param again string the command that makes it anew
function M.check_fleet(path, plan, fleet, again)
    local list = fleet_changes(plan, saved.form_of_mirrors(plans.scope(fleet, plan.made.cluster)))
    if #list > 0 then
        refuse("%s", tell(path, plan, ("%s has changed"):format(plan.made.fleet), list) .. "\nmake it anew: " .. again)
    end
end

--- Refuses a plan when what is there has changed since, but for what this job has done.
---@param path string of the plan
---@param plan kmirror.fleet.saved
---@param made kmirror.fleet.plan of the same file, now
---@param own kmirror.fleet.own|nil
---@param again string the command that makes it anew
function M.check_there(path, plan, made, own, again)
    local now, list = saved.form(made), {}
    local nothing = { deleted = {}, retuned = {}, is_created = function()
        return false
    end }
    changes_there(list, plan, now, own or nothing)
    changed_reasons(list, plan, now)
    changed_properties(list, plan, now)
    if #list == 0 and not own and acts(now) ~= acts(plan) then
        add(list, "it would create %d, retune %d, delete %d now, and not %d, %d, %d as then", #now.create, #now.retune,
            #now.delete, #plan.create, #plan.retune, #plan.delete)
    end
    if #list > 0 then
        refuse("%s", tell(path, plan, "what is there has changed", list) .. "\nmake it anew: " .. again)
    end
end

return M
