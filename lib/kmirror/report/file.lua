--- report.file: a file that is written anew again and again: whoever reads it finds the whole of it, old or new.

local M = {}

local function must(value, problem)
    return value or error(problem, 0)
end

--- Writes a file: the whole of it or, when that cannot be done, nothing. Raises why, as text.
---@param path string
---@param content string
function M.write(path, content)
    local beside = path .. ".new"
    local ok, problem = pcall(function()
        local file <close> = must(io.open(beside, "wb"))
        must(file:write(content))
        must(file:close())
        must(os.rename(beside, path))
    end)
    if not ok then
        os.remove(beside)
        error(problem, 0)
    end
end

return M
