--- secrets: reads a secret from where somebody says that it is: a file, a variable, or what a command such as
--- `pass show` prints. What the command says on stderr is text from outside: it is told when it has ended, as a
--- terminal may show it.

local log = require("kmirror.log")
local shell = require("kmirror.shell")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local M = {}

local most_told = 1000 -- bytes
local most_printed = 1 << 20

local function tell(where, path)
    local file <close> = io.open(path, "r")
    for line in (file and file:read("a") or ""):gmatch("[^\r\n]*%S[^\r\n]*") do
        log.info("%s: %s", where, line)
    end
end

-- A shell that does so, and writes the command's status behind what that printed: a pipe's status is that of its end.
local wrapper <const> = "{ { sh -c %s 2>&1 1>&3 3>&-; printf '\\n%%d' $? >&3 2> /dev/null; } "
    .. "| { head -c %d > %s; cat > /dev/null; }; } 3>&1"

--- What a command prints.
---@param command string for sh
---@param where string what messages call it: "profile production: api_key_command"
---@return string|nil printed nil when it failed
---@return string|nil problem what it did instead: "failed", or "printed too much"
function M.printed(command, where)
    local said = os.tmpname()
    local pipe <close> = io.popen(wrapper:format(shell.quote(command), most_told, said), "r")
    local whole = pipe and pipe:read(most_printed) or ""
    tell(where, said)
    os.remove(said)
    if #whole == most_printed then return nil, "printed too much" end
    local printed, status = whole:match("^(.*)\n(%d+)$")
    return status == "0" and printed or nil, status ~= "0" and "failed" or nil
end

local readers = {}

function readers.file(path, where)
    path = path:gsub("^~/", (os.getenv("HOME") or "") .. "/")
    local text, problem = textfile.read_private(path)
    return text or refuse("%s: %s", where, problem)
end

function readers.env(name, where)
    return os.getenv(name) or refuse("%s: the environment has no %s", where, name)
end

function readers.command(command, where)
    local printed, problem = M.printed(command, where)
    return printed or refuse("%s: its command %s: run it by hand to see why: %s", where, problem, command)
end

--- Reads one, without the blanks and line ends around it. Raises usage when it is not there, or empty, and for a file
--- that others than its owner can read.
---@param place "file"|"env"|"command"
---@param what string the file, the variable or the command
---@param where string what messages call it
---@return string
function M.read(place, what, where)
    local text = readers[place](what, where):match("^%s*(.-)%s*$")
    if text == "" then refuse("%s: what its %s holds is empty", where, place) end
    return text
end

return M
