--- regex.expression: a topics regex that can be tried out: a list as MirrorMaker 2 takes it, in Java's syntax, made
--- into one expression for PCRE2.

local branches = require("kmirror.regex.branches")
local charset = require("kmirror.regex.charset")
local class = require("kmirror.regex.class")
local escape = require("kmirror.regex.escape")
local mirrors = require("mirrors")
local text_of = require("kmirror.text")
local tokens = require("kmirror.regex.tokens")

local M = {}

-- A part of an expression in a message.
local function short(part)
    return text_of.short(text_of.valid(part))
end

local ENDANCHORED <const> = 0x20000000 -- of PCRE2; lrexlib passes it on, but has no name for it

---@class kmirror.regex.note
---@field code string
---@field message string
---@field at? integer where in the expression it begins, from 1

---@class kmirror.regex.expression
---@field text string as it was given
---@field tokens kmirror.regex.token[]
---@field notes kmirror.regex.note[] where Java's reading is not everybody's
---@field whole table of lrexlib: takes whole names
---@field pattern string for PCRE2
---@field parts? kmirror.regex.branch[] once somebody has asked for them
---@field in_vain? integer names, among those that were made up, for which it takes too long
local Expression = {}
Expression.__index = Expression

-- ---- the list ---------------------------------------------------------------------------------------------

