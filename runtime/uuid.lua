-- uuid: UUIDs that are made here, where the other side has none of its own.

local uuid = {}

local function formatted(high, low, version)
    high = high & ~0xF000 | version << 12
    low = low & ~(3 << 62) | 2 << 62
    local digits = ("%016x%016x"):format(high, low)
    return ("%s-%s-%s-%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 16), digits:sub(17, 20),
        digits:sub(21))
end

local FNV_PRIME <const> = 0x100000001b3

-- FNV-1a, from a start of one's own, its bits mixed in the end.
local function hash(text, start)
    local value = start
    for i = 1, #text do value = (value ~ text:byte(i)) * FNV_PRIME end
    value = (value ~ value >> 33) * 0xff51afd7ed558ccd
    return value ~ value >> 33
end

---The UUID of a text: always the same one. It tells texts apart, and keeps none secret.
---@param text string
---@return string
function uuid.of(text)
    return formatted(hash(text, 0xcbf29ce484222325), hash(text, 0x84222325cbf29ce4), 8)
end

local LETTERS <const> = "0123456789abcdefghijklmnopqrstuvwxyz"

-- Processes that start in the same instant may not draw alike.
local function random_bytes(count)
    local source <close> = io.open("/dev/urandom", "rb")
    local bytes = source and source:read(count)
    if bytes and #bytes == count then return { bytes:byte(1, count) } end
    local drawn = {}
    for i = 1, count do drawn[i] = math.random(0, 255) end
    return drawn
end

---So many letters and digits, drawn at random.
---@param count integer
---@return string
function uuid.letters(count)
    local drawn = random_bytes(count)
    for i, byte in ipairs(drawn) do
        local at = byte % #LETTERS + 1
        drawn[i] = LETTERS:sub(at, at)
    end
    return table.concat(drawn)
end

return uuid
