--- repl.history: what was typed, in this session and in those before. An entry of several lines is kept whole; one that
--- may hold a secret is not kept at all.

local sensitive = require("kmirror.sensitive")

local M = {}

local most = 5000 -- entries that the file keeps
local slack = 1000 -- how many more before it is written anew

---@class kmirror.repl.history
---@field path string|nil of the file; nil: this session only
---@field entries string[] the oldest first
local History = {}
History.__index = History

--- May the text hold a key or a password?
---@param text string
---@return boolean
function M.is_secret(text)
    return sensitive.may_hold(text)
end

-- ---- the file: a line for each entry -----------------------------------------------------------------------

local escapes = { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }
local meant = { ["\\\\"] = "\\", ["\\n"] = "\n", ["\\r"] = "\r" }

local function to_line(entry)
    return (entry:gsub("[\\\n\r]", escapes)) .. "\n"
end

local function from_line(line)
    return (line:gsub("\\.", meant))
end

local function read(path)
    local entries = {}
    local file <close> = io.open(path, "rb")
    for line in (file and file:read("a") or ""):gmatch("[^\n]+") do
        entries[#entries + 1] = from_line(line)
    end
    return entries
end

local function rewrite(path, entries)
    local lines = {}
    for i, entry in ipairs(entries) do lines[i] = to_line(entry) end
    pcall(require("kmirror.file").write, path, table.concat(lines))
end

--- The history that the file holds; an absent file holds none.
---@param path string|nil
---@return kmirror.repl.history
function M.new(path)
    local entries = path and read(path) or {}
    if #entries > most + slack then
        entries = table.move(entries, #entries - most + 1, #entries, 1, {})
        rewrite(path, entries)
    end
    return setmetatable({ path = path, entries = entries }, History)
end

--- Keeps an entry, unless it is the last one again, starts with a space, or may hold a secret.
---@param entry string
function History:add(entry)
    if entry == self.entries[#self.entries] or entry:find("^%s") or entry == "" or M.is_secret(entry) then
        return
    end
    self.entries[#self.entries + 1] = entry
    local file <close> = self.path and io.open(self.path, "ab") or nil
    if file then file:write(to_line(entry)) end
end

--- The place of the newest entry before `at` that fits; nil when there is none.
---@param at integer
---@param fits fun(entry: string): any
---@return integer|nil
function History:before(at, fits)
    for i = at - 1, 1, -1 do
        if fits(self.entries[i]) then return i end
    end
end

--- The place of the oldest entry after `at` that fits; nil when there is none.
---@param at integer
---@param fits fun(entry: string): any
---@return integer|nil
function History:after(at, fits)
    for i = at + 1, #self.entries do
        if fits(self.entries[i]) then return i end
    end
end

return M
