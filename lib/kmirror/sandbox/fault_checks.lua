--- Checks of what a fault plan says: each tells whether a value will do, and what was expected.

local check = {}

function check.number(value)
    return type(value) == "number" and value >= 0 and value < math.huge, "a number from 0"
end

function check.count(value)
    return math.type(value) == "integer" and value >= 1, "an integer from 1"
end

function check.boolean(value)
    return type(value) == "boolean", "true or false"
end

function check.probability(value)
    return check.number(value) and value <= 1, "a number from 0 to 1"
end

--- Seconds, or a range of them to draw from.
function check.seconds(value)
    local expected = "seconds, or { least, most }"
    if type(value) ~= "table" then return check.number(value), expected end
    local least, most = value[1], value[2]
    return #value == 2 and check.number(least) and check.number(most) and least <= most, expected
end

--- One of some texts.
function check.one_of(...)
    local known, names = {}, { ... }
    for _, name in ipairs(names) do known[name] = true end
    return function(value)
        return known[value] == true, "one of: " .. table.concat(names, ", ")
    end
end

--- One, or an array of them.
function check.some(of)
    return function(value)
        local _, expected = of()
        expected = expected .. ", or an array of them"
        for _, each in pairs(type(value) == "table" and value or { value }) do
            if not of(each) then return false, expected end
        end
        return true, expected
    end
end

function check.server_status(value)
    return math.type(value) == "integer" and (value >= 500 and value <= 599 or value == 408 or value == 425),
        "an integer from 500 to 599, or 408 or 425"
end

return check
