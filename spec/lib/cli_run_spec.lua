-- kmirror run, and --sandbox, which every command takes.
local cjson = require("cjson")
local support = require("spec.support")
local usage_error = support.usage_error

local NOBODY <const> = "00000000-0000-4000-8000-000000000000"

describe("kmirror run", function()
    local function run_script(source, ...)
        return support.run { "run", support.temporary("script.lua", source), ... }
    end

    it("hands a runbook all that follows its name, options too", function()
        local result = run_script("print(select('#', ...), ...)", "--from", "a b", "--help", "-", "--json")
        assert.are.equal("5\t--from\ta b\t--help\t-\t--json\n", result.stdout)
        assert.are.equal(0, result.status)
    end)

    it("says of an option of its own behind a runbook where it goes", function()
        for option, shown in pairs { ["--yes"] = "--yes drain", ["--job=x"] = "--job NAME drain" } do
            local result = support.run { "run", "--sandbox", "drain", option }
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find("before the runbook: kmirror run " .. shown, 1, true), result.stderr)
        end
    end)

    it("keeps its own options to itself", function()
        local result = support.run { "--color", "never", "run", "--log-level", "error", "-", "x", "--rate", "y",
            stdin = "print(...)" }
        assert.are.equal("x\t--rate\ty\n", result.stdout)
    end)

    it("leaves with the runbook's own status", function()
        assert.are.equal(0, run_script("").status)
        assert.are.equal(0, run_script("return").status)
        assert.are.equal(3, run_script("return 3").status)
        local result = run_script("return 'done'")
        assert.are.equal(1, result.status)
        local expected = "returned done: expected nothing, or an exit status from 0 to 255"
        assert.is_truthy(result.stderr:find(expected, 1, true))
    end)

    it("reports what a runbook dies of, and where when asked", function()
        local result = run_script("#!/usr/bin/env kmirror run\nerror('no luck')")
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("^kmirror: %S+script%.lua:2: no luck\n$"))
        local path = support.temporary("deep.lua", "local function inner() error('no luck') end inner()")
        result = support.run { "run", "--traceback", path }
        assert.is_truthy(result.stderr:find("stack traceback", 1, true))
        assert.is_truthy(result.stderr:find("in %w+ 'inner'"))
    end)

    it("says of a runbook that is no Lua where, with that line, as something that is wrong before anything is sent",
        function()
            local result = run_script("local api = 1\nprint(api\nlocal b = 2\n")
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find("^kmirror: (%S+script%.lua:3): '%)' expected %(to close '%(' at line "
                .. "2%) near 'local'\n    %1 | local b = 2\n$"), result.stderr)
            result = support.run { "run", "-", stdin = "print(" }
            assert.are.equal(2, result.status)
            assert.are.equal("kmirror: stdin:1: unexpected symbol near <eof>\n", result.stderr)
            assert.are.equal("input:1: unexpected symbol near <eof>", usage_error("-e", "print("))
        end)

    it("shows the name of a file on one line and as a terminal may show it, whatever went wrong", function()
        local odd = support.temporary_directory() .. "/a\nkmirror: done\27[2J"
        for content, status in pairs {
            ["error('x')"] = 1, ["error { x = 1 }"] = 1, ["local x = nil + 1"] = 1, ["print("] = 2,
            ["require('mirrors').connect { x = 1 }"] = 2, ["return require('none')"] = 1, ["\27Lua"] = 2,
            ["return require('beside')"] = 1,
        } do
            support.write(odd .. ".lua", content)
            os.execute(("mkdir -p %s"):format(support.quote(odd)))
            support.write(odd .. "/beside.lua", "print(")
            support.write(odd .. "/in.lua", content)
            for _, path in ipairs { odd .. ".lua", odd .. "/in.lua" } do
                local result = support.run { "run", path }
                assert.are.equal(status, result.status, content .. ": " .. result.stderr)
                assert.is_truthy(result.stderr:find("/a\\nkmirror: done\\u{1B}[2J", 1, true), result.stderr)
                assert.is_nil(result.stderr:find("\nkmirror: done", 1, true), result.stderr)
                assert.is_nil(result.stderr:find("\27", 1, true))
            end
        end
    end)

    it("runs a shipped runbook by its name, whatever lies in the current folder", function()
        local directory = support.temporary_directory()
        support.write(directory .. "/failover", "print('mine')")
        support.write(directory .. "/tidy", "print('tidy')")
        local pwd <close> = assert(io.popen("realpath " .. support.executable))
        local executable = pwd:read("l")
        local function output(...)
            local words = { "run", ... }
            words.directory, words.executable = directory, executable
            return support.run(words).stdout
        end
        assert.is_truthy(output("failover", "--help"):find("Usage: kmirror run failover", 1, true))
        assert.are.equal("mine\n", output("./failover"))
        assert.are.equal("tidy\n", output("tidy"))
    end)

    it("says what can be run when there is no such runbook", function()
        local problem = usage_error("run", "failovre")
        assert.are.equal(1, (problem:find("no runbook 'failovre': expected a file, or one of those that ship with "
            .. "kmirror: audit, drain, ", 1, true)))
        assert.is_truthy(problem:find(". Did you mean 'failover'?", 1, true))
        assert.are.equal("cannot read ./none.lua: No such file or directory; expected a runbook",
            usage_error("run", "./none.lua"))
    end)

    it("gives a runbook an API that needs no configuration in the sandbox", function()
        local result = support.run { "run", "--sandbox", "--world", "small", "-", stdin = [[
            local api = require("mirrors").connect {}
            print(#api:list(), require("kmirror.profile").current().name)]] }
        assert.are.equal("3\tsandbox\n", result.stdout)
        assert.is_truthy(result.stderr:find("sandbox at http://127.0.0.1:%d+: not the real API; ends with this run\n"))
    end)
end)

describe("--sandbox", function()
    it("serves every command, and takes what its world is to be like", function()
        local listed = cjson.decode(support.run { "list", "--json", "--sandbox", "--world", "5" }.stdout)
        assert.are.equal(5, #listed)
        local result = support.run { "get", "--sandbox", "--world=5", listed[3].id, "--json" }
        assert.are.equal(listed[3].connectorName, cjson.decode(result.stdout).connectorName)
        assert.are.equal("deleted " .. listed[1].id .. "\n",
            support.run { "delete", "--sandbox", "--world=5", listed[1].id }.stdout)
    end)

    it("knows its clusters by name", function()
        assert.are.equal("[]\n", support.run { "list", "--json", "--sandbox", "--cluster", "us-west" }.stdout)
        assert.is_truthy(usage_error("list", "--sandbox", "--cluster", "us-wets")
            :find("; known names: us-east, us-west", 1, true))
    end)

    it("does not touch what the environment is set up for", function()
        local result = support.run { "list", "--sandbox", env = {
            KMIRROR_ENDPOINT = "http://127.0.0.1:1", KMIRROR_CLUSTER = NOBODY,
            KMIRROR_USERNAME = "u", KMIRROR_API_KEY = "k",
        } }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(24, select(2, result.stdout:gsub("\n", "")))
    end)

    it("says what it cannot make of its options, and starts nothing", function()
        assert.is_truthy(usage_error("list", "--sandbox", "--world", "large"):find("world", 1, true))
        assert.is_truthy(usage_error("list", "--sandbox", "--lag-ms", "slow"):find("lag", 1, true))
    end)
end)
