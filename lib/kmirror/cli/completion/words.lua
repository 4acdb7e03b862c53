--- cli.completion.words: what may stand next on a command line. The shells ask for it each time Tab is pressed, by
--- `kmirror completion words WORD...`, so that what they offer is what this kmirror, its configuration and its store of
--- jobs know.

local candidates = require("kmirror.cli.completion.candidates")
local definitions = require("kmirror.cli.definitions")
local text = require("kmirror.text")

local M = {}

local global_sets = {
    "code", "connection", "safety", "job", "times", "results", "formats", "report", "messages", "world",
}

---@class kmirror.completion.place where the next word stands
---@field options kmirror.definition.option[] that may stand there
---@field arguments kmirror.definition.argument[] what the command takes
---@field at integer which of these comes next
---@field given table<string, string|boolean> options that stand before
---@field command string|nil
---@field pending kmirror.definition.option|nil the option whose value comes next
---@field name string|nil as which it was given

local function find_option(options, name)
    for _, option in ipairs(options) do
        for _, known in ipairs(option.names) do
            if known == name then return option end
        end
    end
end

local function enter(place, definition, options)
    place.options, place.arguments, place.at = options, definition.arguments or {}, 1
end

local function with(first, second)
    return table.move(second, 1, #second, #first + 1, table.move(first, 1, #first, 1, {}))
end

local its_help = { { names = { "-h", "--help" }, description = "Show its help." } }

local function enter_command(place, name)
    local command = definitions.command(name)
    if not command then
        place.arguments, place.at = {}, 1
        return
    end
    place.command = name
    local options = with(command.options, its_help)
    local world = place.given["--sandbox"] and name ~= "sandbox"
    enter(place, command, world and with(options, definitions.of_sets({ "world" })) or options)
end

local function source_of(path)
    local file <close> = io.open(path, "rb")
    return file and file:read(1 << 20) or ""
end

-- What follows belongs to the runbook.
local function enter_runbook(place, script)
    local is_file = script:find("/", 1, true) or script:find("%.lua$")
    local runbook = not is_file and definitions.runbook(script)
    place.command = "run " .. script
    if runbook then
        enter(place, runbook, with(runbook.options, its_help))
    else
        enter(place, {}, definitions.in_source(source_of(script)))
        place.arguments = { { placeholder = "FILE", repeated = true } }
    end
end

local function take_option(place, word)
    local name, value = word:match("^(%-%-[^=]+)=(.*)$")
    local option = find_option(place.options, name or word)
    place.given[name or word] = value or true
    if option and option.placeholder and not value then
        place.pending, place.name = option, word
    elseif place.command and word == "--sandbox" and not place.command:find("^run ") then
        place.options = with(place.options, definitions.of_sets({ "world" }))
    end
end

local function take_argument(place, word)
    if not place.command then
        enter_command(place, word)
    elseif place.command == "run" then
        enter_runbook(place, word)
    else
        local argument = place.arguments[place.at]
        place.at = place.at + (argument and not argument.repeated and 1 or 0)
    end
end

local function take(place, word)
    if place.pending then
        place.given[place.name] = word
        place.pending, place.name = nil, nil
    elseif word:find("^%-.") then
        take_option(place, word)
    else
        take_argument(place, word)
    end
end

-- Candidates that begin like the word; `before` is put in front of each.
local function matching(all, word, before)
    local found = {}
    for _, candidate in ipairs(all) do
        if candidate[1]:sub(1, #word) == word then
            found[#found + 1] = { before .. candidate[1], candidate[2] }
        end
    end
    return found
end

local function candidates_for(place, word)
    if place.pending then
        return matching(candidates.values(place.name, place.pending, place.given), word, ""),
            select(2, candidates.values(place.name, place.pending, place.given))
    end
    local name, value = word:match("^(%-%-[^=]+)=(.*)$")
    local option = name and find_option(place.options, name)
    if option then
        return matching(candidates.values(name, option, place.given), value, name .. "="), false
    elseif word:find("^%-") then
        return matching(candidates.options(place.options), word, ""), false
    elseif not place.command then
        return matching(candidates.commands(), word, ""), false
    end
    local argument = place.arguments[place.at]
    if not argument then return {}, false end
    local all, files = candidates.values(nil, argument, place.given)
    return matching(all, word, ""), files
end

--- What the last of these words may become.
---@param words string[] the command line after the program's name, up to the cursor
---@return kmirror.candidate[]
---@return boolean files file names are fine, too
function M.complete(words)
    local place = {
        options = with(definitions.of_sets(global_sets), {
            { names = { "-h", "--help" }, description = "Show this help." },
            { names = { "--version" }, description = "The version of kmirror." },
        }),
        arguments = {}, at = 1, given = {},
    }
    for i = 1, #words - 1 do take(place, words[i]) end
    return candidates_for(place, words[#words] or "")
end

--- The same as text for a shell: a line for each word, with what it means after a tab; the last line is `:files` when
--- file names are fine, too, else `:`.
---@param words string[]
---@return string
function M.answer(words)
    local ok, found, files = pcall(M.complete, words)
    if not ok then -- a configuration that is wrong, say: Tab is not the time to complain
        found, files = {}, true
    end
    local lines = {}
    for i, candidate in ipairs(found --[[@as table]]) do
        local meaning = candidate[2] and candidate[2] ~= "" and "\t" .. text.clean((candidate[2]:gsub("\n", " "))) or ""
        lines[i] = candidate[1] .. meaning
    end
    lines[#lines + 1] = files and ":files" or ":"
    return table.concat(lines, "\n") .. "\n"
end

local shells = { bash = true, zsh = true, fish = true }

--- The script for a shell.
---@param shell "bash"|"zsh"|"fish"
---@return string
function M.script(shell)
    assert(shells[shell], "no such shell")
    return (require("kmirror.cli.completion." .. shell))
end

return M
