--- check.types: of what type an expression is, as far as the annotations of the library tell: the module that was
--- required, the api that was connected, a mirror that was read. nil where it cannot be told.

local annotations = require("kmirror.annotations")
local programs = require("kmirror.check.program")

---@class kmirror.check.types
---@field program kmirror.check.program
---@field known table<table, any> by node; false while it is looked for, or when it is not known
local Types = {}
Types.__index = Types

local M = {}

--- What the types of a source's expressions are found out with.
---@param program kmirror.check.program
---@return kmirror.check.types
function M.new(program)
    return setmetatable({ program = program, known = {} }, Types)
end

-- ---- types ------------------------------------------------------------------------------------------------

local function is_nothing(part)
    return part.kind == "name" and part.name == "nil" or part.kind == "literal"
end

-- Of several, the one that is there when any is.
local function single(its)
    if not its or its.kind ~= "union" then return its end
    local one
    for _, part in ipairs(its.of) do
        if not is_nothing(part) then
            if one then return nil end
            one = part
        end
    end
    return one
end

-- With what generic names stand for here.
local function resolve(its, bound)
    its = single(its)
    if not its then return nil end
    if its.kind == "name" and #its.name == 1 then return bound[its.name] end
    if its.kind == "list" then return { kind = "list", of = resolve(its.of, bound) } end
    return its
end

local function is_same(a, b)
    return a == b or a.kind == b.kind and a.name == b.name and a.kind == "name"
end

--- The class of a type; nil when it is none.
---@param its kmirror.annotations.type|nil
---@return kmirror.annotations.class|nil
function M.class(its)
    return its and its.kind == "name" and annotations.class(its.name) or nil
end

--- A module of kmirror's; nil when there is none of that name.
local function module(name)
    local described = (name == "mirrors" or name == "task" or name:find("^kmirror%.")) and annotations.module(name)
    local ok, value = pcall(require, name)
    if not described or not ok then return nil end
    local short = name:match("[^.]+$")
    if described.itself then
        return setmetatable({ label = short }, { __index = described.itself })
    end
    return { kind = "module", name = name, label = short, value = value, functions = described.functions }
end

--- What a field of a type is.
---@param its kmirror.annotations.type|nil
---@param name string
---@return kmirror.annotations.type|nil with `label`, what a function is called in messages
function Types:field(its, name)
    if not its then return nil end
    if its.kind == "record" then return its.items[name] and self:of(its.items[name]) end
    local class = M.class(its)
    local found = single(its.kind == "module" and its.functions[name] or class and class.fields[name])
    if not found or found.kind ~= "fun" then return found end
    local label = class and class.name:match("[^.]+$"):lower() .. ":" or its.label .. "."
    return setmetatable({ label = label .. name }, { __index = found })
end

-- ---- calls ------------------------------------------------------------------------------------------------

--- The function that is called, and the number of the node's part that is its first argument.
---@param node table Call or Invoke
---@return kmirror.annotations.type|nil
---@return integer
function Types:called(node)
    if node.tag == "Invoke" then return self:field(self:of(node[1]), node[2][1]), 3 end
    local callee = self:of(node[1])
    return callee, callee and callee.method and 3 or 2
end

-- What generic names stand for in a call: told by lists first, by what functions return then.
function Types:bound(fn, node, first, with_functions)
    local bound = {}
    for i, param in ipairs(fn.params or {}) do
        local its, argument = param.type, node[first + i - 1]
        if its and argument and its.kind == "list" and its.of.kind == "name" then
            local given = self:of(argument)
            bound[its.of.name] = given and given.kind == "list" and given.of or nil
        elseif its and argument and with_functions and its.kind == "fun" and its.returns[1] then
            local made = programs.function_of(argument)
            bound[its.returns[1].name or ""] = made and self:returned(made)
        end
    end
    return bound
end

function Types:result(node, index)
    local callee = node[1]
    if node.tag == "Call" and callee.tag == "Id" and not callee.var and callee[1] == "require" then
        return node[2] and node[2].tag == "String" and module(node[2][1]) or nil
    end
    local own = node.tag == "Call" and programs.function_of(callee)
    if own then return index == 1 and self:returned(own) or nil end
    local fn, first = self:called(node)
    if not fn or fn.kind ~= "fun" then return nil end
    return resolve(fn.returns[index], self:bound(fn, node, first, true))
