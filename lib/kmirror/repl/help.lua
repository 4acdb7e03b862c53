--- repl.help: :help, from the annotations in the sources.

local describe = require("kmirror.repl.describe")
local host = require("host")
local session_modules = require("kmirror.repl.session").modules
local suggest = require("kmirror.fleet.suggest")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local usage = require("kmirror.usage")

local M = {}

local introduction = [[
Type Lua. An expression shows its value, which is `_` from then on; api is
connected to the cluster that the prompt names:

    api:list()
    api:get("<Tab>                          after a list: the ids
    for _, m in ipairs(_) do print(m.id) end
    t = task.spawn(function() ... end)      goes on while you type

Enter goes on in another line while something is missing. Ctrl-C cancels the
call that runs, Ctrl-D ends the session. Up and Down go through what begins like
the line, Ctrl-R through what contains it. Tab completes.
]]

-- Where the source of a module may be.
local function home_of(module)
    local path = module:gsub("%.", "/")
    for _, place in ipairs({ "lib/" .. path .. ".lua", "lib/" .. path .. "/init.lua", "runtime/" .. path .. ".lua" }) do
        if host.source(place) then return place end
    end
end

local function overview(commands)
    local where = terminal.of(io.stdout)
    local rows = {}
    for _, command in ipairs(commands) do
        rows[#rows + 1] = { ":" .. command.name .. " " .. command.arguments, command.summary }
    end
    local modules = {}
    for name in pairs(session_modules) do modules[#modules + 1] = name end
    table.sort(modules)
    return introduction .. "\n" .. tables.aligned({ { "COMMAND", 1, whole = true }, { "", 2 } }, rows, where)
        .. "\nThere by name: api, " .. table.concat(modules, ", ") .. ".\n"
        .. ":help NAME describes one: :help api:get, :help bulk\n"
end

-- ---- what a name stands for --------------------------------------------------------------------------------

local function field(value, name)
    if type(value) ~= "table" then return nil end
    local found = rawget(value, name)
    local meta = getmetatable(value)
    if found == nil and type(meta) == "table" and type(meta.__index) == "table" then found = meta.__index[name] end
    return found
end

-- The value, the last part of its name, and the source of the module that it is in.
local function resolve(env, name)
    local first, rest = name:match("^([%a_][%w_]*)(.*)$")
    if not first then return nil end
    local value, last, method = env[first], first, false
    local home = home_of(session_modules[first] or first)
    if first == "api" then home = "runtime/mirrors.lua" end
    for separator, part in rest:gmatch("([.:])([%a_][%w_]*)") do
        value, last, method = field(value, part), part, separator == ":"
    end
    return value, last, method, home
end

local function of_function(name, fn, last, method, home)
    local lines = { name .. describe.signature(fn, method), "" }
    local comment = describe.comment(fn, last, home)
    for _, line in ipairs(comment or { "There is no description of it." }) do
        local parameter, rest = line:match("^@param%s+(%S+)%s*(.*)$")
        local returned = line:match("^@return%s+(.*)$")
        if parameter then
            line = ("  %-12s %s"):format(parameter, rest)
        elseif returned then
            line = "  returns " .. returned
        elseif line:find("^@type") then
            line = "  " .. line:gsub("^@type%s+", "")
        elseif line:find("^@generic") then
            line = nil
        end
        lines[#lines + 1] = line
    end
    return table.concat(lines, "\n") .. "\n"
end

local function functions_of(value, separator, name)
    local names = {}
    for key, each in pairs(value) do
        if type(each) == "function" and type(key) == "string" and not key:find("^_") then names[#names + 1] = key end
    end
    table.sort(names)
    for i, key in ipairs(names) do
        names[i] = "  " .. name .. separator .. key .. describe.signature(value[key], separator == ":")
    end
    return #names > 0 and table.concat(names, "\n") .. "\n" or ""
end

local function of_table(name, value, home)
    local comment = home and describe.module_comment(home) or {}
    local meta = getmetatable(value)
    local methods = type(meta) == "table" and type(meta.__index) == "table" and meta.__index or nil
    local head = name == "api" and "The mirrors of a cluster." or table.concat(comment, "\n")
    return (head ~= "" and head .. "\n\n" or "") .. functions_of(value, ".", name)
        .. (methods and functions_of(methods, ":", name) or "")
end

--- What is known of a name; without one, of the prompt itself.
---@param session kmirror.repl.session
---@param name string
---@param commands table[]
---@return string lines
function M.about(session, name, commands)
    if name == "" then return overview(commands) end
    local value, last, method, home = resolve(session.env, name:gsub("%(.*$", ""))
    if type(value) == "function" then return of_function(name:gsub("%(.*$", ""), value, last, method, home) end
    if type(value) == "table" then return of_table(name, value, home) end
    local known = { api = true }
    for each in pairs(session_modules) do known[each] = true end
    local meant = suggest(name, known)
    usage("there is no help on '%s'%s", name, meant and ("; did you mean %s?"):format(meant) or "; see :help")
end

return M
