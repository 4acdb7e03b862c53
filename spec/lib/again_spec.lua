local again = require("kmirror.again")
local support = require("spec.support")

local everything = {
    profile = "prod", endpoint = "https://api.example.com", api = "v2", cluster = "east", ca_file = "/etc/my ca.pem",
    store = "postgresql://db/k", job = "the night's", rate = 5, yes = true,
}
local work = "--profile prod --endpoint https://api.example.com --api v2 --cluster east --ca-file '/etc/my ca.pem' "
    .. "--store postgresql://db/k "

describe("the command that continues a run", function()
    after_each(function() again.remember {} end)

    it("works on the same, by the options that kmirror was given itself, and as the same job", function()
        again.remember(everything)
        assert.are.equal("kmirror " .. work .. "--job 'the night'\\''s' run mine a 'b c'",
            again.command("mine", "a", "b c"))
        again.remember { cluster = "east" }
        assert.are.equal("kmirror --cluster east run mine", again.command("mine"))
    end)

    it("is no part of the job when it does what the job has done already, whatever the job's name", function()
        again.remember(everything)
        assert.are.equal("kmirror " .. work .. "run mine a", again.anew("mine", "a"))
        assert.are.equal("kmirror " .. work, again.prefix(true))
    end)

    it("asks for the same approval", function()
        again.remember { job = "j", approval = true, approval_timeout = 600, reason = "OPS 7" }
        assert.are.equal("kmirror --job j --approval --approval-timeout 600 --reason 'OPS 7' run mine",
            again.command("mine"))
        again.remember { job = "j", reason = "OPS 7" }
        assert.are.equal("kmirror --job j run mine", again.command("mine"))
    end)

    it("is noted down when it is told", function()
        again.remember { job = "j" }
        assert.are.equal("to continue: kmirror --job j run mine", again.line("to continue: ", again.command "mine"))
        assert.are.equal("kmirror --job j run mine", again.noted())
    end)

    it("is not told in a sandbox that ends with the run, where it would be about what is real", function()
        local list = support.temporary("list.csv", [[
from,to,topicsRegex,useRenaming,usePrivateIps,maxTasks
us-west,us-east,new\..*,false,false,1
]])
        local report = support.temporary("report.html")
        local result = support.run {
            "--sandbox", "--world", "0", "--creating-seconds", "0", "--fail-every", "1", "--job", "j",
            "--report", report, "run", "migrate", list, env = { XDG_STATE_HOME = support.temporary_directory "state" },
        }
        assert.are.equal(1, result.status, result.stderr)
        local said = result.stdout .. result.stderr
        assert.is_truthy(said:find("There is nothing to continue, as this sandbox ends now.", 1, true), said)
        assert.is_nil(said:find("[tT]o continue: "), said)
        assert.is_nil(support.read(report):find("jobs resume j", 1, true))
    end)
end)
