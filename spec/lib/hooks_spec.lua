local support = require("spec.support")

-- Runs Lua in the host, with `hooks` at hand; returns the result, without the times of the log.
local function run(script, env)
    local result = support.run { "run", "-", env = env,
        stdin = 'local hooks, task = require "kmirror.hooks", require "task"\n' .. script }
    result.stderr = result.stderr:gsub("%d%d:%d%d:%d%d ", "")
    return result
end

describe("hooks", function()
    it("run in the order given, and say what they say line by line after their step's name", function()
        local result = run [[
            local its = hooks.new({ "fence", "done" }, {
                { step = "fence", command = "echo one; echo two >&2" },
                { step = "done", command = "echo never" },
                { step = "fence", command = "printf three" },
            })
            print(its:run("fence", {}), its:has("done"), its:has("check"))]]
        assert.are.equal("2\ttrue\tfalse\n", result.stdout)
        assert.are.equal("[fence] one\n[fence] two\n[fence] three\n", result.stderr)
    end)

    it("show for how long they may run, while they do", function()
        local result = run [[
            local work
            task.spawn(function()
                while not work do
                    work = require("kmirror.progress.display").works[1]
                    task.sleep(0.01)
                end
            end)
            hooks.new({ "fence" }, { { step = "fence", command = "sleep 0.2" } }, { timeout = 60 }):run("fence", {})
            print(work.title, work.limit, #require("kmirror.progress.display").works)]]
        assert.are.equal("hook fence\t60\t0\n", result.stdout)
    end)

    it("say what they say while they run", function()
        local directory = support.temporary_directory()
        local first = support.start { "run", "-", directory = directory, executable = support.executable:find("^/") and
            support.executable or io.popen("realpath " .. support.executable):read("l"), stdin = [[
            local hooks = require "kmirror.hooks"
            hooks.new({ "a" }, { { step = "a", command = "echo begun; until test -e go; do sleep 0.02; done" } })
                :run("a", {})]] }
        support.eventually("the first line", function() return first:stderr():find("[a] begun", 1, true) end)
        support.write(directory .. "/go", "")
        assert.are.equal(0, first:wait().status)
    end)

    it("find what the runbook tells them in their environment, whatever is in it, but no key", function()
        local result = run([[
            local command = 'echo "$KMIRROR_HOOK|$KMIRROR_FROM|${KMIRROR_API_KEY-none}"'
            hooks.new({ "a" }, { { step = "a", command = command } })
                :run("a", { KMIRROR_FROM = "it's $HOME `x`" })]], { KMIRROR_API_KEY = "s3cret" })
        assert.are.equal("[a] a|it's $HOME `x`|none\n", result.stderr)
    end)

    it("run where the runbook runs, with nothing to read", function()
        local directory = support.temporary_directory()
        local real <close> = assert(io.popen("realpath " .. support.executable))
        local result = support.run { "run", "-", directory = directory, executable = real:read("l"), stdin = [[
            require "kmirror.hooks".new({ "a" }, { { step = "a", command = "pwd; cat" } }):run("a", {})]] }
        assert.is_truthy(result.stderr:find("[a] " .. directory .. "\n", 1, true), result.stderr)
    end)

    it("say what may be meant by a status that the shell gives for them", function()
        local directory = support.temporary_directory() .. "/some folder"
        assert(os.execute(("mkdir '%s'"):format(directory)))
        local function script(name, content, mode)
            os.execute(("chmod %s '%s'"):format(mode, support.write(directory .. "/" .. name, content)))
            return ("'%s/%s'"):format(directory, name)
        end
        for command, said in pairs {
            [script("here", "#!/bin/sh\necho here\n", "+x")] = "",
            [script("closed", "#!/bin/sh\n", "-x")] = "126: what it names cannot be executed; of a script, chmod +x",
            [script("windows", "#!/bin/sh\r\n", "+x")] = "127: what it names is not there; of a script, what its "
                .. "first line names (a CR at its end, too, is part of that)",
            ["/nowhere/x"] = "127: what it names is not there",
            ["kill -9 $$"] = "137: it seems that signal 9 ended it",
        } do
            local result = run(('hooks.new({ "a" }, { { step = "a", command = %q } }):run("a", {})'):format(command))
            assert.are.equal(said == "" and 0 or 1, result.status)
            local expected = said == "" and "[a] here" or "the hook a failed with status " .. said
            assert.is_truthy(result.stderr:find(expected, 1, true), result.stderr)
        end
    end)

    it("may say megabytes in a line, and anything a terminal would obey, also in a dry run", function()
        local command = "yes xx | tr -d '\\n' | head -c 3000000; printf '\\033[2J'"
        local code = ('hooks.new({ "a" }, { { step = "a", command = %q } }):run("a", {})'):format(command)
        local result = run(code)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("[a] " .. ("x"):rep(999) .. "…\n", result.stderr)
        result = support.run { "run", "--dry-run", "--sandbox", "-",
            stdin = [[require "kmirror.hooks".new({ "a" }, { { step = "a", command = "echo \27[2J" } }):run("a", {})]] }
        assert.are.equal("would run the hook a: echo \\u{1B}[2J\n", result.stdout)
    end)

    it("end the runbook when one fails, and keep the next one from running", function()
        for _, status in ipairs { 1, 7 } do
            local result = run(([[
                hooks.new({ "a" }, { { step = "a", command = "exit %d" }, { step = "a", command = "echo next" } })
                    :run("a", {})]]):format(status))
            assert.are.equal(1, result.status)
            assert.are.equal(("kmirror: the hook a failed with status %d\n"):format(status), result.stderr)
        end
    end)

    it("are stopped with all that they have started when they take too long", function()
        local mark = support.temporary("mark")
        local result = run(([[
            local its = hooks.new({ "a" }, {
                { step = "a", command = "(sleep 1; echo late > %s) & wait" } }, { timeout = 0.3 })
            print(pcall(its.run, its, "a", {}))
            task.sleep(1)]]):format(mark))
        assert.are.equal("false\tthe hook a did not end within 0.3 seconds\n", result.stdout)
        assert.are.equal("", support.read(mark))
    end)

    it("are stopped when the runbook is cancelled", function()
        local mark = support.temporary("mark")
        local result = run(([[
            local command = "trap 'echo stopped > %s; exit' TERM; sleep 9 & wait"
            local its = hooks.new({ "a" }, { { step = "a", command = command } })
            local running = task.spawn(its.run, its, "a", {})
            task.sleep(0.3)
            running:cancel()
            print(select(2, pcall(running.join, running)).kind)
            task.sleep(0.3)]]):format(mark))
        assert.are.equal("cancelled\n", result.stdout)
        assert.are.equal("stopped\n", support.read(mark))
    end)

    it("leave no file behind", function()
        local directory = support.temporary_directory()
        local result = run([[
            local its = hooks.new({ "a" }, { { step = "a", command = "exit 1" } }, { timeout = 1 })
            pcall(its.run, its, "a", {})]], { TMPDIR = directory })
        assert.are.equal(0, result.status)
        local listing <close> = io.popen("ls -A " .. directory)
        assert.are.equal("", listing:read("a"))
    end)

    it("are only named when nothing will be changed", function()
        for option, word in pairs { ["--dry-run"] = "planned", ["--read-only"] = "refused" } do
            local result = support.run { option, "run", "-", stdin = [[
                local its = require "kmirror.hooks".new({ "a" }, { { step = "a", command = "echo it ran" } })
                print(its:run("a", {}))]] }
            assert.are.equal("would run the hook a: echo it ran\n0\n", result.stdout, word)
            assert.are.equal("", result.stderr)
        end
    end)

    it("come from the profile for the steps that have none of their own", function()
        local result = run [[
            local its = hooks.new({ "a", "b" }, { { step = "a", command = "echo mine" } },
                { defaults = { a = "echo theirs", b = "echo theirs too" } })
            its:run("a", {})
            its:run("b", {})]]
        assert.are.equal("[a] mine\n[b] theirs too\n", result.stderr)
    end)

    it("post what they are told as JSON to a webhook, and Slack a line of words", function()
        local server = support.server { { body = "ok\27[2J", type = "text/plain" } }
        local result = run(([[
            local its = hooks.new({ "fence", "done" }, {
                { step = "fence", command = "webhook:%s/$KMIRROR_FROM/stop" },
                { step = "done", command = "slack:env:CHAT" },
            })
            local told = { KMIRROR_RUNBOOK = "failover", KMIRROR_FROM = "us west", KMIRROR_TO = "<us-east>",
                KMIRROR_STATUS = 0 }
            print(its:run("fence", told), its:run("done", told))]]):format(server.url),
            { CHAT = server.url .. "/T0/s3cret" })
        assert.are.equal("1\t1\n", result.stdout, result.stderr)
        assert.are.equal("[fence] ok\\u{1B}[2J\n[done] ok\\u{1B}[2J\n", result.stderr)
        local webhook, slack = table.unpack(server:requests())
        assert.are.equal("POST /us%20west/stop", webhook.method .. " " .. webhook.target)
        assert.are.equal('{"from":"us west","hook":"fence","runbook":"failover","status":0,'
            .. '"text":"kmirror run failover us west -> <us-east>: fence","to":"<us-east>"}', webhook.body)
        assert.are.equal("/T0/s3cret", slack.target)
        assert.are.equal('{"text":"kmirror run failover us west -&gt; &lt;us-east&gt;: done"}', slack.body)
        server:stop()
    end)

    it("read where to post from a variable, a file of the owner's alone or a command, and never show it", function()
        local server = support.server { { status = 403, body = "no /T0/s3cret" } }
        local file = support.temporary("url", server.url .. "/T0/s3cret\n")
        os.execute("chmod 600 " .. file)
        for _, place in ipairs { "env:CHAT", "file:" .. file, "command:cat " .. file } do
            local result = run(([[
                hooks.new({ "a" }, { { step = "a", command = "slack:%s" } }):run("a", {})]]):format(place),
                { CHAT = server.url .. "/T0/s3cret" })
            assert.are.equal(1, result.status)
            assert.are.equal(("kmirror: the hook a failed: POST %s/…: 403 Forbidden: the answer is no success: no "
                .. "/[hidden]\n"):format(server.url), result.stderr)
        end
        assert.are.equal(3, #server:requests())
        server:stop()
    end)

    it("are refused, and their URL is not told, when it cannot be used or might be a secret in an argument", function()
        local open = support.temporary("url", "https://example.org/s3cret")
        os.execute("chmod 644 " .. open)
        for command, told in pairs {
            ["slack:https://hooks.slack.com/s3cret"] = "the URL of a Slack webhook is a secret",
            ["webhook:https://hooks.slack.com/s3cret"] = "the URL of a Slack webhook is a secret",
            ["webhook:http://example.org/s3cret"] = "must be an https URL",
            ["webhook:example.org/s3cret"] = "expected a URL, or where it is kept",
            ["webhook:"] = "expected a URL, or where it is kept",
            ["webhook:env:NOT_SET"] = "the environment has no NOT_SET",
            ["webhook:env:WRONG"] = "what is kept there: the URL must be an https URL",
            ["slack:file:" .. open] = "chmod 600",
            ["slack:command:exit 3"] = "its command failed",
        } do
            local result = run(([[hooks.new({ "a" }, { { step = "a", command = "%s" } })]]):format(command),
                { WRONG = "ftp://example.org/s3cret" })
            assert.are.equal(2, result.status, command)
            assert.matches(told, result.stderr, 1, true)
            assert.is_nil(result.stderr:find("s3cret", 1, true), result.stderr)
        end
    end)

    it("are refused when the shell cannot read them, or when there is no such step", function()
        local result = run [[hooks.new({ "a" }, { { step = "a", command = "echo 'x" } })]]
        assert.are.equal(2, result.status)
        assert.are.equal("kmirror: --hook a=...: sh cannot read its command\n", result.stderr)
        result = run [[hooks.new({ "a" }, {}, { defaults = { b = "true" } })]]
        assert.are.equal(2, result.status)
        result = run [[print(hooks.option({ "a", "b" })("c=true"))]]
        assert.are.equal("nil\t--hook 'c=true': expected STEP=COMMAND, with a step of: a, b\n", result.stdout)
        result = run [[print(hooks.option({ "a" })("a= "))]]
        assert.is_truthy(result.stdout:find("expected STEP=COMMAND", 1, true))
    end)

    it("quote a word for the shell", function()
        local result = run [[print(hooks.quote("us-west"), hooks.quote("it's"), hooks.quote(""), hooks.quote(3))]]
        assert.are.equal("us-west\t'it'\\''s'\t''\t3\n", result.stdout)
    end)
end)
