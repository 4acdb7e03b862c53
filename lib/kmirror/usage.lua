--- usage: says that the command line, a configuration file or an input file is wrong.
---
--- The error it raises makes kmirror end with exit status 2 instead of 1, without a traceback.

local fields = require("mirrors").fields

local meta = {
    __name = "usage",
    __tostring = function(self)
        return self.message
    end,
}

--- Raises a usage error.
---@param message string names the input, what was expected and what to do
---@param ... any for string.format
return fields.checked("usage", { "message", fields.string, "...", fields.any }, function(message, ...)
    error(setmetatable({ kind = "usage", message = fields.formatted("usage", message, ...) }, meta), 0)
end)
