--- cli.shelf: the runbooks that ship, and those of the cookbook, which are there to be copied: what each does, and
--- whether it changes anything.

local definitions = require("kmirror.cli.definitions")
local host = require("host")

local M = {}

local cookbook = "scripts/cookbook/"

---@class kmirror.shelf.entry
---@field name string
---@field kind "runbook"|"cookbook"
---@field summary string
---@field changes boolean it may create, change or delete mirrors

--- The source of a runbook that ships or of an entry of the cookbook; nil when there is none of that name.
---@param name string
---@return string|nil
function M.source(name)
    return name:find("^[%w_-]+$") and (host.script(name) or host.source(cookbook .. name .. ".lua")) or nil
end

--- Whether a name is one of the cookbook's.
---@param name string
---@return boolean
function M.in_cookbook(name)
    return name:find("^[%w_-]+$") ~= nil and not host.script(name) and host.source(cookbook .. name .. ".lua") ~= nil
end

-- The comment at its top.
local function comment_of(source)
    local comment = {}
    for line in source:gmatch("([^\n]*)\n") do
        local words = line:match("^%-%- (%S.*)$")
        if not words then break end
        comment[#comment + 1] = words
    end
    return table.concat(comment, " ") .. " "
end

-- One that changes nothing says so in the comment at its top.
local function entry_of(name, kind, summary)
    local comment = comment_of(M.source(name))
    return {
        name = name, kind = kind, summary = summary or comment:match("^(.-[.:])%s"):gsub(":$", "."),
        changes = not comment:find("Changes nothing.", 1, true),
    }
end

--- All of them, by kind and name.
---@return kmirror.shelf.entry[]
function M.list()
    local entries = {}
    for _, name in ipairs(host.scripts()) do
        entries[#entries + 1] = entry_of(name, "runbook", definitions.runbook(name).summary)
    end
    for _, name in ipairs(host.scripts(cookbook)) do
        entries[#entries + 1] = not name:find("_spec$") and entry_of(name, "cookbook") or nil
    end
    return entries
end

return M
