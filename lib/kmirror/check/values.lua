--- check.values: what the arguments of a call may be, held against those that stand in the source. The kinds are those
--- by which the functions check their arguments when they are called, so the messages are theirs, too.

local fields = require("mirrors").fields
local types = require("kmirror.check.types")

local M = {}

---@alias kmirror.check.tell fun(node: table, message: string)

--- Says that a name is not known, and what may have been meant; where nothing is near, which are known.
---@param what string "option"
---@param name string
---@param known table<string, any>
---@return string
function M.unknown(what, name, known)
    local question = fields.meant(name, known)
    return question ~= "" and ("unknown %s %s%s"):format(what, fields.shown(name), question)
        or fields.unknown(what, name, known)
end

-- ---- what stands in the source ----------------------------------------------------------------------------

local function some_function() end

local fold

local function fold_table(node)
    local made = {}
    for _, item in ipairs(node) do
        local key, is_known, value = #made + 1, true
        if item.tag == "Pair" then
            is_known, key = fold(item[1])
            item = item[2]
        end
        if not is_known or key == nil then return false end
        is_known, value = fold(item)
        if not is_known then return false end
        made[key] = value
    end
    return true, made
end

local constants = {
    String = function(node) return node[1] ~= nil, node[1] end,
    Number = function(node) return true, tonumber(node[1]) end,
    True = function() return true, true end,
    False = function() return true, false end,
    Nil = function() return true, nil end,
    Function = function() return true, some_function end,
    Table = fold_table,
    Paren = function(node) return fold(node[1]) end,
    Op = function(node)
        local is_known, value = fold(node[2])
        if node[1] ~= "unm" or not is_known or type(value) ~= "number" then return false end
        return true, -value
    end,
}

-- Whether a value can be told, and the value.
function fold(node)
    local constant = constants[node.tag]
    if not constant then return false end
    return constant(node)
end

-- The fields of a table in the source: name to node of the name and of the value. nil when there may be others.
local function named_items(node)
    local items = {}
    for _, item in ipairs(node) do
        if item.tag ~= "Pair" or item[1].tag ~= "String" then return nil end
        items[#items + 1] = { name = item[1][1], at = item[1], value = item[2] }
    end
    return items
end

-- ---- against what is declared -----------------------------------------------------------------------------

local check_value

local function check_items(node, kind, where, tell)
    local items, given = named_items(node), {}
    for _, item in ipairs(items or {}) do
        local its = kind.known[item.name]
        given[its and item.name or fields.nearest(item.name, kind.known) or ""] = true
        if its then
            check_value(item.value, item.name, its, where, tell)
        else
            local what = kind.required and "field" or "option"
            tell(item.at, ("%s: %s"):format(where, M.unknown(what, item.name, kind.known)))
        end
    end
    local missing = {}
    for _, name in ipairs(items and kind.required or {}) do
        if not given[name] then missing[#missing + 1] = name end
    end
    if missing[1] then tell(node, ("%s: %s missing"):format(where, table.concat(missing, ", "))) end
end

function check_value(node, name, kind, where, tell)
    if node.tag == "Table" and kind.known then return check_items(node, kind, where, tell) end
    local is_known, value = fold(node)
    local problem = is_known and value ~= nil and fields.problem(name, kind, value)
    if problem then tell(node, ("%s: %s"):format(where, problem)) end
end

local unpacking = { Call = true, Invoke = true, Dots = true }

local function check_declared(node, first, where, parameters, tell)
    local last = node[#node]
    local open = #node >= first and unpacking[last.tag]
    for i, parameter in ipairs(parameters) do
        local argument = node[first + i - 1]
        if parameter.name == "..." then
            return
        elseif argument then
            check_value(argument, parameter.name, parameter.kind, where, tell)
        elseif not parameter.optional and not open then
            local problem = fields.problem(parameter.name, parameter.kind, nil)
            if problem then tell(node, ("%s: %s"):format(where, problem)) end
        end
    end
end

-- ---- against what is described ----------------------------------------------------------------------------

local function check_described(node, first, where, fn, tell)
    for i, param in ipairs(fn.params or {}) do
        local argument = node[first + i - 1]
        local class = argument and argument.tag == "Table" and types.class(param.type)
        for _, item in ipairs(class and named_items(argument) or {}) do
            if not class.fields[item.name] then
                tell(item.at, ("%s: %s"):format(where, M.unknown("option", item.name, class.fields)))
            end
        end
    end
end

--- Holds the arguments of a call against what its function takes.
---@param node table Call or Invoke
---@param first integer the number of the node's part that is the first argument
---@param fn kmirror.annotations.type
---@param tell kmirror.check.tell
function M.check(node, first, fn, tell)
    local parameters = fields.declared(fn.label)
    if parameters and parameters[1] and parameters[1].name == "self" then
        parameters = table.move(parameters, 2, #parameters, 1, {})
    end
    if parameters then
        check_declared(node, first, fn.label, parameters, tell)
    else
        check_described(node, first, fn.label, fn, tell)
    end
end

return M
