--- A seeded stream of random numbers (SplitMix64) whose whole state is one integer, so that each part of the
--- sandbox has a stream of its own and a state file can hold it. math.random has one stream for everybody.

local random = {}
random.__index = random

---@class kmirror.sandbox.random
---@field state integer

---@param seed integer
---@return kmirror.sandbox.random
function random.new(seed)
    return setmetatable({ state = seed }, random)
end

--- A number that a text always gives (FNV-1a).
---@param text string
---@return integer
function random.hash(text)
    local hash = 0xcbf29ce484222325
    for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
    return hash
end

--- The next 64 random bits.
---@return integer
function random:bits()
    self.state = self.state + 0x9e3779b97f4a7c15
    local z = self.state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return z ~ (z >> 31)
end

--- A number from 0 up to, but not including, 1.
---@return number
function random:fraction()
    return (self:bits() >> 11) * 0x1p-53
end

--- An integer from 1 to `most`.
---@param most integer
---@return integer
function random:integer(most)
    return 1 + math.floor(self:fraction() * most)
end

--- A version 4 UUID.
---@return string
function random:uuid()
    local high, low = self:bits(), self:bits()
    return ("%08x-%04x-4%03x-%04x-%012x"):format(
        high >> 32, high >> 16 & 0xffff, high & 0xfff, low >> 48 & 0x3fff | 0x8000, low & 0xffffffffffff)
end

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

--- A text of letters and digits.
---@param length integer
---@return string
function random:letters(length)
    local letters = {}
    for i = 1, length do
        local at = self:integer(#LETTERS)
        letters[i] = LETTERS:sub(at, at)
    end
    return table.concat(letters)
end

return random
