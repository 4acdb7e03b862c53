local support = require("spec.support")

describe("--join", function()
    it("is refused where nothing could be shared, with what to do instead", function()
        local directory = support.temporary_directory("join")
        local runbook = support.write(directory .. "/r.lua", "return 0")
        for _, case in ipairs {
            { { "run", runbook }, "give --job NAME, too" },
            { { "--job", "j", "apply", "fleet.lua" }, "kmirror apply has no --join: only kmirror run has" },
            { { "--job", "j", "--sandbox", "run", runbook }, "--join and --sandbox exclude each other" },
            { { "--job", "j", "run", "-" }, "a runbook that every runner can read" },
            { { "--job", "j", "--store", directory .. "/jobs.db", "run", runbook },
                "--join needs a store that the other machines reach, too: give --store postgresql://HOST/DATABASE" },
            { { "--job", "j", "run", "failover" }, "failover takes no --join: its steps follow one another" },
            { { "--job", "j", "run", "watch" }, "watch takes no --join: it changes nothing" },
            { { "--job", "j", "run", "migrate", "f.csv", "--replace-failed" },
                "migrate --replace-failed takes no --join" },
        } do
            local result = support.run { env = { HOME = directory }, "--join", table.unpack(case[1]) }
            assert.are.equal(2, result.status, result.stderr)
            assert.is_truthy(result.stderr:find(case[2], 1, true), result.stderr)
            assert.are.equal("", result.stdout)
        end
    end)

    it("is taken by migrate and retune alone among the runbooks that ship", function()
        local taken = {}
        for name in io.popen("ls scripts/*.lua"):lines() do
            name = name:match("([%w_]+)%.lua$")
            local result = support.run { "--join", "--job", "j", "--store", support.temporary("jobs.db"), "run", name }
            assert.are.equal(2, result.status)
            if not result.stderr:find("takes no --join", 1, true) then taken[#taken + 1] = name end
        end
        assert.are.same({ "migrate", "retune" }, taken)
    end)
end)
