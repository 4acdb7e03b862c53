--- cli.outcome: the exit status that a runbook's own value stands for.

local M = {}

--- The exit status for what a runbook returns: nothing, an exit status, or nil and why it failed. Raises that, and what
--- is none of them.
---@param script string what it is called
---@param value any
---@param why any
---@return integer
function M.status(script, value, why)
    if not value and why ~= nil then
        error(type(why) == "table" and why or ("%s: %s"):format(script, tostring(why)), 0)
    elseif value == nil then
        return 0
    elseif math.type(value) == "integer" and value >= 0 and value <= 255 then
        return value
    end
    local expected = "expected nothing, or an exit status from 0 to 255"
    error(("%s returned %s: %s"):format(script, tostring(value), expected), 0)
end

return M
