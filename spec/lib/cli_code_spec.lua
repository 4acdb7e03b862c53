-- kmirror -e CODE, run -i, run --list and show.
local cjson = require("cjson")
local support = require("spec.support")

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

    it("names what has no name of its own as it was typed, and help that there is", function()
        local code = support.run { "-e", "1", "--output", "csv" }
        assert.are.equal("kmirror: kmirror -e has no --output; see kmirror help\n", code.stderr)
        local list = support.run { "run", "--list", "--output", "csv" }
        assert.are.equal("kmirror: kmirror run --list has no --output; see kmirror help run\n", list.stderr)
        assert.are.same({ 2, 2 }, { code.status, list.status })
    end)

    it("says of a runbook that is no text which one it is, and of a spec that is not there", function()
        local book = support.temporary("book.lua", string.dump(function() end))
        local result = support.run { "run", book }
        assert.are.equal(2, result.status)
        assert.matches(book .. " is no text: it is compiled Lua", result.stderr, 1, true)
        local spec = support.run { "test", "nowhere_spec.lua" }
        assert.are.equal(2, spec.status)
        assert.matches("cannot read nowhere_spec.lua: No such file", spec.stderr, 1, true)
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

    it("opens the prompt where it failed with --debug, with the variables of each frame", function()
        local path = support.temporary("talk.lua", [[
            local factor = 7
            local function inner(a)
                local b = a * factor
                return b.c.d
            end
            local function outer(list)
                local sum = 0
                for _, each in ipairs(list) do sum = sum + inner(each) end
                return sum
            end
            local result = outer { 3, 4 }
            return result]])
        local result = support.run { "run", "--sandbox", "--debug", path,
            stdin = "a, b, factor\nsum, #list\n:up\nsum, #list, a\n:up\n:where\n:up\n:down\neach\n" }
        local its = path:gsub("%p", "%%%0")
        assert.matches("^3\n21\n7\n0\n2\nnil\n", result.stdout)
        assert.matches("\n  1  " .. its .. ":4, [^\n]+'inner'\n  2  " .. its .. ":8, [^\n]+'outer'\n%* 3  " .. its
            .. ":11, the main part\n3\n$", result.stdout)
        assert.matches("talk.lua:4: attempt to index a n", result.stderr, 1, true)
        assert.matches("there is no frame further out", result.stderr, 1, true)
        assert.are.equal(1, result.status)
    end)

    it("goes with --debug into the task that failed, and on to who waited for it", function()
        local path = support.temporary("talk.lua", [[
            local bulk = require "kmirror.bulk"
            local function look(number)
                local twice = 2 * number
                if number == 3 then error { kind = "mine" } end
                return twice
            end
            local numbers = { 1, 2, 3 }
            bulk.map(numbers, look)]])
        local result = support.run { "run", "--sandbox", "--debug", path, stdin = "twice\n:up\n#numbers\n:where\n" }
        assert.matches("^6\n3\n", result.stdout)
        assert.are.equal(2, select(2, result.stdout:gsub(path:gsub("%p", "%%%0"), "")))
        local fine = support.run { "run", "--sandbox", "--debug", "-", stdin = "print(1) return 3" }
        assert.are.same({ "1\n", 3 }, { fine.stdout, fine.status })
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
