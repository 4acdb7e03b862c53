--- progress.guard: a terminal has one cursor: whatever is written there goes above the lines of progress, which are
--- taken away before and drawn again after it. Runbooks write with print and io.write as they like, so these are where
--- to step in.

local terminal = require("kmirror.terminal")

local M = {}

local whole = true -- whether what was written last has ended its line

--- Whether lines can be drawn without tearing apart what others write.
---@return boolean
function M.whole()
    return whole
end

local function note_end(...)
    local last = tostring(select(-1, "", ...))
    if last ~= "" then whole = last:sub(-1) == "\n" end
end

local function between(before, after, fn, writes_here)
    return function(...)
        if not writes_here(...) then return fn(...) end
        before()
        local results = table.pack(fn(...))
        after()
        return table.unpack(results, 1, results.n)
    end
end

--- Has `before` and `after` called around all that is written to the terminal.
---@param before fun()
---@param after fun()
---@return fun(file: file*, ...: string) write past them
---@return fun() undo
function M.around(before, after)
    local methods = getmetatable(io.stderr).__index
    local plain_write, plain_print, plain_io_write = methods.write, print, io.write
    local here = { [io.stderr] = true, [io.stdout] = terminal.of(io.stdout).terminal or nil }
    methods.write = between(before, after, plain_write, function(file, ...)
        if here[file] then note_end(...) end
        return here[file]
    end)
    if here[io.stdout] then
        _G.print = between(before, after, plain_print, function()
            whole = true
            return true
        end)
        io.write = between(before, after, plain_io_write, function(...) -- luacheck: ignore 122
            if io.output() == io.stdout then note_end(...) end
            return io.output() == io.stdout
        end)
    end
    return plain_write, function()
        methods.write, _G.print, io.write = plain_write, plain_print, plain_io_write -- luacheck: ignore 122
    end
end

return M
