--- terminal: what is known about the places that output goes to.

local fields = require("mirrors").fields

local M = {}

-- Stock Lua has no host module; nothing is taken for a terminal there.
local has_host, host = pcall(require, "host")

local descriptors = { [io.stdin] = 0, [io.stdout] = 1, [io.stderr] = 2 }
local color_when = "auto"

local codes = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33, cyan = 36 }

--- Sets when to use colour.
---@param when "auto"|"always"|"never"
function M.color(when)
    color_when = when
end

local function wants_color(is_terminal)
    if color_when ~= "auto" then return color_when == "always" end
    return is_terminal and (os.getenv("NO_COLOR") or "") == "" and os.getenv("TERM") ~= "dumb"
end

---@class kmirror.terminal
---@field terminal boolean somebody looks at it
---@field width integer|nil in columns; nil when it is no terminal, or does not say
---@field color boolean

--- Describes a standard stream; any other file is no terminal.
---@param file file*
---@return kmirror.terminal
function M.of(file)
    local descriptor = descriptors[file]
    local is_terminal = has_host and descriptor ~= nil and host.isatty(descriptor)
    return {
        terminal = is_terminal,
        width = is_terminal and (host.columns(descriptor)) or nil,
        color = descriptor ~= nil and wants_color(is_terminal),
    }
end

--- The text in that colour, when there is colour.
---@param where kmirror.terminal
---@param color? "bold"|"dim"|"red"|"green"|"yellow"|"cyan" nil for none
---@param text string
---@return string
function M.paint(where, color, text)
    if not where.color or not color then return text end
    return ("\27[%dm%s\27[0m"):format(codes[color], text)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local color = fields.one_of("bold", "dim", "red", "green", "yellow", "cyan")

return fields.guard("terminal", M, {
    color = { "when", fields.one_of("auto", "always", "never") },
    of = { "file", fields.file },
    paint = { "where", fields.table, "color?", color, "text", fields.string },
})
