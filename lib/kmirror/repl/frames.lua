--- repl.frames: what failed, frame by frame: where each was, and the variables that it had. They are looked at before
--- the error is passed on, as they are gone afterwards.

local host = require("host")
local uncaught = require("kmirror.uncaught")

local M = {}

local most = 100 -- failures that are kept

---@class kmirror.repl.frame
---@field where string "book.lua:3"
---@field name string what it is the frame of
---@field is_own boolean of kmirror's own files
---@field names table<string, any> its variables, and those from around it that it uses

local seen = {} ---@type { problem: any, frames: kmirror.repl.frame[] }[]

local function variables_of(level, fn)
    local names = {}
    for i = 1, math.huge do
        local name, value = debug.getupvalue(fn, i)
        if not name then break end
        names[name] = value
    end
    names._ENV = nil
    for i = 1, math.huge do
        local name, value = debug.getlocal(level + 1, i)
        if not name then break end
        if not name:find("^%(") then names[name] = value end
    end
    return names
end

local function name_of(info)
    if info.what == "main" then return "the main part" end
    return info.name and ("%s '%s'"):format(info.namewhat ~= "" and info.namewhat or "function", info.name)
        or ("the function of line %d"):format(info.linedefined)
end

-- The frames above, the innermost first.
local function take(problem)
    local frames, level = {}, 2
    while true do
        local info = debug.getinfo(level, "Slnf")
        if not info then break end
        if info.what ~= "C" then
            local path = info.source:gsub("^[@=]", "")
            frames[#frames + 1] = {
                where = ("%s:%d"):format(path, info.currentline), name = name_of(info), is_own = uncaught.is_own(path),
                names = variables_of(level, info.func),
            }
        end
        level = level + 1
    end
    if #seen == most then table.remove(seen, 1) end
    seen[#seen + 1] = { problem = problem, frames = frames }
end

--- Has the frames of all that fails from here on taken down.
function M.begin()
    host.on_failure(take)
end

--- The frames of an error, the innermost first: those of the task that it came from, then those of who waited for that.
--- kmirror's own are left out where there are others.
---@param problem any
---@return kmirror.repl.frame[]
function M.of(problem)
    local all, theirs = {}, {}
    for _, failure in ipairs(seen) do
        if rawequal(failure.problem, problem) then
            table.move(failure.frames, 1, #failure.frames, #all + 1, all)
        end
    end
    for _, frame in ipairs(all) do
        if not frame.is_own then theirs[#theirs + 1] = frame end
    end
    return #theirs > 0 and theirs or all
end

return M
