--- repl.saved: a session as a runbook.

local evaluate = require("kmirror.repl.evaluate")
local history = require("kmirror.repl.history")
local session_modules = require("kmirror.repl.session").modules
local refuse = require("kmirror.usage")

local M = {}

local function mentions(inputs, name)
    for _, input in ipairs(inputs) do
        if input.text:find("%f[%w_]" .. name .. "%f[^%w_]") then return true end
    end
    return false
end

local function header(session)
    local lines = { ("-- Saved from a session at the prompt, %s."):format(os.date("%Y-%m-%d")), "" }
    local names = {}
    for name in pairs(session_modules) do
        if name ~= "mirrors" and mentions(session.inputs, name) then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do
        lines[#lines + 1] = ('local %s = require("%s")'):format(name, session_modules[name])
    end
    lines[#lines + 1] = 'local mirrors = require("mirrors")'
    local options = session.start_cluster and ('{ cluster = "%s" }'):format(session.start_cluster) or "{}"
    lines[#lines + 1] = ("local api = mirrors.connect(%s)"):format(options)
    lines[#lines + 1] = "local _ -- what the last expression came to"
    lines[#lines + 1] = ""
    return lines
end

-- Whether it can stand in the middle of a runbook. What only returns cannot.
local function can_stand(code)
    return load(code .. "\n_ = nil", "=saved", "t") ~= nil
end

-- An input may be a comment alone, or end the prompt's chunk with a return: then it is no expression that `_` can be.
local function code_of(input)
    if history.is_secret(input.text) then
        return "-- An input that may hold a secret was left out here."
    end
    if input.expression and load("_ = " .. input.text, "=saved", "t") then
        return "_ = " .. input.text
    end
    local names, rest = evaluate.declared(input.text)
    local code = names and ("local %s%s"):format(names, rest) or input.text
    code = code:gsub("^%s*%(", ";%0") -- or it would be taken for a call of what stands above
    return can_stand(code) and code or ";(function()\n" .. code .. "\nend)()"
end

--- Writes what was typed, without what failed, to a new file.
---@param path string
---@param session kmirror.repl.session
---@return integer count of inputs
---Raises usage when the file is there already, or cannot be written.
function M.write(path, session)
    local lines = header(session)
    for _, input in ipairs(session.inputs) do lines[#lines + 1] = code_of(input) end
    local source = table.concat(lines, "\n") .. "\n"
    local file <close>, problem = require("kmirror.file").new(path)
    if problem and problem:find("File exists", 1, true) then
        refuse(":save: %s is there already; choose another name", path)
    elseif not file then
        refuse(":save: cannot write %s", problem)
    end
    local written, why = file:write(source)
    if not written then refuse(":save: cannot write %s: %s", path, why) end
    return #session.inputs
end

return M
