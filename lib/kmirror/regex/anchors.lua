--- regex.anchors: what ^ and $ come to where they stand, as the whole name has to fit anyway.

local M = {}

local starts = { ["^"] = true, ["\\A"] = true, ["\\G"] = true }
local ends = { ["$"] = true, ["\\z"] = true, ["\\Z"] = true }

--- Is that the quantifier of something that need not be there?
---@param quantifier kmirror.regex.token|nil what follows
---@return boolean
function M.may_be_absent(quantifier)
    return quantifier ~= nil and quantifier.kind == "quantifier" and quantifier.text:find("^[*?{]") ~= nil
        and not quantifier.text:find("^{0*[1-9]")
end

-- Of a back reference it is not known here what it takes: perhaps nothing.
local function takes_a_character(token)
    return token.kind == "any" or token.kind == "class" or token.kind == "literal"
        or token.kind == "escape" and not token.text:find("^\\[bBAGzZk1-9]")
end

-- For each bracket, the number of the other one.
local function partners(tokens)
    local opened, found = {}, {}
    for i, token in ipairs(tokens) do
        if token.kind == "open" then
            opened[#opened + 1] = i
        elseif token.kind == "close" then
            local first = table.remove(opened)
            found[first], found[i] = i, first
        end
    end
    return found
end

-- How many characters were taken on the way to a place: none, none or some by the way that is gone, or always some.
local NONE <const>, PERHAPS <const>, SOME <const> = 0, 1, 2

local function end_alternative(group, taken)
    group.least, group.most = math.min(group.least, taken), math.max(group.most, taken)
end

local function after_group(group)
    local taken = group.least == SOME and SOME or math.min(group.most, PERHAPS)
    return group.absent and group.before < SOME and math.min(math.max(taken, group.before), PERHAPS) or taken
end

local function new_group(tokens, first, last, before)
    local look = tokens[first] and tokens[first].look
    return { before = before, least = SOME, most = NONE, absent = M.may_be_absent(tokens[last + 1]), look = look }
end

-- Goes through the tokens, from their beginning or from their end, and notes what was taken before each anchor.
local function walk(tokens, anchors, backwards, taken_at)
    local other, groups, taken = partners(tokens), { new_group(tokens, 0, #tokens, NONE) }, NONE
    local enters, leaves = backwards and "close" or "open", backwards and "open" or "close"
    for step = 1, #tokens do
        local i = backwards and #tokens + 1 - step or step
        local token, group = tokens[i], groups[#groups]
        if token.kind == enters then
            groups[#groups + 1] = new_group(tokens, math.min(i, other[i]), math.max(i, other[i]), taken)
        elseif token.kind == "bar" then
            end_alternative(group, taken)
            taken = group.before
        elseif token.kind == leaves then
            end_alternative(group, taken)
            taken = group.look and group.before or after_group(group)
            table.remove(groups)
        elseif anchors[token.text] and not token.value then
            taken_at[i] = taken
        elseif takes_a_character(token) then
            taken = M.may_be_absent(tokens[i + 1]) and math.max(taken, PERHAPS) or SOME
        end
    end
end

--- What each anchor comes to, by the number of its token: "nothing", as none is before or after it; "less", as what may
--- be there has to be empty; "never", as something always is.
---@param tokens kmirror.regex.token[]
---@return table<integer, "nothing"|"less"|"never">
function M.of(tokens)
    local taken_at, found = {}, {}
    walk(tokens, starts, false, taken_at)
    walk(tokens, ends, true, taken_at)
    for i, taken in pairs(taken_at) do
        found[i] = M.may_be_absent(tokens[i + 1]) and "nothing"
            or taken == SOME and "never" or taken == PERHAPS and "less" or "nothing"
    end
    return found
end

return M
