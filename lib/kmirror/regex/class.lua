--- regex.class: what a character class, a property or an escape takes in Java's reading, written for PCRE2.
---
--- Topic names are made of 65 characters. So a class is worked out to a set of those, and written down as that
--- set: [a-z&&[^b]] is an intersection, [a-c[x-z]] a union, and [\w-.] holds a hyphen. PCRE2 itself would take
--- them for something else, or refuse them.

local tokens = require("kmirror.regex.tokens")

local M = {}

--- All characters that a topic name may hold.
M.alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

-- For PCRE2: takes nothing, and can be repeated.
local nothing = "[^\\x00-\\xff]"

-- Java's properties: which of the alphabet they take, as Lua patterns.
local properties = {
    ["."] = "ASCII Graph Print InBasicLatin InBASIC_LATIN all L1 javaDefined IsAssigned",
    ["%l"] = "Lower Ll javaLowerCase IsLowercase",
    ["%u"] = "Upper Lu javaUpperCase IsUppercase",
    ["%a"] = "Alpha L LC javaLetter javaAlphabetic javaUnicodeIdentifierStart IsAlphabetic IsLetter IsLatin IsLatn",
    ["%d"] = "Digit N Nd javaDigit IsDigit",
    ["%w"] = "Alnum LD javaLetterOrDigit IsAlnum",
    ["%x"] = "XDigit IsHex_Digit",
    ["%p"] = "Punct P IsPunctuation",
    ["_"] = "Pc",
    ["-"] = "Pd",
    ["%."] = "Po",
    ["[%d%p]"] = "IsCommon",
    ["[%a_]"] = "javaJavaIdentifierStart",
    ["[%w_]"] = "javaJavaIdentifierPart javaUnicodeIdentifierPart",
    ["\0"] = "Blank Space Cntrl S Sc Sk Sm So Z Zs Zl Zp C Cc Cf Cn Co M Mc Me Mn Nl No Lt Lm Lo Pe Pf Pi Ps "
        .. "javaWhitespace javaSpaceChar javaISOControl javaTitleCase IsWhite_Space IsControl IsTitlecase",
}

local pattern_of = {}
for pattern, names in pairs(properties) do
    for name in names:gmatch("%S+") do
        pattern_of[name] = pattern
        if #name <= 2 then
            pattern_of["Is" .. name] = pattern
        end
    end
end

local aliases = { ["^gc="] = "", ["^general_category="] = "", ["^sc="] = "Is", ["^script="] = "Is" }

local function property_pattern(name)
    for prefix, instead in pairs(aliases) do
        name = name:gsub(prefix, instead)
    end
    return pattern_of[name]
end

local short = { d = "%d", w = "[%w_]", s = "\0", h = "\0", v = "\0" }

-- The characters of the alphabet that an escape takes, as a Lua pattern and whether to turn it round; nil when
-- it is not of that kind, or not known here.
local function pattern_of_escape(text)
    local letter = text:sub(2, 2)
    local pattern = short[letter:lower()]
    if letter:lower() == "p" then
        pattern = property_pattern(text:match("{(.*)}") or text:sub(3))
    end
    return pattern, letter:find("%u") ~= nil
end

local function set_of(pattern, negated)
    local set = {}
    for character in M.alphabet:gmatch(".") do
        set[character] = (character:find(pattern) ~= nil) ~= negated or nil
    end
    return set
end

local function character_of(code)
    return code < 256 and string.char(code) or "\xff" -- beyond what topic names hold
end

-- Java knows more properties than stand here.
local function unknown(at, text)
    error({ message = ("it is not known here what '%s' takes"):format(text), at = at, untried = true }, 0)
end

local controls = { a = "\a", e = "\27", f = "\f", n = "\n", r = "\r", t = "\t" }

-- The one character that an escape stands for; nil when it does not.
local function character(text)
    local letter, rest = text:sub(2, 2), text:sub(3)
    if letter == "x" or letter == "u" then
        return character_of(tonumber(rest:match("%x+"), 16) or 256)
    elseif letter == "0" then
        return character_of(tonumber(rest, 8))
    elseif letter == "c" then
        return character_of(rest:byte() ~ 64)
    end
    return controls[letter] or letter:match("^%W$")
end

