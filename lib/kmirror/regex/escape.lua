--- regex.escape: what an escape takes in Java's reading, and how that is written for PCRE2.

local charset = require("kmirror.regex.charset")

local M = {}

-- Java's properties: which characters of topic names they take, as Lua patterns.
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

local pattern_of = { d = "%d", w = "[%w_]", s = "\0", h = "\0", v = "\0" }
for pattern, names in pairs(properties) do
    for name in names:gmatch("%S+") do
        pattern_of[name] = pattern
        if #name <= 2 then pattern_of["Is" .. name] = pattern end
    end
end

local prefixes = { ["^gc="] = "", ["^general_category="] = "", ["^sc="] = "Is", ["^script="] = "Is" }

local function name_of_property(text)
    local name = text:match("{(.*)}") or text:sub(3)
    for prefix, instead in pairs(prefixes) do name = name:gsub(prefix, instead) end
    return name
end

local controls = { a = "\a", e = "\27", f = "\f", n = "\n", r = "\r", t = "\t" }

local function from_code(digits, base)
    local code = tonumber(digits, base)
    return code < 256 and string.char(code) or "\xff" -- one or the other, no topic name holds it
end

--- The one character that an escape stands for; nil when it does not.
---@param text string
---@return string|nil
function M.character(text)
    local letter, rest = text:sub(2, 2), text:sub(3)
    if letter == "x" or letter == "u" then
        return from_code(rest:match("%x+"), 16)
    elseif letter == "0" then
        return from_code(rest, 8)
    elseif letter == "c" then
        return string.char(rest:byte() ~ 64)
    end
    return controls[letter] or letter:match("^%W$")
end

--- The characters that an escape takes (\d, \p{Alpha}, ...). Raises a problem when that is not known here: Java has
--- more properties than these.
---@param text string
---@param at integer where it stands
---@return kmirror.regex.charset
function M.set(text, at)
    local letter = text:sub(2, 2)
    local name = letter:lower() == "p" and name_of_property(text) or letter:lower()
    local pattern = pattern_of[name]
    if not pattern then
        error({ message = ("it is not known here what '%s' matches"):format(text), at = at, untried = true }, 0)
    end
    local set = charset.where(function(character)
        return character:find(pattern) ~= nil
    end)
    return letter:find("%u") and charset.complement(set) or set
end

--- An escape, written for PCRE2. Raises a problem as set() does.
---@param token kmirror.regex.token
---@return string
function M.translate(token)
    local text = token.text
    local character = M.character(text)
    if character then
        return ("\\x%02x"):format(character:byte())
    elseif text:find("^\\%d") then
        return ("\\g{%s}"):format(text:sub(2)) -- what follows may be a digit
    elseif text:find("^\\[pPNX]") then
        return charset.write(M.set(text, token.at))
    end
    return text
end

return M
