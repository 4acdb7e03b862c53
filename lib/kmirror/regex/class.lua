--- regex.class: what a character class takes in Java's reading, written for PCRE2.
---
--- In Java [a-z&&[^b]] is an intersection, [a-c[x-z]] a union, and [\w-.] holds a hyphen; PCRE2 itself would take
--- them for something else, or refuse them. So a class is worked out to a set, and that is written down.

local charset = require("kmirror.regex.charset")
local escape = require("kmirror.regex.escape")
local tokens = require("kmirror.regex.tokens")

---@class kmirror.regex.reader
---@field text string of a class
---@field at integer where it reads
---@field before integer how much stands before the class
local Reader = {}
Reader.__index = Reader

function Reader:sees(pattern)
    return self.text:find(pattern, self.at) ~= nil
end

function Reader:refuse(at, message)
    tokens.refuse(self.before + at, message)
end

-- A single character, or nil and the set that an escape takes.
function Reader:element()
    local start = self.at
    local last = self:sees("^\\") and tokens.escape_end(self.text, start) or start
    local text = self.text:sub(start, last)
    self.at = last + 1
    local character = #text == 1 and text or escape.character(text)
    return character, not character and escape.set(text, self.before + start) or nil
end

-- What stands between \Q and \E.
function Reader:quoted(set)
    local inner, after = self.text:match("^\\Q(.-)\\E()", self.at)
    for character in inner:gmatch(".") do set[character] = true end
    self.at = after
end

-- One character, a range or an escape.
function Reader:item(set)
    local start = self.at
    local low, taken = self:element()
    if not low then return charset.add(set, taken) end
    local high = low
    if self:sees("^%-[^]%[]") then
        self.at = self.at + 1
        high = self:element()
        if not high or high < low then self:refuse(start, "the range runs backwards") end
    end
    charset.add(set, charset.where(function(character)
        return character >= low and character <= high
    end))
end

-- What stands up to the end of the class or the next &&; nil for nothing.
function Reader:operand(first)
    local set, start = {}, self.at
    while not self:sees("^&&") and (not self:sees("^%]") or first and self.at == start) do
        if self:sees("^%[") then
            charset.add(set, self:class())
        elseif self:sees("^\\Q") then
            self:quoted(set)
        else
            self:item(set)
        end
    end
    return self.at > start and set or nil
end

-- The class that begins here.
function Reader:class()
    local start, negated = self.at, self:sees("^%[%^")
    self.at = start + (negated and 2 or 1)
    local sets = { self:operand(true) }
    while self:sees("^&&") do
        self.at = self.at + 2
        sets[#sets + 1] = self:operand(false)
    end
    self.at = self.at + 1
    if #sets == 0 then self:refuse(start, "there is nothing in the class") end
    local set = charset.common(sets)
    return negated and charset.complement(set) or set, negated
end

local M = {}

--- A class, written for PCRE2. Raises a problem when Java refuses it, or when it is not known here what is in it.
---@param token kmirror.regex.token
---@return string
function M.translate(token)
    local reader = setmetatable({ text = token.text, at = 1, before = token.at - 1 }, Reader)
    return charset.write(reader:class())
end

return M
