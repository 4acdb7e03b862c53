--- moment: points in time as people write them: 2026-11-29T02:00:00+01:00, 2026-11-29 02:00, or just 02:00.

local fields = require("mirrors").fields

local M = {}

local expected = "expected HH:MM, or a date and a time as in 2026-11-29T02:00 (local) or 2026-11-29T01:00:00Z"

-- Days from 1970-01-01 in the Gregorian calendar.
local function days(year, month, day)
    local y = month > 2 and year or year - 1
    local m = month > 2 and month - 3 or month + 9
    return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719468
end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function length(year, month)
    local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    return lengths[month] + (leap and 1 or 0)
end

local function is_time(hour, minute, second)
    return hour <= 23 and minute <= 59 and second <= 59
end

local function is_date(year, month, day)
    return year >= 1970 and month >= 1 and month <= 12 and day >= 1 and day <= length(year, month)
end

-- Seconds since the epoch of a local time; nil when the clocks are put forward over it.
local function of_local(year, month, day, hour, minute, second)
    local wanted = { year = year, month = month, day = day, hour = hour, min = minute, sec = second }
    local moment = os.time(wanted)
    local is = os.date("*t", moment)
    return is.hour == hour and is.min == minute and moment or nil
end

local function offset_of(zone)
    if zone:upper() == "Z" then return 0 end
    local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d?%d?)$")
    hours, minutes = tonumber(hours), tonumber(minutes == "" and 0 or minutes)
    if not hours or hours > 14 or not minutes or minutes > 59 then return nil end
    return (sign == "-" and -60 or 60) * (hours * 60 + minutes)
end

local function numbers(...)
    local values = { ... }
    for i, value in ipairs(values) do
        values[i] = math.tointeger(tonumber(value == "" and 0 or value))
    end
    return table.unpack(values)
end

local function read_whole(text)
    local date, clock, zone = text:match("^(%d%d%d%d%-%d%d%-%d%d)[Tt ](%d%d:%d%d[%d:.]*)([Zz+-]?.*)$")
    if not date then return nil end
    local year, month, day = numbers(date:match("(%d+)-(%d+)-(%d+)"))
    local hour, minute, rest = clock:match("^(%d%d):(%d%d)(.*)$")
    local second = rest == "" and "0" or rest:match("^:(%d%d)$") or rest:match("^:(%d%d)%.%d+$")
    if not second then return nil end
    hour, minute, second = numbers(hour, minute, second)
    if not is_date(year, month, day) or not is_time(hour, minute, second) then
        return nil
    elseif zone == "" then
        return of_local(year, month, day, hour, minute, second), true
    end
    local offset = offset_of(zone)
    return offset and days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
end

-- The next time that clocks here show it.
local function read_clock(text, after)
    local hour, minute, rest = text:match("^(%d%d?):(%d%d)(.*)$")
    local second = hour and (rest == "" and "0" or rest:match("^:(%d%d)$"))
    if not second then return nil end
    hour, minute, second = numbers(hour, minute, second)
    if not is_time(hour, minute, second) then return nil end
    local today = os.date("*t", math.floor(after))
    local moment = of_local(today.year, today.month, today.day, hour, minute, second)
    if not moment or moment <= after then
        moment = of_local(today.year, today.month, today.day + 1, hour, minute, second)
    end
    return moment, true
end

--- The moment that a text means: HH:MM[:SS], the next one by the clocks here; or a date and a time as ISO 8601 has it,
--- local unless Z or an offset says otherwise.
---@param text string
---@param after? number seconds since the epoch: HH:MM is the next one after that; now by default
---@return integer|nil seconds since the epoch
---@return string|nil problem what was expected, when it is none
function M.read(text, after)
    local bare = text:match("^%s*(.-)%s*$")
    local moment, is_local = read_whole(bare)
    if not moment and not is_local then moment, is_local = read_clock(bare, after or os.time()) end
    if moment then return moment end
    return nil, is_local and "the clocks here are put forward over that time; give another" or expected
end

--- A moment by the clocks here: "2026-11-29 02:00:00 +0100".
---@param moment number seconds since the epoch
---@return string
function M.shown(moment)
    return tostring(os.date("%Y-%m-%d %H:%M:%S %z", math.floor(moment)))
end

local units = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

--- How long something takes, by its two largest units: "14 h 3 min".
---@param seconds number
---@return string
function M.span(seconds)
    local left, parts = math.max(0, math.floor(seconds + 0.5)), {}
    for _, unit in ipairs(units) do
        local count = left // unit[1]
        left = left - count * unit[1]
        if #parts > 0 or count > 0 or unit[1] == 1 then
            parts[#parts + 1] = ("%d %s"):format(count, unit[2])
        end
    end
    return table.concat(parts, " ", 1, math.min(2, #parts))
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("moment", M, {
    read = { "text", fields.string, "after?", fields.number(0, "seconds since the epoch") },
    shown = { "moment", fields.number(0, "seconds since the epoch") },
    span = { "seconds", fields.number(-math.huge, "seconds") },
})
