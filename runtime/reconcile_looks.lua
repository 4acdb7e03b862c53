-- reconcile_looks: whether a listed mirror looks as a create of ours would have made it; see the head of reconcile.lua.

local looks = {}

local function extends(alias, longer)
    return longer:sub(1, #alias + 1) == alias .. "."
end

local function ends_with(text, tail)
    return text == tail or text:sub(-#tail - 1) == "." .. tail
end

-- The longest tail, in whole parts, that both have.
local function common_tail(tail, text)
    while tail and not ends_with(text, tail) do tail = tail:match("^[^.]*%.(.+)$") end
    return tail
end

-- The target alias in a connector name, if that is the source alias; nil when it cannot be.
local function target_in(name, alias)
    return extends(alias, name) and name:sub(#alias + 2):match("^(.+)%.[^.]+$") or nil
end

-- What the names on a cluster say of its target alias: what it is, or what it is a tail of, or nothing.
---@return string|nil exact
---@return string|nil tail
local function target_of(book)
    local tail, exact
    for _, mirror in ipairs(book.order) do
        local name = mirror.connectorName
        if name then
            local rest = target_in(name, name:match("^[^.]*"))
            tail = rest and common_tail(tail or rest, rest)
            if not tail then return nil end
            local spec = book.taken[mirror.id]
            if type(spec) == "table" then
                local target = target_in(name, spec.sourceAlias)
                if not target or exact and exact ~= target then return nil end
                exact = target
            end
        end
    end
    if exact then return ends_with(tail, exact) and exact or nil end
    if tail and not tail:find(".", 1, true) then return tail end
    return nil, tail
end

--- Does the mirror look as that specification would make it?
---@return "yes"|"perhaps"|"no"
function looks.fit(book, spec, mirror)
    if book.whole then return book.whole(spec, mirror.listed) end
    local alias, name = spec.sourceAlias, mirror.connectorName
    if mirror.topicsRegex ~= spec.topicsRegex or not extends(alias, name) then return "no" end
    local target = target_in(name, alias)
    if not book.named then
        book.exact, book.tail = target_of(book)
        book.named = true
    end
    if book.exact then return target == book.exact and "yes" or "no" end
    if book.tail then return target and ends_with(book.tail, target) and "perhaps" or "no" end
    return target and not target:find(".", 1, true) and "yes" or "perhaps"
end

--- Could a mirror of one be mistaken for a mirror of the other?
function looks.alike(one, other)
    local a, b = one.spec.sourceAlias, other.spec.sourceAlias
    return one.spec.topicsRegex == other.spec.topicsRegex and (a == b or extends(a, b) or extends(b, a))
end

--- Creates of equal identity are interchangeable.
function looks.identity_of(spec)
    local parts = {}
    for key, value in pairs(spec) do
        local whole = math.type(value) == "float" and math.tointeger(value)
        parts[#parts + 1] = ("%q=%q"):format(key, whole or value)
    end
    table.sort(parts)
    return table.concat(parts, ",")
end

return looks
