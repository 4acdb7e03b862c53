--- report.packed: a value that says the same in a fraction of the bytes, for the page, whose script opens it.
---
--- A text that occurs twice is "~" and its number among `strings`, in base 36; one that begins with ~ or @ has "~~"
--- before it. A list of objects is "@" and the number of its keys among `shapes`, its length, and a column for each
--- key. A column is a list, in which "~" is a field that is not there, or one of
---
---     { same = VALUE }                   it is that in each row
---     { runs = { VALUE, COUNT, ... } }   it is that in so many rows
---     { some = COLUMN, of = COLUMN }     where it is there (1), and what it is there
---     { steps = COLUMN }                 numbers, in thousandths, each by how much it is above the one before
---     { many = COLUMN, rows = LIST }     lists of objects: how long each is, and all of them in one list
---     { rows = LIST }                    objects

local json = require("kmirror.json")
local order = require("kmirror.order")

local M = {}

local shortest = 4 -- bytes of a text that is worth a number
local digits = "0123456789abcdefghijklmnopqrstuvwxyz"

local function base36(number)
    local written = ""
    repeat
        local digit = number % 36
        written, number = digits:sub(digit + 1, digit + 1) .. written, number // 36
    until number == 0
    return written
end

-- ---- texts ------------------------------------------------------------------------------------------------

-- How often each text occurs.
local function count(value, counts)
    if type(value) == "string" and #value >= shortest then
        counts[value] = (counts[value] or 0) + 1
    elseif type(value) == "table" then
        for _, each in pairs(value) do count(each, counts) end
    end
end

-- Those that occur several times, the most frequent first, and the number of each.
local function numbered(counts)
    local strings, numbers = {}, {}
    for text, times in pairs(counts) do strings[#strings + 1] = times > 1 and text or nil end
    table.sort(strings, function(a, b)
        if counts[a] ~= counts[b] then return counts[a] > counts[b] end
        return a < b
    end)
    for i, text in ipairs(strings) do numbers[text] = "~" .. base36(i - 1) end
    return strings, numbers
end

-- ---- columns ----------------------------------------------------------------------------------------------

local pack, pack_rows

local function is_empty(value)
    return type(value) == "table" and next(value) == nil
end

local function is_object(value)
    return type(value) == "table" and value[1] == nil and next(value) ~= nil
end

local function is_list_of_objects(value)
    if type(value) ~= "table" or value[1] == nil then return is_empty(value) end
    for _, each in ipairs(value) do
        if not is_object(each) then return false end
    end
    return true
end

-- In thousandths, which times are rounded to; nil for any other value.
local function thousandths(value)
    local whole = type(value) == "number" and math.tointeger(math.floor(value * 1000 + 0.5))
    return whole and whole / 1000 == value and whole or nil
end

local function all_are(values, length, fits)
    for i = 1, length do
        if not fits(values[i]) then return false end
    end
    return true
end

local function is_same(a, b)
    return a == b or is_empty(a) and is_empty(b)
end

-- What is said of rows that are alike and stand together; nil where that is no shorter.
local function runs_of(values, length, state)
    local runs = {}
    for i = 1, length do
        if i > 1 and is_same(values[i], values[i - 1]) then
            runs[#runs] = runs[#runs] + 1
        else
            runs[#runs + 1] = values[i] == nil and "~" or pack(values[i], state)
            runs[#runs + 1] = 1
        end
    end
    if #runs == 2 then return { same = runs[1] } end
    return #runs < length and { runs = runs } or nil
end

local function steps_of(values, length, state)
    local steps, before = {}, 0
    for i = 1, length do
        local now = thousandths(values[i])
        steps[i], before = now - before, now
    end
    return { steps = runs_of(steps, length, state) or steps }
end

local function lists_of(values, length, state)
    local lengths, all = {}, {}
    for i = 1, length do
        lengths[i] = #values[i]
        table.move(values[i], 1, #values[i], #all + 1, all)
    end
    return { many = runs_of(lengths, length, state) or lengths, rows = pack_rows(all, state) }
end

local column_of

local function some_of(values, length, state)
    local is_there, there = {}, {}
    for i = 1, length do
        is_there[i] = values[i] ~= nil and 1 or 0
        there[#there + 1] = values[i]
    end
    return { some = runs_of(is_there, length, state) or is_there, of = column_of(there, #there, state) }
end

local function plain(values, length, state)
    local column = {}
    for i = 1, length do column[i] = pack(values[i], state) end
    return column
end

local function is_there(value)
    return value ~= nil
end

function column_of(values, length, state)
    local alike = runs_of(values, length, state)
    if alike then return alike end
    if not all_are(values, length, is_there) then return some_of(values, length, state) end
    if all_are(values, length, thousandths) then return steps_of(values, length, state) end
    if all_are(values, length, is_list_of_objects) then return lists_of(values, length, state) end
    if all_are(values, length, is_object) then
        return { rows = pack_rows(table.move(values, 1, length, 1, {}), state) }
    end
    return plain(values, length, state)
end

-- ---- values -----------------------------------------------------------------------------------------------

local function keys_of(list)
    local all = {}
    for _, each in ipairs(list) do
        for key in pairs(each) do all[key] = true end
    end
    return order.keys(all)
end

local function number_of(keys, state)
    local shape = table.concat(keys, "\0")
    if not state.known[shape] then
        state.shapes[#state.shapes + 1] = keys
        state.known[shape] = "@" .. base36(#state.shapes - 1)
    end
    return state.known[shape]
end

function pack_rows(list, state)
    local keys = keys_of(list)
    local packed = { number_of(keys, state), #list }
    for _, key in ipairs(keys) do
        local values = {}
        for i, each in ipairs(list) do values[i] = each[key] end
        packed[#packed + 1] = column_of(values, #list, state)
    end
    return packed
end

function pack(value, state)
    if type(value) == "string" then
        return state.numbers[value] or value:find("^[~@]") and "~~" .. value or value
    elseif type(value) ~= "table" or is_empty(value) then
        return value
    elseif value[1] ~= nil and is_list_of_objects(value) then
        return pack_rows(value, state)
    end
    local copy = {}
    for key, each in pairs(value) do copy[key] = pack(each, state) end
    return copy
end

--- The value, packed, as JSON.
---@param value table
---@return string
function M.encode(value)
    local counts = {}
    count(value, counts)
    local strings, numbers = numbered(counts)
    local state = { numbers = numbers, shapes = json.array({}), known = {} }
    local packed = pack(value, state)
    return json.encode({ record = packed, strings = json.array(strings), shapes = state.shapes })
end

return M
