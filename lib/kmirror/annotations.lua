--- annotations: what the comments of the sources say of functions and classes, as LuaCATS writes it: the types of
--- parameters, results and fields.

local host = require("host")

local M = {}

---@class kmirror.annotations.type one of
---@field kind "name"|"list"|"fun"|"union"|"literal"
---@field name? string of a class, or a type of Lua's own
---@field of? kmirror.annotations.type|kmirror.annotations.type[] of a list: its items; of a union: its parts
---@field params? kmirror.annotations.param[] of a function, as are the following
---@field returns? kmirror.annotations.type[]
---@field waits? boolean other tasks run meanwhile
---@field method? boolean it is called with a colon

---@class kmirror.annotations.param
---@field name string
---@field type? kmirror.annotations.type

---@class kmirror.annotations.class
---@field name string
---@field parents string[]
---@field fields table<string, kmirror.annotations.type> and methods

---@class kmirror.annotations.module
---@field functions table<string, kmirror.annotations.type> what it has by name, as far as that is described
---@field itself? kmirror.annotations.type what it is, when it is a function

-- ---- a type -----------------------------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

-- Takes what matches, with the blanks around it; nil when something else follows.
function Reader:take(pattern)
    local found, after = self.text:match("^%s*(" .. pattern .. ")()", self.at)
    self.at = after or self.at
    return found
end

