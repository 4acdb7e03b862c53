--- regex.branches: an expression split at its bars. Each branch is a topic's name, or has a text that all its names
--- begin with and one that they end with: so most names that it cannot match need not be tried.

local M = {}

local most_branches = 200 -- of one expression

---@class kmirror.regex.branch
---@field name? string when it matches just that name
---@field prefix string what its names begin with, as far as that is plain
---@field suffix string what they end with

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

local function is_plain(tokens)
    for i, token in ipairs(tokens) do
        if token.kind ~= "literal" and not (token.kind == "anchor" and (i == 1 or i == #tokens)) then
            return false
        end
    end
    return #tokens > 0
end

local function branch_of(tokens, is_whole)
    local prefix = plain_text(tokens, 1, #tokens, 1)
    if is_whole and is_plain(tokens) then
        return { name = prefix, prefix = prefix, suffix = prefix }
    end
    return { prefix = prefix, suffix = plain_text(tokens, #tokens, 1, -1) }
end

-- Flags may reach beyond a bar. By these two letters and blanks are not what they seem.
local function has_flags(tokens)
    for _, token in ipairs(tokens) do
        if token.kind == "flags" and token.text:find("[ix]") then return true end
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

local function is_repeated(tokens, i)
    return tokens[i + 1] ~= nil and tokens[i + 1].kind == "quantifier"
end

-- Where the group ends that begins at a token.
local function end_of(tokens, at)
    local depth = 0
    for i = at, #tokens do
        depth = depth + (tokens[i].kind == "open" and 1 or tokens[i].kind == "close" and -1 or 0)
        if depth == 0 then return i end
    end
    return #tokens
end

-- Without what matches no character: lookaheads and lookbehinds, flags. Names that these rule out are found when they
-- are tried.
local function of_width(tokens)
    local left, at = {}, 1
    while tokens[at] do
        local token = tokens[at]
        if token.look then
            at = end_of(tokens, at)
            at = at + (is_repeated(tokens, at) and 1 or 0)
        elseif token.kind ~= "flags" then
            left[#left + 1] = token
        end
        at = at + 1
    end
    return left
end

-- Where the group ends that these begin with; nil when they do not, or when it is repeated.
local function group_end(tokens)
    local first = tokens[1]
    if not first or first.kind ~= "open" or first.text:find("^%(%?[^:]") then return nil end
    local last = end_of(tokens, 1)
    return not is_repeated(tokens, last) and last or nil
end

-- "(a|b)c" is "ac" and "bc": so it is known how they begin.
local function expand(part, is_whole, into)
    local last = group_end(part)
    if not last or #into >= most_branches then
        into[#into + 1] = branch_of(part, is_whole)
        return
    end
    for _, inside in ipairs(split(table.move(part, 2, last - 1, 1, {}))) do
        expand(table.move(part, last + 1, #part, #inside + 1, inside), is_whole, into)
    end
end

--- The branches of an expression: a name that it matches is one that a branch of it matches.
---@param tokens kmirror.regex.token[]
---@return kmirror.regex.branch[]
function M.of(tokens)
    if has_flags(tokens) then return { { prefix = "", suffix = "" } } end
    local found = {}
    for _, part in ipairs(split(tokens)) do
        local left = of_width(part)
        expand(left, #left == #part, found)
    end
    return found
end

return M
