--- Fault plans: the ready-made ones, and those in files.

local check = require "kmirror.sandbox.fault_checks"
local kinds = require "kmirror.sandbox.fault_kinds"
local usage = require "kmirror.usage"

local plans = {}

local SELECTORS = {
    operation = operations, nth = counts, every = count, probability = probability,
    from = number, to = number, times = count,
}

--- What is wrong with a rule, in words; nil when nothing is.
local function problem_of(rule)
    if type(rule) ~= "table" then
        return "expected a table, got " .. type(rule)
    end
    local kind = KINDS[rule.fault]
    if not kind then
        local names = {}
        for name in pairs(KINDS) do
            names[#names + 1] = name
        end
        table.sort(names)
        return ("fault is '%s', expected one of: %s"):format(rule.fault, table.concat(names, ", "))
    end
    for name, value in pairs(rule) do
        local check = SELECTORS[name] or kind.fields[name] or name == "when" and before_or_after
        if name ~= "fault" and not check then
            return ("%s takes no '%s'"):format(rule.fault, name)
        end
        local good, expected = true, nil
        if check then
            good, expected = check(value)
        end
        if not good then
            return ("%s is '%s', expected %s"):format(name, value, expected)
        end
    end
    if not (rule.when or kind.when) then
        return rule.fault .. " needs when = 'before' or 'after'"
    elseif kind.only and rule.when and rule.when ~= kind.only then
        return ("%s can only come %s the change"):format(rule.fault, kind.only)
    end
end

--- Ready-made plans.
---@type table<string, table[]>
faults.plans = {
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
        { fault = "wrong_shape", operation = { "list", "get" }, probability = 0.01 },
        { fault = "stall", seconds = { 0.1, 1 }, probability = 0.1 },
    },
    --- Answers get lost, before and after the change, and the list takes a moment to know.
    lossy = {
        { fault = "drop", when = "after", operation = { "create", "delete", "update_target_latency" },
            probability = 0.15 },
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
        { fault = "drip", rate = 400, operation = { "list", "get" }, probability = 0.1 },
        { fault = "stall", seconds = { 0.2, 3 }, probability = 0.6 },
        { fault = "stale_list", operation = "list", seconds = 3 },
    },
    --- After three seconds nothing can be reached for five, and then a proxy answers for three more.
    outage = {
        { fault = "refuse", from = 3, to = 8 },
        { fault = "server_error", status = 502, body = "html", from = 8, to = 10 },
        { fault = "server_error", status = 503, body = "nothing", from = 10, to = 11 },
    },
}

--- Checks a plan. Raises usage when it is wrong.
---@param plan any
---@param name string what to call it
---@return table[] plan
function faults.check(plan, name)
    if type(plan) ~= "table" then
        usage("fault plan %s: expected an array of rules, got %s", name, type(plan))
    end
    for key in pairs(plan) do
        if math.type(key) ~= "integer" or key < 1 or key > #plan then
            usage("fault plan %s: expected an array of rules, got the key '%s'", name, tostring(key))
        end
    end
    for i, rule in ipairs(plan) do
        local problem = problem_of(rule)
        if problem then
            usage("fault plan %s: rule %d: %s", name, i, problem)
        end
    end
    return plan
end

--- The plan of that name, or in that Lua file. Raises usage when there is none, or it is wrong.
---@param name string
---@return table[] plan
function faults.load(name)
    if faults.plans[name] then
        return faults.check(faults.plans[name], name)
    end
    local chunk, why = loadfile(name, "t", {})
    if not chunk then
        local names = {}
        for each in pairs(faults.plans) do
            names[#names + 1] = each
        end
        table.sort(names)
        usage("fault plan %s: not one of %s, and not a Lua file: %s", name, table.concat(names, ", "), why)
    end
    local returned, plan = pcall(chunk --[[@as function]])
    if not returned then
        usage("fault plan %s: %s", name, tostring(plan))
    end
    return faults.check(plan, name)
end

return plans
