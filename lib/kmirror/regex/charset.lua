--- regex.charset: sets of the 65 characters that topic names are made of.

local M = {}

--- All of them.
M.alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

-- For PCRE2: takes nothing, and can be repeated.
local nothing = "[^\\x00-\\xff]"

---@alias kmirror.regex.charset table<string, true>

--- Those for which `keep` is true.
---@param keep fun(character: string): boolean|nil
---@return kmirror.regex.charset
function M.where(keep)
    local set = {}
    for character in M.alphabet:gmatch(".") do set[character] = keep(character) or nil end
    return set
end

--- All others.
---@param set kmirror.regex.charset
---@return kmirror.regex.charset
function M.complement(set)
    return M.where(function(character)
        return not set[character]
    end)
end

--- Adds all of `more` to the set.
---@param set kmirror.regex.charset
---@param more kmirror.regex.charset
function M.add(set, more)
    for character in pairs(more) do set[character] = true end
end

--- Those that are in each of the sets, of which there is at least one.
---@param sets kmirror.regex.charset[]
---@return kmirror.regex.charset
function M.common(sets)
    return M.where(function(character)
        for _, set in ipairs(sets) do
            if not set[character] then return false end
        end
        return true
    end)
end

--- The set as a class of PCRE2.
---@param set kmirror.regex.charset
---@param negated? boolean written as all but the others, which stays right when case is ignored
---@return string
function M.write(set, negated)
    local parts = {}
    for character in M.alphabet:gmatch(".") do
        local stands = not set[character] == (negated or false)
        parts[#parts + 1] = stands and (character == "-" and "\\-" or character) or nil
    end
    if #parts == 0 then return negated and "." or nothing end
    return (negated and "[^" or "[") .. table.concat(parts) .. "]"
end

return M
