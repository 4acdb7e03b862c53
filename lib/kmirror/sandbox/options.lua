--- The sandbox's options: what each is by default and what it may be.

local world = require("kmirror.sandbox.world")

local options = {}

local function number(least, most)
    return function(value)
        value = tonumber(value)
        if not (value and value >= least and value <= most) then
            return nil, ("a number from %g to %g"):format(least, most)
        end
        return value
    end
end

local function integer(least, most)
    return function(value)
        value = math.tointeger(tonumber(value))
        if not value or value < least or value > most then
            return nil, ("an integer from %d to %d"):format(least, most)
        end
        return value
    end
end

local function text(value)
    if type(value) ~= "string" or value == "" then return nil, "a text that is not empty" end
    return value
end

local function one_of(...)
    local words, known = { ... }, {}
    for _, word in ipairs(words) do known[word] = true end
    return function(value)
        return known[value] and value or nil, table.concat(words, " or ")
    end
end

--- A world's name, or how many mirrors it has.
local function size(value)
    local count = world.SIZES[value] or math.tointeger(tonumber(value))
    if not count or count < 0 or count > 10000 then
        return nil, "small, demo, empty or a number of mirrors up to 10000"
    end
    return count
end

local function fault_plan(value)
    if type(value) ~= "string" or value == "" then
        return nil, "the name of a fault plan, or of a Lua file"
    end
    return require("kmirror.sandbox.fault_plans").load(value)
end

local A_YEAR = 366 * 24 * 3600

--- By name: { default, check }. A check returns the value, or nil and what was expected.
local KNOWN = {
    port = { 8642, integer(0, 65535) }, -- 0: any that is free
    listen = { "127.0.0.1", text }, -- address
    rate = { 35, number(0, 1e6) }, -- requests accepted in any one second; 0: no limit
    state_file = { nil, text }, -- where the world is kept from one run to the next
    creating_seconds = { 2, number(0, A_YEAR) }, -- for which a new mirror is CREATING
    sync_seconds = { 3, number(0, A_YEAR) }, -- that it then takes to catch up
    lag_ms = { 1200, number(0, 1e9) }, -- mean lag of a mirror that has caught up
    history = { 120, number(0, A_YEAR) }, -- seconds that topics keep their records: what a new mirror has to copy
    metrics_window = { 0, number(0, 3600) }, -- seconds over which latencies and rates are means; real ones: 60
    refresh = { 0, number(0, 3600) }, -- seconds from one look at these to the next; the vendor's: 20
    fail_every = { 0, integer(0, 1e9) }, -- every n-th created mirror ends FAILED; 0: none
    stale_every = { 0, integer(0, 1e9) }, -- every n-th created mirror ends STALE_TOPIC; 0: none
    fail_tasks_every = { 0, integer(0, 1e9) }, -- of every n-th created mirror a task ends FAILED; 0: none
    stale_empty = { 0, number(0, A_YEAR) }, -- seconds till one without topics is STALE_TOPIC; real: 120; 0: never
    heartbeats = { 0, number(0, 1e6) }, -- records a second on the heartbeats topic of each mirror; real: 1; 0: none
    list_delay = { 0, number(0, A_YEAR) }, -- seconds by which the list runs behind
    seed = { 1, integer(math.mininteger, math.maxinteger) }, -- of all that is random
    world = { "demo", size }, -- small, demo, empty, or how many mirrors
    clusters = { 2, integer(2, 63) }, -- the two regions, and sites beside them
    faults = { nil, fault_plan }, -- a plan's name, or a Lua file that returns one
    v2_list = { "array", one_of("array", "object") }, -- how v2 writes a list: as the vendor's page, or its schema
    v2_slash = { "none", one_of("none", "redirect") }, -- redirect: v2's create is redirected to the path with a slash
    request_log = { nil, text }, -- a file that gets a line of JSON a request
}

--- Checks the options and fills in the defaults. Raises usage for one that is wrong.
---@param given table by name, among others that mean nothing to the sandbox; numbers may be texts
---@return table options
function options.read(given)
    local read = {}
    for name, known in pairs(KNOWN) do
        local value = given[name]
        if value == nil then value = known[1] end
        if value ~= nil then
            local checked, expected = known[2](value)
            if checked == nil then
                require("kmirror.usage")("sandbox: %s is '%s', expected %s", name, tostring(value), expected)
            end
            read[name] = checked
        end
    end
    return read
end

return options
