--- sparkline: numbers as a row of small bars.

local fields = require("mirrors").fields

local M = {}

local bars = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local plain = { ".", ":", "-", "=", "+", "*", "%", "#" } -- where there is no UTF-8

local function is_utf8()
    for _, name in ipairs({ "LC_ALL", "LC_CTYPE", "LANG" }) do
        local value = os.getenv(name)
        if value and value ~= "" then return value:lower():find("utf%-?8") ~= nil end
    end
    return false
end

--- The last of the numbers as bars: the highest bar is `full` or more, the lowest is zero. An absent one is a space.
---@param numbers (number|false)[] the latest is the last
---@param full number
---@param width integer how many at most; fewer numbers are filled up with spaces, so that the width stays the same
---@return string
function M.of(numbers, full, width)
    local set, parts = is_utf8() and bars or plain, {}
    for i = #numbers - width + 1, #numbers do
        local number = numbers[i]
        local level = number and math.max(1, math.min(#set, math.ceil(number / full * #set)))
        parts[#parts + 1] = level and set[level] or " "
    end
    return table.concat(parts)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("sparkline", M, {
    of = { "numbers", fields.list(fields.either(fields.number(0), fields.boolean)), "full", fields.number(0),
        "width", fields.integer(1) },
})
