--- Faults: what goes wrong between the sandbox and its clients, as a plan has it.
---
--- A plan is an array of rules, under a ready-made name or in a Lua file that returns it (fault_plans.lua):
---
---     return {
---         { fault = "drop", when = "after", operation = "create", probability = 0.3 },
---         { fault = "server_error", status = 502, body = "html", nth = { 3, 4 } },
---         { fault = "refuse", from = 10, to = 15 },
---     }
---
--- A rule says which requests it is for; all that it says must hold:
---
---     operation    list, create, get, delete, update_target_latency; or an array of them
---     from, to     seconds since the sandbox started
---     nth          the how-manieth of these requests, from 1; or an array of numbers
---     every        each so many of them
---     probability  from 0 to 1
---     times        at most so often
---
--- and what happens to them: a kind of fault with its own fields (fault_kinds.lua). `when` is "before" or
--- "after" the request takes effect; before means that it never does. Of the rules that fit a request the
--- first is carried out, and beside it all that are about what others do (other_creates, other_deletes,
--- eats_quota).
---
--- Each rule is asked about each request and draws from a random stream of its own. So what one rule does
--- depends on the seed, its place in the plan and the requests before, and on no other rule.

local kinds = require("kmirror.sandbox.fault_kinds")
local random = require("kmirror.sandbox.random")

local faults = {}
faults.__index = faults

---@class kmirror.sandbox.faults
---@field theirs string[] ids of the mirrors that others created
---@field refused_until number until when connects are refused, by a request's fault

--- The rule that a request meets while connects are refused.
local CLOSED = { fault = "refuse", when = "before", kind = kinds.drop }

local function set_of(said)
    local set = {}
    for _, each in pairs(type(said) == "table" and said or { said }) do set[each] = true end
    return set
end

--- Faults as a plan has them, from now on.
---@param plan table[] a checked one
---@param seed integer
---@param now number seconds, on the clock of all times to come
---@return kmirror.sandbox.faults
function faults.new(plan, seed, now)
    local rules = {}
    for i, said in ipairs(plan) do
        local fields = {
            operations = said.operation and set_of(said.operation),
            nths = said.nth and set_of(said.nth),
            when = said.when or kinds[said.fault].when,
            kind = kinds[said.fault],
            random = random.new(random.hash(("%d/%d"):format(seed, i))),
            seen = 0,
            done = 0,
        }
        rules[i] = setmetatable(fields, { __index = said })
    end
    return setmetatable({ rules = rules, started = now, refused_until = now, theirs = {} }, faults)
end

--- Is a rule about time alone? Connects are refused then, whatever the request would have been.
local function is_closing_time(rule)
    return rule.fault == "refuse" and (rule.from or rule.to)
        and not (rule.operation or rule.nth or rule.every or rule.probability or rule.times or rule.seconds)
end

function faults:_in_time(rule, now)
    local age = now - self.started
    return age >= (rule.from or 0) and age < (rule.to or math.huge)
end

--- Does a rule fit this request, the next one that it is asked about?
function faults:_fits(rule, operation, now)
    if not self:_in_time(rule, now) or rule.operations and not rule.operations[operation] then
        return false
    end
    rule.seen = rule.seen + 1
    local drawn = not rule.probability or rule.random:fraction() < rule.probability
    return drawn
        and (not rule.nths or rule.nths[rule.seen])
        and (not rule.every or rule.seen % rule.every == 0)
        and (not rule.times or rule.done < rule.times)
        and not is_closing_time(rule)
end

--- The rules that a request meets. One that comes on an old connection while connects are refused meets that,
--- and nothing else.
---@param operation string|nil
---@param now number
---@return table|nil rule about the answer
---@return table[] besides rules about what others do
function faults:meet(operation, now)
    local met, besides = nil, {}
    if self:refusing(now) then return CLOSED, besides end
    for _, rule in ipairs(operation and self.rules or {}) do
        local fits = self:_fits(rule, operation, now)
        if fits and rule.kind.besides then
            besides[#besides + 1] = rule
            rule.done = rule.done + 1
        elseif fits and not met then
            met = rule
            rule.done = rule.done + 1
        end
    end
    return met, besides
end

--- Are connects refused now?
---@param now number
---@return boolean
function faults:refusing(now)
    if now < self.refused_until then return true end
    for _, rule in ipairs(self.rules) do
        if is_closing_time(rule) and self:_in_time(rule, now) then return true end
    end
    return false
end

--- Can it come to refusing connects?
---@return boolean
function faults:may_refuse()
    for _, rule in ipairs(self.rules) do
        if rule.fault == "refuse" then return true end
    end
    return false
end

--- By how much a list runs behind on which this rule is carried out.
---@param rule table|nil
---@return number|nil seconds nil: by no rule's will
function faults.list_delay(rule)
    return rule and rule.fault == "stale_list" and (rule.seconds or 5) or nil
end

--- The most that any list runs behind.
---@return number seconds
function faults:longest_list_delay()
    local longest = 0
    for _, rule in ipairs(self.rules) do
        longest = math.max(longest, faults.list_delay(rule) or 0)
    end
    return longest
end

return faults
