--- cli.commands: the commands there are. Each is a module kmirror.cli.NAME, which is loaded when it is asked for.

local M = {}

---@class kmirror.command what the module kmirror.cli.NAME says of a command
---@field name string
---@field summary string one line
---@field details string the rest of its help, in lines of less than 80 columns
---@field sets string[] names of the sets of options that it takes, from kmirror.cli.sets
---@field prepares_itself? boolean it takes options of the connection, but sets nothing up before it runs
---@field define fun(parser: table, end_here: fun()) adds its arguments and its own options
---@field run fun(options: table): integer does it; the exit status

--- Their names, and what each takes, by what they are about, in the order in which help shows them. To list them, none
--- is loaded.
M.groups = {
    { title = "Runbooks",
        { "run", "SCRIPT [ARG...]" }, { "repl" }, { "new", "NAME" }, { "check", "FILE..." },
        { "test", "[FILE_spec.lua|DIR]..." }, { "show", "RUNBOOK|PLAN" },
    },
    { title = "Mirrors",
        { "list" }, { "get", "ID..." }, { "create", "FILE|-" }, { "delete", "ID..." }, { "latency", "ID MS" },
        { "lag", "[ID...]" }, { "pause", "ID..." }, { "stop", "ID..." }, { "resume", "ID..." },
        { "restart", "ID..." },
    },
    { title = "Fleets",
        { "plan", "FLEET" }, { "apply", "FLEET|PLAN" }, { "export" },
    },
    { title = "Jobs",
        { "jobs", "[show|resume|forget|approve|refuse JOB]" }, { "history" }, { "store", "init|status|migrate" },
        { "report", "JOB [FILE]" },
    },
    { title = "kmirror",
        { "sandbox" }, { "doctor" }, { "completion", "bash|zsh|fish" }, { "version" }, { "help", "[TOPIC]" },
    },
}

--- All names.
M.names = {}

local taken = {}
for _, group in ipairs(M.groups) do
    for _, command in ipairs(group) do
        local name, arguments = table.unpack(command)
        M.names[#M.names + 1], taken[name] = name, arguments or ""
    end
end

--- What a command takes, as help shows it: "ID MS".
---@param name string of a command
---@return string
function M.arguments_of(name)
    return taken[name]
end

---@param name string of a command
---@return kmirror.command
function M.of(name)
    return require("kmirror.cli." .. name)
end

--- Is there a command of that name?
---@param name string
---@return boolean
function M.has(name)
    return taken[name] ~= nil
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
