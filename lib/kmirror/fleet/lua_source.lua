--- fleet.lua_source: a document in Lua, and where its parts stand.
---
--- The file is a program that returns a table; the names of Lua's own libraries that it may need are there, nothing
--- that reaches out of it. Where the parts stand is read off the text: what is written out as a table is found, of
--- what is computed only the place where it is put in.

local places = require("kmirror.fleet.places")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

-- ---- the value --------------------------------------------------------------------------------------------

local function copy(library)
    return setmetatable({}, { __index = library })
end

-- Copies, so that a file cannot change what the rest of the program uses.
local function environment()
    return {
        string = copy(string), table = copy(table), math = copy(math), utf8 = copy(utf8),
        ipairs = ipairs, pairs = pairs, next = next, select = select, type = type,
        tostring = tostring, tonumber = tonumber, error = error, assert = assert,
    }
end

local function evaluate(name, text)
    local ok, value = textfile.evaluate(text, name, environment())
    if not ok then refuse("%s", tostring(value)) end
    return value
end

-- ---- the text ---------------------------------------------------------------------------------------------

---@class kmirror.fleet.word
---@field text string
---@field kind "name"|"string"|"other"
---@field line integer

local function skip_comment(text, at)
    local level = text:match("^%-%-%[(=*)%[", at)
    if level then return select(2, text:find("]" .. level .. "]", at, true)) + 1 end
    return text:find("\n", at, true) or #text + 1
end

-- Where the string ends that begins at `at` with a quote.
local function string_end(text, at)
    local quote = text:sub(at, at)
    repeat
        at = text:find("[\\" .. quote .. "]", at + 1)
        local escaped = text:sub(at, at) == "\\"
        at = at + (escaped and 1 or 0)
    until not escaped
    return at
end

local function measure(text, at)
    local level = text:match("^%[(=*)%[", at)
    if level then
        return "string", select(2, text:find("]" .. level .. "]", at, true))
    elseif text:find("^[\"']", at) then
        return "string", string_end(text, at)
    end
    local _, last = text:find("^[%a_][%w_]*", at)
    if last then return "name", last end
    _, last = text:find("^%.?%d[%w.]*", at)
    return "other", last or at
end

-- The words of a program that is right for certain.
local function words_of(text)
    local words, at, line = {}, 1, 1
    while at <= #text do
        local start = at
        if text:find("^%s", at) then
            at = at + 1
        elseif text:find("^%-%-", at) then
            at = skip_comment(text, at)
        else
            local kind, last = measure(text, at)
            words[#words + 1] = { kind = kind, text = text:sub(at, last), line = line }
            at = last + 1
        end
        line = line + select(2, text:sub(start, at - 1):gsub("\n", ""))
    end
    return words
end

-- ---- the places -------------------------------------------------------------------------------------------

local depth_of = {
    ["("] = 1, ["["] = 1, ["{"] = 1, ["function"] = 1, ["do"] = 1, ["if"] = 1, ["repeat"] = 1,
    [")"] = -1, ["]"] = -1, ["}"] = -1, ["end"] = -1, ["until"] = -1,
}

---@class kmirror.fleet.lua_walk
---@field words kmirror.fleet.word[]
---@field tables table<string, integer> where a variable of the file is given a table: the index of its {
local Walk = {}
Walk.__index = Walk

function Walk:is(at, text)
    local word = self.words[at]
    return word ~= nil and word.kind ~= "string" and word.text == text
end

-- Where the expression ends that begins at `at`: at a comma, a semicolon or what closes around it.
function Walk:after(at)
    local depth = 0
    while self.words[at] do
        local word = self.words[at]
        local change = word.kind ~= "string" and depth_of[word.text] or 0
        if depth + change < 0 or depth == 0 and (self:is(at, ",") or self:is(at, ";")) then
            return at
        end
        depth = depth + change
        at = at + 1
    end
    return at
end

-- The key of a field and where its value begins; nil for an item of a list.
function Walk:key(at)
    local word, inside = self.words[at], self.words[at + 1]
    if word.kind == "name" and self:is(at + 1, "=") and not self:is(at + 2, "=") then
        return word.text, at + 2
    elseif not self:is(at, "[") then
        return nil, at
    end
    local is_plain = inside.kind ~= "name" and self:is(at + 2, "]")
    local key = is_plain and load("return " .. inside.text)() or {} -- one that nothing has
    return key, self:after(at + 1) + 2
end

-- A table that begins at `at` with a {.
function Walk:table(at)
    local place, items = places.new(self.words[at].line), 0
    at = at + 1
    while not self:is(at, "}") do
        local key, value = self:key(at)
        if key == nil then items = items + 1 end
        place.parts[key or items] = self:value(value)
        at = self:after(value)
        at = at + (self:is(at, "}") and 0 or 1)
    end
    return place
end

-- An expression: a table, a variable that was given one, or something else.
function Walk:value(at)
    local word = self.words[at]
    local ends = self:after(at) == at + 1
    if self:is(at, "{") then
        return self:table(at)
    elseif word.kind == "name" and ends and self.tables[word.text] then
        local start = self.tables[word.text]
        self.tables[word.text] = nil -- it may name itself
        local place = self:table(start)
        self.tables[word.text] = start
        place.line = word.line -- where it is put in, as what it holds may have been added elsewhere
        return place
    end
    return places.new(word.line)
end

-- Notes each variable that is given a table, and finds what the file returns.
function Walk:survey()
    local depth = 0
    for at, word in ipairs(self.words) do
        local change = word.kind ~= "string" and depth_of[word.text] or 0
        if depth == 0 and word.kind == "name" and word.text == "return" then
            return at + 1
        elseif depth == 0 and word.kind == "name" and self:is(at + 1, "=") and self:is(at + 2, "{") then
            self.tables[word.text] = at + 2
        end
        depth = depth + change
    end
end

local function places_of(text)
    local walk = setmetatable({ words = words_of(text), tables = {} }, Walk)
    local start = walk:survey()
    return start and walk.words[start] and walk:value(start) or places.new(1)
end

--- The value, and where its parts stand. Raises usage when it is no program or fails.
---@param name string of the file
---@param text string
---@return any
---@return kmirror.fleet.place
return function(name, text)
    text = text:gsub("^#[^\n]*", "") -- a line for the kernel
    local value = evaluate(name, text)
    return value, places_of(text)
end
