local support = require("spec.support")

local full = "cannot write the output: "

-- Runs the shell on a command line in which KM is the executable.
local function shell(line, env)
    return support.run { command = "sh", "-c", (line:gsub("KM", support.quote(support.executable))), env = env }
end

describe("what is written to standard output", function()
    local sandbox

    setup(function() sandbox = support.sandbox { rate = 0, world = 100 } end)
    teardown(function() sandbox:stop() end)

    it("is missed by every command when the disk is full, be it much or little", function()
        local fleet = support.temporary("fleet.csv", ("to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks\n"
            .. "%s,us-west,5a9b1c52-0000-4000-8000-000000000001,orders,false,3\n"):format(support.us_east))
        local prints = support.temporary("prints.lua", 'print("x")')
        local writes = support.temporary("writes.lua", 'io.write(("x"):rep(70000)) io.write("y")')
        for _, line in ipairs {
            "list", "list --json", "list --output csv", "plan " .. fleet, "plan --json " .. fleet, "run " .. prints,
            "run " .. writes, "run watch --for 0.1", "help", "help run", "run audit --help", "version", "--version",
            "version --json", "jobs", "jobs --json", "completion bash", "doctor", "--dry-run apply --yes " .. fleet,
        } do
            local result = shell("KM " .. line .. " > /dev/full", sandbox:env())
            if line ~= "jobs" then -- without a job it has nothing to say
                assert.are.equal(1, result.status, line)
                assert.is_truthy(result.stderr:find(full, 1, true), line)
            end
        end
    end)

    it("is missed when it is closed, and never goes into a file that was opened in its place", function()
        local result = shell("KM list >&-", sandbox:env())
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find(full, 1, true))
        local state = support.temporary_directory("state")
        local env = sandbox:env()
        env.XDG_STATE_HOME = state
        local runbook = support.temporary("r.lua", [[
            require("mirrors").connect {}:list()
            print("this belongs in no file")
            io.stdout:flush()]])
        assert.are.equal(1, shell("KM --job j run " .. runbook .. " >&- 2>&-", env).status)
        assert.are.equal(1, shell("grep -r 'belongs in no file' " .. state, env).status)
    end)

    it("is not missed when its reader has seen enough, and the work goes on", function()
        local done = support.temporary("done")
        local runbook = support.temporary("r.lua", ([[
            for i = 1, 20000 do print("line", i) end
            io.open(%q, "w"):close()]]):format(done))
        local result = shell("(KM run " .. runbook .. "; echo $? >&2) | head -1")
        assert.are.equal("line\t1\n", result.stdout)
        assert.are.equal("0\n", result.stderr)
        assert.is_truthy(io.open(done))
    end)

    it("may be a terminal for every command that prints something, and what is there may be anything", function()
        local id = shell("KM list | head -1 | cut -f 1", sandbox:env()).stdout:match("%S+")
        local fleet = support.temporary("fleet.csv", ("to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks\n"
            .. "%s,us-west,5a9b1c52-0000-4000-8000-000000000001,orders,false,3\n"):format(support.us_east))
        local odd = support.temporary("odd.lua", "return { { status = 5 }, { status = {} }, { status = true } }")
        for _, line in ipairs {
            "list", "list --wide", "get " .. id, "get --json " .. id, "get " .. id .. " " .. id, "plan " .. fleet,
            "jobs", "history", "doctor", "export", "run --list", "help", "show drain", "version",
            "--dry-run latency " .. id .. " 4000", "--dry-run run retune --latency 9000", "run watch --for 0.1",
            "-e '{ { status = 5 }, { status = {} }, { status = true } }'", "-e '{ status = 5 }'", "check " .. odd,
        } do
            local piped = shell("KM " .. line, sandbox:env())
            local shown = support.run { command = "script", "-qefc", ("%s %s"):format(support.executable, line),
                "/dev/null", env = sandbox:env() }
            assert.are.equal(piped.status, shown.status, line .. ": " .. shown.stdout)
            assert.is_nil(shown.stdout:find("must be", 1, true), line .. ": " .. shown.stdout)
        end
    end)

    it("ends a watch that nobody sees any more", function()
        local result = shell("(KM run watch --interval 0.1; echo $? >&2) | head -1", sandbox:env())
        assert.matches(" mirrors", result.stdout)
        assert.are.equal("0\n", result.stderr)
    end)
end)

describe("standard input that cannot be read", function()
    it("is named by whatever reads it", function()
        for _, line in ipairs { "run -", "--sandbox create -", "plan -" } do
            for from, why in pairs { ["<&-"] = "Bad file descriptor", ["< /"] = "Is a directory" } do
                local result = shell(("KM %s %s"):format(line, from))
                assert.are.equal(2, result.status, line .. from)
                assert.is_truthy(result.stderr:find("standard input", 1, true), result.stderr)
                assert.is_truthy(line == "plan -" or result.stderr:find(why, 1, true), result.stderr)
                assert.is_nil(result.stderr:find("%.lua:%d"), result.stderr)
            end
        end
    end)
end)
