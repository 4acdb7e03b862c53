--- cli.plain: command lines that are read without argparse, which takes as long to load as a short run does: some of
--- kmirror's options, and a runbook with what belongs to it. What is not as plain, or wrong, is left to argparse.

local M = {}

local sets = { "connection", "safety", "job", "times", "results", "report", "messages", "world" }

-- Options by name, with what excludes them.
local function known_options()
    local program = require("kmirror.program").new("kmirror")
    for _, set in ipairs(sets) do require("kmirror.cli.sets")[set](program) end
    local known = {}
    for _, element in ipairs(program.elements) do known[element.name] = element end
    return known, program.exclusive
end

local function is_plain(option)
    local is = option.is
    return #option.names == 1 and not (is.args or is.count or is.action or is.init or is.default)
end

local function is_among(value, choices)
    for _, choice in ipairs(choices) do
        if choice == value then return true end
    end
    return false
end

-- The value that a text stands for; nil when it is none.
local function converted(option, text)
    local is = option.is
    if text == nil or is.choices and not is_among(text, is.choices) then return nil end
    return not is.convert and text or is.convert and is.convert(text)
end

-- The option that stands there, its value, and where the next one does; nil when that is not plain.
local function read_option(known, arguments, at)
    local name, text = arguments[at]:match("^([^=]+)=(.*)$")
    local option = known[name or arguments[at]]
    if not option or not is_plain(option) or option.kind == "flag" and text then
        return nil
    elseif option.kind == "flag" then
        return option, true, at + 1
    end
    local next_word = arguments[at + 1]
    if not text and next_word and next_word:sub(1, 1) ~= "-" then
        return option, converted(option, next_word), at + 2
    end
    return option, converted(option, text), at + 1
end

-- As argparse has it: --dry-run is dry_run.
local function target_of(option)
    return option.is.target or option.name:sub(3):gsub("-", "_")
end

local function are_compatible(given, exclusive)
    for _, options in ipairs(exclusive) do
        local count = 0
        for _, option in ipairs(options) do
            count = count + (given[target_of(option)] and 1 or 0)
        end
        if count > 1 then return false end
    end
    return true
end

-- The options before `run`, and where that stands; nil when they are not plain.
local function read_options(arguments)
    local given, at = {}, 1
    if arguments[1] == "run" then return given, at end
    local known, exclusive = known_options()
    while arguments[at] and arguments[at]:sub(1, 2) == "--" do
        local option, value, behind = read_option(known, arguments, at)
        if value == nil then return nil end
        given[target_of(option)], at = value, behind
    end
    return are_compatible(given, exclusive) and given or nil, at
end

-- What stands alone.
local alone = { ["--version"] = "version", ["--help"] = "help", ["-h"] = "help" }

--- What the arguments say, as cli.arguments does; nil when they are not plain.
---@param arguments string[]
---@return table|nil given
function M.read(arguments)
    if alone[arguments[1]] and not arguments[2] then return { command = alone[arguments[1]] } end
    local given, at = read_options(arguments)
    local script = given and arguments[at] == "run" and arguments[at + 1]
    if not script or script ~= "-" and script:sub(1, 1) == "-" then return nil end
    given.command, given.script = "run", script
    given.rest = table.move(arguments, at + 2, #arguments, 1, {})
    return given
end

return M