end

-- What a function of the runbook's returns first.
function Types:returned(fn)
    local depth, found = 0, nil
    programs.walk(fn[2], function(node)
        if node.tag == "Function" then
            depth = depth + 1
            return function() depth = depth - 1 end
        elseif node.tag == "Return" and node[1] and depth == 0 then
            found = found or self:of(node[1])
        end
    end)
    return found
end

-- ---- variables --------------------------------------------------------------------------------------------

local function is_global(node, name)
    return node.tag == "Id" and not node.var and node[1] == name
end

local function is_sort(node)
    local callee = node[1]
    return callee.tag == "Index" and is_global(callee[1], "table") and callee[2][1] == "sort"
end

-- What a loop over a list hands out.
function Types:loop_variable(where)
    local call = where.loop[2][1]
    local over = call and call.tag == "Call" and (is_global(call[1], "ipairs") or is_global(call[1], "pairs"))
    local list = over and where.index == 2 and call[2] and self:of(call[2])
    return list and list.kind == "list" and list.of or nil
end

-- What a function that is handed over is called with.
function Types:handed(use, index)
    if not use.index then return use.call[index + 1] and self:of(use.call[index + 1]) end
    if use.call.tag == "Call" and is_sort(use.call) then
        local list = self:of(use.call[2])
        return list and list.kind == "list" and list.of or nil
    end
    local fn, first = self:called(use.call)
    local param = fn and fn.params and fn.params[use.index]
    local its = param and param.type
    if use.field then
        local class = M.class(its)
        its = class and class.fields[use.field]
    end
    local expected = its and its.kind == "fun" and its.params[index]
    return expected and resolve(expected.type, self:bound(fn, use.call, first, false))
end

function Types:parameter(where)
    for _, use in ipairs(self.program.uses[where.fn] or {}) do
        local its = self:handed(use, where.index)
        if its then return its end
    end
end

-- What a variable is set to here; it may be one of several results of one call.
function Types:value(value)
    local item = value.item
    local rhs = item and item.rhs or {}
    for i, node in ipairs(item and item.lhs or {}) do
        local last = rhs[#rhs]
        if node == value.var_node and i > #rhs and last and (last.tag == "Call" or last.tag == "Invoke") then
            return self:result(last, i - #rhs + 1)
        end
    end
    return value.node and self:of(value.node)
end

function Types:variable(var)
    local where = self.program.loops[var.node]
    if where then return self:loop_variable(where) end
    where = self.program.parameters[var.node]
    if where then return #var.values == 1 and self:parameter(where) or nil end
    local found
    for _, value in ipairs(var.values) do
        local empty = value.empty or value.node and value.node.tag == "Nil"
        local its = not empty and self:value(value) or nil
        if not empty and (not its or found and not is_same(found, its)) then return nil end
        found = its or found
    end
    return found
end

-- ---- expressions ------------------------------------------------------------------------------------------

local readers = {
    Id = function(self, node) return node.var and self:variable(node.var) end,
    Paren = function(self, node) return self:of(node[1]) end,
    Call = function(self, node) return self:result(node, 1) end,
    Invoke = function(self, node) return self:result(node, 1) end,
    Index = function(self, node)
        local its = self:of(node[1])
        if node[2].tag == "String" then return self:field(its, node[2][1]) end
        return its and its.kind == "list" and its.of or nil
    end,
    Op = function(self, node)
        if node[1] == "and" then return self:of(node[3]) end
        local left, right = node[1] == "or" and self:of(node[2]), node[1] == "or" and self:of(node[3])
        return left and right and is_same(left, right) and left or nil
    end,
    Table = function(_, node)
        local items = {}
        for _, item in ipairs(node) do
            if item.tag == "Pair" and item[1].tag == "String" then items[item[1][1]] = item[2] end
        end
        return { kind = "record", items = items }
    end,
}

--- The type of an expression.
---@param node table
---@return kmirror.annotations.type|nil
function Types:of(node)
    local known = self.known[node]
    if known == nil then
        self.known[node] = false
        known = readers[node.tag] and single(readers[node.tag](self, node)) or false
        self.known[node] = known
    end
    return known or nil
end

return M
