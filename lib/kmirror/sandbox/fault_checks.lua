--- Checks of what a fault plan says: each tells whether a value will do, and what was expected.

local check = {}

local function number(value)
    return type(value) == "number" and value >= 0 and value < math.huge, "a number from 0"
end

local function count(value)
    return math.type(value) == "integer" and value >= 1, "an integer from 1"
end

local function counts(value)
    if type(value) ~= "table" then
        return count(value), "an integer from 1, or an array of them"
    end
    for _, each in pairs(value) do
        if not count(each) then
            return false, "an integer from 1, or an array of them"
        end
    end
    return true
end

local function probability(value)
    return number(value) and value <= 1, "a number from 0 to 1"
end

--- Seconds, or a range of them to draw from.
local function seconds(value)
    local expected = "seconds, or { least, most }"
    if type(value) ~= "table" then
        return number(value), expected
    end
    return #value == 2 and number(value[1]) and number(value[2]) and value[1] <= value[2], expected
end

local function boolean(value)
    return type(value) == "boolean", "true or false"
end

--- One of some texts.
local function one_of(...)
    local known, names = {}, { ... }
    for _, name in ipairs(names) do
        known[name] = true
    end
    return function(value)
        return known[value] == true, "one of: " .. table.concat(names, ", ")
    end
end

local operation = one_of("list", "create", "get", "delete", "update_target_latency")

local function operations(value)
    local _, expected = operation()
    for _, each in pairs(type(value) == "table" and value or { value }) do
        if not operation(each) then
            return false, expected .. ", or an array of them"
        end
    end
    return true
end

local function server_status(value)
    return math.type(value) == "integer" and value >= 500 and value <= 599, "an integer from 500 to 599"
end

return check
