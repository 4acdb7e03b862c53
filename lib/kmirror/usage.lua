--- usage: says that the command line, a configuration file or an input file is wrong.
---
--- The error it raises makes kmirror end with exit status 2 instead of 1, without a traceback.

local meta = {
    __name = "usage",
    __tostring = function(self)
        return self.message
    end,
}

--- Raises a usage error.
---@param message string names the input, what was expected and what to do
---@param ... any for string.format
return function(message, ...)
    if select("#", ...) > 0 then
        message = message:format(...)
    end
    error(setmetatable({ kind = "usage", message = message }, meta), 0)
end