function Reader:parameters()
    local found = {}
    while not self:take("%)") and self.at <= #self.text do
        local name = self:take("[%w_.]+%??%s*:") or ""
        found[#found + 1] = { name = name:match("^[%w_.]*"), type = self:type() }
        self:take(",")
    end
    return found
end

function Reader:types()
    local found = {}
    repeat
        found[#found + 1] = self:type()
    until not self:take(",")
    return found
end

-- What is told in braces or angle brackets is taken as a table of any kind.
function Reader:skip(open, close)
    local inside = self.text:match("^%b" .. open .. close, self.at - 1)
    self.at = inside and self.at - 1 + #inside or #self.text + 1
    return { kind = "name", name = "table" }
end

function Reader:primary()
    if self:take("fun%(") then
        local fn = { kind = "fun", params = self:parameters(), returns = {} }
        if self:take(":") then fn.returns = self:types() end
        return fn
    elseif self:take("table<") then
        return self:skip("<", ">")
    elseif self:take("{") then
        return self:skip("{", "}")
    elseif self:take("%(") then
        local inner = self:type()
        self:take("%)")
        return inner
    end
    local literal = self:take('"[^"]*"') or self:take("%-?%d+") or self:take("%.%.%.")
    if literal then return { kind = "literal", name = literal } end
    return { kind = "name", name = self:take("[%a_][%w_.]*%*?") or "any" }
end

function Reader:type()
    local found = self:primary()
    while self:take("%[%]") do found = { kind = "list", of = found } end
    self:take("%?")
    if not self:take("|") then return found end
    local other = self:type()
    local parts = other.kind == "union" and other.of or { other }
    table.insert(parts, 1, found)
    return { kind = "union", of = parts }
end

--- Reads the type with which a text begins.
---@param text string
---@return kmirror.annotations.type
function M.type(text)
    return setmetatable({ text = text, at = 1 }, Reader):type()
end

-- ---- a source ---------------------------------------------------------------------------------------------

-- What is said above a line of code, in parts.
local function read_block(lines)
    local block = { params = {}, returns = {}, fields = {}, waits = false }
    for _, line in ipairs(lines) do
        local tag, rest = line:match("^@(%a+)%s*(.*)$")
        local name, words = (rest or ""):match("^(%S-)%??%s+(.*)$")
        if tag == "class" then
            block.class = rest:match("^[%w_.]+")
            block.parents = rest:match("^[%w_.]+:%s*([%w_.]+)")
        elseif tag == "param" and name then
            table.insert(block.params, { name = name, type = M.type(words) })
        elseif tag == "return" then
            table.insert(block.returns, M.type(rest))
        elseif tag == "field" and name then
            block.fields[name] = M.type(words)
        elseif tag == "type" then
            block.type = M.type(rest)
        elseif tag == "async" then
            block.waits = true
        end
    end
    return block
end

local function function_of(block, parameters)
    local said = {}
    for _, param in ipairs(block.params) do said[param.name] = param.type end
    local params = {}
    for name in parameters:gmatch("[%w_.]+") do
        params[#params + 1] = { name = name, type = said[name] }
    end
    return { kind = "fun", params = params, returns = block.returns, waits = block.waits }
end

local function value_of(block)
    local value = block.type or { kind = "name", name = "any" }
    value.waits = block.waits
    return value
end

---@class kmirror.annotations.source
---@field variables table<string, table> what is described under a name of the source: a module's functions, a class's
---  fields
---@field classes table<string, kmirror.annotations.class>

local function add_class(source, block)
    local class = source.classes[block.class] or { name = block.class, parents = {}, fields = {} }
    table.insert(class.parents, block.parents)
    for name, each in pairs(block.fields) do class.fields[name] = each end
    source.classes[block.class] = class
    return class
end

local function add_function(source, line, block)
    local variable, separator, name, parameters = line:match("^function ([%a_]+)([.:])([%a][%w_]*)(%b())")
    local place = variable and source.variables[variable]
    if not place then return end
    local fn = function_of(block, parameters:sub(2, -2))
    fn.method = separator == ":"
    place[name] = fn
end

local function add_value(source, line, block)
    local variable, name = line:match("^([%a_]+)%.([%a][%w_]*) = ")
    local place = variable and source.variables[variable]
    if place and name ~= "__index" then place[name] = value_of(block) end
    local item = line:match("^    ([%a][%w_]*) = [%w_.]+,$")
    if item and source.open and source.variables[source.open] then
        source.variables[source.open][item] = value_of(block)
    end
end

-- Takes a line of code, with what is said above it.
local function read_line(source, line, block)
    local class = block.class and add_class(source, block)
    local variable = line:match("^local ([%a_]+) = ") or line:match("^([%a_]+) = ")
        or line:match("^([%a_]+)%.__index = ")
    local of = line:match("^local [%a_]+ = ([%a_]+)%.__index")
    if variable then
        local place = class and class.fields or source.variables[of or ""]
        source.variables[variable] = place or source.variables[variable] or {}
        source.open = line:find("{$") and variable or nil
    elseif line:find("^}") then
        source.open = nil
    end
    add_function(source, line, block)
    add_value(source, line, block)
    local parameters = line:match("^return fields%.checked%(.*function(%b())$")
    if parameters then source.itself = function_of(block, parameters:sub(2, -2)) end
end

local function read(text)
    local source, comment = { variables = {}, classes = {} }, {}
    for line in (text .. "\n"):gmatch("(.-)\n") do
        local words = line:match("^%s*%-%-%-%s?(.*)$")
        if words then
            comment[#comment + 1] = words
        else
            read_line(source, line, read_block(comment))
            comment = {}
        end
    end
    local variable = text:match("\nreturn fields%.guard%(\"[^\"]*\", ([%a_]+),") or text:match("\nreturn ([%a_]+)%s*$")
    source.functions = variable and source.variables[variable] or {}
    return source
end

-- ---- all sources ------------------------------------------------------------------------------------------

local sources = {} -- by path; false where there is none

local function source_at(path)
    if sources[path] == nil then
        local text = host.source(path)
        sources[path] = text and read(text) or false
        if text then sources[path].needs = text end
    end
    return sources[path]
end

local function source_of(module)
    local path = module:gsub("%.", "/")
    return source_at("lib/" .. path .. ".lua")
        or source_at("runtime/" .. path .. ".lua")
end

-- The sources that one is made of or needs.
local function needed(source)
    local found = {}
    for path in source.needs:gmatch('load%("(runtime/[%w_]+%.lua)"') do
        found[#found + 1] = source_at(path) or nil
    end
    for module in source.needs:gmatch('require%("([%w_.]+)"%)') do
        found[#found + 1] = source_of(module) or nil
    end
    return found
end

--- What is described of a module.
---@param name string "kmirror.bulk"
---@return kmirror.annotations.module|nil nil when there is none of that name
function M.module(name)
    return source_of(name) or nil
end

-- Every source that has a part of the class, from the nearest on.
local function collect(name)
    local class, seen, queue = nil, {}, { source_of("mirrors"), source_of("task") }
    for _, source in pairs(sources) do queue[#queue + 1] = source or nil end
    local at = 1
    while queue[at] do
        local source = queue[at]
        local found = not seen[source] and source.classes[name]
        if found then
            class = class or { name = name, parents = found.parents, fields = {} }
            for field, its in pairs(found.fields) do class.fields[field] = its end
        end
        for _, more in ipairs(not seen[source] and needed(source) or {}) do
            queue[#queue + 1] = more
        end
        seen[source], at = true, at + 1
    end
    return class
end

local classes = {}

--- A class with the fields of those that it inherits from; nil when none of the modules that were asked for, and of
--- those that they need, describes it.
---@param name string "mirrors.Mirror"
---@return kmirror.annotations.class|nil
function M.class(name)
    if classes[name] == nil then
        local class = collect(name) or false
        classes[name] = class
        for _, parent in ipairs(class and class.parents or {}) do
            for field, its in pairs((M.class(parent) or { fields = {} }).fields) do
                class.fields[field] = class.fields[field] or its
            end
        end
    end
    return classes[name] or nil
end

return M
