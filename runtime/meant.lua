-- meant: what somebody may have meant by a name that is not known.

local meant = {}

-- How many letters have to be put in, taken out, changed or swapped with their neighbour to make b of a.
local function distance(a, b)
    local before, last = nil, {}
    for k = 0, #b do last[k] = k end
    for i = 1, #a do
        local row = { [0] = i }
        for k = 1, #b do
            local cost = a:byte(i) == b:byte(k) and 0 or 1
            row[k] = math.min(last[k] + 1, row[k - 1] + 1, last[k - 1] + cost)
            if before and k > 1 and a:byte(i) == b:byte(k - 1) and a:byte(i - 1) == b:byte(k) then
                row[k] = math.min(row[k], before[k - 2] + 1)
            end
        end
        before, last = last, row
    end
    return last[#b]
end

local LONGEST <const> = 200 -- characters of a name that is worth the time

---The known name that is nearest; nil when none is near.
---@param name string
---@param known table<string, any>  by name
---@return string?
function meant.nearest(name, known)
    if #name > LONGEST then return nil end
    local nearest, least = nil, math.max(2, #name // 3) + 1
    for candidate in pairs(known) do
        local away = distance(name:lower(), candidate:lower())
        if away == math.max(#name, #candidate) then away = math.huge end -- they have no letter in common
        if away < least or away == least and nearest and candidate < nearest then
            nearest, least = candidate, away
        end
    end
    return nearest
end

---The end of a message about a name that is not known: ". Did you mean 'us-east'?", or nothing when no known name is
---near.
---@param name any
---@param known table<string, any>  by name
---@return string
function meant.question(name, known)
    local nearest = type(name) == "string" and meant.nearest(name, known)
    return nearest and (". Did you mean '%s'?"):format(nearest) or ""
end

return meant
