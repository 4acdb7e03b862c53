--- check: what is wrong with a runbook, found without running it and without a network.

local general = require("kmirror.check.general")
local library = require("kmirror.check.library")
local order = require("kmirror.order")
local textfile = require("kmirror.textfile")

local M = {}

---@class kmirror.check.finding
---@field file string
---@field line integer
---@field column integer in characters
---@field message string

--- Looks at a source.
---@param source string
---@param file string what it is called
---@param folder? string with a slash: where modules of its own may be
---@return kmirror.check.finding[] found in the order of their places
function M.source(source, file, folder)
    source = source:gsub("^#[^\n]*", "")
    local found, whole = general.find(source, file:find("_spec%.lua$") ~= nil)
    local more = whole and library.find(source, folder) or {}
    table.move(more, 1, #more, #found + 1, found)
    table.sort(found, order.by("line", "column", "message"))
    for _, finding in ipairs(found) do finding.file = file end
    return found
end

--- Looks at a file. Raises usage when it cannot be read.
---@param path string "-" is standard input
---@return kmirror.check.finding[]
function M.file(path)
    return M.source(textfile.read_code(path, "a runbook"), textfile.name(path), path:match("^.*/") or "./")
end

return M
