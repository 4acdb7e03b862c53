-- The trail that runs leave, and the hooks of their beginning and end.
local json = require("kmirror.json")
local support = require("spec.support")

local sandbox, home

-- Runs kmirror against the sandbox, with a state of its own.
local function kmirror(...)
    local options = { ... }
    options = type(options[1]) == "table" and options[1] or options
    local env = sandbox:env()
    env.XDG_STATE_HOME = home
    for name, value in pairs(options.env or {}) do env[name] = value end
    options.env = env
    return support.run(options)
end

local function done(...)
    local result = kmirror(...)
    assert.are.equal(0, result.status, result.stderr)
    return result
end

local function file()
    return support.read(home .. "/kmirror/history")
end

local function history(...)
    return json.decode(done("history", "--json", ...).stdout)
end

local function some_id()
    return done("list").stdout:match("^%S+")
end

before_each(function()
    sandbox = support.sandbox { creating_seconds = 0, sync_seconds = 0, world = 5 }
    home = support.temporary_directory("state")
end)

after_each(function() sandbox:stop() end)

describe("the history", function()
    it("is not waited for where a pipe stands in its place, which is told", function()
        local state = support.temporary_directory("state")
        os.execute(("mkdir %s/kmirror && mkfifo %s/kmirror/history"):format(state, state))
        local env = sandbox:env()
        env.XDG_STATE_HOME = state
        local result = support.run { "history", env = env, timeout = 10 }
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("/kmirror/history is a pipe or a device; remove it", result.stderr, 1, true)
        result = support.run { "run", "-", env = env, timeout = 10, stdin = [[
            local api = require("mirrors").connect {} api:update_target_latency(api:list()[1].id, 31000)]] }
        assert.are.equal(0, result.status, result.stderr)
        assert.matches("the history of runs could not be written: ", result.stderr, 1, true)
    end)

    it("has a line for each run that changed something: who, where, when, what of it, and how it ended", function()
        local id = some_id()
        done("latency", id, "40000")
        local run = history()[1]
        assert.are.same({ "latency", { id, "40000" }, 0, "done", "sandbox", sandbox.url },
            { run.command, run.arguments, run.status, run.state, run.account, run.endpoint })
        assert.are.same({ update_target_latency = { done = 1, failed = 0 } }, run.changes)
        assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", run.began)
        assert.is_truthy(run.user and run.host and run.pid and run.version and run.ended and run.directory)
        assert.are.equal("1", select(2, file():gsub("\n", "")) .. "")
        local mode <close> = assert(io.popen("stat -c %a " .. home .. "/kmirror/history"))
        assert.are.equal("600", mode:read("l"))
    end)

    it("tells of a runbook and its arguments, without what may be secret", function()
        local book = support.temporary("book.lua", [[
            local api = require("mirrors").connect {}
            api:update_target_latency(api:list()[1].id, 50000)
            error("no " .. select(2, ...))]])
        local result = kmirror("run", book, "--token", "s3cret", "--password=s3cret", "key=plain",
            "https://u:s3cret@host/", "orders")
        assert.are.equal(1, result.status)
        assert.is_nil(file():find("--token\",\"s3cret", 1, true))
        local run = history()[1]
        assert.are.same({ "--token", "(hidden)", "--password=(hidden)", "key=plain", "(hidden)", "orders" },
            run.arguments)
        assert.are.same({ book, "failed", 1 }, { run.runbook, run.state, run.status })
        assert.matches("no s3cret", run.problem, 1, true) -- its own words, as the screen had them
        assert.are.same({ book }, { history("--runbook", book:match("([^/]+)%.lua$"))[1].runbook })
    end)

    it("has no secret argument on a page or in what is shown of a job, which is resumed with it", function()
        local page, said = support.temporary("page.html"), support.temporary("said")
        local book = support.temporary("book.lua", [[
            local api = require("mirrors").connect {}
            api:update_target_latency(api:list()[1].id, 50000)
            io.open("]] .. said .. [[", "w"):write((select(2, ...)))
            error("no")]])
        assert.are.equal(1, kmirror("--job", "j", "--report", page, "run", book, "--token", "s3cret").status)
        local of_job = support.temporary("job.html")
        done("report", "j", of_job)
        for _, text in ipairs { support.read(page), support.read(of_job), done("jobs", "show", "j").stdout,
            done("jobs", "show", "j", "--json").stdout } do
            assert.is_nil(text:find("s3cret", 1, true))
            assert.matches("(hidden)", text, 1, true)
        end
        os.remove(said)
        assert.are.equal(1, kmirror("jobs", "resume", "j").status)
        assert.are.equal("s3cret", support.read(said))
    end)

    it("does not show what stands for a secret however it is written", function()
        local book = support.temporary("book.lua", [[
            local api = require("mirrors").connect {}
            api:update_target_latency(api:list()[1].id, 50000)]])
        done("run", book, "--key", "s3cret", "--db-pass=s3cret", "password:s3cret", '{"password":"s3cret"}',
            "--hook", "end=webhook:https://chat.example.com/s3cret", "https://hooks.slack.com/services/s3cret",
            "--key-file", "/etc/secret/key", "topics:secret")
        assert.is_nil(file():find("s3cret", 1, true))
        assert.are.same({
            "--key", "(hidden)", "--db-pass=(hidden)", "password:(hidden)", "(hidden)", "--hook",
            "end=webhook:https://chat.example.com/…", "https://hooks.slack.com/…", "--key-file", "/etc/secret/key",
            "topics:secret",
        }, history()[1].arguments)
    end)

    it("leaves out lines that another hand has spoiled, and says how many", function()
        done("latency", some_id(), "40000")
        local line = file()
        local function spoiled(from, to)
            local text, count = line:gsub(from, to)
            assert(count > 0, from)
            return text
        end
        support.write(home .. "/kmirror/history", line .. table.concat {
            "no JSON\n", "[]\n", spoiled('"host":"[^"]*"', '"host":7'), spoiled('"user":"[^"]*"', '"user":{}'),
            spoiled('"began":[%d.]+', '"began":1e300'), spoiled('"ended":[%d.]+', '"ended":"late"'),
            spoiled('"done":1', '"done":null'), spoiled('"arguments":%[', '"arguments":[{},'),
            spoiled('"status":0', '"status":{}'), spoiled('"account":"[^"]*"', '"account":[]'),
        })
        for _, options in ipairs { {}, { "--json" }, { "--output", "csv" } } do
            local result = done("history", table.unpack(options))
            assert.matches("10 lines cannot be read, and left out", result.stderr, 1, true)
        end
        assert.are.equal(1, #history())
    end)

    it("has none for what only reads, a dry run, where changes are refused, and a sandbox of the run's own", function()
        local id = some_id()
        done("get", id)
        done("--dry-run", "latency", id, "40000")
        kmirror("--read-only", "latency", id, "40000")
        done { "run", "--sandbox", "retune", "--latency", "40000",
            env = { KMIRROR_ENDPOINT = false, KMIRROR_CLUSTER = false } }
        assert.are.equal("", file())
        assert.are.equal("[]\n", done("history", "--json").stdout)
        assert.matches("no run has changed anything yet", done("history").stderr, 1, true)
    end)

    it("knows of a run that goes on, and of one that was killed", function()
        local book = support.temporary("book.lua", [[
            local api = require("mirrors").connect {}
            api:update_target_latency(api:list()[1].id, 50000)
            print("changed")
            require("task").sleep(60)]])
        local env = sandbox:env()
        env.XDG_STATE_HOME = home
        local process = support.start { "run", book, env = env }
        support.eventually("the first change", function() return process:stdout():find("changed") end)
        assert.are.equal("running", history()[1].state)
        assert.are.equal(1, #history("--status", "running"))
        process:signal("KILL")
        process:wait()
        assert.are.same({ "killed", nil }, { history()[1].state, history()[1].ended })
        process = support.start { "run", book, env = env }
        support.eventually("the first change", function() return process:stdout():find("changed") end)
        process:signal("INT")
        assert.are.equal(130, process:wait().status)
        assert.are.equal("interrupted", history()[2].state)
    end)

    it("counts changes that failed, and not those that a job had done before", function()
        local book = support.temporary("book.lua", [[
            local api = require("mirrors").connect {}
            api:update_target_latency(api:list()[1].id, 50000)
            pcall(api.delete, api, "0c7067d6-c70a-11ea-87d0-0242ac130003")]])
        done("run", "--job", "night", book)
        done("run", "--job", "night", book)
        local runs = history()
        assert.are.same({ delete = { done = 0, failed = 1 }, update_target_latency = { done = 1, failed = 0 } },
            runs[1].changes)
        assert.are.same({ delete = { done = 0, failed = 1 } }, runs[2].changes)
        assert.are.equal("night", runs[2].job)
        assert.matches("1 latency update, 0 deletes (1 failed)", done("history").stdout, 1, true)
    end)

    it("shows what is asked for: since when, of which runbook, in which status, how many", function()
        local id = some_id()
        for ms = 40000, 43000, 1000 do done("latency", id, tostring(ms)) end
        kmirror("delete", "--yes", support.mirror)
        assert.are.equal(5, #history("--since", "1h"))
        assert.are.equal(0, #history("--since", "2100-01-01"))
        assert.are.equal(4, #history("--status", "done"))
        assert.are.equal(4, #history("--runbook", "latency"))
        local limited = done("history", "--limit", "2")
        assert.are.equal(2, select(2, limited.stdout:gsub("\n", "")))
        assert.matches("43000.*\n.*delete", limited.stdout)
        assert.matches("3 older ones are left out", limited.stderr, 1, true)
        local titles, row = done("history", "--output", "csv", "--limit", "1").stdout:match("^(%S+)\r?\n([^\n]+)\r?\n$")
        assert.are.equal(select(2, titles:gsub(",", "")), select(2, row:gsub(",", "")))
        assert.matches("--since 'soon': expected how long", support.usage_error("history", "--since", "soon"), 1, true)
        assert.matches("Did you mean 'FAILED'", support.usage_error("history", "--status", "faild"), 1, true)
    end)

    it("loses no line of processes that write at the same time", function()
        local id, env, processes = some_id(), sandbox:env(), {}
        env.XDG_STATE_HOME = home
        for i = 1, 12 do
            processes[i] = support.start { "latency", id, tostring(30000 + i), env = env }
        end
        for _, process in ipairs(processes) do assert.are.equal(0, process:wait(30).status) end
        local runs = history()
        assert.are.equal(12, #runs)
        for _, run in ipairs(runs) do assert.are.equal("done", run.state) end
    end)

    it("is put aside when it is large, and leaves out lines that are spoiled", function()
        os.execute("mkdir -p " .. home .. "/kmirror")
        local line = '{"id":"%d","began":%d,"changes":{},"arguments":[],"command":"x","host":"h","user":"u","status":0,'
            .. '"ended":%d,"problem":"' .. ("p"):rep(1000) .. '"}\n'
        local lines = {}
        for i = 1, 1000 do lines[i] = line:format(i, i, i) end
        support.write(home .. "/kmirror/history", table.concat(lines) .. '{"id":"cut sho')
        done("latency", some_id(), "40000")
        assert.are.equal(1, select(2, file():gsub("\n", "")))
        local all = done("history", "--json", "--limit", "0")
        assert.are.equal(1001, #json.decode(all.stdout))
        assert.matches("history.1: 1 line cannot be read", all.stderr, 1, true)
    end)

    it("makes way for itself: what the prompt kept under that name is the prompt's still", function()
        os.execute("mkdir -p " .. home .. "/kmirror")
        support.write(home .. "/kmirror/history", "apples = 1\nbananas = 2\n")
        done("latency", some_id(), "40000")
        assert.are.equal(1, #history())
        assert.are.equal("apples = 1\nbananas = 2\n", support.read(home .. "/kmirror/prompt-history"))
    end)

    it("that cannot be written keeps no run from its work", function()
        support.write(home .. "/kmirror", "a file")
        local result = done("latency", some_id(), "40000")
        assert.matches("the history of runs could not be written", result.stderr, 1, true)
        local homeless = done { "latency", some_id(), "40000", env = { HOME = false, XDG_STATE_HOME = false } }
        assert.are.equal("", homeless.stderr)
    end)
end)

describe("the hooks of a run", function()
    local log

    before_each(function() log = support.temporary("hooks") end)

    local function hook(step, words)
        return ("%s=echo %s %s >> %s"):format(step, step, words or "", log)
    end

    it("run as it begins and when it has ended, and know what came of it", function()
        done("run", "--yes", "--hook", hook("start", "$KMIRROR_RUNBOOK $KMIRROR_ARGUMENTS"), "--hook",
            hook("done", "$KMIRROR_STATUS $KMIRROR_STATE: $KMIRROR_CHANGES"), "--hook", hook("failed"),
            "retune", "--latency", "41000")
        assert.are.equal("start retune --latency 41000\ndone 0 done: 5 latency updates\n", support.read(log))
    end)

    it("tell of a failure with why, and of an interrupt, which waits for them", function()
        local book = support.temporary("book.lua", 'error("no <luck> today", 0)')
        assert.are.equal(1, kmirror("run", "--hook", hook("failed", "$KMIRROR_STATUS \"$KMIRROR_PROBLEM\""), "--hook",
            hook("done"), book).status)
        local env = sandbox:env()
        env.XDG_STATE_HOME = home
        support.write(book, 'print("on") require("task").sleep(60)')
        local late = hook("failed", "$KMIRROR_STATE"):gsub("=", "=sleep 0.2; ", 1)
        local process = support.start { "run", "--hook", late, book, env = env }
        support.eventually("its begin", function() return process:stdout():find("on") end)
        process:signal("INT")
        assert.are.equal(130, process:wait().status)
        assert.are.equal("failed 1 no <luck> today\nfailed interrupted\n", support.read(log))
    end)

    it("of the end are all told, also when one before them fails", function()
        local said = support.temporary("said")
        local result = kmirror("run", "--hook", "failed=exit 7", "--hook", "failed=echo told > " .. said,
            support.temporary("book.lua", "error('no')"))
        assert.are.equal(1, result.status)
        assert.matches("the hook failed failed with status 7", result.stderr, 1, true)
        assert.are.equal("told\n", support.read(said))
    end)

    it("keep it from beginning when that of the start fails, and change no status otherwise", function()
        local result = kmirror("run", "--yes", "--hook", "start=exit 4", "retune", "--latency", "41000")
        assert.are.equal(1, result.status)
        assert.matches("the hook start failed with status 4", result.stderr, 1, true)
        for _, request in ipairs(sandbox:requests()) do
            assert.are_not.equal("PATCH", request.method)
        end
        result = done("run", "--yes", "--hook", "done=exit 4", "retune", "--latency", "41000")
        assert.matches("the hook done failed with status 4", result.stderr, 1, true)
    end)

    it("are taken behind the name of a shipped runbook, too", function()
        for _, words in ipairs {
            { "retune", "--latency", "41000", "--hook", hook("done") }, { "audit", "--hook=" .. hook("done") },
        } do
            done("run", "--yes", table.unpack(words))
            assert.are.equal("done\n", (support.read(log):gsub(" \n", "\n")))
            os.remove(log)
        end
        assert.matches("expected STEP=COMMAND, with a step of: start, failed, done",
            support.usage_error("run", "--hook", "fence=true", "audit"), 1, true)
        assert.matches("kmirror list has no --hook", support.usage_error("list", "--hook", "done=true"), 1, true)
    end)

    it("come from the profile, and can be posted", function()
        local server = support.server { { body = "" } }
        local config = support.temporary_directory("config")
        os.execute("mkdir " .. config .. "/kmirror")
        support.write(config .. "/kmirror/config.lua", [[return { profile = "p", profiles = { p = {
            hooks = { done = "webhook:env:CHAT" } } } }]])
        done { "run", "--yes", "retune", "--latency", "41000", env = { XDG_CONFIG_HOME = config, CHAT = server.url } }
        local body = json.decode(server:requests()[1].body)
        server:stop()
        assert.are.same({ "done", "retune", "5 latency updates", 0 },
            { body.hook, body.runbook, body.changes, body.status })
        assert.matches("^kmirror run retune: done, 5 latency updates %(", body.text)
    end)

    it("are kept with a job, and run again when it is resumed, unless they may hold a secret", function()
        local book = support.temporary("book.lua", 'error("again", 0)')
        local said = kmirror("run", "--job", "night", "--hook", hook("failed", "$KMIRROR_JOB"), "--hook",
            hook("failed", "token=s3cret"), book).stderr
        assert.matches("the hook failed may hold a secret, and is not kept with the job", said, 1, true)
        kmirror("jobs", "resume", "night")
        assert.are.equal("failed night\nfailed token=s3cret\nfailed night\n", support.read(log))
        kmirror("jobs", "resume", "night", "--hook", hook("failed", "mine"))
        assert.matches("failed mine\n$", support.read(log))
        assert.is_nil(support.read(home .. "/kmirror/jobs.db"):find("s3cret", 1, true))
    end)

    it("are only named under --dry-run", function()
        local result = done("--dry-run", "run", "--hook", hook("done"), "retune", "--latency", "41000")
        assert.matches("would run the hook done: echo done", result.stdout, 1, true)
        assert.are.equal("", support.read(log))
    end)
end)