--- A set of characters, written for PCRE2.
---@param set table<string, true>
---@param negated? boolean all but those
---@return string
function M.write(set, negated)
    local parts = {}
    for each in M.alphabet:gmatch(".") do
        parts[#parts + 1] = set[each] and (each == "-" and "\\-" or each) or nil
    end
    if #parts == 0 then
        return negated and "." or nothing
    end
    return (negated and "[^" or "[") .. table.concat(parts) .. "]"
end

--- An escape outside of classes, written for PCRE2. Raises a problem when it is not known here what it takes.
---@param token kmirror.regex.token
---@return string
function M.escape(token)
    local text = token.text
    local value = character(text)
    if value then
        return ("\\x%02x"):format(value:byte())
    elseif text:find("^\\%d") then
        return ("\\g{%s}"):format(text:sub(2)) -- what follows may be a digit
    elseif not text:find("^\\[pPNX]") then
        return text
    end
    local pattern, negated = pattern_of_escape(text)
    if not pattern then
        unknown(token.at, text)
    end
    return M.write(set_of(pattern, negated))
end

-- ---- classes ----------------------------------------------------------------------------------------------

local function add(set, more)
    for each in pairs(more) do
        set[each] = true
    end
end

local function complement(set)
    local rest = {}
    for each in M.alphabet:gmatch(".") do
        rest[each] = not set[each] or nil
    end
    return rest
end

local function intersection(sets)
    local common = sets[1] or {}
    for i = 2, #sets do
        local both = {}
        for each in pairs(common) do
            both[each] = sets[i][each]
        end
        common = both
    end
    return common
end

local Reader = {}
Reader.__index = Reader

function Reader:refuse(at, message, ...)
    tokens.refuse(self.base + at - 1, message, ...)
end

-- A single character, written as it is or as an escape, or nil and the set that an escape takes.
function Reader:element()
    local start = self.at
    if self.text:sub(start, start) ~= "\\" then
        self.at = start + 1
        return self.text:sub(start, start)
    end
    local last = tokens.escape_end(self.text, start)
    local text = self.text:sub(start, last)
    self.at = last + 1
    local single = character(text)
    if single then
        return single
    end
    local pattern, negated = pattern_of_escape(text)
    if not pattern then
        unknown(self.base + start - 1, text)
    end
    return nil, set_of(pattern, negated)
end

function Reader:quoted(set)
    local inner, after = self.text:match("^\\Q(.-)\\E()", self.at)
    add(set, set_of("[" .. inner:gsub("%W", "%%%0") .. "]", false))
    self.at = after
end

-- One character, a range or an escape.
function Reader:item(set)
    local start = self.at
    local low, taken = self:element()
    if not low then
        return add(set, taken)
    end
    local high = low
    if self.text:find("^%-[^]%[]", self.at) then
        self.at = self.at + 1
        high = self:element()
        if not high or high < low then
            self:refuse(start, "the range runs backwards")
        end
    end
    for each in M.alphabet:gmatch(".") do
        set[each] = set[each] or each >= low and each <= high or nil
    end
end

-- What stands up to the end of the class or the next &&.
function Reader:operand(first)
    local set, start = {}, self.at
    while true do
        local text, at = self.text, self.at
        if text:find("^&&", at) or text:find("^%]", at) and not (first and at == start) then
            return set, at > start
        elseif text:find("^%[", at) then
            add(set, self:class())
        elseif text:find("^\\Q", at) then
            self:quoted(set)
        else
            self:item(set)
        end
    end
end

-- The class that begins at the reader's place.
function Reader:class()
    local start = self.at
    local negated = self.text:find("^%[%^", start) ~= nil
    self.at = start + (negated and 2 or 1)
    local sets, first = {}, true
    repeat
        local set, any = self:operand(first)
        sets[#sets + 1] = any and set or nil
        first = false
        local more = self.text:find("^&&", self.at) ~= nil
        self.at = self.at + (more and 2 or 1)
    until not more
    if #sets == 0 then
        self:refuse(start, "there is nothing in the class")
    end
    local set = intersection(sets)
    return negated and complement(set) or set, negated
end

--- A class, written for PCRE2. Raises a problem when Java refuses it, or when it is not known here.
---@param token kmirror.regex.token
---@return string
function M.class(token)
    local reader = setmetatable({ text = token.text, at = 1, base = token.at }, Reader)
    local set, negated = reader:class()
    if negated then -- written so that it stays right when case is ignored
        return M.write(complement(set), true)
    end
    return M.write(set)
end

return M
