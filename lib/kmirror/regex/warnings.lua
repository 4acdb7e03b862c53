--- regex.warnings: what may not be meant by a topics regex.

local M = {}

-- Between them, everything that a topic name can be like.
local anything = { "x", "Z9", "orders.created", "a-b_c.d", "_schemas", "0.0-0" }

-- What MirrorMaker 2 itself makes, and Kafka.
local internal = { "__consumer_offsets", "mm2-offset-syncs.x.internal", "connect-configs-internal", "x.replica" }

local internal_patterns = { "[-.]internal$", "%.replica$", "^__" }

--- True of a topic that MirrorMaker 2 leaves out by default (topics.exclude).
---@param name string
---@return boolean
function M.is_internal(name)
    for _, pattern in ipairs(internal_patterns) do
        if name:find(pattern) then
            return true
        end
    end
    return false
end

local shown = 3

-- "a, b, c and 4 more"
local function listed(names)
    local more = #names > shown and (" and %d more"):format(#names - shown) or ""
    return table.concat(names, ", ", 1, math.min(shown, #names)) .. more
end

local function select(names, keep)
    local kept = {}
    for _, name in ipairs(names) do
        kept[#kept + 1] = keep(name) and name or nil
    end
    return kept
end

-- Each returns its warning: what is the matter, and where, when that is one place.
local checks = {}

function checks.everything(expression)
    for _, name in ipairs(anything) do
        if not expression:takes(name) then
            return nil
        end
    end
    return "takes every topic, also those that are still to come"
end

function checks.internal(expression, topics)
    local found = select(topics or internal, function(name)
        return M.is_internal(name) and expression:takes(name)
    end)
    if #found > 0 and (topics or not checks.everything(expression)) then
        return ("takes internal topics (%s), which MirrorMaker 2 leaves out unless told otherwise")
            :format(listed(found))
    end
end

function checks.nothing(expression, topics)
    local taken = select(topics or {}, function(name)
        return expression:takes(name)
    end)
    if not topics or #topics == 0 or #taken > 0 then
        return nil
    end
    local touched = select(topics, function(name)
        return expression:touches(name)
    end)
    return ("takes none of the %d topics that are known"):format(#topics)
        .. (#touched > 0 and (": it fits only a part of %s"):format(listed(touched)) or "")
end

-- In a lookahead or lookbehind an anchor says something: (?!.*-old$).
function checks.anchors(expression)
    local opened = {}
    for _, token in ipairs(expression.tokens) do
        local looks = opened[#opened] or false
        if token.kind == "open" then
            opened[#opened + 1] = looks or token.look or false
        elseif token.kind == "close" then
            table.remove(opened)
        elseif token.kind == "anchor" and not looks then
            return ("'%s' changes nothing: the whole name has to fit anyway"):format(token.text), token.at
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

local order = { "everything", "internal", "nothing", "anchors", "dot", "glob" }

--- What may not be meant.
---@param expression kmirror.regex.expression
---@param topics? string[] those that are known
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
