--- regex.overlaps: which expressions match the same topics.
---
--- Most pairs cannot overlap, and are never looked at: names are found by how the branches of an expression begin and
--- end, branches by those whose beginning and end go with theirs. What is left is tried out on names, as many as `most`
--- of them.

local expressions = require("kmirror.regex.expression")
local known = require("kmirror.regex.known")
local new_names = require("kmirror.regex.names")
local order = require("kmirror.order")
local samples = require("kmirror.regex.samples")
local sorted = require("kmirror.regex.sorted")

local M = {}

local most = 200000 -- names that are tried, of all pairs together, and topics that are noted: a second or so
local most_samples = 12 -- names of one expression that are put together with those of another

---@class kmirror.regex.overlap
---@field first integer index of an expression
---@field second integer index of another, after it
---@field topics string[] that both match: known ones, or one made up

local function starts_with(text, prefix)
    return text:sub(1, #prefix) == prefix
end

local function ends_with(text, suffix)
    return suffix == "" or text:sub(-#suffix) == suffix
end

-- ---- the search --------------------------------------------------------------------------------------------

---@class kmirror.regex.side
---@field expression kmirror.regex.expression
---@field is_involved boolean
---@field names string[]|nil that it matches, made up from its text
---@field search_ends number processor time
---@field is_cut? boolean the search has ended, and names were left

---@class kmirror.regex.part a branch, of one side
---@field owner integer
---@field number integer
---@field branch kmirror.regex.branch

---@class kmirror.regex.search
---@field sides kmirror.regex.side[]
---@field found table<integer, table<integer, kmirror.regex.overlap>>
---@field left integer names that may still be tried
---@field room integer topics that may still be noted
local Search = {}
Search.__index = Search

local function pair_of(self, a, b)
    local first, second = math.min(a, b), math.max(a, b)
    local row = self.found[first] or {}
    self.found[first] = row
    return row, first, second
end

function Search:wants(a, b)
    if a == b or not (self.sides[a].is_involved or self.sides[b].is_involved) then return false end
    local row, _, second = pair_of(self, a, b)
    return row[second] == nil
end

function Search:note(a, b, topic)
    self.room = self.room - 1
    if self.room < 0 then return end
    local row, first, second = pair_of(self, a, b)
    row[second] = row[second] or { first = first, second = second, topics = {} }
    table.insert(row[second].topics, topic)
end

-- Some expressions take long for a name, or so long that it cannot be said; no more than so much is tried.
local most_seconds <const> = 5 -- of processor time
local most_in_vain <const> = 2 -- names, of one expression

local function new_sides(parsed, involves)
    local sides, search_ends = {}, os.clock() + most_seconds
    for i, expression in ipairs(parsed) do
        sides[i] = { expression = expression, is_involved = not involves or involves(i), search_ends = search_ends }
    end
    return sides
end

-- False, too, when it is not known.
local function takes(side, name)
    local expression = side.expression
    if side.is_cut or (expression.in_vain or 0) >= most_in_vain then return false end
    side.is_cut = os.clock() > side.search_ends
    local taken = not side.is_cut and expression:tries(name)
    if taken == nil then expression.in_vain = (expression.in_vain or 0) + 1 end
    return taken or false
end

local function all_known(sides)
    for _, side in ipairs(sides) do
        if side.is_cut or side.expression.in_vain then return false end
    end
    return true
end

function Search:takes(index, name)
    self.left = self.left - 1
    return takes(self.sides[index], name)
end

-- Calls visit(a, b) for each two of some sides that are wanted, as long as there is room.
function Search:each_pair(list, visit)
    for i, a in ipairs(list) do
        for k = self.sides[a].is_involved and 1 or #list + 1, #list do
            if self.room < 0 then return end
            if k > i or k < i and not self.sides[list[k]].is_involved then visit(a, list[k]) end
        end
    end
end

-- ---- by topics that are known

-- Who matches each topic.
local function takers_of(self, names)
    local takers = {}
    for index, side in ipairs(self.sides) do
        for _, branch in ipairs(side.expression:branches()) do
            names:that_fit(branch, function(name)
                takers[name] = takers[name] or not known.is_internal(name) and {}
                local list = takers[name]
                if list and list[#list] ~= index and takes(side, name) then
                    list[#list + 1] = index
                end
            end)
        end
    end
    return takers
end

function Search:by_topics(topics)
    topics = known.is_one(topics) and topics or known.new(topics)
    local takers = takers_of(self, topics.names)
    for _, name in ipairs(topics.topics) do
        self:each_pair(takers[name] or {}, function(a, b) self:note(a, b, name) end)
        takers[name] = nil
    end
end

-- ---- by the text

local function equal_names(self, names)
    for name, owners in pairs(names.forward.items) do
        self:each_pair(owners, function(a, b)
            if self:wants(a, b) then self:note(a, b, name) end
        end)
    end
end

local function name_and_pattern(self, part, name, owners)
    local matches
    for _, owner in ipairs(owners) do
        if self.left > 0 and self.room >= 0 and self:wants(part.owner, owner) then
            if matches == nil then matches = self:takes(part.owner, name) end
            if matches and takes(self.sides[owner], name) then
                self:note(part.owner, owner, name)
            end
        end
    end
end

local function names_and_patterns(self, names, involved, patterns)
    for _, part in ipairs(patterns) do
        if self.left <= 0 or self.room < 0 then return end
        local its = self.sides[part.owner].is_involved and names or involved
        its:that_fit(part.branch, function(name, owners) name_and_pattern(self, part, name, owners) end)
    end
end

local characters = {} -- the first character that a part of an expression matches, by its text

local function single(token, character)
    local one = expressions.parse(token.text)
    return one ~= nil and one:takes(character)
end

local function made_up(side)
    if not side.names then
        side.names = {}
        for _, name in ipairs(samples.of(side.expression.tokens, single, characters)) do
            if name ~= "" and takes(side, name) then table.insert(side.names, name) end
        end
    end
    return side.names
end

-- Names that both may match: those of each, the longer beginning with the longer end, and names of both together
-- ("orders.*" and ".*-raw").
local function each_guess(a, b, left, right, visit)
    for _, list in ipairs { left, right } do
        for _, name in ipairs(list) do
            if visit(name) then return name end
        end
    end
    local prefix = #a.prefix > #b.prefix and a.prefix or b.prefix
    local suffix = #a.suffix > #b.suffix and a.suffix or b.suffix
    if prefix ~= "" and prefix:sub(-1) == suffix:sub(1, 1) and visit(prefix .. suffix:sub(2)) then -- "a." and ".b"
        return prefix .. suffix:sub(2)
    end
    for _, middle in ipairs { "", "x", "0", ".x." } do
        if visit(prefix .. middle .. suffix) then return prefix .. middle .. suffix end
    end
    for i = 1, math.min(#left, most_samples) do
        for k = 1, math.min(#right, most_samples) do
            if visit(left[i] .. right[k]) then return left[i] .. right[k] end
            if visit(right[k] .. left[i]) then return right[k] .. left[i] end
        end
    end
end

local function try_pair(self, a, b)
    local left, right = made_up(self.sides[a.owner]), made_up(self.sides[b.owner])
    local name = each_guess(a.branch, b.branch, left, right, function(name)
        if self.left <= 0 or name == "" or known.is_internal(name) then return false end
        return self:takes(a.owner, name) and self:takes(b.owner, name)
    end)
    if name then self:note(a.owner, b.owner, name) end
    return name
end

-- The parts by their beginnings, and then by their ends.
local function by_prefix_and_suffix(patterns)
    local by_prefix = sorted()
    for i, part in ipairs(patterns) do
        part.number = i
        local branch = part.branch
        local ends = by_prefix.items[branch.prefix] and by_prefix.items[branch.prefix][1]
        if not ends then
            ends = sorted()
            by_prefix:add(branch.prefix, ends)
        end
        ends:add(branch.suffix:reverse(), part)
    end
    return by_prefix
end

-- Two branches may be tried in vain though other branches of the same expressions overlap.
local function try_others(self, part, by_prefix)
    by_prefix:along(part.branch.prefix, function(_, ends)
        ends[1]:along(part.branch.suffix:reverse(), function(_, others)
            for _, other in ipairs(others) do
                local is_first = other.number > part.number or not self.sides[other.owner].is_involved
                if is_first and self.left > 0 and self:wants(part.owner, other.owner) then
                    try_pair(self, part, other)
                end
            end
        end)
    end)
end

local function patterns_and_patterns(self, patterns)
    local by_prefix = by_prefix_and_suffix(patterns)
    for _, part in ipairs(patterns) do
        if self.left <= 0 or self.room < 0 then return end
        if self.sides[part.owner].is_involved then try_others(self, part, by_prefix) end
    end
end

function Search:by_text()
    local names, involved, patterns = new_names(), new_names(), {}
    for i, side in ipairs(self.sides) do
        for _, branch in ipairs(side.expression:branches()) do
            if not branch.name then
                patterns[#patterns + 1] = { owner = i, branch = branch }
            elseif not known.is_internal(branch.name) then
                names:add(branch.name, i)
                if side.is_involved then involved:add(branch.name, i) end
            end
        end
    end
    equal_names(self, names)
    names_and_patterns(self, names, involved, patterns)
    patterns_and_patterns(self, patterns)
end

-- ---- a name that all match ------------------------------------------------------------------------------------

local most_guesses = 20000

local function go_together(a, b)
    return (starts_with(a.prefix, b.prefix) or starts_with(b.prefix, a.prefix))
        and (ends_with(a.suffix, b.suffix) or ends_with(b.suffix, a.suffix))
end

--- A name that all of the expressions match; nil when none was found.
---@param parsed kmirror.regex.expression[]
---@return string|nil
function M.common(parsed)
    local sides, left = new_sides(parsed), most_guesses
    local function all_match(name)
        left = left - 1
        if left <= 0 or name == "" or known.is_internal(name) then return false end
        for _, side in ipairs(sides) do
            if not takes(side, name) then return false end
        end
        return true
    end
    for i, one in ipairs(sides) do
        for k = i + 1, #sides do
            for _, a in ipairs(one.expression:branches()) do
                for _, b in ipairs(sides[k].expression:branches()) do
                    local name = left > 0 and go_together(a, b)
                        and each_guess(a, b, made_up(one), made_up(sides[k]), all_match)
                    if name then return name end
                end
            end
        end
    end
end

-- ---- all --------------------------------------------------------------------------------------------------

local function in_list(found)
    local list = {}
    for _, row in pairs(found) do
        for _, overlap in pairs(row) do list[#list + 1] = overlap end
    end
    table.sort(list, order.by("first", "second"))
    return list
end

--- Which expressions match the same topics.
---@param parsed kmirror.regex.expression[]
---@param topics? string[]|kmirror.regex.known those that are known; by the text without them
---@param involves? fun(index: integer): boolean only pairs with one of these
---@return kmirror.regex.overlap[] in order
---@return boolean whole false when so much had to be tried that some was not
function M.find(parsed, topics, involves)
    local self = setmetatable({ sides = new_sides(parsed, involves), found = {}, left = most, room = most }, Search)
    if topics then self:by_topics(topics) else self:by_text() end
    return in_list(self.found), self.left > 0 and self.room >= 0 and all_known(self.sides)
end

return M
