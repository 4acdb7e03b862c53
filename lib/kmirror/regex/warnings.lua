--- regex.warnings: what may not be meant by a topics regex.

local anchors = require("kmirror.regex.anchors")
local charset = require("kmirror.regex.charset")
local fields = require("mirrors").fields
local known = require("kmirror.regex.known")
local text = require("kmirror.text")

local M = {}

-- Between them, everything that a topic name can be like.
local anything = { "x", "Z9", "orders.created", "a-b_c.d", "_schemas", "0.0-0" }

-- What MirrorMaker 2 itself makes, and Kafka.
local internal = { "__consumer_offsets", "mm2-offset-syncs.x.internal", "connect-configs-internal", "x.replica" }

local shown = 3

-- "a, b, c and 4 more"
local function listed(names)
    local more = #names > shown and (" and %d more"):format(#names - shown) or ""
    return table.concat(names, ", ", 1, math.min(shown, #names)) .. more
end

-- Each returns its warning: what is the matter, and where, when that is one place.
local checks = {}

local function has_look(expression)
    for _, token in ipairs(expression.tokens) do
        if token.look then return true end
    end
    return false
end

-- Each character, by itself, first and last.
local function takes_each_character(expression)
    for character in charset.alphabet:gmatch(".") do
        for _, name in ipairs({ character, "x" .. character, character .. "x" }) do
            if name ~= "." and not expression:takes(name) then return false end
        end
    end
    return true
end

-- Hardly anything is left out.
local function is_broad(expression)
    for _, name in ipairs(anything) do
        if not expression:takes(name) then return false end
    end
    return true
end

function checks.everything(expression)
    if is_broad(expression) and not has_look(expression) and takes_each_character(expression) then
        return "matches every topic, including future ones"
    end
end

function checks.internal(expression, topics)
    local _, found = known.taken(expression, topics or internal)
    if #found > 0 and (topics or not is_broad(expression)) then
        return ("matches internal topics (%s), which MirrorMaker 2 excludes by default")
            :format(listed(found))
    end
end

function checks.nothing(expression, topics)
    local count = topics and #(known.is_one(topics) and topics.topics or topics) or 0
    local taken, internal_ones = known.taken(expression, topics or {})
    if count == 0 or #taken + #internal_ones > 0 then return nil end
    local touched = known.touched(expression, topics)
    return ("matches none of the %s"):format(text.count(count, "known topic"))
        .. (#touched > 0 and (": it fits only a part of %s"):format(listed(touched)) or "")
end

-- The numbers of the tokens outside of lookaheads and lookbehinds, without brackets of groups.
local function outside_of_looks(tokens)
    local opened, found = {}, {}
    for i, token in ipairs(tokens) do
        local looks = opened[#opened] or false
        if token.kind == "open" then
            opened[#opened + 1] = looks or token.look or false
        elseif token.kind == "close" then
            table.remove(opened)
        elseif not looks then
            found[#found + 1] = i
        end
    end
    return found
end

local function at_end(anchor)
    return anchor.text:find("[$zZ]") ~= nil
end

local function only_at(anchor)
    return ("'%s' matches only at the %s of a name"):format(anchor.text, at_end(anchor) and "end" or "beginning")
end

-- In a lookahead or lookbehind an anchor says something: (?!.*-old$).
function checks.anchors(expression)
    local come_to = anchors.of(expression.tokens)
    for _, i in ipairs(outside_of_looks(expression.tokens)) do
        local token = expression.tokens[i]
        if token.kind == "anchor" and come_to[i] == "nothing" then
            return ("'%s' changes nothing: the whole name has to fit anyway"):format(token.text), token.at
        elseif come_to[i] == "less" then
            return ("%s: nothing can be %s it"):format(only_at(token), at_end(token) and "after" or "before"), token.at
        end
    end
end

local function is_word(token)
    return token ~= nil and token.value ~= nil and token.value:find("^[%w_-]$") ~= nil
end

-- A dot between words that repeats nothing: orders.created
function checks.dot(expression)
    local tokens = expression.tokens
    for i, token in ipairs(tokens) do
        local before, after = tokens[i - 1], tokens[i + 1]
        if token.kind == "any" and is_word(before) and (is_word(after) or not after or after.kind == "bar") then
            return "the '.' stands for any character; a dot is written \\.", token.at
        end
    end
end

-- A star after a character, as in the shell: orders-*
function checks.glob(expression)
    local tokens = expression.tokens
    for i, token in ipairs(tokens) do
        local before = tokens[i - 1]
        if token.kind == "quantifier" and token.text == "*" and before.value then
            return ("'%s*' is '%s' any number of times; any text is written .*"):format(before.text, before.value),
                before.at
        end
    end
end

-- ---- what no topic name holds

local names = { [" "] = "a blank", ["\n"] = "a line feed", ["\r"] = "a carriage return", ["\t"] = "a tab",
    ["\u{feff}"] = "a byte order mark", ["\u{a0}"] = "a no-break space" }

local function called(character)
    return names[character] or "'" .. fields.printable(text.short(text.valid(character))) .. "'"
end

-- Does a token match nothing that a topic name can hold?
local function is_impossible(token, matches)
    if token.value then
        return not token.value:find("^[%w._-]$")
    elseif token.kind ~= "class" and (token.kind ~= "escape" or token.text:find("^\\[bBAGzZk1-9]")) then
        return false
    end
    for character in charset.alphabet:gmatch(".") do
        if matches(token.text, character) then return false end
    end
    return true
end

-- Whether the part of an expression matches a character; each is made only once.
local function matches(fragment, character)
    local part = require("kmirror.regex.expression").parse(fragment)
    return part == nil or part:takes(character)
end

-- (?x) passes over blanks and comments.
local function passes_blanks(expression)
    for _, token in ipairs(expression.tokens) do
        if (token.kind == "flags" or token.kind == "open") and token.text:find("^%(%?%a*x") then
            return true
        end
    end
    return false
end

local function impossible_part(token, come_to)
    if come_to == "never" then
        return ("%s, never at character %d"):format(only_at(token), token.at)
    elseif is_impossible(token, matches) then
        return ("no topic name holds %s, as at character %d"):format(called(token.value or token.text), token.at)
    end
end

-- Blanks and line ends of a folded text, quotes, slashes, a semicolon, a byte order mark: a part with one of them
-- matches no topic, ever. MirrorMaker 2 leaves out blanks at the ends and around commas.
function checks.impossible(expression)
    local tokens, come_to = expression.tokens, anchors.of(expression.tokens)
    for _, i in ipairs(passes_blanks(expression) and {} or outside_of_looks(tokens)) do
        local wrong = not anchors.may_be_absent(tokens[i + 1]) and impossible_part(tokens[i], come_to[i])
        if wrong then return wrong .. ": the part around it can never match", tokens[i].at end
    end
end

-- What surrounds an expression is most likely not meant.
function checks.blanks(expression)
    local before, after = expression.text:match("^(%s*)"), expression.text:match("(%s*)$")
    if before ~= "" or after ~= "" then
        local character = before ~= "" and before:sub(1, 1) or after:sub(1, 1)
        local at = before ~= "" and 1 or #expression.text - #after + 1
        return ("there is %s at its %s (character %d), which MirrorMaker 2 leaves out"):format(called(character),
            before ~= "" and "beginning" or "end", at), at
    end
end

local order = { "everything", "internal", "nothing", "impossible", "blanks", "anchors", "dot", "glob" }

--- What may not be meant.
---@param expression kmirror.regex.expression
---@param topics? string[]|kmirror.regex.known those that are known
---@return kmirror.regex.note[]
function M.of(expression, topics)
    local notes = {}
    for _, code in ipairs(order) do
        local message, at = checks[code](expression, topics)
        notes[#notes + 1] = message and { code = code, message = message, at = at } or nil
    end
    return table.move(expression.notes, 1, #expression.notes, #notes + 1, notes)
end

return M
