--- repl.layout: text for a terminal of any width: prose, and lists of names with what they mean.

local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

local widest = 80 -- that is good to read
local least_room = 24 -- for what a name means, beside it
local gap = 2

--- How many columns there are to write in.
---@return integer
function M.width()
    return math.min(terminal.of(io.stdout).width or widest, widest)
end

local function is_verbatim(line)
    return line == "" or line:find("^%s") ~= nil
end

--- Lines of a comment: those that stand together are one paragraph, and are broken anew; indented ones are not.
---@param lines string[]
---@return string
function M.prose(lines)
    local width, parts, paragraph = M.width(), {}, {}
    local function finish()
        if #paragraph > 0 then
            parts[#parts + 1] = table.concat(text.wrap(table.concat(paragraph, " "), width), "\n") .. "\n"
        end
        paragraph = {}
    end
    for _, line in ipairs(lines) do
        if is_verbatim(line) then
            finish()
            parts[#parts + 1] = line .. "\n"
        else
            paragraph[#paragraph + 1] = line
        end
    end
    finish()
    return table.concat(parts)
end

local function beside(name, meaning, column, width)
    local lines = text.wrap(meaning, width - column)
    for i, line in ipairs(lines) do
        local label = i == 1 and name or ""
        lines[i] = label .. (" "):rep(column - text.width(label)) .. line .. "\n"
    end
    return table.concat(lines)
end

local function below(name, meaning, width)
    if meaning == "" then return name .. "\n" end
    local indent = name:match("^%s*") .. "    "
    return name .. "\n" .. table.concat(text.wrap(indent .. meaning, width), "\n") .. "\n"
end

--- Names with what they mean beside them; below them where there is no room.
---@param entries { [1]: string, [2]: string }[]
---@param indent string
---@return string
function M.entries(entries, indent)
    local width, column, parts = M.width(), 0, {}
    for _, entry in ipairs(entries) do
        column = math.max(column, text.width(indent .. entry[1]) + gap)
    end
    for i, entry in ipairs(entries) do
        local name = indent .. entry[1]
        local line = width - column >= least_room and beside(name, entry[2], column, width)
            or below(name, entry[2], width)
        parts[i] = line:gsub(" +\n", "\n")
    end
    return table.concat(parts)
end

return M
