--- program: what a program takes on its command line, as data. Help, the manual and completion are made from it, and so
--- is the argparse parser that reads what was typed.
---
--- It is built as an argparse parser is, `program:option("--wait", "How long."):argname("SECONDS")`, so that what adds
--- options to the one adds them to the other.

local fields = require("mirrors").fields

local M = {}

---@class kmirror.program.element
---@field kind "option"|"flag"|"argument"
---@field name string as argparse takes it: "-h --help"
---@field names string[] each of them
---@field description string
---@field is table<string, any> its properties, as argparse calls them: argname, choices, convert, default, ...
---@field argname fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field choices fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field convert fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field default fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field args fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field count fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field target fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field hidden fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field init fun(self: kmirror.program.element, value: any): kmirror.program.element
---@field action fun(self: kmirror.program.element, value: any): kmirror.program.element
local Element = {}
Element.__index = Element

local nothing = {} -- stands for nil, which a property may be set to

for _, property in ipairs({
    "argname", "choices", "convert", "default", "args", "count", "target", "hidden", "init", "action",
}) do
    Element[property] = function(self, value)
        self.is[property] = value == nil and nothing or value
        return self
    end
end

---@class kmirror.program
---@field name string
---@field description string|nil
---@field ending string|nil what its help ends with
---@field elements kmirror.program.element[]
---@field groups { title: string, [integer]: kmirror.program.element }[] as its help shows them
---@field exclusive kmirror.program.element[][] of which only one may be given
---@field option fun(self: kmirror.program, name: string, description?: string, default?: any): kmirror.program.element
---@field flag fun(self: kmirror.program, name: string, description?: string): kmirror.program.element
---@field argument fun(self: kmirror.program, name: string, description?: string): kmirror.program.element
local Program = {}
Program.__index = Program

--- A program that takes nothing yet.
---@param name string "kmirror run audit"
---@param description? string
---@return kmirror.program
function M.new(name, description)
    return setmetatable({ name = name, description = description, elements = {}, groups = {}, exclusive = {} }, Program)
end

for _, kind in ipairs({ "option", "flag", "argument" }) do
    Program[kind] = function(self, name, description, default)
        local element = setmetatable({
            kind = kind, name = name, names = {}, description = description or "", is = { default = default },
        }, Element)
        for each in name:gmatch("%S+") do table.insert(element.names, each) end
        table.insert(self.elements, element)
        return element
    end
end

--- Of these options, only one may be given.
function Program:mutex(...)
    table.insert(self.exclusive, { ... })
    return self
end

--- Shows these together, under a title; groups of the same title are one.
function Program:group(title, ...)
    for _, group in ipairs(self.groups) do
        if group.title == title then
            table.move({ ... }, 1, select("#", ...), #group + 1, group)
            return self
        end
    end
    table.insert(self.groups, { title = title, ... })
    return self
end

--- What its help ends with.
---@param text string
---@return kmirror.program self
function Program:epilog(text)
    self.ending = text
    return self
end

-- ---- argparse -----------------------------------------------------------------------------------------------

local function make(parser, element)
    local made = parser[element.kind](parser, element.name, element.description)
    for property, value in pairs(element.is) do
        if value == nothing then value = nil end
        made[property](made, value)
    end
    return made
end

-- What has a value even when it is not given has to be made in any case.
local function is_needed(element, mentioned)
    local is = element.is
    local needed = element.kind == "argument" or is.default ~= nil or is.count and is.init == nil
    for _, name in ipairs(element.names) do needed = needed or mentioned[name] end
    return needed
end

local function made_of(made, elements)
    local list = {}
    for _, element in ipairs(elements) do list[#list + 1] = made[element] end
    return list
end

--- Adds to an argparse parser what the program takes. To make options that nobody has typed takes as long as a short
--- run does: with `mentioned`, they are left out, and so are the titles of groups.
---@param parser table
---@param mentioned? table<string, boolean> names of options
function Program:add_to(parser, mentioned)
    local made = {}
    for _, element in ipairs(self.elements) do
        made[element] = (not mentioned or is_needed(element, mentioned)) and make(parser, element) or nil
    end
    for _, exclusive in ipairs(self.exclusive) do
        local list = made_of(made, exclusive)
        if #list > 1 then parser:mutex(table.unpack(list)) end
    end
    for _, group in ipairs(mentioned and {} or self.groups) do
        parser:group(group.title, table.unpack(made_of(made, group)))
    end
end

--- An argparse parser for it, without an option for help.
---@return table
function Program:parser()
    local parser = require("argparse")(self.name, self.description, self.ending):add_help(false):help_max_width(80)
    self:add_to(parser)
    return parser
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("program", M, {
    new = { "name", fields.string, "description?", fields.string },
})
