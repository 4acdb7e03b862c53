--- definitions: commands and runbooks with their options and arguments, as argparse knows them, for whoever does
--- not parse but tell of them: completion and the manual.

local argparse = require("argparse")
local commands = require("kmirror.cli.commands")
local host = require("host")
local kmirror_options = require("kmirror.options")
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
    local name = element._argname
    return type(name) == "table" and table.concat(name, " ") or name
end

local function option_of(element)
    return {
        names = element._aliases,
        placeholder = element._maxargs > 0 and (placeholder_of(element) or "VALUE") or nil,
        choices = element._choices,
        description = element._description or "",
    }
end

local function options_of(parser, from)
    local found = {}
    for i = from or 1, #parser._options do
        local element = parser._options[i]
        if not element._hidden then
            found[#found + 1] = option_of(element)
        end
    end
    return found
end

local function arguments_of(parser)
    local found = {}
    for i, element in ipairs(parser._arguments) do
        found[i] = {
            placeholder = placeholder_of(element) or element._name:upper(),
            choices = element._choices,
            description = element._description or "",
            repeated = element._maxargs > 1,
        }
    end
    return found
end

local function nothing() end

-- What talks to the API can be reported on, too.
local function sets_of(command)
    local names = {}
    for _, set in ipairs(command.sets) do
        if set == "connection" then
            names[#names + 1] = "report"
        end
        names[#names + 1] = set
    end
    return names
end

--- The options of some sets.
---@param names string[]
---@return kmirror.definition.option[]
function M.of_sets(names)
    local parser = argparse("kmirror"):add_help(false)
    for _, name in ipairs(names) do
        sets[name](parser)
    end
    return options_of(parser)
end

--- A command; nil when there is none of that name.
---@param name string
---@return kmirror.definition|nil
function M.command(name)
    for _, known in ipairs(commands.names) do
        if known == name then
            local command = commands.of(name)
            local parser = argparse(name):add_help(false)
            command.define(parser, nothing)
            local own = options_of(parser)
            for _, set in ipairs(sets_of(command)) do
                sets[set](parser)
            end
            return {
                name = name, summary = command.summary, details = command.details, sets = sets_of(command),
                arguments_text = command.arguments, own = own, options = options_of(parser),
                arguments = arguments_of(parser),
            }
        end
    end
end

-- Runs the runbook up to where it parses its options, and catches its parser there.
local function parser_of(source, chunk_name)
    local caught = {}
    local parse = kmirror_options.parse
    kmirror_options.parse = function(parser)
        caught.parser = parser
        error(caught, 0)
    end
    local chunk = load(source, chunk_name, "t", _ENV)
    local _, problem = pcall(chunk --[[@as function]])
    kmirror_options.parse = parse
    return problem == caught and caught.parser or nil
end

--- A shipped runbook; nil when there is none of that name.
---@param name string
---@return kmirror.definition|nil
function M.runbook(name)
    local source, chunk_name = host.script(name)
    local parser = source and parser_of(source, chunk_name)
    if not parser then
        return nil
    end
    local description = parser._description or "A runbook."
    local options = options_of(parser)
    return {
        name = name,
        summary = (description .. "\n"):match("^(.-[.:;])%s"):gsub("\n", " "):gsub("[:;]$", "."),
        details = description,
        options = options, own = options, arguments = arguments_of(parser),
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
            for word in names:gmatch("%S+") do
                words[#words + 1] = word
            end
            found[#found + 1] = { names = words, placeholder = kind == "option" and "VALUE" or nil, description = "" }
        end
    end
    return found
end

return M
