--- text: text from outside, made safe and measured for a terminal.

local fields = require("mirrors").fields
local printable = fields.printable

local M = {}

-- First and last code points that take no column of their own.
local zero_width = {
    { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x0610, 0x061A }, { 0x064B, 0x065F },
    { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200D }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F },
    { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF }, { 0xE0100, 0xE01EF },
}

-- First and last code points that take two columns.
local two_wide = {
    { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23EC }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF },
    { 0x3400, 0x4DBF }, { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF }, { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 },
    { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F },
    { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1FAFF }, { 0x20000, 0x3FFFD },
}

local function within(ranges, code)
    for _, range in ipairs(ranges) do
        if code >= range[1] and code <= range[2] then return true end
    end
    return false
end

--- The text as valid UTF-8: each byte that is none is replaced.
---@param text string
---@param replacement? string U+FFFD by default
---@return string
function M.valid(text, replacement)
    local parts, start = {}, 1
    while true do
        local length, bad = utf8.len(text, start)
        if length then
            parts[#parts + 1] = text:sub(start)
            return table.concat(parts)
        end
        parts[#parts + 1] = text:sub(start, bad - 1)
        parts[#parts + 1] = replacement or utf8.char(0xFFFD)
        start = bad + 1
    end
end

--- The text on one line, with nothing in it that a terminal would obey: control characters and marks of direction are
--- written as escapes, what is not UTF-8 is replaced. All that comes from outside goes through this before it is shown.
---@param text string
---@return string
function M.clean(text)
    return printable(text)
end

--- The same for a text of several lines: line feeds and tabs stay.
---@param text string
---@return string
function M.clean_lines(text)
    return printable(text, true)
end

local function width_of(code)
    if code < 0x300 then return 1 end
    return within(zero_width, code) and 0 or within(two_wide, code) and 2 or 1
end

--- How many columns the text takes on a terminal.
---@param text string valid UTF-8
---@return integer
function M.width(text)
    if not text:find("[\x80-\xFF]") then return #text end
    local width = 0
    for _, code in utf8.codes(text) do width = width + width_of(code) end
    return width
end

--- The text cut to that many columns; a cut is marked with an ellipsis.
---@param text string valid UTF-8
---@param columns integer at least 1
---@return string
function M.cut(text, columns)
    if M.width(text) <= columns then return text end
    local width = 0
    for position, code in utf8.codes(text) do
        width = width + width_of(code)
        if width > columns - 1 then return text:sub(1, position - 1) .. "…" end
    end
    return text
end

local most_shown = 80 -- characters of a regex in a message

--- A text for a message: a long one is cut in the middle, with how long it is.
---@param text string valid UTF-8
---@return string
function M.short(text)
    local length = utf8.len(text) or #text
    if length <= most_shown then return text end
    local first = text:sub(1, (utf8.offset(text, most_shown // 2 + 1) or most_shown // 2 + 1) - 1)
    local last = text:sub(utf8.offset(text, -(most_shown // 4)) or -(most_shown // 4))
    return ("%s…%s (%d characters)"):format(first, last, length)
end

--- A number of things: "1 mirror", "2 mirrors".
---@param number number a whole one
---@param one string what one of them is called
---@param many? string what several are called; with an s by default
---@return string
function M.count(number, one, many)
    return ("%d %s"):format(number, number == 1 and one or many or one .. "s")
end

--- The text on lines of at most that many columns, broken between words. A word that is longer stays whole, so that it
--- can be copied; a text that fits stays as it is.
---@param text string valid UTF-8, one line
---@param columns number
---@param margin? string what the lines after the first begin with: as many spaces as the first one, by default
---@return string[] lines
function M.wrap(text, columns, margin)
    local indent = text:match("^%s*")
    if M.width(text) <= columns then return { text } end
    local lines, line = {}, nil
    for word in text:gmatch("%S+") do
        if not line then
            line = indent .. word
        elseif M.width(line) + 1 + M.width(word) > columns then
            lines[#lines + 1], line = line, (margin or indent) .. word
        else
            line = line .. " " .. word
        end
    end
    lines[#lines + 1] = line
    return lines
end

--- A message as a terminal shows it: its lines broken between words, but a command line in it (": kmirror ...") stays
--- whole, so that it can be copied.
---@param message string
---@param columns? integer nil where nothing is broken
---@param before integer columns that are taken before its first line; the others are indented as much
---@return string
function M.message(message, columns, before)
    if not columns or columns <= before then return message end
    local margin, lines = (" "):rep(before), {}
    message = message:gsub("%f[^%s(]kmirror [a-z-][^\n;]*", function(command)
        return (command:gsub(" ", "\0"))
    end)
    for line in (("x"):rep(before) .. message .. "\n"):gmatch("([^\n]*)\n") do
        local wrapped = M.wrap(line, columns, #lines == 0 and margin or nil)
        table.move(wrapped, 1, #wrapped, #lines + 1, lines)
    end
    return (table.concat(lines, "\n"):sub(before + 1):gsub("%z", " "))
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("text", M, {
    valid = { "text", fields.string, "replacement?", fields.string },
    clean = { "text", fields.string },
    clean_lines = { "text", fields.string },
    width = { "text", fields.string },
    cut = { "text", fields.string, "columns", fields.integer(1) },
    short = { "text", fields.string },
    message = { "message", fields.string, "columns?", fields.integer(1), "before", fields.integer(0) },
    count = { "number", fields.number(-math.huge), "one", fields.string, "many?", fields.string },
    wrap = { "text", fields.string, "columns", fields.number(1), "margin?", fields.string },
})
