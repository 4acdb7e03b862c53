local cjson = require("cjson")
local support = require("spec.support")
local usage_error = support.usage_error

local EAST, WEST = support.us_east, support.us_west
local NOBODY <const> = "00000000-0000-4000-8000-000000000000"

local SPEC = {
    sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west",
    topicsRegex = "spec\\..*", useRenaming = false, usePrivateIps = false, maxTasks = 3,
}
local SECRET <const> = "hunter2-and-more"
local CUSTOM = {
    sourceType = "custom", sourceAlias = "dc", topicsRegex = "spec\\..*", useRenaming = true, maxTasks = 1,
    sourceConnectionProperties = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config=... password=\"" .. SECRET .. '"',
}

describe("kmirror by itself", function()
    local commands = { "run", "list", "get", "create", "delete", "latency", "sandbox", "version", "help" }

    it("prints help without arguments, for --help and for help, and is content", function()
        local result = support.run {}
        assert.are.equal(0, result.status)
        assert.are.equal("", result.stderr)
        for _, word in ipairs { "Usage: kmirror", "run SCRIPT [ARG...]", "list", "get ID...", "create FILE|-",
            "delete ID...", "latency ID MS", "sandbox", "--endpoint URL", "Exit status", "failover" } do
            assert.is_truthy(result.stdout:find(word, 1, true), word)
        end
        assert.are.same(result, support.run { "--help" })
        assert.are.same(result, support.run { "help" })
    end)

    it("fits its first help on a screen of 24 lines, with every command in it, and has all of it at hand", function()
        local first, whole = support.run({}).stdout, support.run({ "help", "options" }).stdout
        local lines = 0
        for line in first:gmatch("([^\n]*)\n") do
            lines = lines + 1
            assert.is_true(#line <= 80, line)
        end
        assert.is_true(lines <= 23, first) -- and the prompt
        for _, name in ipairs(require("kmirror.cli.commands").names) do
            assert.is_truthy(first:find("%f[%w]" .. name .. "%f[%W]"), name)
            assert.is_truthy(whole:find("\n  " .. name .. "%f[%W]"), name)
        end
        assert.is_truthy(whole:find("  --approval-timeout SECONDS", 1, true))
        assert.is_truthy(first:find("kmirror help options", 1, true))
    end)

    it("fits its help into 80 columns", function()
        for _, command in ipairs(commands) do
            for line in support.run { "help", command }.stdout:gmatch("[^\n]+") do
                assert.is_true(#line <= 80, line)
            end
        end
    end)

    it("has help for each command, however it is asked for", function()
        for _, command in ipairs(commands) do
            local result = support.run { "help", command }
            assert.are.equal(0, result.status)
            assert.are.equal(1, (result.stdout:find("Usage: kmirror " .. command, 1, true)))
            assert.are.same(result, support.run { command, "--help" })
        end
    end)

    -- A line that was broken by hand and again by the program leaves a word or two by themselves.
    local function is_torn(line, following)
        return following:find("^%l") and line ~= "" and #line < 40 and not line:find("[%p]$")
    end

    it("breaks no text of its help twice, and has each of its headings once", function()
        local topics = { "audit", "drain", "failback", "failover", "fleet", "migrate", "retune", "rollout", "watch" }
        for _, name in ipairs(require("kmirror.cli.commands").names) do
            topics[#topics + 1] = name
        end
        for _, topic in ipairs(topics) do
            local help, line, headings = support.run { "help", topic }, "", {}
            assert.are.equal(0, help.status, help.stderr)
            for following in help.stdout:gmatch("([^\n]*)\n") do
                assert.is_true(#following <= 80, following)
                assert.is_falsy(is_torn(line, following), topic .. ": " .. line .. "\n" .. following)
                assert.is_nil(headings[following], topic .. ": " .. following)
                headings[following] = following:find("^%u[%l ]+:$") and true or nil
                line = following
            end
        end
    end)

    it("says once, for all mirrors, that the vendor's API tells no records that are left, before it asks", function()
        for _, words in ipairs { { "lag" }, { "lag", "--groups" } } do
            local result = support.run { "--sandbox", table.unpack(words) }
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find("kmirror: kmirror lag: the vendor's API ", 1, true), result.stderr)
            assert.is_truthy(result.stderr:find(" of your own %(%-%-api connect%)\n$"), result.stderr)
            assert.are.equal(2, select(2, result.stderr:gsub("\n", "\n"))) -- the sandbox's line, and this
        end
    end)

    it("has help for shipped runbooks, and the format of fleet files", function()
        assert.are.same(support.run { "run", "failover", "--help" }, support.run { "help", "failover" })
        local format = support.run { "help", "fleet" }.stdout
        for _, word in ipairs { "topicsRegex", "defaults", ".csv", "sourceConnectionPropertiesEnv",
            "sourceConnectionPropertiesCommand" } do
            assert.is_truthy(format:find(word, 1, true), word)
        end
        assert.is_truthy(support.run({ "help", "plan" }).stdout:find("kmirror help fleet", 1, true))
    end)

    it("says which version it is", function()
        local result = support.run { "version" }
        assert.is_truthy(result.stdout:find("^kmirror %d+%.%d+%.%d+\n$"))
        assert.are.same(result, support.run { "--version" })
        local shape = cjson.decode(support.run { "version", "--json" }.stdout)
        assert.are.equal(result.stdout, "kmirror " .. shape.version .. "\n")
    end)
end)

describe("a command line", function()
    it("may have names of commands and options as values and arguments", function()
        for message, words in pairs {
            ["unknown profile 'list'"] = { "--profile", "list", "list" },
            ["unknown profile '--json'"] = { "--profile=--json", "list" },
            ["option '--cluster' requires an argument; see kmirror help list"] = { "list", "--cluster", "--traceback" },
            ["option '--dry-run' can not be used together with option '--read-only'"] =
                { "list", "--read-only", "--dry-run" },
            ["an API key is not taken as an argument"] = { "list", "--api-key", "get" },
        } do
            local refusal = usage_error(table.unpack(words))
            assert.is_truthy(refusal:find(message, 1, true), refusal)
        end
    end)
end)

describe("a wrong command line", function()
    it("is told what may have been meant", function()
        assert.are.equal("unknown command 'lsit'. Did you mean 'list'? See kmirror help", usage_error("lsit"))
        assert.are.equal("unknown option '--rat'. Did you mean '--rate'? See kmirror help list",
            usage_error("list", "--rat", "3"))
        assert.are.equal("'failover' is a runbook, not a command; to run it: kmirror run failover",
            usage_error("failover"))
        assert.are.equal("no help for 'lsit': expected a command, a shipped runbook or fleet; "
            .. "see kmirror help. Did you mean 'list'?",
            usage_error("help", "lsit"))
        assert.is_truthy(usage_error("list", "--sandbox", "--cluster", "us-eats"):find(
            "; known names: us-east, us-west. Did you mean 'us-east'?", 1, true))
        assert.is_nil(usage_error("list", "--sandbox", "--cluster", "europe"):find("Did you mean", 1, true))
    end)

    it("is told what is missing or too much", function()
        assert.are.equal("missing argument 'ID'; see kmirror help get", usage_error("get"))
        assert.are.equal("missing argument 'SCRIPT'; see kmirror help run, and kmirror run --list", usage_error("run"))
        assert.are.equal("unexpected argument 'all'; see kmirror help list", usage_error("list", "all"))
        assert.are.equal("option '--rate' requires an argument; see kmirror help list", usage_error("list", "--rate"))
    end)

    it("is told which value was expected", function()
        local wrong = {
            ["--rate 'fast': expected requests per second, 0 for no limit, or auto"] = { "--rate", "fast", "list" },
            ["--concurrency '0': expected a whole number, 1 or more"] = { "list", "--concurrency", "0" },
            ["--timeout 'soon': expected seconds, from 0.001"] = { "list", "--timeout=soon" },
            ["--port '65536': expected a port, from 0 to 65535"] = { "sandbox", "--port", "65536" },
            ["MS '999': expected milliseconds, from 1000 to 2147483647"] = { "latency", NOBODY, "999" },
            ["argument for option '--color' must be one of 'auto', 'always', 'never'"] = { "list", "--color", "no" },
        }
        for message, arguments in pairs(wrong) do
            local said = usage_error(table.unpack(arguments))
            assert.are.equal(1, (said:find(message, 1, true)), said)
        end
    end)

    it("is told where a key belongs, and does not see it repeated", function()
        for _, arguments in ipairs { { "list", "--api-key", SECRET }, { "--api-key=" .. SECRET, "list" },
            { "--password", SECRET }, { "--key" } } do
            local said = usage_error(table.unpack(arguments))
            assert.is_truthy(said:find("KMIRROR_API_KEY_FILE", 1, true))
            assert.is_nil(said:find(SECRET, 1, true))
        end
    end)

    it("is told when options do not go together", function()
        assert.is_truthy(usage_error("list", "--dry-run", "--read-only"):find("can not be used together", 1, true))
        assert.is_truthy(usage_error("list", "--sandbox", "--endpoint", "http://127.0.0.1:1")
            :find("--sandbox and --endpoint exclude each other", 1, true))
        assert.are.equal("--faults is about the sandbox: give --sandbox, too", usage_error("list", "--faults", "lossy"))
    end)

    it("is told what configuration is missing", function()
        assert.is_truthy(usage_error("list"):find("KMIRROR_USERNAME", 1, true))
        local env = { KMIRROR_USERNAME = "u", KMIRROR_API_KEY = "k" }
        local result = support.run { "list", env = env }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("no cluster: give --cluster, or set KMIRROR_CLUSTER", 1, true))
    end)
end)

describe("the one-shot commands", function()
    local sandbox

    lazy_setup(function() sandbox = support.sandbox { rate = 0, creating_seconds = 0, sync_seconds = 0 } end)
    lazy_teardown(function() sandbox:stop() end)

    local function run(options)
        local env = sandbox:env()
        for name, value in pairs(options.env or {}) do env[name] = value end
        options.env = env
        return support.run(options)
    end

    local function ok(...)
        local result = run { ... }
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout
    end

    local function create(spec)
        local result = run { "create", "-", stdin = cjson.encode(spec or SPEC) }
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout:match("^(%x+%-%x+%-%x+%-%x+%-%x+)\n$")
    end

    -- The changes that the sandbox made while `work` ran.
    local function changes_during(work)
        local before, made = #sandbox:requests(), {}
        work()
        local requests = sandbox:requests()
        for i = before + 1, #requests do
            if requests[i].effect then made[#made + 1] = requests[i].operation end
        end
        return made
    end

    it("list mirrors by connector name, tabs between the cells when nobody looks", function()
        local lines, previous = 0, ""
        for line in ok("list"):gmatch("[^\n]+") do
            local id, connector, regex = line:match("^(%x+%-[%x-]+)\t(us%-west%.us%-east%.%w+)\t(%S+)$")
            assert.is_truthy(id and regex, line)
            assert.is_true(previous < connector)
            lines, previous = lines + 1, connector
        end
        assert.are.equal(24, lines)
        local listed = cjson.decode(ok("list", "--json"))
        assert.are.equal(24, #listed)
        assert.are.equal(previous, listed[24].connectorName)
    end)

    it("say on stderr that there is nothing to list", function()
        local result = run { "list", "--cluster", WEST }
        assert.are.equal(0, result.status)
        assert.are.equal("", result.stdout)
        assert.is_truthy(result.stderr:find("there are no mirrors on this cluster", 1, true))
        assert.are.equal("[]\n", ok("list", "--cluster", WEST, "--json"))
    end)

    it("create, show, retune and delete a mirror", function()
        local id = create()
        local mirror = cjson.decode(ok("get", id, "--json"))
        assert.are.equal(id, mirror.id)
        assert.are.equal(SPEC.topicsRegex, mirror.topicsRegex)
        assert.is_truthy(ok("get", id, "--json"):find('"topicStatuses": []', 1, true))
        assert.are.equal(id .. ": target latency 45000 ms\n", ok("latency", id, "45000"))
        assert.is_truthy(ok("get", id):find("\ntargetLatency\t45000\n", 1, true))
        assert.are.same({ id = id, targetLatency = 46000 }, cjson.decode(ok("latency", id, "46000", "--json")))
        assert.are.equal("deleted " .. id .. "\n", ok("delete", id, "--yes"))
        local result = run { "get", id }
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("^kmirror: get mirror " .. id:gsub("%-", "%%-") .. " .*404 Not Found"))
    end)

    it("take options before the command as well as after it", function()
        assert.are.equal(ok("list", "--json", "--rate", "5"), ok("--json", "--rate=5", "list"))
    end)

    it("show several mirrors in the order asked for, and leave with 3 when some are not there", function()
        local a, b = create(), create()
        local shown = cjson.decode(ok("get", b, a, "--json"))
        assert.are.same({ b, a }, { shown[1].id, shown[2].id })
        local result = run { "get", b, "none", a }
        assert.are.equal(3, result.status)
        local order = {}
        for id in result.stdout:gmatch("id\t(%S+)\n") do order[#order + 1] = id end
        assert.are.same({ b, a }, order)
        assert.is_truthy(result.stderr:find("error: get mirror none on cluster", 1, true))
        assert.is_truthy(result.stderr:find("error: 1 of 3 failed", 1, true))
        ok("delete", a, b, "--yes")
    end)

    it("delete several, say what became of each, and leave with 3 when some could not be", function()
        local id = create()
        local result = run { "delete", NOBODY, id, "--yes", "--json" }
        assert.are.equal(3, result.status)
        local said = cjson.decode(result.stdout)
        assert.are.equal("not_found", said[1].error.kind)
        assert.are.equal(404, said[1].error.status)
        assert.is_false(said[1].deleted)
        assert.are.same({ id = id, deleted = true }, said[2])
        result = run { "delete", NOBODY, id, "--yes" }
        assert.are.equal(1, result.status)
        assert.are.equal("", result.stdout)
    end)

    it("delete nothing at all when an id is none, or is given twice", function()
        local id = create()
        local made = changes_during(function()
            local result = run { "delete", id, "spec-1", "--yes" }
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find("'spec-1' is no mirror's id: expected a UUID", 1, true))
            assert.are.equal(2, run { "delete", id, id:upper(), "--yes" }.status)
        end)
        assert.are.same({}, made)
        ok("delete", id, "--yes")
    end)

    it("do not delete unasked where there is nobody to ask", function()
        local id = create()
        local result
        assert.are.same({}, changes_during(function() result = run { "delete", id, stdin = "delete\n" } end))
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("give --yes", 1, true))
        ok("delete", id, "--yes")
    end)

    it("create all mirrors of a file, JSON or Lua", function()
        local json = support.temporary("two.json", cjson.encode { SPEC, SPEC })
        local lua = support.temporary("one.lua", ([[
            local topics = "spec"
            return { sourceType = "instaclustr", kafkaSource = "%s", sourceAlias = "us-west", maxTasks = 2 + 1,
                topicsRegex = topics .. "\\..*", useRenaming = false }]]):format(SPEC.kafkaSource))
        local made = cjson.decode(ok("create", json, "--json"))
        assert.are.equal(2, #made)
        local single = cjson.decode(ok("create", lua, "--json"))
        ok("delete", "--yes", made[1].mirrorId, made[2].mirrorId, single.mirrorId)
        local none = run { "create", "-", "--json", stdin = "[]" }
        assert.are.equal("[]\n", none.stdout)
        assert.is_truthy(none.stderr:find("standard input has no mirror in it; nothing was created\n"))
    end)

    it("create nothing at all when one of several is wrong", function()
        local wrong = { sourceType = "instaclustr", topicsRegex = "x" }
        local result
        local made = changes_during(function()
            result = run { "create", "-", stdin = cjson.encode { SPEC, wrong } }
        end)
        assert.are.same({}, made)
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find(
            "^kmirror: standard input, mirror 2 of 2: .* missing.*; nothing was created\n$"))
    end)

    it("say what is wrong with a file", function()
        local cases = {
            ["line 1, column %d+: .*; nothing was created"] = support.temporary("a.json", '{"maxTasks": }'),
            ["expected an object or an array of them, not a string"] = support.temporary("b.json", '"text"'),
            ["b%.lua:1: .*; expected a Lua file that only returns a table"] = support.temporary("b.lua", "return {"),
            ["attempt to call a nil value"] = support.temporary("c.lua", "return os.execute 'true'"),
            ["cannot read /nowhere/x%.json: No such file or directory"] = "/nowhere/x.json",
            ["cannot read /tmp: Is a directory"] = "/tmp",
        }
        for pattern, path in pairs(cases) do
            local result = run { "create", path }
            assert.are.equal(2, result.status, path)
            assert.is_truthy(result.stderr:find(pattern:gsub("attempt to call", "attempt to %%a+")), result.stderr)
        end
    end)

    it("create a mirror from the vendor's own sample", function()
        local sample = [[{"sourceType": "custom", "useRenaming": true, "maxTasks": 3, "usePrivateIps": false,
            "kafkaSource": "ff4fccf3-2ac0-494b-9f40-e95288dd752d", "sourceAlias": "production-west",
            "topicsRegex": "west-.*"}]]
        local result = run { "create", "-", stdin = sample }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("warning", 1, true))
        ok("delete", "--yes", result.stdout:match("%S+"))
    end)

    it("change nothing under --dry-run, and say what they would do", function()
        local id = create()
        local file = support.temporary("spec.json", cjson.encode(CUSTOM))
        local made = changes_during(function()
            assert.are.equal(("would create a mirror of 'spec\\..*' from dc on cluster %s\n"):format(EAST),
                ok("create", file, "--dry-run"))
            assert.are.equal(("would set the target latency of mirror %s on cluster %s to 5000 ms\n"):format(id, EAST),
                ok("latency", id, "5000", "--dry-run"))
            assert.are.equal(("would delete mirror %s on cluster %s\n"):format(id, EAST), ok("delete", id, "--dry-run"))
            assert.are.same({ id = id, deleted = false, dryRun = true },
                cjson.decode(ok("delete", id, "--dry-run", "--json")))
            local shown = ok("create", file, "--dry-run", "--json")
            assert.are.equal("(hidden)", cjson.decode(shown).create.sourceConnectionProperties)
        end)
        assert.are.same({}, made)
        ok("delete", id, "--yes")
    end)

    it("fail under --dry-run where the real run would", function()
        assert.are.equal(1, run { "delete", NOBODY, "--dry-run" }.status)
        assert.are.equal(1, run { "latency", NOBODY, "5000", "--dry-run" }.status)
        assert.are.equal(1, run { "create", "-", "--dry-run", "--cluster", NOBODY, stdin = cjson.encode(SPEC) }.status)
        assert.are.equal(1, run { "create", "-", "--dry-run", stdin = cjson.encode(SPEC),
            env = { KMIRROR_API_KEY = "wrong" } }.status)
    end)

    it("refuse every change under --read-only, but read", function()
        local id = create()
        local made = changes_during(function()
            for _, arguments in ipairs { { "delete", id }, { "latency", id, "5000" },
                { "create", "-", stdin = cjson.encode(SPEC) } } do
                arguments[#arguments + 1] = "--read-only"
                local result = run(arguments)
                assert.are.equal(1, result.status)
                assert.is_truthy(result.stderr:find("--read-only allows no changes", 1, true))
            end
        end)
        assert.are.same({}, made)
        ok("get", id, "--read-only")
        ok("delete", id, "--yes")
    end)

    it("tell a failure as JSON on stderr when JSON was asked for", function()
        local result = run { "get", NOBODY, "--json" }
        assert.are.equal(1, result.status)
        assert.are.equal("", result.stdout)
        local problem = cjson.decode(result.stderr).error
        assert.are.same({ "not_found", "get", NOBODY, EAST, 404 },
            { problem.kind, problem.operation, problem.id, problem.cluster, problem.status })
        result = run { "list", "--json", "--cluster", "nowhere" }
        assert.are.equal(2, result.status)
        assert.are.equal("usage", cjson.decode(result.stderr).error.kind)
    end)

    it("tell a wrong command line as JSON, too, wherever --json stands", function()
        for _, arguments in ipairs { { "list", "--json", "--rat", "3" }, { "--json", "lsit" }, { "get", "--json" } } do
            local result = run(arguments)
            assert.are.equal(2, result.status)
            assert.are.equal("", result.stdout)
            assert.are.equal("usage", cjson.decode(result.stderr).error.kind)
        end
        assert.matches("^kmirror: unknown option", run({ "run", "audit", "--json", "--rat" }).stderr)
    end)

    it("explain each refusal of the API in one line", function()
        local function failure(options)
            local result = run(options)
            assert.are.equal(1, result.status)
            assert.are.equal("", result.stdout)
            return result.stderr:match("^kmirror: ([^\n]+)\n$")
        end
        assert.is_truthy(failure { "list", env = { KMIRROR_API_KEY = "wrong" } }:find("401 Not Authorized", 1, true))
        assert.is_truthy(failure { "delete", NOBODY, "--yes", env = { KMIRROR_API_KEY = "sandbox-read-only-key" } }
            :find("403 Forbidden", 1, true))
        assert.is_truthy(failure { "list", "--cluster", NOBODY }:find("404 Not Found", 1, true))
    end)

    it("log retries at info, and each request at debug, and no secret ever", function()
        local result = run { "create", "-", "--log-level", "debug", stdin = cjson.encode(CUSTOM) }
        assert.are.equal(0, result.status)
        assert.is_truthy(result.stderr:find("debug: create on cluster " .. EAST, 1, true))
        assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
        assert.is_nil(result.stderr:find("sandbox-full-key", 1, true))
        ok("delete", "--yes", result.stdout:match("%S+"))
        result = run { "list", env = { KMIRROR_ENDPOINT = "http://127.0.0.1:1" } }
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("; trying again in %d+%.%d s\n"))
    end)
end)

describe("delete on a terminal", function()
    local sandbox

    lazy_setup(function() sandbox = support.sandbox { rate = 0 } end)
    lazy_teardown(function() sandbox:stop() end)

    -- $1 is run on a terminal, $2 the terminal's log, $3 what is typed once the question is there.
    local on_terminal = [[
        { for _ in $(seq 200); do grep -qs 'to continue' "$2" && break; sleep 0.05; done; printf "$3"; sleep 0.5; } |
            script -qefc "$1" "$2"]]

    -- Runs `kmirror delete` of the first mirror there is, where `typed` is typed.
    local function delete(typed)
        local env = sandbox:env()
        local id = support.run { "list", env = env }.stdout:match("%S+")
        local log = support.temporary("typescript")
        local result = support.run {
            "-c", on_terminal, "sh", support.executable .. " delete " .. id, log, typed, command = "sh", env = env,
        }
        return id, result.status, support.read(log)
    end

    local function exists(id)
        return support.run { "get", id, env = sandbox:env() }.status == 0
    end

    it("asks, and does it when the word is typed", function()
        local id, status, screen = delete("delete\\n")
        assert.are.equal(0, status, screen)
        assert.is_truthy(screen:find(("delete mirror %s on cluster %s"):format(id, EAST), 1, true))
        assert.is_truthy(screen:find("Type delete to continue", 1, true))
        assert.is_truthy(screen:find("deleted " .. id, 1, true))
        assert.is_false(exists(id))
    end)

    it("does nothing when another word is typed, or none", function()
        for _, typed in ipairs { "yes\\n", "\\n", "\\004" } do
            local id, status, screen = delete(typed)
            assert.are.equal(1, status, screen)
            assert.is_truthy(screen:find("not confirmed: nothing was changed", 1, true))
            assert.is_true(exists(id))
        end
    end)

    it("does nothing when it is interrupted at the question", function()
        local id, status, screen = delete("\\003")
        assert.are.equal(130, status, screen)
        assert.is_true(exists(id))
    end)
end)
