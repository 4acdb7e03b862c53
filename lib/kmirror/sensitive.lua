--- sensitive: whether a text may hold a secret, by the words in it: for what is kept or shown though nobody has looked
--- at it.

local fields = require("mirrors").fields

local M = {}

M.hidden = "(hidden)"

-- What stands in or beside a secret, in lower case.
local telling = {
    "sourceconnectionproperties", "api_?%-?key", "passw", "pwd", "secret", "sasl%.", "jaas", "keystore", "credential",
    "token", "bearer", "authorization", "private_?%-?key", "://[^/%s]*@",
}

local function holds_key(text)
    local key = os.getenv("KMIRROR_API_KEY")
    return key and key ~= "" and text:find(key, 1, true) ~= nil
end

--- May the text hold a key or a password?
---@param text string
---@return boolean
function M.may_hold(text)
    if holds_key(text) then return true end
    local lower = text:lower()
    for _, pattern in ipairs(telling) do
        if lower:find(pattern) then return true end
    end
    return false
end

-- A plain word, such as the name of a file, is no secret for what it is called.
local function shown(word)
    local name = word:match("^(%-%-[^=]+)=") or word:match("^([%w_.-]+)=")
    if name and M.may_hold(name) then return name .. "=" .. M.hidden end
    local is_plain = not word:find("[%s=@]")
    return (is_plain and holds_key(word) or not is_plain and M.may_hold(word)) and M.hidden or word
end

--- Words of a command line, with "(hidden)" in place of what may be a secret.
---@param words string[]
---@return string[]
function M.words(words)
    local all = {}
    for i, word in ipairs(words) do
        local option = words[i - 1] and words[i - 1]:match("^%-%-?([^=]+)$")
        local is_value = option and not word:find("^%-")
        all[i] = is_value and M.may_hold(option) and M.hidden or shown(word)
    end
    return all
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("sensitive", M, {
    may_hold = { "text", fields.string },
    words = { "words", fields.list(fields.string) },
})
