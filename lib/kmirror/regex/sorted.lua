--- regex.sorted: texts that begin alike are found among many.

---@class kmirror.regex.sorted texts, each with what belongs to it
---@field keys string[]
---@field items table<string, any[]>
---@field in_order boolean
local Sorted = {}
Sorted.__index = Sorted

function Sorted:add(key, item)
    local list = self.items[key]
    if not list then
        list = {}
        self.items[key], self.keys[#self.keys + 1] = list, key
        self.in_order = false
    end
    list[#list + 1] = item
end

-- The first key that is not below the text.
local function lower_bound(keys, text)
    local low, high = 1, #keys + 1
    while low < high do
        local middle = (low + high) // 2
        if keys[middle] < text then low = middle + 1 else high = middle end
    end
    return low
end

-- Bytes, whatever the locale.
local function in_order(self)
    if not self.in_order then
        table.sort(self.keys)
        self.in_order = true
    end
    return self.keys
end

--- Calls visit(key, items) for each key that begins with the text.
---@param text string
---@param visit fun(key: string, items: any[])
function Sorted:within(text, visit)
    local keys = in_order(self)
    for i = lower_bound(keys, text), #keys do
        if keys[i]:sub(1, #text) ~= text then return end
        visit(keys[i], self.items[keys[i]])
    end
end

--- Likewise for each key that the text begins with and that is shorter.
---@param text string
---@param visit fun(key: string, items: any[])
function Sorted:above(text, visit)
    for length = 0, #text - 1 do
        local key = text:sub(1, length)
        if self.items[key] then visit(key, self.items[key]) end
    end
end

--- Both: each key that begins like the text, as far as both go.
---@param text string
---@param visit fun(key: string, items: any[])
function Sorted:along(text, visit)
    self:above(text, visit)
    self:within(text, visit)
end

--- None yet.
---@return kmirror.regex.sorted
return function()
    return setmetatable({ keys = {}, items = {}, in_order = true }, Sorted)
end
