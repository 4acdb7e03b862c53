--- check.library: how a runbook uses kmirror's library: names that are not there, arguments that would be refused,
--- calls that wait where nothing can.

local annotations = require("kmirror.annotations")
local fields = require("mirrors").fields
local host = require("host")
local programs = require("kmirror.check.program")
local types = require("kmirror.check.types")
local values = require("kmirror.check.values")

local M = {}

-- What a class is called in a message.
local nouns = {
    ["mirrors.Mirror"] = "a mirror", ["mirrors.Summary"] = "a mirror as a list has it", ["mirrors.Api"] = "an api",
    ["mirrors.Topic"] = "a topic", ["task.Task"] = "a task", ["task.Group"] = "a group",
}

local function noun(class)
    local word = class.name:match("[^.]+$")
    return nouns[class.name] or (word:find("^[aeiou]") and "an " or "a ") .. word
end

-- ---- names ------------------------------------------------------------------------------------------------

-- An unknown field, of whom.
local function unknown(name, known, of)
    local problem = values.unknown("field", name, known)
    return (problem:gsub("^(unknown field '.-')", function(words) return words .. " of " .. of end, 1))
end

-- What is wrong with a field of that name; nil when nothing is.
local function field_problem(its, name)
    local class = types.class(its)
    if its.kind == "module" then
        local missing = type(its.value) == "table" and its.value[name] == nil and not its.functions[name]
        return missing and unknown(name, its.value, its.name) or nil
    elseif its.kind == "list" then
        return ("a list has no field '%s': one of its items may, as in list[1].%s"):format(name, name)
    elseif not class or not next(class.fields) or class.fields[name] then
        return nil
    elseif its.name == "mirrors.Summary" and annotations.class("mirrors.Mirror").fields[name] then
        return ("%s has no '%s': api:get(id) tells it, and bulk.details(api) of all"):format(noun(class), name)
    end
    return unknown(name, class.fields, noun(class))
end

local function check_index(look, node)
    local name = node[2].tag == "String" and node[2][1]
    if not name or look.program.targets[node] or look.program.assigned[name] then return end
    local its = look.types:of(node[1])
    local problem = its and field_problem(its, name)
    if problem then look.tell(node[2], problem) end
end

local function check_method(look, node)
    local its, name = look.types:of(node[1]), node[2][1]
    if not its then return end
    local problem = not look.program.assigned[name] and field_problem(its, name)
    if problem then
        look.tell(node[2], problem)
    elseif its.kind == "module" then
        look.tell(node[2], ("%s.%s is called with a dot, not a colon"):format(its.label, name))
    end
end

local function check_dot(look, node, fn)
    if node.tag ~= "Call" or not fn.method or node[1].tag ~= "Index" then return end
    local self, class = node[2] and look.types:of(node[2]), look.types:of(node[1][1])
    if self and class and self.name == class.name then return end
    if not (node[2] and node[2].tag == "Id" and not self) then
        look.tell(node[1][2], ("%s is called with a colon, not a dot"):format(fn.label))
    end
end

-- ---- modules ----------------------------------------------------------------------------------------------

local function library()
    local known = { mirrors = true, task = true }
    for _, name in ipairs(host.scripts("lib/kmirror/")) do known["kmirror." .. name] = true end
    return known
end

local function is_built_in(name)
    local searchers = package.searchers
    return package.preload[name] ~= nil or package.loaded[name] ~= nil
        or type(searchers[#searchers](name)) == "function"
end

-- A module of a runbook's may be looked at, too: the runbook is then rather in the current folder.
local function is_there(folder, name)
    local path = name:gsub("%.", "/")
    for _, place in ipairs({ folder or "./", "./" }) do
        local found = package.searchpath("", ("%s%s.lua;%s%s/init.lua;%s%s.so"):format(place, path, place, path, place,
            path))
        if found then return true end
    end
    return is_built_in(name) or package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
end

local function check_require(look, node)
    local callee, name = node[1], node[2] and node[2].tag == "String" and node[2][1]
    if not name or callee.tag ~= "Id" or callee.var or callee[1] ~= "require" then return end
    if name:find("^kmirror%.") then
        local known = library()
        if not known[name] and not annotations.module(name) then
            look.tell(node[2], ("there is no module '%s'%s"):format(name, fields.meant(name, known)))
        end
    elseif look.program.assigned.path or look.program.assigned.cpath then
        return -- it looks elsewhere
    elseif name ~= "mirrors" and name ~= "task" and not is_there(look.folder, name) then
        local own = library()["kmirror." .. name] and (": 'kmirror.%s' is one of kmirror's"):format(name) or ""
        look.tell(node[2], ("module '%s' is neither beside the runbook nor where Lua's modules are%s")
            :format(name, own))
    end
end

-- ---- where nothing can wait -------------------------------------------------------------------------------

local function is_named(node, table_name, name)
    return node.tag == "Index" and node[1].tag == "Id" and node[1][1] == table_name and node[2][1] == name
end

-- The functions that are handed to what cannot be left: the number of the call's part, and what calls them.
local function callback_of(node)
    if node.tag == "Invoke" and node[2][1] == "gsub" then return node[4], "string.gsub" end
    if node.tag ~= "Call" then return nil end
    if is_named(node[1], "string", "gsub") then return node[4], "string.gsub" end
    if is_named(node[1], "table", "sort") then return node[3], "table.sort" end
end

local function note_callback(look, node)
    local argument, what = callback_of(node)
    if node.tag == "Pair" and node[1].tag == "String" and node[1][1] == "__gc" then
        argument, what = node[2], "a finalizer"
    end
    local fn = argument and programs.function_of(argument)
    if fn then look.callbacks[fn] = what end
end

local function check_wait(look, node, fn)
    local what = look.inside[#look.inside]
    if fn.waits and what then
        look.tell(node, ("%s waits, and in a function that %s calls all other tasks wait with it: call it before")
            :format(fn.label, what == "a finalizer" and "the garbage collector" or what))
    end
end

-- ---- all of it --------------------------------------------------------------------------------------------

local function check_call(look, node)
    check_require(look, node)
    if node.tag == "Invoke" then check_method(look, node) end
    local fn, first = look.types:called(node)
    if not fn or fn.kind ~= "fun" or not fn.label then return end
    check_dot(look, node, fn)
    check_wait(look, node, fn)
    values.check(node, first, fn, look.tell)
end

local checks = { Index = check_index, Call = check_call, Invoke = check_call }

--- Looks at a source that can be compiled.
---@param source string
---@param folder string|nil with a slash: where modules of its own may be
---@return kmirror.check.finding[] found without the file
function M.find(source, folder)
    local program, found = programs.read(source), {}
    local look = {
        program = program, types = types.new(program), folder = folder, callbacks = {}, inside = {},
        tell = function(node, message)
            found[#found + 1] = { line = node.line, column = program.column(node), message = message }
        end,
    }
    programs.walk(program.tree, function(node) note_callback(look, node) end)
    programs.walk(program.tree, function(node)
        if checks[node.tag] then checks[node.tag](look, node) end
        if look.callbacks[node] then
            table.insert(look.inside, look.callbacks[node])
            return function() table.remove(look.inside) end
        end
    end)
    return found
end

return M
