--- modules: where require() finds what.
---
--- kmirror's own files have a require() of their own. It knows what is built in, and the folders of the system: neither
--- the working directory, nor the runbook's folder, nor LUA_PATH can put anything in place of a module that kmirror
--- itself needs. Runbooks have Lua's require(): it finds `kmirror.*`, `mirrors` and `task` here, anything else beside
--- the runbook first, then in the folders of LUA_PATH, LUA_CPATH and the system, and last among what is built in. Where
--- kmirror was unpacked with modules beside it (`make dist`), these come before the system's for its own files, and
--- after them for runbooks.

local own_file, natives, system_path, system_cpath, bundle = ...

local M = {}

--- The file that is run.
---@type string|nil
M.runbook = nil

-- What runbooks share with kmirror.
local function is_public(name)
    return name == "mirrors" or name == "task" or name:find("^kmirror%.") ~= nil
end

-- ---- kmirror's own -----------------------------------------------------------------------------------------

-- The globals of kmirror's files: a runbook that changes its own changes nothing here. Only print() is shared, so that
-- it can be kept off a line that is being drawn.
local own = setmetatable({}, { __index = _G })
for name, value in pairs(_G) do
    if name ~= "print" then own[name] = value end
end

local shared = package.loaded
local loaded = {}
for name, value in pairs(shared) do loaded[name] = value end -- Lua's own libraries
own.package = setmetatable({ loaded = loaded }, { __index = package })

-- A path of folders that are named from the root: a relative one would be looked for where kmirror happens to run.
local function absolute(path)
    local kept = {}
    for template in path:gmatch("[^;]+") do
        if template:sub(1, 1) == "/" then kept[#kept + 1] = template end
    end
    return table.concat(kept, ";")
end

local bundle_path, bundle_cpath = "", ""
if bundle ~= "" then
    bundle_path, bundle_cpath = ("%s?.lua;%s?/init.lua"):format(bundle, bundle), bundle .. "?.so"
end
system_path = absolute(bundle_path .. ";" .. system_path)
system_cpath = absolute(bundle_cpath .. ";" .. system_cpath)

local function load_native(name, file)
    return assert(package.loadlib(file, "luaopen_" .. name:gsub("^.-%-", ""):gsub("%.", "_")))
end

local ENOENT <const>, ENOTDIR <const> = 2, 20

-- As package.searchpath() does, but a file that is there and cannot be opened is told: memory or descriptors may be
-- short, and it need not be installed.
local function search(name, path, tried)
    local relative = name:gsub("%.", "/")
    for template in path:gmatch("[^;]+") do
        local path_of_it = template:gsub("%?", (relative:gsub("%%", "%%%%")))
        local file <close>, problem, code = io.open(path_of_it, "rb")
        if file then return path_of_it end
        if code ~= ENOENT and code ~= ENOTDIR then error(problem, 0) end
        tried[#tried + 1] = ("\n\tno file '%s'"):format(path_of_it)
    end
end

local function of_system(name)
    local tried = {}
    local file = search(name, system_path, tried)
    if file then return assert(loadfile(file, "t", own)), file end
    local library = search(name, system_cpath, tried)
    if library then return load_native(name, library), library end
    return nil, table.concat(tried)
end

local function find(name)
    if natives[name] then return natives[name], ":built in:" end
    local loader, where = own_file(name, own)
    if loader then return loader, where end
    return of_system(name)
end

function own.require(name)
    local known = is_public(name) and shared or loaded
    if known[name] == nil then
        local loader, where = find(name)
        if not loader then error(("module '%s' not found:%s"):format(name, where), 2) end
        local value = loader(name, where)
        known[name] = value == nil and true or value
    end
    return known[name]
end

--- What require() has found of that name; nil where nobody has asked for it.
---@param name string
---@return any
function M.loaded(name)
    return (is_public(name) and shared or loaded)[name]
end

--- The require() of kmirror's own files, for what is not one of them.
---@type fun(name: string): any
M.require = own.require

-- ---- a runbook's -------------------------------------------------------------------------------------------

local folders = {} -- of runbooks

local function exists(path)
    local file <close> = io.open(path, "rb")
    return file ~= nil and file:read(0) ~= nil
end

-- A module's file, as runbooks are read, too. What is wrong with it is told with the place of the require() in the
-- runbook: that called the searcher, which called this.
local function load_module(name, file)
    local opened <close> = io.open(file, "rb")
    local text, problem = own.require("kmirror.textfile").decode_code(opened and opened:read("a") or "")
    local shown = own.require("mirrors").fields.printable(file)
    local chunk, why = load((text or ""):gsub("^#[^\n]*", ""), "@" .. shown)
    if not text or not chunk then
        error(("module '%s' cannot be loaded: %s"):format(name, text and why or shown .. " " .. problem), 4)
    end
    return chunk
end

local function beside(name)
    local path, tried = name:gsub("%.", "/"), {}
    if #folders == 0 then return "no folder of a runbook to look into: it is no file" end
    for _, folder in ipairs(folders) do
        for _, ending in ipairs({ ".lua", "/init.lua", ".so" }) do
            local file = folder .. path .. ending
            if exists(file) then
                return ending == ".so" and load_native(name, file) or load_module(name, file), file
            end
            tried[#tried + 1] = ("no file '%s'"):format(own.require("mirrors").fields.printable(file))
        end
    end
    return table.concat(tried, "\n\t")
end

local function public(name)
    if not is_public(name) then return end
    local loader, where = natives[name], ":built in:"
    if not loader then loader, where = own_file(name, own) end
    return loader or ("no file of kmirror's own for '%s'"):format(name), where
end

local function built_in(name)
    if natives[name] or own_file(name, own) then
        return function() return own.require(name) end, ":built in:"
    end
    return ("nothing built in for '%s'"):format(name)
end

--- Lets require() find first what is beside a runbook; for one that is a link, beside the file that it leads to, and
--- then beside the link. One that is no file of a folder, such as a pipe, has nothing beside it.
---@param path string of the runbook
function M.beside(path)
    local real, link = own.require("host").folders(path)
    if not real then return end
    for _, folder in ipairs({ link, real }) do
        for at = #folders, 1, -1 do
            if folders[at] == folder then table.remove(folders, at) end
        end
        table.insert(folders, 1, folder)
    end
end

package.path = absolute(package.path .. ";" .. bundle_path)
package.cpath = absolute(package.cpath .. ";" .. bundle_cpath)
package.preload.mirrors, package.preload.task = natives.mirrors, natives.task
table.insert(package.searchers, 2, public)
table.insert(package.searchers, 3, beside)
table.insert(package.searchers, built_in)
package.loaded["kmirror.modules"] = M
