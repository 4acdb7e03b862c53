local screens = require("spec.support.screen")
local support = require("spec.support")

local PROMPT = "us-east@sandbox>"

-- The prompt of a small sandbox.
local function started(options)
    for i, word in ipairs { "repl", "--sandbox", "--world", "small" } do
        table.insert(options, i, word)
    end
    local screen = screens.start(options)
    screen:wait(PROMPT)
    return screen
end

describe("kmirror repl, on a terminal", function()
    local screen

    local function start(options) screen = started(options) end

    after_each(function() screen:stop() end)

    it("shows what expressions come to: mirrors as a table, a mirror as its fields, and keeps it as _", function()
        start {}
        local shown = screen:enter("api:list()", "(3 rows)\n" .. PROMPT)
        assert.is_truthy(shown:find("id +connectorName +topicsRegex\n"))
        assert.is_truthy(shown:find("\n%x+%-%x+%-%x+%-%x+%-%x+  us%-west%.us%-east.- +orders\\%.%.%*\n"))
        shown = screen:enter("api:get(_[1].id)", PROMPT)
        assert.is_truthy(shown:find("\ntargetLatency +30000\n"))
        screen:enter("_.targetLatency", "\n30000\n" .. PROMPT)
        screen:enter(":x api:list()", PROMPT)
        assert.is_truthy(screen:text():find("── 3 ─"))
    end)

    it("goes on in another line until the input is whole, and recalls it whole", function()
        start {}
        screen:enter("for i = 1, 2 do", "do")
        screen:enter("print(i * 11)", "print(i * 11)")
        screen:enter("end", "11\n22\n" .. PROMPT)
        screen:press("Up")
        screen:wait("> for i = 1, 2 do\n    print(i * 11)\n    end")
        screen:press("Enter")
        screen:wait("end\n11\n22\n" .. PROMPT)
    end)

    local guarded = "if #api:list() > 100 then\n\n    api:delete(api:list()[1].id)\n\nend\n"

    it("runs what is pasted as one input, once Enter is pressed", function()
        start {}
        screen:paste(guarded .. "guarded = #api:list()\n")
        screen:wait("guarded = #api:list()")
        screen:enter("guarded", "guarded\n3\n" .. PROMPT)
        screen:paste((guarded .. ":x { guarded }"):gsub("\n", "\r\n"))
        screen:enter("", PROMPT)
        screen:enter("#api:list()", "\n3\n" .. PROMPT)
        screen:press("Up", "Up")
        screen:wait("> " .. guarded .. ":x { guarded }") -- no more lines than there were
        screen:press("C-c")
        screen:wait("^C\n" .. PROMPT)
    end)

    it("forgets by Ctrl-C what was pasted of which the end never comes", function()
        start {}
        screen:type("\27[200~os.exit(3)\r")
        support.sleep(0.2)
        screen:press("C-c")
        screen:wait("^C\n" .. PROMPT)
        screen:enter("6 * 7", "\n42\n" .. PROMPT)
    end)

    it("runs as one input what is pasted where the terminal does not say so, whatever its lines end with", function()
        start {}
        for _, line_end in ipairs { "\n", "\r", "\r\n" } do
            screen:type((guarded .. "1\n40 + #api:list()\n"):gsub("\n", line_end))
            screen:wait("\n1\n43\n" .. PROMPT)
        end
        screen:enter("#api:list()", "\n3\n" .. PROMPT)
    end)

    it("drops the rest of what was pasted after an error, and runs nothing of what cannot be", function()
        start {}
        screen:type("a = 1\nerror('no')\nb = 2\napi:delete(api:list()[1].id)\n")
        screen:wait("\nerror: line 2: no\n" .. PROMPT)
        screen:enter("a, b, #api:list()", "\n1\nnil\n3\n" .. PROMPT)
        screen:type("a = 5\nb = = 2\nc = 3\n")
        screen:wait("\nerror: line 2: <eof> expected near '='\n" .. PROMPT)
        screen:type("a = 6\n:nosuch x\n")
        screen:wait("\nusage: unknown command ':nosuch'; :help lists them\n" .. PROMPT)
        screen:enter("a, b, c", "\n1\nnil\nnil\n" .. PROMPT)
        screen:type("task.sleep(0.3) error('late')\n")
        support.sleep(0.1)
        screen:type("api:delete(api:list()[1].id)\n")
        screen:wait("late\n" .. PROMPT)
        screen:enter("#api:list()", "\n3\n" .. PROMPT)
    end)

    it("takes a call that goes on in the next line as one", function()
        start {}
        screen:type("n = api\n  :list()\n#n\n")
        screen:wait("\n3\n" .. PROMPT)
    end)

    it("names the command that is meant by a word of other prompts, and the name that is meant by a slip", function()
        start {}
        screen:enter("help", "nil\n  :help lists what there is\n" .. PROMPT)
        screen:enter("quit()", "(global 'quit')\n  :quit ends the session\n" .. PROMPT)
        screen:enter("mirors", "nil\n  did you mean mirrors?\n" .. PROMPT)
        screen:enter("exit = nil", "exit = nil\n" .. PROMPT)
    end)

    it("survives errors, and Ctrl-C cancels the call that runs and not the session", function()
        start {}
        local shown = screen:enter('api:get("00000000-0000-4000-8000-000000000000")', PROMPT)
        assert.is_truthy(shown:find("\nnot_found: ", 1, true))
        assert.is_truthy(shown:find("status=404", 1, true))
        screen:enter("nosuch()", "(global 'nosuch')\n" .. PROMPT)
        screen:enter("ap:list()", "(global 'ap')\n  did you mean api?\n" .. PROMPT)
        screen:enter("task.sleep(60)", "task.sleep(60)")
        support.sleep(0.2)
        screen:press("C-c")
        screen:wait("\ninterrupted\n" .. PROMPT)
        for _, endless in ipairs { "while true do end", "while true do pcall(function() while true do end end) end",
            "while true do pcall(task.sleep, 0.01) end" } do
            screen:enter(endless, endless)
            support.sleep(0.2)
            screen:press("C-c")
            screen:wait(endless .. "\n^C\ninterrupted\n" .. PROMPT)
        end
        screen:enter("coroutine.wrap(function() task.sleep(60) end)()", "()")
        support.sleep(0.2)
        screen:press("C-c")
        screen:wait("\ninterrupted\n" .. PROMPT)
        screen:type("half a line")
        screen:wait("half a line")
        screen:press("C-c")
        screen:wait("> half a line^C\n" .. PROMPT)
        screen:enter("6 * 7", "\n42\n" .. PROMPT)
    end)

    it("is not ended by tasks that wait for one another", function()
        start {}
        screen:enter("a = task.spawn(function() while not b do task.sleep(0.01) end b:join() end)", PROMPT)
        screen:enter("b = task.spawn(function() a:join() end) b:join()", "for another one\n" .. PROMPT)
    end)

    it("lets tasks go on while somebody types, and puts above the line what they have to say", function()
        start {}
        screen:enter('for i = 1, 2 do task.spawn(function() task.sleep(i / 2) print("tick " .. i) end) end', PROMPT)
        screen:enter('t = task.spawn(function() task.sleep(1.5) error("boom") end)', PROMPT)
        screen:type("typing on")
        local shown = screen:wait("error: line 1: boom\n  in a task that nobody waits for\n" .. PROMPT .. " typing on")
        assert.is_truthy(shown:find("\ntick 1\ntick 2\nerror:"))
    end)

    it("completes names, methods, commands, clusters and the ids of the last list", function()
        start {}
        screen:type("api:up")
        screen:press("Tab")
        screen:wait("> api:update_target_latency(")
        screen:press("C-u")
        screen:type("api:")
        screen:press("Tab")
        local shown = screen:wait(PROMPT .. " api:")
        assert.is_truthy(shown:find("update_target_latency(id, ms)", 1, true))
        screen:press("C-u")
        screen:enter("#api:list()", "\n3\n" .. PROMPT)
        screen:type('api:get("or')
        screen:press("Tab")
        support.eventually("an id", function() return screen:text():find('api:get%("%x+%-%x+%-%x+%-%x+%-%x+"%)$') end)
        screen:type(".topicsRegex")
        screen:press("Enter")
        screen:wait('"orders\\..*"\n' .. PROMPT)
        screen:type(":us")
        screen:press("Tab")
        screen:type("us-w")
        screen:press("Tab")
        screen:wait(":use us-west")
        screen:press("Enter")
        screen:wait("\napi is on us-west\nus-west@sandbox>")
    end)

    it("keeps the history for the next session, without secrets", function()
        local home = support.temporary_directory("home")
        start { home = home }
        screen:enter('x = "sourceConnectionProperties"', PROMPT)
        screen:enter("apples = 1", PROMPT)
        screen:enter("bananas = 2", PROMPT)
        screen:stop()
        assert.are.equal("apples = 1\nbananas = 2\n", support.read(home .. "/.local/state/kmirror/prompt-history"))
        start { home = home }
        screen:press("C-r")
        screen:wait("(reverse-i-search)'':")
        screen:type("a")
        screen:wait("'a': bananas = 2")
        screen:press("C-r")
        screen:wait("'a': apples = 1")
        screen:type("p")
        screen:wait("(reverse-i-search)'ap': apples = 1")
        screen:type("x")
        screen:wait("(failed reverse-i-search)'apx': apples = 1")
        screen:press("BSpace")
        screen:wait("(reverse-i-search)'ap': apples = 1")
        screen:press("Enter")
        screen:wait("\n" .. PROMPT .. " apples = 1")
        screen:press("C-r")
        screen:type("0")
        screen:wait("(failed reverse-i-search)'apples = 10': apples = 1")
        screen:press("Escape")
        screen:wait("\n" .. PROMPT .. " apples = 1")
        screen:press("C-r", "C-c")
        screen:wait("^C\n" .. PROMPT)
        screen:type("pears")
        screen:wait("\n" .. PROMPT .. " pears")
    end)

    it("edits the last input in an editor, and runs what it becomes", function()
        start { env = { EDITOR = "sed -i s/20/40/" } }
        screen:enter("20 + 2", "\n22\n" .. PROMPT)
        screen:enter(":edit", "\n42\n" .. PROMPT)
        screen:press("Up")
        screen:wait(PROMPT .. " 40 + 2")
    end)

    it("runs a command in the shell", function()
        start {}
        screen:enter(":! echo $((6 * 7)); exit 3", "\n42\nstatus 3\n" .. PROMPT)
        screen:enter(":!echo tight", "\ntight\n" .. PROMPT)
    end)

    it("shows what is longer than the screen in a pager, where there is one", function()
        start { env = { PAGER = "sed s/^/paged:/" } }
        screen:enter("1", "\n1\n" .. PROMPT)
        screen:enter("long = {} for i = 1, 60 do long[i] = i end", PROMPT)
        screen:enter(":json long", "paged:  60\npaged:]\n" .. PROMPT)
        screen:enter(":pager off", "no pager any more\n" .. PROMPT)
        screen:enter(":json long", "\n  60\n]\n" .. PROMPT)
    end)

    it("begins with a person's own file, and tells what is wrong with it", function()
        local config = support.temporary_directory("config")
        os.execute("mkdir " .. config .. "/kmirror")
        support.write(config .. "/kmirror/prompt.lua", "function double(x) return 2 * x end\nlocal y = nothing.z\n")
        start { env = { XDG_CONFIG_HOME = config } }
        assert.matches("prompt.lua:2: attempt to", (screen:text():gsub("\n", "")), 1, true)
        screen:enter("double(21)", "\n42\n" .. PROMPT)
    end)

    it("gives the terminal back as it was, when it ends and when it is ended", function()
        start {}
        screen:press("C-d")
        screen:wait("\nended with 0")
        support.eventually("the terminal", function() return screen:restored() end)
        screen:stop()
        start {}
        screen:enter("t = task.spawn(task.sleep, 60)", PROMPT)
        screen:enter(":quit", "\nending 1 task that still ran\nended with 0")
        screen:stop()
        start {}
        screen:signal("TERM")
        assert.is_truthy(screen:wait("ended with 130"))
        support.eventually("the terminal", function() return screen:restored() end)
        screen:stop()
        start {}
        screen:enter("task.spawn(function() task.sleep(0.3) os.exit(7) end)", "ended with 7")
        support.eventually("the terminal", function() return screen:restored() end)
    end)

    it("draws the line anew when the terminal gets another size", function()
        start { columns = 80 }
        local line = ('"%s"'):format(("abcdefghi "):rep(10))
        screen:type(line)
        support.eventually("the line", function() return screen:text():find("abcdefghi \"$") end)
        os.execute(("tmux -S %s resize-window -x 50"):format(screen.socket))
        support.eventually("the line", function()
            local _, prompts = screen:text():gsub("us%-east@sandbox>", "")
            return prompts == 1 and screen:text():gsub("\n", ""):find(line:sub(1, 60), 1, true)
        end)
    end)

    it("sends nothing before it is asked to, and outside the sandbox lets no change through at first", function()
        local sandbox = support.sandbox { world = "small", rate = 0 }
        screen = screens.start { "repl", env = sandbox:env() }
        screen:wait("@kmirror read-only>")
        assert.are.equal(0, #sandbox:requests())
        local shown = screen:enter("api:delete(api:list()[1].id)", "read-only>")
        assert.is_truthy(shown:find("\nread_only: .*\n  :readonly off lets changes through\n"))
        assert.are.equal(1, #sandbox:requests())
        screen:enter(":readonly off", "@kmirror WRITABLE>")
        screen:enter("api:delete(api:list()[1].id)", "id)\n5a9b1c52@kmirror WRITABLE>")
        screen:enter("#api:list()", "\n2\n5a9b1c52@kmirror WRITABLE>")
    end)
end)

describe("kmirror repl, on terminals of another kind", function()
    local screen

    local function start(options) screen = started(options) end

    after_each(function() screen:stop() end)

    -- Each id whole on one line, and no line longer than the terminal is wide.
    local function check_width(shown, columns, ids)
        local found = 0
        for line in shown:gmatch("[^\n]+") do
            assert.is_true(utf8.len(line) <= columns)
            found = found + (line:find("%x+%-%x+%-%x+%-%x+%-%x+$") and 1 or 0)
        end
        assert.are.equal(ids, found)
    end

    it("keeps ids whole where a table has no room for them", function()
        start { columns = 40 }
        check_width(screen:enter(":clusters", PROMPT):match(":clusters\n(.*)\n"), 40, 4)
        check_width(screen:enter("api:list()", PROMPT):match("api:list%(%)\n(.*)\n"), 40, 3)
        screen:stop()
        start { columns = 80 }
        check_width(screen:enter(":clusters", PROMPT):match(":clusters\n(.*)\n"), 80, 4)
    end)

    it("breaks help between words, whatever the width", function()
        start { columns = 40 }
        local shown = screen:enter(":help api:get", PROMPT)
        assert.is_truthy(shown:find("\nRaises what list() raises; `invalid` for\nan empty id.\n", 1, true), shown)
        shown = screen:enter(":help watch", PROMPT)
        assert.is_truthy(shown:find("\nShows an expression again and again in\nthe same place", 1, true), shown)
    end)

    it("reads lines where they cannot be edited, and Ctrl-C cancels the call alone there, too", function()
        start { env = { TERM = "dumb" } }
        screen:enter("for i = 1, 2 do", "\n...")
        screen:enter("print(i * 11)", "\n...")
        screen:enter("end", "end\n11\n22\n" .. PROMPT)
        screen:enter("task.sleep(60)", "task.sleep(60)")
        support.sleep(0.2)
        screen:press("C-c")
        screen:wait("\ninterrupted\n" .. PROMPT)
        screen:enter("6 * 7", "\n42\n" .. PROMPT)
    end)
end)

describe("kmirror repl, on a terminal where anything is typed", function()
    -- CI types a million, with the sanitizers.
    local count = os.getenv("KMIRROR_PROMPT_BYTES") or "25000"

    it("neither crashes nor leaves the terminal raw", function()
        local typist = support.temporary("prompt_bytes")
        assert(os.execute(("cc -D_GNU_SOURCE -o %s spec/support/prompt_bytes.c -lutil"):format(typist)))
        local pipe <close> = assert(io.popen("realpath " .. support.executable))
        local result = support.run { command = typist, count, "1", pipe:read("l"), "repl", "--sandbox", "--world",
            "small", "--rate", "0", env = { TERM = "xterm" }, directory = support.temporary_directory("typed"),
            timeout = 60 + tonumber(count) / 500 }
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
        assert.matches("^%d+ bytes in %d+ sessions\n$", result.stdout)
    end)

    it("gives the terminal back when it is killed by Ctrl-\\, and by a second signal", function()
        for _, signals in ipairs { { "QUIT" }, { "TERM", "TERM" } } do
            local screen = screens.start { "repl", "--sandbox", "--world", "small" }
            screen:wait(PROMPT)
            assert.is_true(screen:signal(signals[1]))
            if signals[2] then screen:signal(signals[2]) end -- which it may not live to see
            support.eventually("the terminal to be given back", function() return screen:restored() end)
            screen:stop()
        end
    end)

    it("goes on after Ctrl-R and a byte that is no UTF-8", function()
        local screen = screens.start { "repl", "--sandbox", "--world", "small" }
        screen:wait(PROMPT)
        screen:enter("apples = 1", PROMPT)
        screen:bytes("\x12\xefp\x12")
        screen:wait("(failed reverse-i-search)'\u{FFFD}p':")
        screen:press("C-c")
        screen:wait("^C\n" .. PROMPT)
        screen:bytes("'caf\xe9'")
        screen:enter("", "\n\"caf\u{FFFD}\"\n" .. PROMPT)
        screen:stop()
    end)
end)

describe("kmirror repl, in a pipe", function()
    local function repl(input, ...)
        return support.run { "repl", "--sandbox", "--world", "small", "--log-level", "error", stdin = input, ... }
    end

    it("stays read-only when it was told to be", function()
        local result = repl(":readonly off\napi:delete(api:list()[1].id)\n#api:list()\n", "--read-only")
        assert.is_truthy(result.stderr:find(":readonly off: this session is --read-only", 1, true), result.stderr)
        assert.is_truthy(result.stderr:find("read_only: delete mirror", 1, true))
        assert.is_nil(result.stderr:find(":readonly off lets changes through", 1, true))
        assert.are.equal("3\n", result.stdout)
    end)

    it("reads the same inputs, and writes results and nothing else", function()
        local result = repl('1 + 1\nx = 5\nlocal y = x + 1\nfor i = 1, 2 do\n  print(i)\nend\ny, "a"\n#api:list()')
        assert.are.equal(0, result.status)
        assert.are.equal('2\n1\n2\n6\n"a"\n3\n', result.stdout)
        assert.are.equal("", result.stderr)
    end)

    it("goes on in an open block after an empty line, whatever its lines end with", function()
        local result = repl("if false then\r\n\r\n  api:delete(api:list()[1].id)\r\nend\r\n#api:list()\r\n:json 5\r\n")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("3\n5\n", result.stdout)
        result = repl("if false then\n\n  api:delete(api:list()[1].id)\n")
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("'end' expected", 1, true))
    end)

    it("goes on after an error, and ends with 1", function()
        local result = repl(":hlep\nx = = 1\nnosuch()\n1\n")
        assert.are.equal(1, result.status)
        assert.are.equal("1\n", result.stdout)
        assert.is_truthy(result.stderr:find("unknown command ':hlep'; did you mean :help?", 1, true))
        assert.is_truthy(result.stderr:find("line 1: attempt to call a nil value", 1, true))
    end)

    it("writes mirrors in lines with tabs, or as JSON", function()
        local result = repl("api:list()\n:json api:list()\n:use us-west\n:json api:list()\n:clusters\n")
        assert.are.equal(0, result.status, result.stderr)
        local _, lines = result.stdout:gsub("[^\n]+\t[^\n]+\torders\\%.%.%*\n", "")
        assert.are.equal(1, lines)
        assert.is_truthy(result.stdout:find('"topicsRegex": "orders\\\\..*"', 1, true))
        assert.is_truthy(result.stdout:find("*\tus-west\tus-west\t" .. support.us_west, 1, true))
    end)

    it("watches until a condition holds, runs files, and says what a name stands for", function()
        local file = support.temporary("load.lua", "#!/usr/bin/env kmirror\nloaded = 41\n")
        local result = repl(("n = 0\n:watch 0.05 (function() n = n + 1 return n end)() until _ == 3\n:load %s\n"
            .. "loaded + 1\n:help api:get\n:help task.sleep\n:help bulk\n"):format(file))
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("\n3\n42\napi:get(id)\n\nOne mirror.\n", 1, true), result.stdout)
        assert.is_truthy(result.stdout:find("Waits for that many seconds.", 1, true))
        assert.is_truthy(result.stdout:find("bulk.map(items, work, concurrency", 1, true))
    end)

    it("tells of methods as they are called, of options with their fields, and of commands", function()
        local result = repl(":help api.update_target_latency\n:help bulk.each\n:help task.sleep\n:help :use\n"
            .. ":help list\n")
        local shown = result.stdout
        assert.is_truthy(shown:find("api:update_target_latency(id, ms)\n\nSets the latency", 1, true), shown)
        assert.is_truthy(shown:find("\n  ms  integer — from 1000 to 2147483647\nRaises", 1, true))
        assert.is_truthy(shown:find("\nkmirror.bulk.options:\n  concurrency?   integer — how many", 1, true))
        assert.is_truthy(shown:find("\ntask.sleep(seconds, background)\n\nWaits for that many seconds.", 1, true))
        assert.is_truthy(shown:find("\n:use CLUSTER\n\nPut api on another cluster.\n", 1, true))
        assert.is_truthy(result.stderr:find("there is no help on 'list'; did you mean api:list?", 1, true))
    end)

    it("saves comments, returns and variables so that they are Lua where they stand", function()
        local path = support.temporary("directory") .. ".lua"
        local result = repl("-- only a remark\n2 + 3 -- five\nprint(_)\n--[[ nothing ]]\nreturn 7\n"
            .. "local a <const>, b <close> = 1, 2\na = a + b\n(print or error)(a)\n:save " .. path .. "\n")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("5\n5\n3\n", result.stdout)
        local run = support.run { "run", "--sandbox", "--world", "small", path }
        assert.are.equal(0, run.status, run.stderr .. support.read(path))
        assert.are.equal("5\n3\n", run.stdout)
        assert.is_truthy(support.read(path):find("\n-- only a remark\n", 1, true))
    end)

    it("saves a session as a runbook that does the same, without secrets", function()
        local path = support.temporary("directory") .. ".lua"
        local result = repl('#api:list()\nn = _\n:use us-west\nx = "password"\nnosuch()\nprint(n, #api:list())\n:save '
            .. path .. "\n")
        assert.are.equal("3\n3\t0\n", result.stdout)
        local saved = support.read(path)
        assert.is_nil(saved:find("password", 1, true))
        assert.is_nil(saved:find("nosuch", 1, true))
        local run = support.run { "run", "--sandbox", "--world", "small", path }
        assert.are.equal(0, run.status, run.stderr)
        assert.are.equal("3\t0\n", run.stdout)
        assert.is_truthy(repl(":save " .. path .. "\n").stderr:find("is there already", 1, true))
    end)
end)
