--- check.program: a source as a tree, with what is known of its variables: by luacheck's parser, and its table of who
--- sets which variable where.

local check_state = require("luacheck.check_state")
local stages = require("luacheck.stages")

local M = {}

---@class kmirror.check.use a function that is handed over in a call, or called itself
---@field call table
---@field index? integer which argument it is; nil when it is called
---@field field? string of the table that the argument is

---@class kmirror.check.program
---@field tree table
---@field column fun(node: table): integer
---@field loops table<table, table> the loop of a loop variable's node
---@field parameters table<table, { fn: table, index: integer }> of a parameter's node
---@field uses table<table, kmirror.check.use[]> of a function's node
---@field assigned table<string, boolean> names of fields that are set somewhere
---@field targets table<table, boolean> nodes that something is assigned to

--- The children of a node that are nodes, or lists of them.
---@param node table
---@return fun(): table
local function children(node)
    local i = 0
    return function()
        repeat
            i = i + 1
            if type(node[i]) == "table" then return node[i] end
        until node[i] == nil
    end
end

--- Tells a function of every node, from the outside in.
---@param node table
---@param visit fun(node: table): any what it returns is called when the node has been walked through
function M.walk(node, visit)
    local leave = node.tag and visit(node)
    for child in children(node) do M.walk(child, visit) end
    if leave then leave() end
end

--- The function that a node stands for: itself, or a variable that is never anything else.
---@param node table
---@return table|nil
function M.function_of(node)
    local var = node.tag == "Id" and node.var
    if var and #var.values == 1 then node = var.values[1].node or node end
    return node.tag == "Function" and node or nil
end

local function add_use(program, node, use)
    local fn = M.function_of(node)
    if not fn then return end
    program.uses[fn] = program.uses[fn] or {}
    table.insert(program.uses[fn], use)
end

local function note_call(program, node)
    local first = node.tag == "Invoke" and 3 or 2
    if node.tag == "Call" then add_use(program, node[1], { call = node }) end
    for i = first, #node do
        add_use(program, node[i], { call = node, index = i - first + 1 })
        for _, item in ipairs(node[i].tag == "Table" and node[i] or {}) do
            if item.tag == "Pair" and item[1].tag == "String" then
                add_use(program, item[2], { call = node, index = i - first + 1, field = item[1][1] })
            end
        end
    end
end

local function note_targets(program, targets)
    for _, target in ipairs(targets) do
        program.targets[target] = true
        if target.tag == "Index" and target[2].tag == "String" then
            program.assigned[target[2][1]] = true
        end
    end
end

local notes = {
    Call = note_call,
    Invoke = note_call,
    Set = function(program, node) note_targets(program, node[1]) end,
    Forin = function(program, node)
        for i, name in ipairs(node[1]) do program.loops[name] = { loop = node, index = i } end
    end,
    Function = function(program, node)
        for i, name in ipairs(node[1]) do program.parameters[name] = { fn = node, index = i } end
    end,
}

--- Reads a source that can be compiled.
---@param source string
---@return kmirror.check.program
function M.read(source)
    local state = check_state.new(source)
    stages.run(state)
    local program = {
        tree = state.ast, loops = {}, parameters = {}, uses = {}, assigned = {}, targets = {},
        column = function(node) return state:offset_to_column(node.line, node.offset) end,
    }
    M.walk(state.ast, function(node)
        if notes[node.tag] then notes[node.tag](program, node) end
    end)
    return program
end

return M
