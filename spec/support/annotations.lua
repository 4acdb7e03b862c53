--- annotations: the types that the annotations of the sources name, and those that they define.
local annotations = {}

local built_in = {}
for name in ("nil any boolean string number integer function table thread userdata lightuserdata file* true false self")
    :gmatch("%S+") do
    built_in[name] = true
end

-- ---- a type, as LuaCATS writes it -------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

-- Takes what matches, with the blanks around it; nil when something else follows.
function Reader:take(pattern)
    local found, after = self.text:match("^%s*(" .. pattern .. ")()", self.at)
    self.at = after or self.at
    return found
end

-- Types up to what closes them; each may have a name before it, or a key in brackets.
function Reader:list(close)
    repeat
        if not self:take("[%w_.]+%??%s*:") and self:take("%[") then
            self:type()
            self:take("%]%s*:")
        end
        self:type()
    until not self:take(",")
    self:take(close)
end

function Reader:type()
    if self:take("fun%(") then
        self:list("%)")
        if self:take(":") then
            repeat self:type() until not self:take(",")
        end
    elseif self:take("table<") then
        self:list(">")
    elseif self:take("{") then
        self:list("}")
    elseif self:take("%(") then
        self:type()
        self:take("%)")
    elseif not (self:take('"[^"]*"') or self:take("%-?%d+") or self:take("%.%.%.")) then
        local name = self:take("[%a_][%w_.]*%*?")
        if name then self.names[#self.names + 1] = name end
    end
    self:take("%[%]")
    self:take("%?")
    if self:take("|") then self:type() end
end

-- The names in the types with which a text begins.
local function names_in(text, several)
    local reader = setmetatable({ text = text, at = 1, names = {} }, Reader)
    repeat
        reader:type()
        reader:take("[%a_][%w_]*")
    until not several or not reader:take(",")
    return reader.names
end

-- ---- the sources -------------------------------------------------------------------------------------------

-- What is before the type, by the annotation.
local before = {
    param = "^%S+%s+", field = "^%S+%s+", ["return"] = "^", type = "^", class = "^[%w_.]+%s*:%s*", alias = "^%S+%s+",
}
local defining = { class = true, alias = true, enum = true, generic = true }

local function read_line(line, found, where)
    local tag, rest = line:match("^%s*%-%-%-@(%a+)%s+(.*)$")
    if not before[tag or ""] and not defining[tag or ""] then return end
    if defining[tag] then
        for name in (tag == "generic" and rest or rest:match("^%S+")):gmatch("[%w_.]+") do
            found.defined[name] = true
        end
    end
    local type_at = before[tag] and select(2, rest:find(before[tag]))
    for _, name in ipairs(type_at and names_in(rest:sub(type_at + 1), tag == "return") or {}) do
        found.used[#found.used + 1] = { name = name, where = where .. ": " .. line }
    end
end

--- The types that annotations name and nothing defines, a line each; and how many names were looked at.
---@param files string[]
---@return string[]
---@return integer
function annotations.undefined(files)
    local found, lacking = { defined = {}, used = {} }, {}
    for _, file in ipairs(files) do
        for line in io.lines(file) do read_line(line, found, file) end
    end
    for _, use in ipairs(found.used) do
        if not built_in[use.name] and not found.defined[use.name] then
            lacking[#lacking + 1] = ("%s is defined nowhere, %s"):format(use.name, use.where)
        end
    end
    return lacking, #found.used
end

return annotations
