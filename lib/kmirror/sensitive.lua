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

local short = { key = true, pass = true, pw = true, auth = true }

-- Does that which follows hold one, by what it is called? --key-file and the like name where it is kept.
local function names_secret(name)
    return M.may_hold(name) or name:find("^%-") and short[name:lower():match("[^%-_.]*$")] or false
end

-- Of a URL that is posted to, what is behind the host is often all that it takes to post there.
local function without_path(word)
    return (word:gsub("([wW]ebhook:%a+://[^/?#%s]+)[/?#]%S+", "%1/…"):gsub("(://hooks%.[^/?#%s]+)[/?#]%S+", "%1/…"))
end

-- A plain word, such as the name of a file, is no secret for what it is called.
local function shown(word)
    local name, sign = word:match("^(%-*[%w_.-]+)([=:])")
    if name and names_secret(name) then return name .. sign .. M.hidden end
    local is_plain = not word:find("[%s=@\"'?&]")
    local hides = is_plain and holds_key(word) or not is_plain and M.may_hold(word)
    return hides and M.hidden or without_path(word)
end

--- Words of a command line, with "(hidden)" in place of what may be a secret.
---@param words string[]
---@return string[]
function M.words(words)
    local all = {}
    for i, word in ipairs(words) do
        local option = words[i - 1] and words[i - 1]:match("^%-[^=]+$")
        local is_value = option and not word:find("^%-")
        all[i] = is_value and names_secret(option) and M.hidden or shown(word)
    end
    return all
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("sensitive", M, {
    may_hold = { "text", fields.string },
    words = { "words", fields.list(fields.string) },
})
