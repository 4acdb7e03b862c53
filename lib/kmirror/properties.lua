--- properties: reads connection properties, which often hold a password, from where the fleet file says they are.

local secrets = require("kmirror.secrets")
local sensitive = require("kmirror.sensitive")
local shell = require("kmirror.shell")
local textfile = require("kmirror.textfile")

-- The name of a file never looks like properties; what was put in the wrong field is not repeated.
local function shown(path)
    return path:find("[=\n]") and "(not shown: it looks like the properties themselves)" or path
end

local names = { text = "sourceConnectionProperties", file = "%s", variable = "the environment variable %s",
    command = "what its command printed" }

-- What commands have printed, or why they have not, by what asked for it: many mirrors have their cluster's.
local printed = setmetatable({}, { __mode = "k" })

local function run(command, directory, where)
    local inside = directory == "" and "" or ("cd -- %s || exit\n"):format(shell.word(directory))
    local content, problem = secrets.printed(inside .. command, where)
    return { content, content == nil and ("its command %s: run it by hand to see why: %s"):format(problem,
        sensitive.may_hold(command) and sensitive.hidden or command) or nil }
end

local readers = {
    text = function(value)
        return value
    end,
    file = function(value, directory)
        local path = value:find("^/") and value or directory .. value
        return textfile.read_private(path, shown(path))
    end,
    variable = function(value)
        local content = os.getenv(value)
        return content, not content and ("the environment variable %s is not set"):format(value) or nil
    end,
    command = function(value, directory, secret)
        local asked = secret.asked or secret
        printed[asked] = printed[asked] or run(value, directory, secret.path)
        return table.unpack(printed[asked], 1, 2)
    end,
}

--- The properties, without blanks at the end.
---@param secret kmirror.fleet.secret
---@param directory string of the fleet file, which the names of files go from, and in which commands run
---@return string|nil
---@return string|nil problem
return function(secret, directory)
    local content, problem = readers[secret.from](secret.value, directory, secret)
    if content then
        content, problem = textfile.decode(content)
        problem = problem and ("%s %s"):format(names[secret.from]:format(secret.value), problem)
    end
    local properties = content and content:match("^(.-)%s*$")
    if properties == "" then problem = "there is nothing in it" end
    if problem then return nil, problem .. "; expected Kafka client properties" end
    return properties
end