-- MirrorMaker 2 splits at every comma, wherever it stands, and joins the entries by a bar. Returns that, and for
-- each place in it the place in `text`.
local function join(text)
    local joined, places = {}, {}
    local function add(part, at)
        for i = 1, #part do
            joined[#joined + 1] = part:sub(i, i)
            places[#joined] = at + i - 1
        end
    end
    local at, last = text:match("^%s*()"), #text:match("^(.-)%s*$")
    while true do
        local from, to = text:find("%s*,%s*", at)
        add(text:sub(at, (from or last + 1) - 1), at)
        if not from then
            places[#joined + 1] = math.max(1, #text)
            return table.concat(joined), places
        end
        add("|", from)
        at = to + 1
    end
end

-- ---- from Java to PCRE2 -----------------------------------------------------------------------------------

local function note(notes, token, message, ...)
    notes[#notes + 1] = { code = "java", message = message:format(...), at = token.at }
end

local function translate_class(token, notes)
    local inside = token.text:sub(2)
    if token.text:find("%[:%^?%a+:%]") then
        note(notes, token, "in Java '%s' holds the letters between the colons; the property is \\p{%s}",
            short(token.text), (token.text:match("%[:%^?(%a+):%]"):gsub("^%l", string.upper)))
    elseif inside:find("&&", 1, true) or inside:gsub("\\.", ""):find("[", 1, true) then
        note(notes, token, "'%s' is read as Java does it, %s; most other tools do not", short(token.text),
            inside:find("&&", 1, true) and "as an intersection" or "as a class within a class")
    end
    return class.translate(token)
end

local function translate_escape(token, notes)
    if token.text:find("^\\[Rhvs]$") then
        note(notes, token, "'%s' matches blanks or line ends, which no topic name contains", token.text)
    elseif token.text:find("^\\[pP]{...") then
        note(notes, token, "'%s' is a name that Java gives; most other tools know others", short(token.text))
    elseif token.text == "\\Z" then
        note(notes, token, "'\\Z' changes nothing: the whole name has to match anyway")
    end
    return escape.translate(token)
end

-- d and u are Java's own, and U is something else in PCRE2; none of them matters to a topic name.
local function translate_flags(token, notes)
    local text = token.text:gsub("^%(%?[%a-]+[:)]", function(flags)
        return (flags:gsub("[duU]", ""))
    end)
    if text ~= token.text then
        note(notes, token, "the flags d, u and U of '%s' make no difference to topic names", token.text)
    end
    return text
end

local translators = {
    literal = function(token)
        return #token.value > 1 and charset.write({}) or (token.value:gsub("[][^$()|*+?.{}\\]", "\\%0"))
    end,
    class = translate_class,
    escape = translate_escape,
    flags = translate_flags,
    open = translate_flags,
}

-- The expression for PCRE2, and for each place in it the place in what it was made from.
local function translate(list, notes)
    local parts, places = {}, {}
    for i, token in ipairs(list) do
        local translator = translators[token.kind]
        parts[i] = translator and translator(token, notes) or token.text
        for k = 1, #parts[i] do places[#places + 1] = token.at + math.min(k, #token.text) - 1 end
    end
    return table.concat(parts), places
end

-- ---- the expression ---------------------------------------------------------------------------------------

-- Loaded when first needed: all else works without it.
local function pcre()
    local found, rex = pcall(require, "rex_pcre2")
    if not found then
        error(mirrors.error("invalid", "topics regexes cannot be tried out: they need the package lua-rex-pcre2"), 0)
    end
    return rex
end

-- What PCRE2 says of expressions that Java takes: a lookbehind of variable length, a repeated repetition or
-- anchor, a group that is not there.
-- Others are limits of its own: on the length of a pattern, on brackets in brackets, on a group's name.
local java_only = { "lookbehind", "repeatable item", "non%-existent", "too large", "too complex", "too many",
    "too deeply nested", "name is too long", "recursion", "number too big" }

local function is_untried(message)
    for _, pattern in ipairs(java_only) do
        if message:find(pattern) then return true end
    end
    return false
end

-- Repetitions in repetitions can take for ever; no name of a topic needs as many steps as this.
local LIMIT <const> = "(*LIMIT_MATCH=500000)"

-- PCRE2 says "what is wrong (pattern offset: 5)".
local function compile(pattern, flags)
    local ok, result = pcall(pcre().new, LIMIT .. pattern, flags)
    if ok then return result end
    local message, offset = tostring(result):match("^(.-) %(pattern offset: (%d+)%)$")
    message = message or tostring(result)
    local at = math.tointeger(tonumber(offset))
    return nil, { message = message, at = at and at - #LIMIT or 1, untried = is_untried(message) }
end

local function build(joined)
    local notes = {}
    local list = tokens.of(joined)
    local pattern, places = translate(list, notes)
    local whole, problem = compile(pattern, pcre().flags().ANCHORED | ENDANCHORED)
    if not whole then
        problem.at = places[problem.at] or #joined
        error(problem, 0)
    end
    return setmetatable({ tokens = list, notes = notes, pattern = pattern, whole = whole }, Expression)
end

local comma_in_braces = "a comma ends an entry of the list, even in {1,3}; write it another way, as in x{1}|x{2}|x{3}"

local function parse(text)
    local joined, places = join(text)
    local ok, result = pcall(build, joined)
    if not ok and not (type(result) == "table" and result.at) then
        error(result, 0)
    elseif not ok then
        result.message = joined:find("^{%d*|", result.at) and comma_in_braces or result.message
        result.at = places[result.at] or places[#places]
        return nil, result
    end
    for _, list in ipairs({ result.tokens, result.notes }) do
        for _, each in ipairs(list) do each.at = places[each.at] end
    end
    result.text = text
    return result
end

-- The same few are asked for again and again.
local most_kept <const> = 20000
local kept, count = {}, 0

--- An expression that can be tried out.
---@param text string
---@return kmirror.regex.expression|nil
---@return kmirror.regex.problem|nil problem what is wrong with it
---Raises `invalid` when PCRE2 is not installed.
function M.parse(text)
    if kept[text] then
        return kept[text][1], kept[text][2]
    elseif count >= most_kept then
        kept, count = {}, 0
    end
    kept[text], count = { parse(text) }, count + 1
    return kept[text][1], kept[text][2]
end

local function find(regex, text, name)
    local ok, from = pcall(regex.find, regex, name)
    if not ok then
        local why = tostring(from):find("MATCHLIMIT", 1, true) and "it takes too many steps; are there repetitions "
            .. "within repetitions?" or tostring(from)
        error(mirrors.error("invalid", ("the topics regex '%s' cannot be tried on '%s': %s"):format(short(text),
            short(name), why)), 0)
    end
    return from ~= nil
end

--- Its branches.
---@return kmirror.regex.branch[]
function Expression:branches()
    self.parts = self.parts or branches.of(self.tokens)
    return self.parts
end

--- True when it takes the topic: all of the name has to match.
---@param name string
---@return boolean
---Raises `invalid` when it takes too long.
function Expression:takes(name)
    return find(self.whole, self.text, name)
end

--- The same; nil when it takes too long.
---@param name string
---@return boolean|nil
function Expression:tries(name)
    local ok, from = pcall(self.whole.find, self.whole, name)
    if ok then return from ~= nil end
    return nil
end

--- True when it matches somewhere in the name, as many tools have it, but not MirrorMaker 2.
---@param name string
---@return boolean
function Expression:touches(name)
    self.part = self.part or compile(self.pattern)
    return find(self.part, self.text, name)
end

return M
