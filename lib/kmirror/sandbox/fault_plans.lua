--- Fault plans: the ready-made ones, and those in files. What a plan is, is said in faults.lua.

local check = require("kmirror.sandbox.fault_checks")
local kinds = require("kmirror.sandbox.fault_kinds")
local mirrors = require("mirrors")
local order = require("kmirror.order")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local plans = {}

local ALL, CHANGES = {}, {}
for _, operation in ipairs(mirrors.operations) do
    local served = not operation.missing
    ALL[#ALL + 1] = served and operation.name or nil
    CHANGES[#CHANGES + 1] = served and operation.effect ~= "reads" and operation.name or nil
end

--- The plans by name.
---@type table<string, table[]>
plans.named = {
    --- A bit of everything, now and then.
    flaky = {
        { fault = "drop", when = "before", probability = 0.04 },
        { fault = "drop", when = "after", probability = 0.04 },
        { fault = "server_error", status = 503, body = "json", probability = 0.03 },
        { fault = "server_error", status = 502, body = "html", when = "after", probability = 0.02 },
        { fault = "server_error", status = 504, body = "nothing", probability = 0.02 },
        { fault = "throttle", retry_after = 1, probability = 0.03 },
        { fault = "throttle", probability = 0.02 },
        { fault = "truncate", probability = 0.02 },
        { fault = "stall", seconds = { 0.1, 1 }, probability = 0.1 },
    },
    --- Answers get lost, before and after the change, and the list takes a moment to know.
    lossy = {
        { fault = "drop", when = "after", operation = CHANGES, probability = 0.15 },
        { fault = "drop", when = "before", probability = 0.1 },
        { fault = "truncate", probability = 0.05 },
        { fault = "garbage", operation = "create", probability = 0.03 },
        { fault = "server_error", status = 502, body = "html", when = "after", probability = 0.05 },
        { fault = "stale_list", operation = "list", seconds = 2, probability = 0.5 },
    },
    --- Another client eats most of the quota, and there are 429s out of nowhere.
    throttled = {
        { fault = "eats_quota", rate = 25 },
        { fault = "throttle", retry_after = 2, probability = 0.01 },
        { fault = "throttle", retry_after = 2, date = true, probability = 0.01 },
        { fault = "throttle", probability = 0.02 },
    },
    --- Everything takes its time.
    slow = {
        { fault = "drip", rate = 400, operation = "get", probability = 0.1 },
        { fault = "stale_list", operation = "list", seconds = 3 },
        { fault = "stall", seconds = { 0.2, 3 }, probability = 0.6 },
    },
    --- After three seconds nothing can be reached for five; then a proxy answers for three more.
    outage = {
        { fault = "refuse", from = 3, to = 8 },
        { fault = "server_error", status = 502, body = "html", from = 8, to = 10 },
        { fault = "server_error", status = 503, body = "nothing", from = 10, to = 11 },
    },
}

local SELECTORS = {
    operation = check.some(check.one_of(table.unpack(ALL))),
    nth = check.some(check.count),
    every = check.count,
    probability = check.probability,
    from = check.number,
    to = check.number,
    times = check.count,
    when = check.one_of("before", "after"),
    fault = function()
        return true
    end,
}

local function names_of(set)
    return table.concat(order.keys(set), ", ")
end

--- What is wrong with the fields of a rule, in words; nil when nothing is.
local function problem_of_fields(rule, kind)
    for name, value in pairs(rule) do
        local checked = SELECTORS[name] or kind.fields[name]
        if not checked then return ("%s takes no '%s'"):format(rule.fault, tostring(name)) end
        local good, expected = checked(value)
        if not good then
            return ("%s is '%s', expected %s"):format(name, tostring(value), expected)
        end
    end
end

--- What is wrong with a rule, in words; nil when nothing is.
local function problem_of(rule)
    if type(rule) ~= "table" then return "expected a table, got " .. type(rule) end
    local kind = kinds[rule.fault]
    if not kind then
        return ("fault is '%s', expected one of: %s"):format(tostring(rule.fault), names_of(kinds))
    end
    local problem = problem_of_fields(rule, kind)
    if problem then
        return problem
    elseif not (rule.when or kind.when) then
        return rule.fault .. " needs when = 'before' or 'after'"
    elseif kind.always and rule.when and rule.when ~= kind.when then
        return ("%s can only come %s the change"):format(rule.fault, kind.when)
    end
end

--- Checks a plan. Raises usage when it is wrong.
---@param plan any
---@param name string what to call it
---@return table[] plan
function plans.check(plan, name)
    if type(plan) ~= "table" then
        refuse("fault plan %s: expected an array of rules, got %s", name, type(plan))
    end
    for key in pairs(plan) do
        if math.type(key) ~= "integer" or key < 1 or key > #plan then
            refuse("fault plan %s: expected an array of rules, got the key '%s'", name, tostring(key))
        end
    end
    for i, rule in ipairs(plan) do
        local problem = problem_of(rule)
        if problem then refuse("fault plan %s: rule %d: %s", name, i, problem) end
    end
    return plan
end

--- The plan of that name, or the one that the Lua file of that name returns. Raises usage when there is none,
--- or when it is wrong.
---@param name string
---@return table[] plan
function plans.load(name)
    if plans.named[name] then return plans.named[name] end
    local there = io.open(name, "rb")
    if not there then
        refuse("fault plan %s: not one of %s, and there is no such file", name, names_of(plans.named))
    end
    there:close()
    local source = textfile.read_code(name, "a Lua file that returns a fault plan")
    local returned, plan = textfile.evaluate(source, name, {})
    if not returned then
        refuse("fault plan %s: not a Lua file that returns one: %s", name, tostring(plan))
    end
    return plans.check(plan, name)
end

return plans
