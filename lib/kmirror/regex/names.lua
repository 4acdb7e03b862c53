--- regex.names: topics' names, of which a branch of an expression has only those tried that it may match.

local sorted = require("kmirror.regex.sorted")

---@class kmirror.regex.names
---@field forward kmirror.regex.sorted by name
---@field backward? kmirror.regex.sorted by name, its end first; made when it is asked for
local Names = {}
Names.__index = Names

--- Adds something to what belongs to a name.
---@param name string
---@param item any
function Names:add(name, item)
    self.forward:add(name, item)
    self.backward = nil
end

local function backward_of(self)
    if not self.backward then
        self.backward = sorted()
        for _, name in ipairs(self.forward.keys) do self.backward:add(name:reverse(), name) end
    end
    return self.backward
end

--- Calls visit(name, items) for each name that a branch may match: by its beginning, or by its end when that says more.
---@param branch kmirror.regex.branch
---@param visit fun(name: string, items: any[])
function Names:that_fit(branch, visit)
    local items, prefix, suffix = self.forward.items, branch.prefix, branch.suffix
    if branch.name then
        if items[branch.name] then visit(branch.name, items[branch.name]) end
    elseif #suffix > #prefix then
        backward_of(self):within(suffix:reverse(), function(_, list)
            local name = list[1]
            if name:sub(1, #prefix) == prefix then visit(name, items[name]) end
        end)
    else
        self.forward:within(prefix, function(name, list)
            if suffix == "" or name:sub(-#suffix) == suffix then visit(name, list) end
        end)
    end
end

--- None yet.
---@return kmirror.regex.names
return function()
    return setmetatable({ forward = sorted() }, Names)
end
