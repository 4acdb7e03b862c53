--- cli.commands: the commands there are. Each is a module kmirror.cli.NAME, which is loaded when it is asked for.

local M = {}

---@class kmirror.command what the module kmirror.cli.NAME says of a command
---@field name string
---@field arguments string how help shows what it takes: "ID MS"
---@field summary string one line
---@field details string the rest of its help, in lines of less than 80 columns
---@field sets string[] names of the sets of options that it takes, from kmirror.cli.sets
---@field prepares_itself? boolean it takes options of the connection, but sets nothing up before it runs
---@field define fun(parser: table, end_here: fun()) adds its arguments and its own options
---@field run fun(options: table): integer does it; the exit status

--- Their names by what they are about, in the order in which help shows them.
M.groups = {
    { title = "Runbooks", "run", "repl", "new", "check", "test", "show" },
    { title = "Mirrors", "list", "get", "create", "delete", "latency", "lag", "pause", "stop", "resume", "restart" },
    { title = "Fleets", "plan", "apply", "export" },
    { title = "Jobs", "jobs", "history", "store", "report" },
    { title = "kmirror", "sandbox", "doctor", "completion", "version", "help" },
}

--- All names.
M.names = {}
for _, group in ipairs(M.groups) do table.move(group, 1, #group, #M.names + 1, M.names) end

---@param name string of a command
---@return kmirror.command
function M.of(name)
    return require("kmirror.cli." .. name)
end

--- Is there a command of that name?
---@param name string
---@return boolean
function M.has(name)
    for _, known in ipairs(M.names) do
        if known == name then return true end
    end
    return false
end

--- Whether a command talks to the API, and must find it set up: then it can be reported on, too.
---@param name string of a command
---@return boolean
function M.needs_api(name)
    if M.of(name).prepares_itself then return false end
    for _, set in ipairs(M.of(name).sets) do
        if set == "connection" then return true end
    end
    return false
end

return M
