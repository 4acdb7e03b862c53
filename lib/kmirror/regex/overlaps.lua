--- regex.overlaps: which expressions match the same topics.
---
--- Most pairs cannot overlap, and are never looked at: an expression is split at its bars into branches, and each
--- branch is a topic name or has a text that all its names begin with and one that they end with. Names are found in a
--- sorted list by these; branches by those whose beginning and end go with theirs. What is left is tried out on names,
--- as many as `most` of them.

local expressions = require("kmirror.regex.expression")
local order = require("kmirror.order")
local samples = require("kmirror.regex.samples")
local warnings = require("kmirror.regex.warnings")

local M = {}

local most = 200000 -- names that are tried, of all pairs together: a second or so
local most_branches = 200 -- of one expression
local most_samples = 12 -- names of one expression that are put together with those of another

---@class kmirror.regex.branch
---@field owner integer the expression that it is part of
---@field name? string when it matches just that name
---@field prefix string what its names begin with, as far as that is plain
---@field suffix string what they end with

---@class kmirror.regex.overlap
---@field first integer index of an expression
---@field second integer index of another, after it
---@field topics string[] that both match: known ones, or one made up

-- ---- branches ---------------------------------------------------------------------------------------------

local function plain_text(tokens, from, to, step)
    local parts = {}
    for i = from, to, step do
        local token, follower = tokens[i], tokens[i + 1]
        if token.kind ~= "anchor" then
            if not token.value or follower and follower.kind == "quantifier" then break end
            parts[#parts + 1] = token.value
        end
    end
    local text = table.concat(parts)
    return step < 0 and text:reverse() or text
end

local function is_plain(tokens, from, to)
    for i = from, to do
        local kind = tokens[i].kind
        if kind ~= "literal" and not (kind == "anchor" and (i == from or i == to)) then
            return false
        end
    end
    return to >= from
end

local function branch_of(owner, tokens, from, to)
    local prefix = plain_text(tokens, from, to, 1)
    if is_plain(tokens, from, to) then
        return { owner = owner, name = prefix, prefix = prefix, suffix = prefix }
    end
    return { owner = owner, prefix = prefix, suffix = plain_text(tokens, to, from, -1) }
end

-- Flags in the middle of an expression may reach beyond a bar: then it is one branch that nothing is known of.
local function has_flags(tokens)
    for _, token in ipairs(tokens) do
        if token.kind == "flags" then return true end
    end
    return false
end

-- The parts between the bars that stand in no brackets.
local function split(tokens)
    local parts, depth = { {} }, 0
    for _, token in ipairs(tokens) do
        depth = depth + (token.kind == "open" and 1 or token.kind == "close" and -1 or 0)
        if token.kind == "bar" and depth == 0 then
            parts[#parts + 1] = {}
        else
            table.insert(parts[#parts], token)
        end
    end
    return parts
end

-- Where the group ends that these begin with; nil when they do not, or when it is repeated or only looks.
local function group_end(tokens)
    local first = tokens[1]
    if not first or first.kind ~= "open" or first.look or first.text:find("^%(%?[^:]") then
        return nil
    end
    local depth = 0
    for i, token in ipairs(tokens) do
        depth = depth + (token.kind == "open" and 1 or token.kind == "close" and -1 or 0)
        if depth == 0 then
            return not (tokens[i + 1] and tokens[i + 1].kind == "quantifier") and i or nil
        end
    end
end

-- "(a|b)c" is "ac" and "bc": so it is known how they begin.
local function expand(part, into)
    local last = group_end(part)
    if not last or #into >= most_branches then
        into[#into + 1] = part
        return
    end
    for _, inside in ipairs(split(table.move(part, 2, last - 1, 1, {}))) do
        expand(table.move(part, last + 1, #part, #inside + 1, inside), into)
    end
end

local function branches_of(owner, tokens)
    if has_flags(tokens) then return { { owner = owner, prefix = "", suffix = "" } } end
    local parts, found = {}, {}
    for _, part in ipairs(split(tokens)) do expand(part, parts) end
    for i, part in ipairs(parts) do found[i] = branch_of(owner, part, 1, #part) end
    return found
end

-- ---- texts that begin, or end, alike -------------------------------------------------------------------------

local function starts_with(text, prefix)
    return text:sub(1, #prefix) == prefix
end

local function ends_with(text, suffix)
    return suffix == "" or text:sub(-#suffix) == suffix
end

---@class kmirror.regex.sorted texts, each with what belongs to it
---@field keys string[]
---@field items table<string, any[]>
local Sorted = {}
Sorted.__index = Sorted

local function sorted()
    return setmetatable({ keys = {}, items = {} }, Sorted)
end

function Sorted:add(key, item)
    local list = self.items[key]
    if not list then
        list = {}
        self.items[key], self.keys[#self.keys + 1] = list, key
        self.in_order = false
    end
    list[#list + 1] = item
end

-- The first key that is not below the text.
local function lower_bound(keys, text)
    local low, high = 1, #keys + 1
    while low < high do
        local middle = (low + high) // 2
        if keys[middle] < text then low = middle + 1 else high = middle end
    end
    return low
end

-- Bytes, whatever the locale.
local function in_order(self)
    if not self.in_order then
        table.sort(self.keys)
        self.in_order = true
    end
    return self.keys
end

--- Calls visit(key, items) for each key that begins with the text.
function Sorted:within(text, visit)
    local keys = in_order(self)
    for i = lower_bound(keys, text), #keys do
        if not starts_with(keys[i], text) then return end
        visit(keys[i], self.items[keys[i]])
    end
end

--- Likewise for each key that the text begins with and that is shorter.
function Sorted:above(text, visit)
    for length = 0, #text - 1 do
        local key = text:sub(1, length)
        if self.items[key] then visit(key, self.items[key]) end
    end
end

--- Both: each key that begins like the text, as far as both go.
function Sorted:along(text, visit)
    self:above(text, visit)
    self:within(text, visit)
end

-- ---- the search --------------------------------------------------------------------------------------------

---@class kmirror.regex.side
---@field expression kmirror.regex.expression
---@field branches kmirror.regex.branch[]
---@field names string[]|nil that it matches, made up from its text
---@field search_ends number processor time
---@field is_cut? boolean the search has ended, and names were left

---@class kmirror.regex.search
---@field sides kmirror.regex.side[]
---@field involves fun(index: integer): boolean
---@field found table<integer, table<integer, kmirror.regex.overlap>>
---@field left integer names that may still be tried
local Search = {}
Search.__index = Search

local function pair_of(self, a, b)
    local first, second = math.min(a, b), math.max(a, b)
    local row = self.found[first] or {}
    self.found[first] = row
    return row, first, second
end

function Search:wants(a, b)
    if a == b or not (self.involves(a) or self.involves(b)) then return false end
    local row, _, second = pair_of(self, a, b)
    return row[second] == nil
end

function Search:note(a, b, topic)
    local row, first, second = pair_of(self, a, b)
    row[second] = row[second] or { first = first, second = second, topics = {} }
    table.insert(row[second].topics, topic)
end

-- Some expressions take long for a name, or so long that it cannot be said; no more than so much is tried.
local most_seconds <const> = 5 -- of processor time
local most_in_vain <const> = 2 -- names, of one expression

local function new_sides(parsed)
    local sides, search_ends = {}, os.clock() + most_seconds
    for i, expression in ipairs(parsed) do
        sides[i] = { expression = expression, branches = branches_of(i, expression.tokens), search_ends = search_ends }
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

-- Those of the names that a branch may match: by its beginning, or by its end when that says more.
local function candidates(names, branch, visit)
    if #branch.suffix > #branch.prefix then
        names.backward:within(branch.suffix:reverse(), function(key)
            local name = key:reverse()
            if starts_with(name, branch.prefix) then visit(name) end
        end)
        return
    end
    names.forward:within(branch.prefix, function(name)
        if ends_with(name, branch.suffix) then visit(name) end
    end)
end

local function add_name(names, name, owner)
    if warnings.is_internal(name) then return end
    names.forward:add(name, owner)
    if #names.forward.items[name] == 1 then names.backward:add(name:reverse(), owner) end
end

local function no_names()
    return { forward = sorted(), backward = sorted() }
end

-- ---- by topics that are known

-- Who matches each topic.
local function takers_of(self, topics)
    local names, takers = no_names(), {}
    for i, name in ipairs(topics) do add_name(names, name, i) end
    for index, side in ipairs(self.sides) do
        for _, branch in ipairs(side.branches) do
            candidates(names, branch, function(name)
                local list = takers[name] or {}
                takers[name] = list
                if list[#list] ~= index and takes(side, name) then list[#list + 1] = index end
            end)
        end
    end
    return takers
end

function Search:by_topics(topics)
    local takers, done = takers_of(self, topics), {}
    for _, name in ipairs(topics) do
        local list = not done[name] and takers[name] or {}
        done[name] = true
        for i, a in ipairs(list) do
            for k = i + 1, #list do
                if self.involves(a) or self.involves(list[k]) then self:note(a, list[k], name) end
            end
        end
    end
end

-- ---- by the text

local function equal_names(self, names)
    for name, owners in pairs(names.forward.items) do
        for i, a in ipairs(owners) do
            for k = i + 1, #owners do
                if self:wants(a, owners[k]) then self:note(a, owners[k], name) end
            end
        end
    end
end

local function names_and_patterns(self, names, patterns)
    for _, branch in ipairs(patterns) do
        candidates(names, branch, function(name)
            local matches
            for _, owner in ipairs(names.forward.items[name]) do
                if self.left > 0 and self:wants(branch.owner, owner) then
                    if matches == nil then matches = self:takes(branch.owner, name) end
                    if matches and takes(self.sides[owner], name) then
                        self:note(branch.owner, owner, name)
                    end
                end
            end
        end)
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
    local left, right = self.sides[a.owner], self.sides[b.owner]
    local name = each_guess(a, b, made_up(left), made_up(right), function(name)
        if self.left <= 0 or name == "" or warnings.is_internal(name) then return false end
        return self:takes(a.owner, name) and self:takes(b.owner, name)
    end)
    if name then self:note(a.owner, b.owner, name) end
    return name
end

-- Two branches may be tried in vain though other branches of the same expressions overlap.
local function patterns_and_patterns(self, patterns)
    local by_prefix = sorted()
    for i, branch in ipairs(patterns) do
        branch.number = i
        local ends = by_prefix.items[branch.prefix] and by_prefix.items[branch.prefix][1]
        if not ends then
            ends = sorted()
            by_prefix:add(branch.prefix, ends)
        end
        ends:add(branch.suffix:reverse(), branch)
    end
    for _, branch in ipairs(patterns) do
        if self.left <= 0 then return end
        by_prefix:along(branch.prefix, function(_, ends)
            ends[1]:along(branch.suffix:reverse(), function(_, others)
                for _, other in ipairs(others) do
                    if other.number > branch.number and self.left > 0 and self:wants(branch.owner, other.owner) then
                        try_pair(self, branch, other)
                    end
                end
            end)
        end)
    end
end

function Search:by_text()
    local names, patterns = no_names(), {}
    for _, side in ipairs(self.sides) do
        for _, branch in ipairs(side.branches) do
            if branch.name then add_name(names, branch.name, branch.owner) else patterns[#patterns + 1] = branch end
        end
    end
    equal_names(self, names)
    names_and_patterns(self, names, patterns)
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
        if left <= 0 or name == "" or warnings.is_internal(name) then return false end
        for _, side in ipairs(sides) do
            if not takes(side, name) then return false end
        end
        return true
    end
    for i, one in ipairs(sides) do
        for k = i + 1, #sides do
            for _, a in ipairs(one.branches) do
                for _, b in ipairs(sides[k].branches) do
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
---@param topics? string[] those that are known; without them it goes by the text
---@param involves? fun(index: integer): boolean only pairs with one of these
---@return kmirror.regex.overlap[] in order
---@return boolean whole false when so much had to be tried that some was not
function M.find(parsed, topics, involves)
    local self = setmetatable({
        sides = new_sides(parsed), found = {}, left = most, involves = involves or function() return true end,
    }, Search)
    if topics then self:by_topics(topics) else self:by_text() end
    return in_list(self.found), self.left > 0 and all_known(self.sides)
end

return M
