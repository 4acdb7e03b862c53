local support = require "spec.support"

describe("the executable", function()
    it("runs a shipped runbook where there is nothing else of kmirror", function()
        local directory = support.temporary_directory()
        os.execute(("cp %s %s/km"):format(support.quote(support.executable), directory))
        local result = support.run { "run", "--sandbox", "--creating-seconds", "0", "--sync-seconds", "0", "failover",
            executable = directory .. "/km", directory = directory, env = { TMPDIR = directory } }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("24 of 24 new mirrors us-east -> us-west work", 1, true))
    end)

    it("is content without a home, a terminal or a locale", function()
        local result = support.run { "list", "--sandbox", env = { HOME = false, LC_ALL = "C", TERM = false } }
        assert.are.equal(0, result.status, result.stderr)
    end)
end)
