-- kmirror -e CODE, run -i, run --list and show.
local cjson = require "cjson"
local support = require "spec.support"

local function run(...)
    return support.run { ... }
end

describe("kmirror -e", function()
    it("runs a line of Lua, with api and the library there by name, and shows what an expression comes to", function()
        assert.are.equal("24\n", run("--sandbox", "-e", "#api:list()").stdout)
        assert.are.equal("24\n", run("-e", "#api:list()", "--sandbox").stdout)
        assert.are.equal("2\n3\n", run("-e", "1 + 1, 3").stdout)
        assert.are.equal("a\n", run("-e", "local x = 'a'", "-e", "print(x)").stdout)
        assert.are.same({ { 1, 2 } }, { cjson.decode(run("--json", "-e", "{ 1, 2 }").stdout) })
    end)

    it("needs an account only when it says api", function()
        local env = { XDG_CONFIG_HOME = support.temporary_directory() }
        assert.are.equal(0, support.run { "-e", "print(regex)", env = env }.status)
        assert.are.equal(2, support.run { "-e", "api:list()", env = env }.status)
    end)

    it("ends as a runbook of that text would, and sends changes but under --dry-run and --read-only", function()
        assert.are.equal(3, run("-e", "return 3").status)
        assert.are.equal(1, run("-e", "local x = nil; x.y = 1").status)
        local delete = "api:delete(api:list()[1].id) print(#api:list())"
        assert.are.equal("23\n", run("--sandbox", "-e", delete).stdout)
        assert.is_truthy(run("--sandbox", "--dry-run", "-e", delete).stdout:find("^would delete mirror .*\n24\n$"))
        assert.are.equal(1, run("--sandbox", "--read-only", "-e", delete).status)
    end)

    it("is refused beside a command, and as a job", function()
        assert.are.equal("-e runs code instead of a command: give it without 'list'",
            support.usage_error("-e", "1", "list"))
        assert.is_truthy(support.usage_error("-e", "1", "--job", "x"):find("kmirror run --job x FILE", 1, true))
    end)
end)

describe("kmirror run", function()
    it("gives a runbook arg as lua does", function()
        local path = support.temporary("arg.lua", "print(#arg, arg[0] == ... and '' or arg[0], arg[2])")
        assert.are.equal(("2\t%s\tb\n"):format(path), run("run", path, "a", "b").stdout)
    end)

    it("opens the prompt behind a runbook with -i, with the variables that it had in the end", function()
        local path = support.temporary("talk.lua", [[
            local api = require("mirrors").connect {}
            local all, last = api:list()
            for _, mirror in ipairs(all) do last = mirror.id end
            return (function() return 0 end)()]])
        local result = support.run { "run", "--sandbox", "-i", path, stdin = "#all, last == all[#all].id\n" }
        assert.are.equal("24\ntrue\n", result.stdout)
        assert.are.equal(0, result.status)
    end)

    it("opens it behind one that failed, too", function()
        local path = support.temporary("talk.lua", "local count = 7\nlocal x = count.y.z\n")
        local result = support.run { "run", "--sandbox", "-i", path, stdin = "count + 1\n" }
        assert.are.equal("8\n", result.stdout)
        assert.is_truthy(result.stderr:find("talk.lua:2: attempt to index a number value (local 'count')", 1, true)
            or result.stderr:find("talk.lua:2: attempt to index a nil value (field 'y')", 1, true), result.stderr)
        assert.are.equal(1, result.status)
    end)

    it("lists the runbooks that ship and the cookbook, with whether they change anything", function()
        local entries, by_name = cjson.decode(run("run", "--list", "--json").stdout), {}
        for _, entry in ipairs(entries) do by_name[entry.name] = entry end
        assert.are.same({ name = "failover", kind = "runbook", changes = true,
            summary = "Reverses the mirrors between two regions." }, by_name.failover)
        assert.are.same({ name = "lag", kind = "cookbook", changes = false, summary = "The mirrors that lag most." },
            by_name.lag)
        assert.is_truthy(run("run", "--list").stdout:find("audit\trunbook\tno\tReports what is wrong", 1, true))
        assert.is_truthy(support.usage_error("run"):find("missing argument 'SCRIPT'.*kmirror run %-%-list"))
    end)

    it("says of none that it changes nothing when its text asks for a change", function()
        local looked_at = 0
        for _, entry in ipairs(cjson.decode(run("run", "--list", "--json").stdout)) do
            local source = run("show", entry.name).stdout
            local asks = source:find("[.:]delete%f[%W]") or source:find("[.:]create%f[%W]")
                or source:find("[.:]update_target_latency%f[%W]")
            if not entry.changes then
                looked_at = looked_at + 1
                assert.is_nil(asks, entry.name)
            end
        end
        assert.is_true(looked_at > 5)
        local log = support.temporary("requests.jsonl")
        run("run", "--sandbox", "--request-log", log, "audit")
        local requests = support.read(log)
        assert.is_truthy(requests:find('"GET"', 1, true))
        assert.is_nil(requests:find('"DELETE"', 1, true) or requests:find('"POST"', 1, true)
            or requests:find('"PUT"', 1, true))
    end)
end)

describe("kmirror show", function()
    it("prints a runbook that ships, or one of the cookbook", function()
        assert.are.equal(support.read("scripts/drain.lua"), run("show", "drain").stdout)
        assert.are.equal(support.read("scripts/cookbook/lag.lua"), run("show", "lag").stdout)
    end)

    it("says what may have been meant, and how a cookbook's entry is run", function()
        assert.is_truthy(support.usage_error("show", "lagg"):find("Did you mean 'lag'?", 1, true))
        assert.is_truthy(support.usage_error("run", "lag"):find("kmirror show lag > lag.lua", 1, true))
    end)
end)
