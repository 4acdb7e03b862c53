--- file: files that are written, whatever is in their place. A file of one's own is replaced as a whole: whoever reads
--- it finds all of it, old or new. A symbolic link to one stays a link; a hard link does not: its other names keep what
--- they had, as whoever has made them may not want it changed. Into pipes and devices is written what would be in the
--- file. What belongs to somebody else is left alone.

local fields = require("mirrors").fields
local outfile = require("outfile")

local M = {}

local function must(value, problem)
    return value or error(problem, 0)
end

--- Writes a file: the whole of it or, when that cannot be done, nothing. Raises why, as text that begins with the path.
---@param path string
---@param content string
---@param lasting? boolean it is on the disk when this returns
function M.write(path, content, lasting)
    must(outfile.write(path, content, lasting))
end

--- Raises what write() would raise for a path where nothing can be written.
---@param path string
function M.try(path)
    must(outfile.write(path))
end

--- Opens a file to write behind what it holds. Each write() reaches it, or fails, at once. A pipe must have a reader.
---@param path string
---@return file*|nil
---@return string|nil problem that begins with the path
function M.append(path)
    return outfile.open(path, "append")
end

--- Makes a file that must not be there yet.
---@param path string
---@return file*|nil
---@return string|nil problem that begins with the path
function M.new(path)
    return outfile.open(path, "new")
end

--- Whether a path names a pipe or a device.
---@param path string
---@return boolean
function M.is_stream(path)
    return outfile.is_stream(path)
end

--- Whether there is something of that name that can be opened; of a pipe, nothing is taken by that.
---@param path string
---@return boolean
function M.exists(path)
    local file <close> = not M.is_stream(path) and io.open(path, "rb") or nil
    return file ~= nil or M.is_stream(path)
end

-- ---- what is written anew again and again ------------------------------------------------------------------------

---@class kmirror.file.draft
---@field path string
---@field stream file*|nil held open: a reader of a pipe would take it for the end
local Draft = {}
Draft.__index = Draft

--- A file that is to be written again and again while something goes on. Raises why it cannot be.
---@param path string
---@return kmirror.file.draft
function M.draft(path)
    local stream = M.is_stream(path) and must(M.append(path)) or nil
    if not stream then M.try(path) end
    return setmetatable({ path = path, stream = stream }, Draft)
end

--- Writes how it stands; a pipe or a device only has how it ends. Raises why it cannot be written.
---@param content string
---@param last? boolean
function Draft:write(content, last)
    if not self.stream then
        M.write(self.path, content)
    elseif last then
        local ok, problem = self.stream:write(content)
        self.stream:close()
        must(ok, ("%s: %s"):format(self.path, problem))
    end
end

-- ---- what the arguments may be --------------------------------------------------------------------------

fields.guard_methods("draft", Draft, { write = { "content", fields.string, "last?", fields.boolean } })

return fields.guard("file", M, {
    write = { "path", fields.string, "content", fields.string, "lasting?", fields.boolean },
    try = { "path", fields.string },
    append = { "path", fields.string },
    new = { "path", fields.string },
    is_stream = { "path", fields.string },
    exists = { "path", fields.string },
    draft = { "path", fields.string },
})
