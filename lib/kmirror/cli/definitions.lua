--- definitions: commands and runbooks with their options and arguments, for whoever does not parse but tell of them:
--- completion and the manual.

local commands = require("kmirror.cli.commands")
local host = require("host")
local options = require("kmirror.options")
local programs = require("kmirror.program")
local sets = require("kmirror.cli.sets")

local M = {}

---@class kmirror.definition.option
---@field names string[] "--json"; "-h", "--help"
---@field placeholder string|nil what its value is called; nil for a flag
---@field choices string[]|nil the values that it takes, when they are few
---@field description string

---@class kmirror.definition.argument
---@field placeholder string
---@field choices string[]|nil
---@field description string
---@field repeated boolean

---@class kmirror.definition
---@field name string
---@field arguments_text string|nil of a command: how help shows what it takes
---@field summary string
---@field details string|nil
---@field sets string[]|nil of a command: the sets of options that it takes
---@field options kmirror.definition.option[] its own and, of a command, those of its sets
---@field own kmirror.definition.option[] its own only
---@field arguments kmirror.definition.argument[]

local function placeholder_of(element)
    local name = element.is.argname
    return type(name) == "table" and table.concat(name, " ") or name
end

local function option_of(element)
    return {
        names = element.names,
        placeholder = element.kind == "option" and (placeholder_of(element) or "VALUE") or nil,
        choices = element.is.choices,
        description = element.description,
    }
end

local function argument_of(element)
    local args = element.is.args
    return {
        placeholder = placeholder_of(element) or element.name:upper(),
        choices = element.is.choices,
        description = element.description,
        repeated = args ~= nil and args ~= 1 and args ~= "?",
    }
end

local function options_of(program)
    local found = {}
    for _, element in ipairs(program.elements) do
        found[#found + 1] = element.kind ~= "argument" and not element.is.hidden and option_of(element) or nil
    end
    return found
end

local function arguments_of(program)
    local found = {}
    for _, element in ipairs(program.elements) do
        found[#found + 1] = element.kind == "argument" and argument_of(element) or nil
    end
    return found
end

local function nothing() end

-- What talks to the API can be reported on, too.
local function sets_of(command)
    local names = {}
    for _, set in ipairs(command.sets) do
        if set == "connection" then names[#names + 1] = "report" end
        names[#names + 1] = set
    end
    return names
end

--- The options of some sets.
---@param names string[]
---@return kmirror.definition.option[]
function M.of_sets(names)
    local program = programs.new("kmirror")
    for _, name in ipairs(names) do sets[name](program) end
    return options_of(program)
end

--- A command; nil when there is none of that name.
---@param name string
---@return kmirror.definition|nil
function M.command(name)
    for _, known in ipairs(commands.names) do
        if known == name then
            local command = commands.of(name)
            local program = programs.new(name)
            command.define(program, nothing)
            local own = options_of(program)
            for _, set in ipairs(sets_of(command)) do sets[set](program) end
            return {
                name = name, summary = command.summary, details = command.details, sets = sets_of(command),
                arguments_text = commands.arguments_of(name), own = own, options = options_of(program),
                arguments = arguments_of(program),
            }
        end
    end
end

--- A shipped runbook; nil when there is none of that name.
---@param name string
---@return kmirror.definition|nil
function M.runbook(name)
    local source, chunk_name = host.script(name)
    if not source then return nil end
    local program = assert(options.of(assert(load(source, chunk_name, "t", _ENV))))
    local its_options = options_of(program)
    return {
        name = name,
        summary = (program.description .. "\n"):match("^(.-[.:;])%s"):gsub("\n", " "):gsub("[:;]$", "."),
        details = program.description,
        options = its_options, own = its_options, arguments = arguments_of(program),
    }
end

-- A runbook of somebody's own is not run just to be asked: what is plain from its text has to do.
--- The options that a runbook's source defines with argparse's `option` and `flag`.
---@param source string
---@return kmirror.definition.option[]
function M.in_source(source)
    local found = {}
    for kind, names in source:gmatch("[:.](%a+)%s*%(?%s*[\"'](%-[^\"']*)[\"']") do
        if kind == "option" or kind == "flag" then
            local words = {}
            for word in names:gmatch("%S+") do words[#words + 1] = word end
            found[#found + 1] = { names = words, placeholder = kind == "option" and "VALUE" or nil, description = "" }
        end
    end
    return found
end

return M
