--- repl.output: lets what is written while somebody types stand above the prompt instead of in the middle of it.

local M = {}

local function write_plain(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    io.stdout:write(table.concat(words, "\t"), "\n")
end

-- While the prompt is up, each piece of output is a line of its own.
local function last_of(...)
    local count = select("#", ...)
    return count > 0 and tostring((select(count, ...))) or ""
end

--- Sees to all output of Lua code from here on, until what is returned is closed.
---@param reader table of the module line
---@return table to be kept in a <close> variable
function M.above(reader)
    local methods = getmetatable(io.stdout).__index
    local write, old_print, old_write = methods.write, print, io.write
    local typing = false
    function methods.write(file, ...)
        if not typing or file ~= io.stdout and file ~= io.stderr then return write(file, ...) end
        reader:hide()
        local result = table.pack(write(file, ...))
        if last_of(...):sub(-1) ~= "\n" then write(file, "\n") end
        file:flush()
        reader:show()
        return table.unpack(result, 1, result.n)
    end
    _G.print = write_plain -- what libraries print, too
    io.write = function(...) return io.output():write(...) end -- luacheck: ignore
    return setmetatable({
        --- Says whether the prompt is up.
        typing = function(yes) typing = yes end,
    }, { __close = function()
        methods.write, _G.print, io.write = write, old_print, old_write -- luacheck: ignore
    end })
end

return M
