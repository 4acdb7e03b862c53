local postgres = require("spec.support.postgres")
local support = require("spec.support")

describe("the README's section about teams", function()
    local server

    setup(function() server = postgres.start() end)
    teardown(function() server:stop() end)

    it("has five commands that lead from nothing to two runners that migrate together", function()
        local commands = {}
        local block = support.read("README.md"):match("## Teams.-\n\n(    .-)\n\n")
        for line in block:gsub("db%.example%.com", "127.0.0.1"):gmatch("[^\n]+") do
            commands[#commands + 1] = line
        end
        assert.are.equal(5, #commands)
        local sandbox = support.sandbox { rate = 0, world = 0, creating_seconds = 0.2, sync_seconds = 0 }
        local directory = support.temporary_directory("team")
        local lines = { "sourceAlias,kafkaSource,to,topicsRegex,useRenaming,usePrivateIps,maxTasks\n" }
        for i = 1, 40 do
            lines[i + 1] = ("us-west,5a9b1c52-0000-4000-8000-000000000001,%s,new-%d\\..*,false,false,3\n"):format(
                support.us_east, i)
        end
        support.write(directory .. "/mirrors.csv", table.concat(lines))
        server:sql "CREATE ROLE alice LOGIN"

        local build = support.run({ command = "realpath", support.build }).stdout:gsub("%s+$", "")
        local env = sandbox:env()
        env.PATH, env.PGPORT, env.PGUSER = build .. ":" .. os.getenv "PATH", tostring(server.port), "postgres"
        local both = table.concat(commands, "\n", 1, 3) .. "\nexport PGUSER=alice\n" .. commands[4]:gsub(" #.*", "")
            .. " > first 2>&1 &\n" .. commands[5] .. "\nstatus=$?\nwait $! && exit $status"
        local result = support.run { command = "sh", "-e", "-c", both, directory = directory, env = env, timeout = 60 }
        assert.are.equal(0, result.status, result.stderr .. support.read(directory .. "/first"))
        for _, said in ipairs { result.stdout, support.read(directory .. "/first") } do
            assert.matches("40 of 40 mirrors up", said)
        end
        assert.are.equal(40, sandbox:asked "create")
        sandbox:stop()
    end)
end)
