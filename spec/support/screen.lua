--- screen: a program on a terminal, that of tmux: what is typed there, and what it shows.
local support = require("spec.support")

---@class support.screen
local screen = {}
screen.__index = screen

local count = 0

---Starts `kmirror` with these arguments in a terminal: screen.start{ "repl", "--sandbox", env = {…}, columns = 80 }.
---When it has ended the screen shows "ended with" its status.
---@param options table
---@return support.screen
function screen.start(options)
    count = count + 1
    local self = setmetatable({ socket = support.temporary("tmux" .. count) }, screen)
    local home = options.home or support.temporary_directory("home")
    local words = { "env", "-i", "HOME=" .. home, "LC_ALL=C.UTF-8", "TERM=screen-256color",
        "PATH=" .. os.getenv("PATH") }
    for name, value in pairs(options.env or {}) do words[#words + 1] = name .. "=" .. value end
    for _, name in ipairs { "ASAN_OPTIONS", "UBSAN_OPTIONS" } do
        words[#words + 1] = os.getenv("KMIRROR_" .. name) and name .. "=" .. os.getenv("KMIRROR_" .. name)
    end
    words[#words + 1] = support.executable
    for _, word in ipairs(options) do words[#words + 1] = word end
    for i, word in ipairs(words) do words[i] = support.quote(word) end
    local script = support.temporary("terminal.sh", ("stty -g > %s\nsh -c 'echo $$ > %s; exec \"$@\"' - %s\n"
        .. "echo ended with $?\nstty -g > %s\nsleep 60\n"):format(self.socket .. ".before", self.socket .. ".pid",
        table.concat(words, " "), self.socket .. ".after"))
    assert(os.execute(("tmux -f /dev/null -S %s new-session -d -x %d -y 50 sh %s"):format(self.socket,
        options.columns or 80, script)))
    return self
end

---Types text as it is.
---@param text string
function screen:type(text)
    assert(os.execute(("tmux -S %s send-keys -l %s"):format(self.socket, support.quote(text))))
end

---Types bytes, whatever they mean.
---@param bytes string
function screen:bytes(bytes)
    local words = bytes:gsub(".", function(byte) return (" %02x"):format(byte:byte()) end)
    assert(os.execute(("tmux -S %s send-keys -H%s"):format(self.socket, words)))
end

---Pastes text, between the marks that tell a paste when the program has asked for them.
---@param text string
function screen:paste(text)
    assert(os.execute(("tmux -S %s load-buffer %s && tmux -S %s paste-buffer -d -p -r"):format(self.socket,
        support.quote(support.temporary("paste", text)), self.socket)))
end

---Presses keys by tmux's names: "Enter", "C-c", "Tab", "Up".
---@param ... string
function screen:press(...)
    assert(os.execute(("tmux -S %s send-keys %s"):format(self.socket, table.concat({ ... }, " "))))
end

---What it shows, without the spaces at the end of lines and the empty lines below.
---@return string
function screen:text()
    local pipe <close> = assert(io.popen(("tmux -S %s capture-pane -p"):format(self.socket)))
    return (pipe:read("a"):gsub("[ ]+\n", "\n"):gsub("%s+$", ""))
end

---Waits until the screen ends with that text, and returns all of it.
---@param wanted string
---@param before string? what it showed before, which is not what is waited for
---@return string
function screen:wait(wanted, before)
    local shown
    local ok = pcall(support.eventually, wanted, function()
        shown = self:text()
        return shown ~= before and shown:sub(-#wanted) == wanted
    end, 10)
    if not ok then
        error(("waited in vain for the screen to end with %q; it shows:\n%s"):format(wanted, shown), 2)
    end
    return shown
end

---Types a line, and waits until the screen ends with that text.
---@param line string
---@param wanted string
---@return string
function screen:enter(line, wanted)
    local before = self:text()
    self:type(line)
    self:press("Enter")
    return self:wait(wanted, before)
end

---Whether the terminal is as the program found it. True only after it has ended.
---@return boolean
function screen:restored()
    local after = support.read(self.socket .. ".after")
    return after ~= "" and after == support.read(self.socket .. ".before")
end

---Sends the program a signal.
---@param name string
---@return boolean sent  false when it has ended already
function screen:signal(name)
    local pid = support.read(self.socket .. ".pid"):match("%d+")
    return (os.execute(("kill -%s %s 2> /dev/null"):format(name, pid))) == true
end

---Ends it, whatever runs there.
function screen:stop()
    os.execute(("tmux -S %s kill-server 2> /dev/null"):format(self.socket))
end

return screen
