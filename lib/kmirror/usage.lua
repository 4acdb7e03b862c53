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
    local values = table.pack(...)
    for i = 1, message ~= "%s" and values.n or 0 do -- a message on its own may have several lines
        local value = values[i]
        values[i] = type(value) == "string" and fields.printable(value) or value
    end
    local whole = fields.formatted("usage", message, table.unpack(values, 1, values.n))
    error(setmetatable({ kind = "usage", message = whole }, meta), 0)
end)
