local support = require("spec.support")

local KEY = "sandbox-full-key"
local PASSWORD = "correct-horse-battery"

-- Creates mirrors from a source whose properties hold a password, some of which fail, and waits to be looked at.
local RUNBOOK = [[
    local mirrors, task = require "mirrors", require "task"
    local api = mirrors.connect { settle = 3 }
    local function spec(i, more)
        local spec = { sourceType = "custom", sourceAlias = "legacy", topicsRegex = ("t%d\\..*"):format(i),
            maxTasks = 1, useRenaming = true,
            sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config="
                .. "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"]] ..
    PASSWORD .. [[\";" }
        for name, value in pairs(more or {}) do spec[name] = value end
        return spec
    end
    for i = 1, 12 do print(api:create(spec(i))) end
    print(pcall(api.create, api, spec(13, { topicsRegex = "(" })))
    print(pcall(api.create, api, spec(14, { maxTasks = 0 })))
    print(pcall(api.create, api, spec(15, { sourceConnectionProperties = { "]] .. PASSWORD .. [[" } })))
    print(pcall(api.on(api, "5a9b1c52-0000-4000-8000-0000000000ff").create, api, spec(16)))
    print(api, mirrors.connect())
    io.open(..., "w"):close()
    task.sleep(1)
    error("in the end")]]

describe("a secret", function()
    it("is in no output, log, journal, report, command line, and no file that kmirror leaves", function()
        local sandbox = support.sandbox { rate = 0, faults = "lossy", seed = 3 }
        local home, ready = support.temporary_directory("home"), support.temporary("ready")
        local log, dump = home .. "/log", home .. "/cmdline"
        local env = sandbox:env()
        env.XDG_STATE_HOME, env.HOME = home, home
        local process = support.start { "--traceback", "--log-level", "debug", "--log-file", log, "run", "--job", "j1",
            support.temporary("runbook.lua", RUNBOOK), ready, env = env }
        support.eventually("the creates", function()
            local file <close> = io.open(ready)
            return file ~= nil
        end, 60)
        os.execute(("cp /proc/%d/cmdline %s"):format(process.pid, dump))
        local result = process:wait(60)
        assert.are.equal(1, result.status, result.stderr)
        support.write(home .. "/stdout", result.stdout)
        support.write(home .. "/stderr", result.stderr)
        for _, words in ipairs { { "jobs" }, { "jobs", "show", "j1" }, { "jobs", "show", "j1", "--json" } } do
            words.env = env
            local shown = support.run(words)
            assert.are.equal(0, shown.status, shown.stderr)
            support.write(home .. "/jobs-" .. #words, shown.stdout .. shown.stderr)
        end
        sandbox:stop()
        assert.is_truthy(#support.read(log) > 1000)
        assert.is_truthy(support.read(home .. "/kmirror/jobs.db"):find("bootstrap", 1, true) == nil)
        for _, secret in ipairs { KEY, PASSWORD, require("mime").b64("sandbox:" .. KEY) } do
            local found = support.run { "-rlaF", secret, home, command = "grep" }
            assert.are.equal("", found.stdout)
            assert.is_nil(support.read(sandbox.log_path):find(secret, 1, true))
        end
    end)

    it("that is in KMIRROR_API_KEY, or in a store's URL, is inherited by nothing that a runbook, a hook or kmirror "
        .. "itself starts", function()
        local shown = support.temporary("environments")
        local look = ("{ env; tr '\\0' '\\n' < /proc/$PPID/environ; } >> %s"):format(shown)
        local result = support.run { "--sandbox", "run", "-", env = { KMIRROR_API_KEY = KEY, LOOK = look,
            KMIRROR_STORE = "postgresql://user:hunter2@127.0.0.1/jobs", http_proxy = "http://u:p@127.0.0.1:9",
        }, stdin = [[
            assert(os.getenv("KMIRROR_API_KEY") == "]] .. KEY .. [[")
            assert(os.getenv("KMIRROR_STORE") == "postgresql://user:hunter2@127.0.0.1/jobs")
            local look = os.getenv "LOOK"
            os.execute(look)
            io.popen(look):close()
            require("kmirror.hooks").new({ "fence" }, { { step = "fence", command = look } }):run("fence", {})
        ]] }
        assert.are.equal(0, result.status, result.stderr)
        local found = support.read(shown)
        assert.is_truthy(found:find("KMIRROR_HOOK=fence", 1, true))
        assert.is_nil(found:find(KEY, 1, true))
        assert.is_nil(found:find("hunter2", 1, true))
        assert.is_truthy(found:find("http_proxy=http://u:p@127.0.0.1:9", 1, true)) -- a hook may need the network
    end)
end)
