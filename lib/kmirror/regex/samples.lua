--- regex.samples: topic names that an expression takes, made up from its text.

local charset = require("kmirror.regex.charset")

local M = {}

local most = 12 -- names of one part of an expression that are followed up

-- Letters first, so that names look like names.
local tried = "xa0-._" .. charset.alphabet

---@class kmirror.regex.walk
---@field tokens kmirror.regex.token[]
---@field at integer
---@field single fun(token: kmirror.regex.token): string|nil a character that the token takes
local Walk = {}
Walk.__index = Walk

local function product(lefts, rights)
    local all = {}
    for _, left in ipairs(lefts) do
        for _, right in ipairs(rights) do
            if #all < most then all[#all + 1] = left .. right end
        end
    end
    return all
end

function Walk:group(open)
    local inside = self:alternatives()
    self.at = self.at + 1 -- its end
    return open.look and { "" } or inside
end

function Walk:atom()
    local token = self.tokens[self.at]
    self.at = self.at + 1
    if token.kind == "open" then
        return self:group(token)
    elseif token.kind == "flags" or token.kind == "anchor" then
        return { "" }
    end
    return { token.value or self.single(token) }
end

-- How often the names of an atom are repeated by the quantifier that follows, if one does.
local function repeated(names, quantifier)
    local count = math.tointeger(tonumber(quantifier:match("^{(%d+)")))
    if count then
        local all = {}
        for i, name in ipairs(names) do
            all[i] = name:rep(math.min(count, 249)) -- the longest topic name there can be
        end
        return all
    elseif quantifier:find("^%+") then
        return names
    end
    local all = table.move(names, 1, #names, 1, {})
    all[#all + 1] = ""
    return all
end

function Walk:sequence()
    local names = { "" }
    local token = self.tokens[self.at]
    while token and token.kind ~= "bar" and token.kind ~= "close" do
        local more = self:atom()
        token = self.tokens[self.at]
        if token and token.kind == "quantifier" then
            more = repeated(more, token.text)
            self.at = self.at + 1
            token = self.tokens[self.at]
        end
        names = product(names, more)
    end
    return names
end

function Walk:alternatives()
    local names = self:sequence()
    while self.tokens[self.at] and self.tokens[self.at].kind == "bar" do
        self.at = self.at + 1
        local more = self:sequence()
        table.move(more, 1, math.min(#more, 4 * most - #names), #names + 1, names)
    end
    return names
end

--- Names that an expression may take; what is made of lookaheads, references and the like can be wrong.
---@param tokens kmirror.regex.token[]
---@param takes fun(token: kmirror.regex.token, character: string): boolean
---@param known table<string, string> the character that was found for a token, by its text
---@return string[]
function M.of(tokens, takes, known)
    local function search(token)
        for character in tried:gmatch(".") do
            if takes(token, character) then return character end
        end
        return ""
    end
    local function single(token)
        known[token.text] = known[token.text] or search(token)
        return known[token.text]
    end
    return setmetatable({ tokens = tokens, at = 1, single = single }, Walk):alternatives()
end

return M
