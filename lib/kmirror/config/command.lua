--- config.command: runs a command that the configuration file names, such as `pass show`, for what it prints. What it
--- says on stderr is text from outside: it is told when the command has ended, as a terminal may show it.

local log = require("kmirror.log")
local shell = require("kmirror.shell")

local most_told = 1000 -- bytes

local function tell(where, path)
    local file <close> = io.open(path, "r")
    for line in (file and file:read("a") or ""):gmatch("[^\r\n]*%S[^\r\n]*") do
        log.info("%s: %s", where, line)
    end
end

-- A shell that does so, and writes the command's status behind what that printed: a pipe's status is that of its end.
local wrapper <const> = "{ { sh -c %s 2>&1 1>&3 3>&-; printf '\\n%%d' $? >&3; } "
    .. "| { head -c %d > %s; cat > /dev/null; }; } 3>&1"

--- What a command prints.
---@param command string for sh
---@param where string what messages call it: "profile production: api_key_command"
---@return string|nil printed nil when it failed
return function(command, where)
    local said = os.tmpname()
    local pipe <close> = io.popen(wrapper:format(shell.quote(command), most_told, said), "r")
    local printed, status = (pipe and pipe:read("a") or ""):match("^(.*)\n(%d+)$")
    tell(where, said)
    os.remove(said)
    return status == "0" and printed or nil
end
