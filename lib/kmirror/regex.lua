--- regex: which topics a topics regex takes.
---
--- It is read as MirrorMaker 2 reads its `topics`: a list with commas between the entries, each a topic's name or
--- a regex in Java's syntax, that has to fit the whole name. PCRE2 does the matching; where it differs from Java,
--- the expression is translated first. What neither allows is an error here, with its place; what only Java
--- allows and cannot be translated (a lookbehind of variable length, rare properties) is one, too, and says so.
--- Internal topics, as MirrorMaker 2's default topics.exclude has them, are not counted as taken.

local expressions = require("kmirror.regex.expression")
local fields = require("mirrors").fields
local known = require("kmirror.regex.known")
local mirrors = require("mirrors")
local overlaps = require("kmirror.regex.overlaps")
local text = require("kmirror.text")
local warnings = require("kmirror.regex.warnings")

local M = {}

--- What is wrong with a topics regex; nil when it can be tried out.
---@param regex string
---@return kmirror.regex.problem|nil
---Raises `invalid` when PCRE2 is not installed.
function M.problem(regex)
    local _, problem = expressions.parse(regex)
    return problem
end

local function parse(regex)
    local expression, problem = expressions.parse(regex)
    if not expression then
        local message = ("the topics regex '%s' %s: %s, at character %d"):format(text.short(text.clean(regex)),
            problem.untried and "cannot be tried out" or "is broken", problem.message, problem.at)
        error(mirrors.error("invalid", message, { details = { position = problem.at } }), 0)
    end
    return expression
end

--- Topics that many regexes are to be tried on: put in order, so that each is tried on those alone that it may take.
---@param topics string[]
---@return kmirror.regex.known
function M.known(topics)
    return known.new(topics)
end

--- The topics that a regex takes.
---@param regex string
---@param topics string[]|kmirror.regex.known
---@return string[] taken in the order given
---@return string[] internal those that fit, but that MirrorMaker 2 leaves out
---Raises `invalid` for a regex that cannot be tried out, with the place in details.position.
function M.select(regex, topics)
    return known.taken(parse(regex), topics)
end

---@class kmirror.regex.comparison topics in the order given
---@field taken string[] by the new one
---@field kept string[] by both
---@field gained string[] by the new one only
---@field lost string[] by the old one only

--- What changes when one regex takes the place of another.
---@param old string
---@param new string
---@param topics string[]|kmirror.regex.known
---@return kmirror.regex.comparison
---Raises `invalid` as select does.
function M.compare(old, new, topics)
    local taken, before = M.select(new, topics), M.select(old, topics)
    local is_taken, was_taken = {}, {}
    for _, name in ipairs(taken) do is_taken[name] = true end
    local result = { taken = taken, kept = {}, gained = {}, lost = {} }
    for _, name in ipairs(before) do
        was_taken[name] = true
        local list = is_taken[name] and result.kept or result.lost
        list[#list + 1] = name
    end
    for _, name in ipairs(taken) do
        if not was_taken[name] then table.insert(result.gained, name) end
    end
    return result
end

--- What may not be meant by a regex. The codes: `everything` (takes every topic), `internal` (takes internal ones),
--- `nothing` (takes none that is known, though it may fit a part of one), `impossible` (a part that no topic name can
--- match), `blanks` (around it), `anchors` (^ or $), `dot` (one that should be \.), `glob` (a star as in the shell),
--- `java` (Java reads it differently from most tools).
---@param regex string
---@param topics? string[]|kmirror.regex.known those that are known
---@return kmirror.regex.note[]
---Raises `invalid` as select does.
function M.warnings(regex, topics)
    return warnings.of(parse(regex), topics)
end

-- ---- overlap ----------------------------------------------------------------------------------------------

--- Which regexes of one source match the same topics: their mirrors would copy these twice. Without known topics it
--- goes by the text, and may miss some.
---@param regexes string[]
---@param topics? string[]|kmirror.regex.known those that are known
---@param involves? fun(index: integer): boolean only pairs with one of these
---@return kmirror.regex.overlap[] in order
---@return boolean whole false when there was so much to try that some was not
---Raises `invalid` as select does.
function M.overlaps(regexes, topics, involves)
    local parsed = {}
    for i, regex in ipairs(regexes) do parsed[i] = parse(regex) end
    return overlaps.find(parsed, topics, involves)
end

--- A topic that all of the regexes match, made up from their text; nil when none was found, which does not prove that
--- there is none.
---@param regexes string[]
---@return string|nil
---Raises `invalid` as select does.
function M.common(regexes)
    local parsed = {}
    for i, regex in ipairs(regexes) do parsed[i] = parse(regex) end
    return overlaps.common(parsed)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local list = fields.list(fields.string, "a list of topics")
local topics = fields.either({ expected = "what regex.known() made", fits = known.is_one }, list)

return fields.guard("regex", M, {
    problem = { "regex", fields.string },
    known = { "topics", list },
    select = { "regex", fields.string, "topics", topics },
    compare = { "old", fields.string, "new", fields.string, "topics", topics },
    warnings = { "regex", fields.string, "topics?", topics },
    overlaps = {
        "regexes", fields.list(fields.string, "a list of regexes"), "topics?", topics, "involves?", fields.fn,
    },
    common = { "regexes", fields.list(fields.string, "a list of regexes") },
})
