--- problem: what something that was raised means to whoever tried.

local M = {}

--- Whether it is an error object of that kind.
---@param problem any what was raised
---@param kind mirrors.kind|string
---@return boolean
function M.is(problem, kind)
    return type(problem) == "table" and problem.kind == kind
end

--- Whether a mirror does not exist: to one that asked to delete it, that is no failure.
---@param problem any
---@return boolean
function M.is_gone(problem)
    return M.is(problem, "not_found")
end

local function judged(ok, ...)
    local problem = ...
    if not ok and (type(problem) ~= "table" or problem.kind == "cancelled") then
        error(problem, 0)
    end
    return ok, ...
end

--- pcall for calls that may fail: what is no failure of the call, but a mistake in the program or the end of this
--- task, is raised all the same.
---@param call function
---@param ... any
---@return boolean ok
---@return any ... what it returned, or the error object
function M.try(call, ...)
    return judged(pcall(call, ...))
end

local passing = { transport = true, timeout = true, server = true, rate_limited = true }

--- Whether it passes by itself, so that another try may go well.
---@param problem any
---@return boolean
function M.passes(problem)
    return type(problem) == "table" and passing[problem.kind] or false
end

local hopeless = { cancelled = true, unauthorized = true, read_only = true, store = true }

--- Whether what befell one mirror would befall every other one, too: to go on would only make more of it.
---@param problem any
---@return boolean
function M.is_hopeless(problem)
    return type(problem) == "table" and hopeless[problem.kind] or false
end

return M
