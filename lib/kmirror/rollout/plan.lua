--- rollout.plan: which mirrors get which new topics regex, and how far an earlier run has come with that.

local json = require("kmirror.json")
local log = require("kmirror.log")
local regex = require("kmirror.regex")
local selection = require("kmirror.selection")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

---@class kmirror.rollout.change
---@field old table a mirror in full
---@field regex string the new one
---@field new? table a mirror in full that has it already: an earlier run has created it

---@class kmirror.rollout.plan
---@field changes kmirror.rollout.change[] in the order of the old regexes
---@field done table[] mirrors that have a new regex, and no old mirror any more
---@field others table[] mirrors of the same source that the rollout is not about

local placeholder = "{old}"

local function refuse_broken(new)
    local problem = regex.problem(new)
    if problem and not problem.untried then
        refuse("the new topics regex '%s' is broken: %s, at character %d", text.clean(new), problem.message, problem.at)
    end
    return new
end

-- A rule: `of` gives the new regex for an old one, nil when it has none; `made` is true of one that it gives.
local function from_template(template)
    local first, last = template:find(placeholder, 1, true)
    if not first then
        return { of = function() return template end, made = function(each) return each == template end }
    end
    local before, after = template:sub(1, first - 1), template:sub(last + 1)
    if before .. after == "" then
        refuse("--to '%s' changes nothing; write something around %s", template, placeholder)
    end
    return {
        of = function(old)
            if old:find(",", 1, true) then
                refuse("'%s' may be a list of topics, which cannot stand inside another regex; use --map", old)
            end
            return before .. old .. after
        end,
        made = function(each)
            return #each > #before + #after and each:sub(1, #before) == before and each:sub(-#after - 1):sub(2) == after
        end,
    }
end

local function from_map(path)
    local map = json.read(path) or refuse("cannot read %s; expected a JSON object of old and new topics regexes", path)
    local new = {}
    for old, each in pairs(type(map) == "table" and map or {}) do
        if type(old) ~= "string" or type(each) ~= "string" then
            refuse("%s: expected a JSON object of old and new topics regexes: {\"OLD\": \"NEW\"}", path)
        end
        new[each] = true
    end
    if not next(new) then
        refuse("%s: expected a JSON object of old and new topics regexes: {\"OLD\": \"NEW\"}", path)
    end
    return {
        of = function(old) return map[old] end,
        made = function(each) return new[each] and not map[each] end,
    }
end

--- The rule that makes new regexes out of old ones. Raises usage for one that makes no sense.
---@param template? string the new regex; {old} in it stands for the old one
---@param map_file? string path of a JSON object of old and new regexes
---@return table
function M.rule(template, map_file)
    if (template ~= nil) == (map_file ~= nil) then
        refuse("give either --to REGEX or --map FILE; see kmirror run rollout --help")
    end
    return template and from_template(template) or from_map(map_file)
end

-- The options that no mirror is meant by any more, but for those whose mirrors have been replaced.
local function missing_of(given, live, rule)
    local is_new, missing = {}, {}
    for _, mirror in ipairs(live) do
        is_new[mirror.topicsRegex] = rule.made(mirror.topicsRegex) or nil
    end
    for _, each in ipairs(selection.missing(given, live)) do
        local made, new = pcall(rule.of, each.value)
        if not (made and new and is_new[new]) then missing[#missing + 1] = each.message end
    end
    return missing
end

--- The mirrors that the options are about, as a filter. What no mirror is meant by is warned of.
---@param given table what a parser with selection.define() made of the arguments
---@param live table[] mirrors of one source on one cluster, in full
---@param rule table
---@return fun(mirror: table): boolean
---Raises usage when no mirror is meant, and none has been replaced.
function M.selected(given, live, rule)
    local is_listed, is_in_status, some = selection.filter(given), selection.in_status(given), false
    local function is_meant(mirror) return is_listed(mirror) and is_in_status(mirror) end
    for _, mirror in ipairs(live) do some = some or is_meant(mirror) end
    local missing = missing_of(given, live, rule)
    local asked = #given.only + #given.ids + #given.regexes + #given.topics
    if not some and #missing > 0 and #missing == asked then
        refuse("%s; nothing was changed", table.concat(missing, "; "))
    end
    for _, message in ipairs(missing) do log.warn("%s", message) end
    return is_meant
end

--- Compares what is there with what the rule wants.
---@param live table[] mirrors of one source on one cluster, in full
---@param rule table
---@param is_meant fun(mirror: table): boolean whether it is about a mirror
---@return kmirror.rollout.plan
---Raises usage for a new regex that is broken, or that several mirrors would have.
function M.make(live, rule, is_meant)
    local by_regex = {}
    local plan = { changes = {}, done = {}, others = {} }
    for _, mirror in ipairs(live) do
        local new = not rule.made(mirror.topicsRegex) and is_meant(mirror)
            and rule.of(mirror.topicsRegex) or nil
        if new and new ~= mirror.topicsRegex then
            if by_regex[new] then
                refuse("'%s' and '%s' would both become '%s'; choose one by --only, or use {old}",
                    by_regex[new].old.topicsRegex, mirror.topicsRegex, new)
            end
            by_regex[new] = { old = mirror, regex = refuse_broken(new) }
            table.insert(plan.changes, by_regex[new])
        end
    end
    local is_old = {}
    for _, change in ipairs(plan.changes) do is_old[change.old] = true end
    for _, mirror in ipairs(live) do
        local change = by_regex[mirror.topicsRegex]
        if change and not change.new then
            change.new = mirror
        elseif not is_old[mirror] then
            table.insert(rule.made(mirror.topicsRegex) and plan.done or plan.others, mirror)
        end
    end
    table.sort(plan.changes, function(a, b) return a.old.topicsRegex < b.old.topicsRegex end)
    return plan
end

return M
