--- regex.tokens: a topics regex taken apart as Java's Pattern does it.
---
--- What Java (17) refuses is refused here, with its place, although PCRE2 would take it: (?P<name>...), (?R), \K,
--- a { that repeats nothing, and the like.

local M = {}

---@class kmirror.regex.token
---@field kind "literal"|"any"|"escape"|"class"|"quantifier"|"open"|"close"|"bar"|"flags"|"anchor"
---@field text string as it stands in the expression
---@field at integer where it begins, from 1
---@field value? string of a literal: the character
---@field look? boolean of an open: a lookahead or lookbehind, which takes nothing itself

---@class kmirror.regex.problem
---@field message string what is wrong, without its place
---@field at integer where, from 1
---@field untried? boolean Java may well take it, but it cannot be tried out here

--- Raises a problem.
---@param at integer
---@param message string
---@param ... any for string.format
function M.refuse(at, message, ...)
    error({ message = message:format(...), at = at }, 0)
end

-- Escapes that have more to them than a letter: what must follow it.
local long_escapes = {
    x = { "^%x%x", "^{%x+}" },
    u = { "^%x%x%x%x" },
    ["0"] = { "^[0-3][0-7][0-7]", "^[0-7][0-7]?" },
    p = { "^{[^}]+}", "^%a" },
    P = { "^{[^}]+}", "^%a" },
    k = { "^<%a[%w]*>" },
    N = { "^{[^}]+}" },
    c = { "^." },
}
local short_escapes = "[aefnrtdDhHsSvVwWbBAGZzRX1-9]"

--- Where the character ends that begins at `at`: beyond ASCII it has several bytes.
---@param text string
---@param at integer
---@return integer
function M.character_end(text, at)
    return select(2, text:find("^.[\x80-\xbf]*", at))
end

--- Where the escape ends that begins at `at`. Raises a problem when Java knows no such escape.
---@param text string
---@param at integer
---@return integer
function M.escape_end(text, at)
    local letter = text:sub(at + 1, at + 1)
    for _, pattern in ipairs(long_escapes[letter] or {}) do
        local _, last = text:find(pattern, at + 2)
        if last then return last end
    end
    if letter == "" then
        M.refuse(at, "nothing follows the backslash")
    elseif long_escapes[letter] or letter:find("%a") and not letter:find(short_escapes) then
        M.refuse(at, "Java knows no escape '%s'", text:sub(at, at + 1))
    end
    return M.character_end(text, at + 1)
end

-- Where the class ends that begins at `at`. In Java classes hold classes.
local function class_end(text, at)
    local i = at + (text:find("^%^", at + 1) and 2 or 1)
    local first = i
    while i <= #text do
        local character = text:sub(i, i)
        if character == "]" and i > first then
            return i
        elseif text:find("^\\Q", i) then
            local _, last = text:find("\\E", i, true)
            i = last or #text
        elseif character == "\\" then
            i = M.escape_end(text, i)
        elseif character == "[" then
            i = class_end(text, i)
        end
        i = i + 1
    end
    M.refuse(at, "the '[' is never closed")
end

local groups = { "^%(%?[:>]", "^%(%?<%a%w*>", "^%(%?[=!]", "^%(%?<[=!]", "^%(%?[idmsuxU]*%-?[idmsuxU]*:" }

local function open(text, at)
    local _, last = text:find("^%(%?[idmsuxU]*%-?[idmsuxU]*%)", at)
    if last then
        return "flags", last
    elseif not text:find("^%(%?", at) then
        return "open", at
    end
    for _, pattern in ipairs(groups) do
        _, last = text:find(pattern, at)
        if last then return "open", last end
    end
    M.refuse(at, "Java knows no group that begins with '%s'", text:sub(at, at + 2))
end

local function repetition_end(text, at)
    local _, last = text:find("^{%d+}", at)
    if not last then _, last = text:find("^{%d+,%d*}", at) end
    return last or M.refuse(at, "'{' repeats something, as in x{2}; for the character itself write \\{")
end

local kinds = { ["."] = "any", [")"] = "close", ["|"] = "bar", ["^"] = "anchor", ["$"] = "anchor" }

-- The kind of the token that begins at `at`, and where it ends.
local function measure(text, at)
    local character = text:sub(at, at)
    if character == "\\" then
        return "escape", M.escape_end(text, at)
    elseif character == "[" then
        return "class", class_end(text, at)
    elseif character == "(" then
        return open(text, at)
    elseif character == "{" or character:find("[*+?]") then
        local last = character == "{" and repetition_end(text, at) or at
        return "quantifier", text:find("^[+?]", last + 1) and last + 1 or last
    end
    return kinds[character] or "literal", M.character_end(text, at)
end

-- The character that an escape stands for; nil when it stands for more than one, or none.
local function value_of(kind, text)
    if kind == "literal" then
        return text
    elseif kind == "escape" then
        return text:match("^\\([^%w][\x80-\xbf]*)$")
    end
end

local function add_quoted(tokens, text, at)
    local inner, after = text:match("^\\Q(.-)\\E()", at)
    inner = inner or text:sub(at + 2)
    for i, character in inner:gmatch("()(.[\x80-\xbf]*)") do
        tokens[#tokens + 1] = { kind = "literal", text = character, value = character, at = at + 1 + i }
    end
    return after or #text + 1
end

local unrepeatable = { open = true, bar = true, flags = true }

-- Java repeats what is repeated already, but only by braces.
local function repeats_nothing(token, before)
    return not before or unrepeatable[before.kind] or before.kind == "quantifier" and token.text:find("^[*+?]")
end

local function check_groups(tokens)
    local opened = {}
    for i, token in ipairs(tokens) do
        if token.kind == "open" then
            opened[#opened + 1] = token
        elseif token.kind == "close" and not table.remove(opened) then
            M.refuse(token.at, "the ')' closes nothing; for the character itself write \\)")
        elseif token.kind == "quantifier" and repeats_nothing(token, tokens[i - 1]) then
            M.refuse(token.at, "there is nothing that '%s' could repeat", token.text)
        end
    end
    if #opened > 0 then M.refuse(opened[#opened].at, "the '(' is never closed") end
end

--- The tokens of an expression. Raises a problem when Java would refuse it.
---@param text string
---@return kmirror.regex.token[]
function M.of(text)
    local tokens, at = {}, 1
    while at <= #text do
        if text:find("^\\Q", at) then
            at = add_quoted(tokens, text, at)
        else
            local kind, last = measure(text, at)
            local part = text:sub(at, last)
            tokens[#tokens + 1] = {
                kind = kind == "escape" and value_of(kind, part) and "literal" or kind,
                text = part, at = at, value = value_of(kind, part),
                look = kind == "open" and part:find("[=!]$") ~= nil or nil,
            }
            at = last + 1
        end
    end
    check_groups(tokens)
    return tokens
end


return M
