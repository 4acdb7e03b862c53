--- repl.outside: programs that the prompt starts: a shell's command, an editor, a pager. While one has the terminal,
--- nothing else of the session goes on.

local config = require("kmirror.config")
local files = require("kmirror.file")
local host = require("host")
local shell = require("kmirror.shell")

local M = {}

local function variable(...)
    for _, name in ipairs({ ... }) do
        local value = os.getenv(name) or ""
        if value:find("%S") then return value end
    end
end

--- Runs a command in sh, on this terminal.
---@param command string
---@return integer status
function M.command(command)
    io.stdout:flush()
    local _, _, status = os.execute(command)
    return status
end

-- ---- an editor --------------------------------------------------------------------------------------------

local function new_file()
    local pipe <close> = assert(io.popen("mktemp -t kmirror-XXXXXX.lua"))
    return pipe:read("l") or error("no file to edit could be made: mktemp failed", 0)
end

--- Has a text edited: by VISUAL, EDITOR or vi.
---@param text string
---@return string|nil text nil when the editor failed
function M.edit(text)
    local path = new_file()
    local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
    files.write(path, text == "" and "" or text .. "\n")
    if M.command((variable("VISUAL", "EDITOR") or "vi") .. " " .. shell.quote(path)) ~= 0 then
        return nil
    end
    local file <close> = assert(io.open(path, "rb"))
    return (file:read("a"):gsub("%s+$", ""))
end

-- ---- a pager ----------------------------------------------------------------------------------------------

--- The pager that there is: what KMIRROR_PAGER or PAGER names.
---@return string|nil
function M.pager()
    return variable("KMIRROR_PAGER", "PAGER")
end

local function rows_of(text, columns)
    local rows = 0
    for line in text:gmatch("([^\n]*)\n") do
        local _, width = line:gsub("\27%[[%d;]*m", ""):gsub("[^\x80-\xBF]", "")
        rows = rows + math.max(1, math.ceil(width / columns))
    end
    return rows
end

--- Whether a text is longer than the screen; false where there is none.
---@param text string
---@return boolean
function M.is_long(text)
    local columns, rows = host.columns(1)
    return rows ~= nil and rows > 0 and rows_of(text, columns) >= rows
end

--- Shows a text in a pager.
---@param pager string command
---@param text string
function M.page(pager, text)
    io.stdout:flush()
    local pipe <close> = io.popen("LESS=${LESS-FRX} " .. pager, "w")
    if pipe then pipe:write(text) end
end

-- ---- the start-up file ------------------------------------------------------------------------------------

--- The file that a session begins with, where there is one: prompt.lua beside the configuration file.
---@return string|nil path
function M.startup()
    local path = (config.path() or ""):gsub("[^/]+$", "prompt.lua")
    local file <close> = path ~= "" and io.open(path, "rb") or nil
    return file and path or nil
end

return M
