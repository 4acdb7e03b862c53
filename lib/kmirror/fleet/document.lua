--- fleet.document: a file that was read, and what is wrong with it.

local csv_source = require("kmirror.fleet.csv_source")
local json_source = require("kmirror.fleet.json_source")
local lua_source = require("kmirror.fleet.lua_source")
local order = require("kmirror.order")
local places = require("kmirror.fleet.places")
local text = require("kmirror.text")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

---@class kmirror.fleet.document
---@field name string of the file, for messages
---@field directory string with a slash at its end; "" for the current one
---@field value any
---@field place kmirror.fleet.place
---@field textual boolean all values are texts, as in CSV
---@field problems { line: integer, message: string }[]
---@field commands table<string, table> those that it names
local Document = {}
Document.__index = Document

local most_shown = 20

local sources = { lua = lua_source, json = json_source, csv = csv_source }

--- Reads a file: by its extension Lua, JSON or CSV; "-" is JSON on standard input. Raises usage when it cannot be
--- read, or is not what its extension says.
---@param path string
---@return kmirror.fleet.document
local function read(path)
    local name = path == "-" and "standard input" or path
    local extension = path == "-" and "json" or (path:match("%.(%w+)$") or ""):lower()
    local source = sources[extension]
    if not source then
        refuse("%s: expected a fleet file, whose name ends in .lua, .json or .csv", name)
    end
    local value, place = source(name, textfile.read(path, "a fleet file"))
    return setmetatable({
        name = name,
        directory = path:match("^.*/") or "",
        value = value,
        place = place,
        textual = extension == "csv",
        problems = {},
        commands = {},
    }, Document)
end

--- "fleet.lua:12"
---@param line integer
---@return string
function Document:at(line)
    return ("%s:%d"):format(self.name, line)
end

--- Notes what is wrong in a line, to be raised with all else that is; the same thing once only.
---@param line integer
---@param message string names what was expected
---@param ... any for string.format
function Document:complain(line, message, ...)
    local problem = { line = line, message = message:format(...) }
    local key = problem.line .. " " .. problem.message
    if not self.problems[key] then
        self.problems[key] = problem
        table.insert(self.problems, problem)
    end
end

--- Raises usage when anything is wrong.
function Document:finish()
    local problems = self.problems
    if #problems == 0 then return end
    table.sort(problems, order.by("line", "message"))
    local lines = {}
    for i = 1, math.min(#problems, most_shown) do
        lines[i] = ("%s: %s"):format(self:at(problems[i].line), text.clean(problems[i].message))
    end
    if #problems > most_shown then
        lines[#lines + 1] = ("... and %d more"):format(#problems - most_shown)
    end
    if #problems > 1 then
        table.insert(lines, 1, ("%s has %d problems:"):format(self.name, #problems))
    end
    refuse("%s", table.concat(lines, "\n  "))
end

--- Complains of a JSON object that has a key twice, here or in its parts.
---@param place? kmirror.fleet.place
function Document:refuse_doubles(place)
    place = place or self.place
    if place.twice then
        self:complain(place.twice.line, "'%s' stands there twice", place.twice.key)
    end
    for _, part in pairs(place.parts) do self:refuse_doubles(part) end
end

--- The line of what the keys lead to.
---@param ... string|integer
---@return integer
function Document:line(...)
    return places.line(self.place, ...)
end

return { read = read }
