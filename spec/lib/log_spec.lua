local json = require("kmirror.json")
local support = require("spec.support")

local script = [[
local log = require "kmirror.log"
log.debug("a detail")
log.info("24 mirrors %s -> %s", "us-west", "us-east")
log.info("100% literal")
log.warn("a warning")
log.error("a failure\27[2J\nof two lines")
]]

local function run(...)
    local options = { ... }
    options[#options + 1] = "run"
    options[#options + 1] = "-"
    options.stdin = script
    local result = support.run(options)
    assert.are.equal(0, result.status)
    assert.are.equal("", result.stdout)
    return result.stderr
end

-- The messages without their times, which are checked.
local function messages(stderr)
    local found = {}
    for line in stderr:gmatch("[^\n]+") do
        found[#found + 1] = assert(line:match("^%d%d:%d%d:%d%d (.+)$"), line)
    end
    return found
end

local at_info = { "24 mirrors us-west -> us-east", "100% literal", "warning: a warning",
    "error: a failure\\u{1B}[2J\\nof two lines" }

describe("the log", function()
    it("goes to stderr, a line each, whatever is in it", function()
        assert.are.same(at_info, messages(run()))
    end)

    it("leaves out what is less important than asked for", function()
        assert.are.same({ at_info[3], at_info[4] }, messages(run("--log-level", "warn")))
        assert.are.same({ at_info[4] }, messages(run("--log-level", "error")))
        assert.are.same({ "debug: a detail", table.unpack(at_info) }, messages(run("--log-level", "debug")))
    end)

    it("shows each request from when a runbook sets the level debug, and until it sets another", function()
        local result = support.run { "--sandbox", "--world", "small", "run", "-", stdin = [[
            local api, log = require "mirrors".connect {}, require "kmirror.log"
            api:list()
            log.configure { level = "debug" }
            pcall(api.get, api, "none")
            log.configure { level = "info" }
            api:list()
        ]] }
        assert.are.equal(0, result.status, result.stderr)
        local shown = {}
        for _, message in ipairs(messages(result.stderr)) do
            shown[#shown + 1] = message:match("debug: .*")
        end
        assert.are.equal(1, #shown, result.stderr)
        assert.matches("debug: get none: not_found after %d+ ms", shown[1])
    end)

    it("goes to a file as well, after what is there already", function()
        local path = support.temporary("kmirror.log", "before\n")
        assert.are.same(at_info, messages(run("--log-file", path)))
        local content = support.read(path)
        assert.are.equal("before\n", content:sub(1, 7))
        local stamp = "\n%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ "
        assert.is_truthy(content:find(stamp .. "info  24 mirrors us%-west %-> us%-east\n"))
        assert.is_truthy(content:find(stamp .. "error a failure\\u{1B}%[2J\\nof two lines\n"))
    end)

    it("refuses a file that cannot be written, before anything is done", function()
        local result = support.run { "--log-file", "/nowhere/log", "run", "-", stdin = "print 'ran'" }
        assert.are.equal(2, result.status)
        assert.are.equal("", result.stdout)
        assert.are.equal("kmirror: cannot write the log file: /nowhere/log: No such file or directory; "
            .. "give --log-file a path that can be written\n", result.stderr)
    end)

    it("has colour when it is asked for, not otherwise", function()
        assert.is_nil(run():find("\27", 1, true))
        assert.is_truthy(run("--color", "always"):find("\27[33mwarning: a warning\27[0m", 1, true))
    end)
end)

-- The lines of a text, each as the JSON that it has to be.
local function as_json(stderr)
    local found = {}
    for line in stderr:gmatch("([^\n]*)\n") do
        local value, problem = json.decode(line)
        found[#found + 1] = assert(value, ("%s: %s"):format(problem, line))
        assert.are.equal("string", type(value.time))
    end
    assert.is_truthy(stderr:find("\n$"), "the last line has not ended: " .. stderr)
    return found
end

local function messages_of(stderr)
    local found = {}
    for i, line in ipairs(as_json(stderr)) do
        found[i] = ("%s: %s"):format(line.level, line.message)
    end
    return found
end

describe("with --log-format json, every line of stderr is JSON:", function()
    local function json_run(source, ...)
        return support.run { "--log-format", "json", "run", "-", stdin = source, ... }
    end

    it("warnings, what a runbook writes there, tasks and errors that nobody caught", function()
        local result = json_run [[
            warn("take ", "care")
            io.stderr:write("a line\nand ", 1)
            io.stderr:write(" more\nwithout an end")
            require("task").spawn(function() error("lost", 0) end)
            require("task").sleep(0.01)
            error("broken: \27[31m\nand more", 0)
        ]]
        assert.are.equal(1, result.status)
        assert.are.same({ "warn: take care", "info: a line", "info: and 1 more", "info: without an end",
            "error: broken: \\u{1B}[31m\nand more", "error: a task failed that nobody waited for:", "error: lost" },
            messages_of(result.stderr))
    end)

    it("tracebacks", function()
        local result = support.run { "--traceback", "--log-format", "json", "run", "-", stdin = "error 'no'" }
        local told = as_json(result.stderr)
        assert.are.equal(1, #told)
        assert.is_truthy(told[1].traceback:find("stdin:1", 1, true))
    end)

    it("hooks' output", function()
        local result = json_run [[
            local hooks = require "kmirror.hooks"
            hooks.new({ "fence" }, { { step = "fence", command = "echo \"it's\"; echo two >&2" } }):run("fence", {})
        ]]
        assert.are.equal(0, result.status)
        assert.are.same({ "info: [fence] it's", "info: [fence] two" }, messages_of(result.stderr))
    end)

    it("wrong usage, whatever is wrong, and failures with --json", function()
        for _, arguments in ipairs { { "--lst" }, { "get" }, { "list", "--rate", "many" }, { "nonsense" },
            { "--json", "list", "--endpoint", "ftp://x" }, { "run", "nonsense" } } do
            local result = support.run { "--log-format", "json", table.unpack(arguments) }
            assert.are.equal(2, result.status)
            assert.are.equal("error", as_json(result.stderr)[1].level)
        end
    end)

    it("but not what belongs to a runbook", function()
        local result = support.run { "run", "-", "--log-format", "json", stdin = "io.stderr:write(...)" }
        assert.are.equal("--log-formatjson", result.stderr)
    end)
end)

describe("stdout and stderr in one file", function()
    it("do not tear each other's lines", function()
        local path = support.temporary("both", [[
            local log = require "kmirror.log"
            for i = 1, 400 do
                print(("out %d %s"):format(i, ("x"):rep(50)))
                if i % 3 == 0 then log.info("err %d", i) end
            end
        ]])
        local both = path .. ".out"
        assert(os.execute(("'%s' run '%s' > '%s' 2>&1"):format(support.executable, path, both)))
        for line in io.lines(both) do
            assert.is_truthy(line:find("^out %d+ x+$") or line:find("^%d%d:%d%d:%d%d err %d+$"), line)
        end
    end)
end)

describe("text from outside", function()
    it("reaches no terminal with what one would obey: warnings, errors of runbooks and of the API", function()
        local raw = "a\27[2Jb\u{9B}c\u{202E}d\u{2066}e\u{200F}f\xFFg"
        local safe = "a\\u{1B}[2Jb\\u{9B}c\\u{202E}d\\u{2066}e\\u{200F}f\u{FFFD}g"
        for _, source in ipairs { "warn(raw)", "error(raw, 0)", "error({ kind = 'usage', message = raw }, 0)",
            "require('kmirror.log').warn(raw)", "error(require('mirrors').error('server', raw), 0)",
            "require('kmirror.usage')(raw)", "require('task').spawn(function() error(raw, 0) end)" } do
            local result = support.run { "run", "-", stdin = ("local raw = %q; %s"):format(raw, source) }
            local is_table = source:find("kind = 'usage'", 1, true)
            assert.is_truthy(is_table or result.stderr:find(safe, 1, true), source .. result.stderr)
            assert.is_nil(result.stderr:find("[\27\xFF]"), source)
            assert.is_nil(result.stderr:find("\u{9B}", 1, true), source)
        end
    end)

    it("is the same in JSON, in escapes of JSON", function()
        local result = support.run { "run", "-", stdin = [[
            local json = require "kmirror.json"
            local text = "Z\u{FC}rich \27 \u{9B} \u{202E} \u{1F600}"
            io.write(json.encode(text))
            assert(json.decode(json.encode(text)) == text)
        ]] }
        assert.are.equal('"Z\u{FC}rich \\u001b \\u009b \\u202e \u{1F600}"', result.stdout)
    end)
end)

describe("a wait before a retry", function()
    it("is told of once for a cause and second; the others are details", function()
        local result = support.run { "run", "-", stdin = [[
            local mirrors, tell = require "mirrors", require "kmirror.cli.trace".tell
            for _, kind in ipairs { "server", "server", "transport", "server" } do
                tell { what = "retry", operation = "list", error = mirrors.error(kind, "no " .. kind), wait = 2 }
            end
            require("task").sleep(1.05)
            tell { what = "retry", operation = "list", error = mirrors.error("server", "no server"), wait = 2 }
        ]] }
        assert.are.same({ "no server; trying again in 2.0 s", "no transport; trying again in 2.0 s",
            "no server; trying again in 2.0 s; and 2 more like it since the last such line" }, messages(result.stderr))
    end)
end)
