--- regex.known: topics that are known, and which of them an expression takes. For many expressions they are put in
--- order once: then each is tried on those alone that it may take.

local new_names = require("kmirror.regex.names")

local M = {}

local most_in_vain <const> = 200000 -- names that are tried on parts, for all expressions together: a second or so

---@class kmirror.regex.known
---@field topics string[] as they were given
---@field names kmirror.regex.names with their places among these
---@field left integer how many may still be tried on parts of expressions
local Known = {}
Known.__index = Known

local internal_patterns <const> = { "[-.]internal$", "%.replica$", "^__" }

--- True of a topic that MirrorMaker 2 leaves out by default (topics.exclude).
---@param name string
---@return boolean
function M.is_internal(name)
    for _, pattern in ipairs(internal_patterns) do
        if name:find(pattern) then return true end
    end
    return false
end

--- For many expressions.
---@param topics string[]
---@return kmirror.regex.known
function M.new(topics)
    local names = new_names()
    for i, name in ipairs(topics) do names:add(name, i) end
    return setmetatable({ topics = topics, names = names, left = most_in_vain }, Known)
end

--- Whether it is what new() has made.
---@param value any
---@return boolean
function M.is_one(value)
    return getmetatable(value) == Known
end

-- The places of the topics that an expression takes.
local function places_of(expression, names)
    local places, tried = {}, {}
    for _, branch in ipairs(expression:branches()) do
        names:that_fit(branch, function(name, its)
            if not tried[name] and expression:takes(name) then
                table.move(its, 1, #its, #places + 1, places)
            end
            tried[name] = true
        end)
    end
    table.sort(places)
    return places
end

local function each_taken(expression, topics, visit)
    if M.is_one(topics) then
        for _, place in ipairs(places_of(expression, topics.names)) do
            visit(topics.topics[place])
        end
        return
    end
    for _, name in ipairs(topics) do
        if expression:takes(name) then visit(name) end
    end
end

--- Those of the topics that an expression takes.
---@param expression kmirror.regex.expression
---@param topics string[]|kmirror.regex.known
---@return string[] taken in the order given
---@return string[] internal those that fit, but that MirrorMaker 2 leaves out
---Raises `invalid` when it takes too long.
function M.taken(expression, topics)
    local taken, internal = {}, {}
    each_taken(expression, topics, function(name)
        local list = M.is_internal(name) and internal or taken
        list[#list + 1] = name
    end)
    return taken, internal
end

--- Those that an expression matches a part of. With many expressions, only as long as not too many were tried.
---@param expression kmirror.regex.expression
---@param topics string[]|kmirror.regex.known
---@return string[]
---Raises `invalid` when it takes too long.
function M.touched(expression, topics)
    local touched, known = {}, M.is_one(topics) and topics or { topics = topics, left = math.huge }
    for _, name in ipairs(known.topics) do
        if known.left <= 0 then break end
        known.left = known.left - 1
        if expression:touches(name) then touched[#touched + 1] = name end
    end
    return touched
end

return M
