--- Fault plans: what goes wrong between the sandbox and its clients, and when.
---
--- A plan is an array of rules, by a ready-made name (faults.plans) or in a Lua file that returns it:
---
---     return {
---         { fault = "drop", when = "after", operation = "create", probability = 0.3 },
---         { fault = "server_error", status = 502, body = "html", nth = { 3, 4 } },
---         { fault = "refuse", from = 10, to = 15 },
---     }
---
--- A rule says which requests it is for; all that it says must hold:
---     operation    one of the five operations, or an array of them
---     nth          a number, or an array of them: the first such request is 1
---     every        each so many of them
---     probability  from 0 to 1
---     from, to     seconds since the sandbox started
---     times        at most so often
--- and what happens to them (KINDS below). Of the rules that fit a request the first is carried out; those that
--- are not about the answer (other_creates, other_deletes, eats_quota) each on top of it. `when` says whether the
--- fault comes before the request took effect, which it then never does, or after.
---
--- Every rule draws from a random stream of its own, so that the same requests meet the same faults.

local kinds = require "kmirror.sandbox.fault_kinds"
local random = require "kmirror.sandbox.random"

local faults = {}
faults.__index = faults

local function set_of(said)
    local set = {}
    for _, each in pairs(type(said) == "table" and said or { said }) do
        set[each] = true
    end
    return set
end

---@class kmirror.sandbox.faults

--- Faults as a checked plan has them, from now on.
---@param plan table[]
---@param seed integer
---@param now number seconds on the clock that the other calls' times are of
---@return kmirror.sandbox.faults
function faults.new(plan, seed, now)
    local rules = {}
    for i, said in ipairs(plan) do
        rules[i] = setmetatable({
            random = random.new(random.hash(("%d/%d"):format(seed, i))),
            operations = said.operation and set_of(said.operation),
            nths = said.nth and set_of(said.nth),
            seen = 0,
            done = 0,
        }, { __index = said })
    end
    return setmetatable({ rules = rules, started = now, refused_until = 0, theirs = {} }, faults)
end

--- True of a rule that is about time alone: no request is asked about it.
local function is_refusal_by_time(rule)
    return rule.fault == "refuse" and (rule.from or rule.to)
        and not (rule.operations or rule.nths or rule.every or rule.probability or rule.times or rule.seconds)
end

local function in_time(rule, age)
    return age >= (rule.from or 0) and age < (rule.to or math.huge)
end

--- Does a rule fit this request? Every rule is asked about every request, so that none depends on the others.
local function fits(rule, its_operation, age)
    if not in_time(rule, age) or rule.operations and not rule.operations[its_operation] then
        return false
    end
    rule.seen = rule.seen + 1
    if rule.probability and rule.random:fraction() >= rule.probability then
        return false
    end
    return (not rule.nths or rule.nths[rule.seen])
        and (not rule.every or rule.seen % rule.every == 0)
        and (not rule.times or rule.done < rule.times)
        and not is_refusal_by_time(rule)
end

--- The faults that a request meets.
---@param route kmirror.sandbox.route
---@param now number
---@return table|nil fault of the answer: { name, comes_before, list_delay, answer = function(answer) }
---@return table[] besides rules to be carried out on top
function faults:meet(route, now)
    local met, besides = nil, {}
    if not route.operation then
        return met, besides
    end
    for _, rule in ipairs(self.rules) do
        local kind = KINDS[rule.fault]
        if fits(rule, route.operation, now - self.started) then
            if kind.besides then
                rule.done = rule.done + 1
                besides[#besides + 1] = rule
            elseif not met then
                rule.done = rule.done + 1
                met = rule
            end
        end
    end
    if not met then
        return nil, besides
    end
    local kind = KINDS[met.fault]
    return {
        name = met.fault,
        comes_before = (met.when or kind.when) == "before",
        list_delay = met.fault == "stale_list" and (met.seconds or 5) or nil,
        answer = function(answer)
            return kind.answer(met, answer, now, self)
        end,
    }, besides
end

--- Carries out what happens besides, before or after the request.
---@param besides table[] from meet()
---@param when "before"|"after"
---@param sandbox kmirror.sandbox
---@param request table
---@param route kmirror.sandbox.route
---@param now number
---@param tell fun(rule: table, operation: string, effect: table) is told of each change
function faults:carry_out(besides, when, sandbox, request, route, now, tell)
    for _, rule in ipairs(besides) do
        local kind = KINDS[rule.fault]
        if (rule.when or kind.when) == when and sandbox.world:has_connect(route.cluster) then
            local changed, effect = kind.besides(rule, self, request, route, sandbox.world, now, sandbox.api)
            if effect then
                tell(rule, changed, effect)
            end
        end
    end
end

--- An id among those that somebody else created and that are still there.
function faults:_pick_theirs(rule, world, cluster)
    local there = {}
    for _, mirror in ipairs(self.theirs) do
        if mirror.cluster == cluster and world:find(cluster, mirror.id) then
            there[#there + 1] = mirror.id
        end
    end
    return #there > 0 and there[rule.random:integer(#there)] or nil
end

function faults:_pick_any(rule, world, cluster)
    local all = world:list(cluster, 0)
    return #all > 0 and all[rule.random:integer(#all)].id or nil
end

--- Are connects refused now?
---@param now number
---@return boolean
function faults:refusing(now)
    if now < self.refused_until then
        return true
    end
    for _, rule in ipairs(self.rules) do
        if is_refusal_by_time(rule) and in_time(rule, now - self.started) then
            return true
        end
    end
    return false
end

--- The longest that any list runs behind, in seconds.
---@return number
function faults:longest_list_delay()
    local longest = 0
    for _, rule in ipairs(self.rules) do
        if rule.fault == "stale_list" then
            longest = math.max(longest, rule.seconds or 5)
        end
    end
    return longest
end

return faults
