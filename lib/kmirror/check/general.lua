--- check.general: what luacheck finds in any Lua: syntax, globals that are nowhere defined, and what can never work.
--- What is a matter of taste is left out.

local annotations = require("kmirror.annotations")
local fields = require("mirrors").fields
local luacheck = require("luacheck")

local M = {}

-- Codes of luacheck's warnings: syntax; globals and their fields; variables that never get a value; fields given twice;
-- code that is never reached; assignments with a side that is too long; loops from high to low without a step.
local mistakes = { "^0", "^11", "^12", "^14", "^221", "^314", "^321", "^511", "^53", "^571" }

local function is_mistake(code)
    for _, pattern in ipairs(mistakes) do
        if code:find(pattern) then return true end
    end
    return false
end

-- What the prompt has by name, and a file does not.
local function of_prompt(name)
    if name == "api" then return 'local api = require("mirrors").connect {}' end
    local own = "kmirror." .. name
    local module = require("kmirror.repl").modules[name] or annotations.module(own) and own
    return module and ('local %s = require("%s")'):format(name, module)
end

local function about_global(name)
    local prompt = of_prompt(name)
    if prompt then
        return ("unknown global '%s': what the prompt has by itself, a file has to say: %s"):format(name, prompt)
    end
    return ("unknown global '%s'%s"):format(name, fields.meant(name, _G))
end

local function message_of(warning)
    local code = warning.code
    if code == "113" then
        return about_global(warning.name)
    elseif code == "111" or code == "112" then
        return ("'%s' is set here, but is nowhere defined: it wants a 'local' where it begins"):format(warning.name)
    end
    local message = luacheck.get_message(warning)
    local field, global = message:match("undefined field '([^']+)' of global '([^']+)'")
    if not field then return message end
    local known = type(_G[global]) == "table" and _G[global] or {}
    return ("unknown field '%s' of %s%s"):format(field, global, fields.meant(field, known))
end

-- What Lua refuses, and luacheck does not.
local function refused(source)
    local _, problem = load(source, "=file", "t", {})
    local line, message = (problem or ""):match("^file:(%d+): (.*)$")
    return line and { { line = math.tointeger(line), column = 1, message = message } } or {}
end

--- Looks at a source.
---@param source string
---@param is_spec boolean busted's names are there
---@return kmirror.check.finding[] found without the file
---@return boolean whole it can be compiled
function M.find(source, is_spec)
    local report = luacheck.get_report(source)
    local options = { std = is_spec and "lua54+busted" or "lua54", allow_defined_top = true, max_line_length = false }
    local found, whole = {}, true
    for _, warning in ipairs(luacheck.process_reports({ report }, options)[1]) do
        if is_mistake(warning.code) then
            found[#found + 1] = { line = warning.line, column = warning.column, message = message_of(warning) }
            whole = whole and warning.code:sub(1, 2) ~= "01"
        end
    end
    if whole then
        local more = refused(source)
        table.move(more, 1, #more, #found + 1, found)
    end
    return found, whole
end

return M
