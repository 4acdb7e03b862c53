-- secret: a text that nobody sees by accident. What the API answers with a password in it is kept as such a value: it
-- prints as "(hidden)", has no fields, and create() takes it in place of the text.

local properties = ...

local secret = {}

local texts = setmetatable({}, { __mode = "k" })

---@class mirrors.Secret
local Secret = { __name = "mirrors.secret", __metatable = "mirrors.secret" }
Secret.__index = Secret

function Secret.__tostring()
    return "(hidden)"
end

function Secret.__eq(one, other)
    return texts[one] == texts[other]
end

---Is it that text, or does it hold the same as another one?
---@param other string|mirrors.Secret
---@return boolean
function Secret:is(other)
    return texts[self] == (texts[other] or other)
end

---Do it and others lead to the same source, as Kafka client properties do?
---@param other string|mirrors.Secret
---@return "yes"|"perhaps"|"no"
function Secret:leads_where(other)
    return properties.same(texts[self], texts[other] or other)
end

---@param text string
---@return mirrors.Secret
function secret.new(text)
    local made = setmetatable({}, Secret)
    texts[made] = text
    return made
end

---The text of a secret; any other value as it is.
---@param value any
---@return any
function secret.text(value)
    return texts[value] or value
end

---A table whose secrets are texts: itself when it has none.
---@param from table
---@return table
function secret.revealed(from)
    local copy, found = {}, false
    for key, value in pairs(from) do
        copy[key] = texts[value] or value
        found = found or texts[value] ~= nil
    end
    return found and copy or from
end

-- A password has a few characters at least; to hide shorter texts would hide ordinary words.
local SHORTEST <const> = 4

---A text of a server's without these secrets, should it repeat one.
---@param text string
---@param hidden string[]
---@return string
function secret.hide(text, hidden)
    local all = {}
    for _, each in ipairs(hidden) do all[#all + 1] = #each >= SHORTEST and each or nil end
    table.sort(all, function(a, b) return #a > #b end) -- no part of one is left when another is hidden
    for _, each in ipairs(all) do text = text:gsub(each:gsub("%p", "%%%0"), "[hidden]") end
    return text
end

return secret
