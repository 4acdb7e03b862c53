-- The runbooks on version 2 of the API: a runbook does not know which of the two it speaks.
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local KAFKA = "5a9b1c52-0000-4000-8000-000000000001"
local V2 = { "--api", "v2" }

describe("on version 2 of the API", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    local function count(operation)
        local found = 0
        for _, request in ipairs(it_.sandbox:requests()) do
            assert.is_truthy(request.path:find("^/cluster%-management/v2/") or request.path:find("^/sandbox/")
                or request.path:find("^/provisioning/v1/") and request.operation ~= "create", request.path)
            if request.operation == operation then found = found + 1 end
        end
        return found
    end

    it("a failover creates mirrors with their target latencies, and a failback brings them back", function()
        it_.start()
        local mirror = it_:mirrors_on(EAST)[1]
        assert.are.equal(0, it_:kmirror("latency", mirror.id, "77000").status)
        local result = it_:failover({ "--yes", table.unpack(V2) })
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stdout, "6 of 6 new mirrors us-east -> us-west work")
        assert.are.equal(1, count "update_target_latency") -- that of the spec itself
        local latencies = {}
        for _, each in ipairs(it_:mirrors_on(WEST)) do
            latencies[each.topicsRegex] = it_:get(WEST, each.id).targetLatency
        end
        assert.are.equal(77000, latencies[mirror.topicsRegex])
        result = it_:failback({ "--yes", table.unpack(V2) }, { "--throughput-wait", "0" })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(1, count "update_target_latency")
        assert.are.equal(6, #it_:mirrors_on(EAST))
    end)

    it("a migration sets no target latency in a request of its own, and plan then finds nothing to do", function()
        it_.start { world = "empty" }
        local lines = { "to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks,targetLatency" }
        for i = 1, 8 do
            lines[#lines + 1] = ("%s,us-west,%s,new-%d,true,3,%d"):format(EAST, KAFKA, i, 20000 + i)
        end
        local file = support.temporary("list.csv", table.concat(lines, "\n"))
        local result = it_:kmirror("--api", "v2", "--yes", "run", "migrate", file)
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stdout, "8 of 8 mirrors up, 8 created")
        assert.are.equal(0, count "update_target_latency")
        local plan = it_:kmirror("--api", "v2", "plan", "--exit-code", file)
        assert.are.equal(0, plan.status, plan.stdout .. plan.stderr)
    end)

    it("apply creates with the target latency of the file", function()
        it_.start { world = "empty" }
        local file = support.temporary("fleet.csv", ("to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks,"
            .. "targetLatency\n%s,us-west,%s,new,true,3,21000\n"):format(EAST, KAFKA))
        local result = it_:kmirror("--api", "v2", "--yes", "apply", file)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(0, count "update_target_latency")
        assert.are.equal(21000, it_:get(EAST, it_:mirrors_on(EAST)[1].id).targetLatency)
    end)

    it("plan tells in what a mirror differs from the file, and leaves it; secrets are not shown", function()
        it_.start { world = "empty" }
        local header = "to,sourceAlias,kafkaSource,topicsRegex,useRenaming,usePrivateIps,maxTasks,"
            .. "sourceConnectionPropertiesFile\n"
        local properties = {}
        for i = 1, 2 do
            properties[i] = support.temporary(i .. ".properties", ("bootstrap.servers=kafka-%d:9092\n"
                .. "sasl.password=hunter-%d\n"):format(i, i))
            assert(os.execute("chmod 600 '" .. properties[i] .. "'"))
        end
        local function fleet(ours, theirs)
            return support.temporary("fleet.csv", header .. ("%s,us-west,%s,orders,%s,\n"):format(EAST, KAFKA, ours)
                .. ("%s,other,,parts,true,,2,%s\n"):format(EAST, theirs))
        end
        local file = fleet("true,false,3", properties[1])
        local result = it_:kmirror("--api", "v2", "--yes", "apply", file)
        assert.are.equal(0, result.status, result.stderr)
        result = it_:kmirror("--api", "v2", "plan", "--exit-code", file)
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
        assert.is_nil(result.stdout:find("Not compared", 1, true))
        for _, case in ipairs {
            { "true,false,5", 1, "maxTasks 3, not 5" }, { "true,true,3", 1, "usePrivateIps false, not true" },
            { "false,false,3", 1, "useRenaming true, not false" },
            { "true,false,3", 2, "other connection properties" },
        } do
            local changed = fleet(case[1], properties[case[2]])
            result = it_:kmirror("--api", "v2", "plan", "--exit-code", changed)
            assert.are.equal(4, result.status, case[3] .. ": " .. result.stdout .. result.stderr)
            regions.has(result.stdout, "left: it has " .. case[3])
            assert.is_nil((result.stdout .. result.stderr):find("hunter", 1, true))
        end
        assert.are.equal(2, #it_:mirrors_on(EAST))
        assert(os.remove(properties[1]))
        result = it_:kmirror("--api", "v2", "plan", file)
        regions.has(result.stderr, "the connection properties of 'parts' are not compared: ")
        regions.has(result.stderr, properties[1])
    end)

    it("a migration adopts what copies the same records, tells what else is not as wanted, and no twin of elsewhere",
        function()
            it_.start { world = "empty", clusters = 3 }
            local twin = it_:create(EAST, "us-west", KAFKA:gsub("1$", "3"), "orders")
            it_:create(EAST, "us-west", KAFKA, "carts\\..*", { maxTasks = 1 })
            local line = ("%s,us-west,%s,%%s,false,3\n"):format(EAST, KAFKA)
            local file = support.temporary("list.csv", "to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks\n"
                .. line:format("orders") .. line:format("carts\\..*"))
            local result = it_:kmirror("--api", "v2", "--yes", "run", "migrate", file)
            assert.are.equal(3, result.status, result.stderr)
            regions.has(result.stdout, ("is there as %s, but has kafkaSource %s, not %s: delete it, or change the file")
                :format(twin, KAFKA:gsub("1$", "3"), KAFKA))
            regions.has(result.stderr, "'carts\\..*' from us-west is there, but has maxTasks 1, not 3")
            assert.are.equal(2, #it_:mirrors_on(EAST))
        end)

    it("plan says once what keeps it from comparing connection properties, for however many mirrors", function()
        it_.start { world = "empty" }
        for _, regex in ipairs { "a", "b", "c" } do
            it_:create(EAST, "dc", nil, regex, { sourceType = "custom",
                sourceConnectionProperties = "bootstrap.servers=k:9092" })
        end
        local file = support.temporary("fleet.lua", it_:kmirror("--api", "v2", "export").stdout)
        local result = it_:kmirror("--api", "v2", "plan", "--exit-code", file)
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, "the connection properties of 'a' and 2 more mirrors are not compared: cannot read")
        assert.are.equal(1, select(2, result.stderr:gsub("not compared", "")))
    end)

    it("drain saves a fleet file, too, by which the mirrors can be created anew as they were", function()
        it_.start { world = 2 }
        it_:create(EAST, "us-west", KAFKA, "returns", { useRenaming = true, maxTasks = 7 })
        it_:create(EAST, "dc", nil, "orders", { sourceType = "custom", maxTasks = 1,
            sourceConnectionProperties = "bootstrap.servers=k:9092\nsasl.password=hunter2\n" })
        local path = support.temporary "previous.json"
        local before = it_:kmirror("--api", "v2", "export").stdout
        local result = it_:kmirror("--api", "v2", "--yes", "run", "drain", "--all", "--busy", "--save", path)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(0, #it_:mirrors_on(EAST))
        local command = result.stdout:match("To create anew:  ([^\n]+)")
        local fleet = path:gsub("%.json$", ".fleet.lua")
        assert.are.equal("kmirror --api v2 apply " .. fleet, command)
        regions.has(result.stderr, "fleet.lua: the connection properties of 'dc' are left out")
        assert.is_nil((support.read(path) .. support.read(fleet)):find("hunter", 1, true))
        local properties = support.write(path:match("^.*/") .. "dc.properties", "bootstrap.servers=k:9092\n")
        assert(os.execute("chmod 600 " .. properties))
        result = it_:run_printed(command)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(before, it_:kmirror("--api", "v2", "export").stdout)
        result = it_:kmirror("--api", "v1", "--yes", "run", "drain", "--all", "--busy", "--save", path)
        assert.is_nil(result.stdout:find("To create anew", 1, true))
    end)

    it("audit, watch, retune, rollout and drain do what they do on version 1", function()
        it_.start()
        for _, words in ipairs {
            { "audit" }, { "watch", "--until", "in-sync", "--for", "5" }, { "retune", "--latency", "41000" },
            { "rollout", "--source", regions.west, "--target", regions.east, "--strategy", "create-first", "--to",
                "(?!.*dlq){old}", "--only", "orders\\..*" },
            { "drain", "--regex", "carts\\..*", "--busy", "--save", support.temporary "previous.json" },
        } do
            local result = it_:kmirror("--api", "v2", "--yes", "run", table.unpack(words))
            assert.are.equal(0, result.status, words[1] .. ": " .. result.stdout .. result.stderr)
        end
    end)
end)
