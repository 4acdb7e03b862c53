--- shell: words of commands. What is shown to be pasted into a shell is printable, as all that reaches a terminal is.

local fields = require("mirrors").fields
local text = require("kmirror.text")

local M = {}

local function is_plain(word)
    return word:find("^[%w_./:@%%+-][%w_./:=,@%%+-]*$") ~= nil
end

--- A text as one word of any POSIX shell, for a command that is run.
---@param word string|number
---@return string
function M.quote(word)
    word = tostring(word)
    return is_plain(word) and word or "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A text as one word of bash or zsh, for a command that is shown: what a terminal would obey, and what would end the
--- line as it is pasted, is written as an escape in $'…'.
---@param word string|number
---@return string
function M.word(word)
    word = tostring(word)
    if text.clean(word) == word then return M.quote(word) end
    local escaped = word:gsub("['\\]", "\\%0"):gsub("[^\x20-\x7E]", function(byte)
        return ("\\x%02x"):format(byte:byte())
    end)
    return "$'" .. escaped .. "'"
end

return fields.guard("shell", M, { quote = { "word", fields.word }, word = { "word", fields.word } })
