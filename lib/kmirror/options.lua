--- options: a program's options, parsed with argparse, without argparse's habit of ending the process.

local fields = require("mirrors").fields
local refuse = require("kmirror.usage")

local M = {}

--- The file that is run, as it was given; false for a shipped runbook.
---@type string|false
M.runbook = false

--- An option of kmirror's own, which goes before a runbook's name, with what its value is called; nil for any other.
---@type false|fun(name: string): string|nil
M.of_kmirror = false

--- Raises usage for what argparse found wrong, on one line.
---@param problem string
---@param help string the command that shows more: "kmirror help list"
function M.complain(problem, help)
    local wrong, tip = problem:match("^(.-)\n(.*)$")
    if not wrong and problem:find("%?$") then
        refuse("%s See %s", problem, help)
    elseif not wrong then
        refuse("%s; see %s", problem, help)
    elseif wrong:find("'%-.'") then -- any other letter is as near
        refuse("%s; see %s", wrong, help)
    end
    refuse("%s. %s See %s", wrong, tip, help)
end

-- Raises usage for what is wrong with a runbook's or command's arguments.
local function refuse_arguments(name, problem)
    local option = problem:match("^unknown option '(%-[%w-]+)'")
    local own = option and M.of_kmirror and M.of_kmirror(option)
    if own then
        refuse("%s is an option of kmirror's own, and goes before the runbook: kmirror run %s %s", option, own,
            (name:gsub("^kmirror run ", "")))
    end
    M.complain(problem, name .. " --help")
end

-- What shows a runbook's help: its file may be called anything, and lie anywhere.
local function shown_by(name)
    return name:find("^kmirror ") and name or "kmirror run " .. (M.runbook or name)
end

local function is_ours(program)
    return program.elements ~= nil
end

-- The parser, and what the program is called: an argparse parser tells that where it says how it is used.
local function parser_of(program)
    if is_ours(program) then return program:parser(), program.name end
    return program, (program:get_usage() .. " -"):match("^Usage: (.-)%s+[%[<(-]") or "RUNBOOK"
end

---@class kmirror.options.question what a runbook gets instead of arguments when it is asked what it takes
---@field program kmirror.program|nil the answer
local Question = { __name = "question" }

--- What a runbook takes: it runs as far as it does for --help.
---@param runbook fun(...: any)
---@return kmirror.program|nil nil when it does not say
function M.of(runbook)
    local question = setmetatable({}, Question)
    runbook(question)
    return question.program
end

local function is_question(value)
    return getmetatable(value) == Question
end

--- Parses arguments. Returns nil when they ask for help, after printing it. Raises usage when they are wrong.
---@param program table a kmirror.program, or an argparse parser
---@param ... string the arguments
---@return table|nil
function M.parse(program, ...)
    local first = ...
    if is_question(first) then
        first.program = is_ours(program) and program or nil
        return nil
    end
    local help = false
    local parser, name = parser_of(program)
    parser:name(shown_by(name)):add_help(false):help_max_width(80)
    parser:flag("-h --help", "Show this help."):action(function()
        help = true
    end)
    local ok, result = parser:pparse({ ... })
    if help then
        print(parser:get_help())
        return nil
    end
    if not ok then refuse_arguments(shown_by(name), result) end
    return result
end

--- Adds an option that is true when it is given alone, and may be given as true or false: what is not given is nil.
---@param parser table a kmirror.program, or an argparse parser
---@param name string "--use-renaming"
---@param description string
---@return table option
function M.switch(parser, name, description)
    return parser:option(name, description):args("?"):argname("true|false"):choices({ "true", "false" })
        :action(function(result, target, values)
            result[target] = values[1] ~= "false"
        end)
end

local function in_range(value, low, high)
    return value and value >= low and value <= high
end

local function is_not(name, text, expected)
    return nil, ("%s '%s': expected %s"):format(name, text, expected)
end

--- A converter for argparse: a number within bounds.
---@param name string of the option or argument, for the error
---@param expected string for the error: "seconds, more than 0"
---@param low number
---@param high? number
---@return fun(text: string): number|nil, string|nil
function M.number(name, expected, low, high)
    return function(text)
        local value = text:match("^[+-]?[%d.]+$") and tonumber(text)
        if in_range(value, low, high or math.huge) then return value end
        return is_not(name, text, expected)
    end
end

--- A converter for argparse: a whole number within bounds.
---@param name string of the option or argument, for the error
---@param expected string for the error: "a port from 0 to 65535"
---@param low integer
---@param high? integer the largest 32-bit number by default
---@return fun(text: string): integer|nil, string|nil
function M.integer(name, expected, low, high)
    return function(text)
        local value = text:match("^[+-]?%d+$") and math.tointeger(tonumber(text))
        if in_range(value, low, high or 2147483647) then return value end
        return is_not(name, text, expected)
    end
end

-- As the words are compared: in-sync is IN_SYNC.
local function plain(word)
    return (word:upper():gsub("-", "_"))
end

--- A converter for argparse: one of some words, in upper or lower case, with - or _.
---@param name string of the option or argument, for the error
---@param words string[]
---@return fun(text: string): string|nil, string|nil
function M.one_of(name, words)
    local known = {}
    for _, word in ipairs(words) do known[plain(word)] = word end
    return function(text)
        local problem = ("%s %s: expected one of %s%s"):format(name, fields.shown(text), table.concat(words, ", "),
            fields.meant(plain(text), known))
        return known[plain(text)], not known[plain(text)] and problem or nil
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local argument = { expected = fields.string.expected, fits = function(value)
    return type(value) == "string" or is_question(value)
end }

return fields.guard("options", M, {
    complain = { "problem", fields.string, "help", fields.string },
    parse = { "program", fields.table, "...", argument },
    of = { "runbook", fields.fn },
    number = {
        "name", fields.string, "expected", fields.string, "low", fields.number(-math.huge), "high?",
        fields.number(-math.huge),
    },
    switch = { "parser", fields.table, "name", fields.string, "description", fields.string },
    one_of = { "name", fields.string, "words", fields.list(fields.string) },
    integer = {
        "name", fields.string, "expected", fields.string, "low", fields.integer(math.mininteger), "high?",
        fields.integer(math.mininteger),
    },
})
