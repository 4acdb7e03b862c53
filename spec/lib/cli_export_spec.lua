-- kmirror export, and what kmirror plan says of its file.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local KAFKA = "5a9b1c52-0000-4000-8000-00000000000%d"
local SECRET <const> = "hunter2-and-more"

describe("kmirror export", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    local function name_all()
        it_:name(([[{ ["us-west"] = { connect = "%s", kafka = "%s", alias = "us-west" },
            ["us-east"] = { connect = "%s", kafka = "%s", alias = "us-east" } }]]):format(WEST, KAFKA:format(1), EAST,
            KAFKA:format(2)))
    end

    local function outside(alias, regex, servers, more)
        local spec = { sourceType = "custom", sourceConnectionProperties =
            ("bootstrap.servers=%s:9092\nsasl.jaas.config=x password=\"%s\";\n"):format(servers, SECRET) }
        for name, value in pairs(more or {}) do spec[name] = value end
        return it_:create(EAST, alias, nil, regex, spec)
    end

    local function export(api, ...)
        local result = it_:kmirror("--api", api, "export", ...)
        assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
        return result
    end

    -- What plan says of a text, as a fleet file.
    local function plan(api, extension, text, ...)
        local path = support.temporary("fleet." .. extension, text)
        return it_:kmirror("--api", api, "plan", "--exit-code", path, ...), path
    end

    local function is_settled(api, extension, text, count)
        local result = plan(api, extension, text, "--prune")
        assert.are.equal(0, result.status, result.stdout .. result.stderr .. text)
        regions.has(result.stdout, ("Nothing to change; %d as wanted."):format(count))
        return result
    end

    local function counts()
        local found = {}
        for _, request in ipairs(it_.sandbox:requests()) do
            found[request.operation] = (found[request.operation] or 0) + 1
        end
        return found
    end

    it("writes what plan finds nothing to do of, on either version, in each format, by one list a cluster", function()
        it_.start { world = 5 }
        it_:create(WEST, "us-east", KAFKA:format(2), [[a"b,\d\x41]], { useRenaming = true, maxTasks = 7 })
        name_all()
        for _, api in ipairs { "v1", "v2" } do
            for _, format in ipairs { "lua", "json", "csv" } do
                local before = counts()
                local result = export(api, "--output", format)
                assert.are.equal(0, result.status, result.stderr)
                local after = counts()
                assert.are.equal(2, after.list - (before.list or 0))
                assert.are.equal(api == "v2" and 0 or 6, (after.get or 0) - (before.get or 0))
                is_settled(api, format, result.stdout, 6)
            end
        end
    end)

    it("tells all of a mirror on version 2, so that it can be created anew", function()
        it_.start { world = 3 }
        it_:create(EAST, "us-west", KAFKA:format(1), "new", { useRenaming = true, usePrivateIps = true, maxTasks = 9 })
        local text = export("v2").stdout
        regions.has(text, [[topicsRegex = "new", targetLatency = 30000, useRenaming = true, usePrivateIps = true, ]]
            .. "maxTasks = 9 }")
        for _, mirror in ipairs(it_:mirrors_on(EAST)) do
            it_:kmirror("--yes", "delete", mirror.id)
        end
        local path = support.temporary("fleet.lua", text)
        local result = it_:kmirror("--api", "v2", "--yes", "apply", path)
        assert.are.equal(0, result.status, result.stderr)
        is_settled("v2", "lua", text, 4)
    end)

    it("writes what plan shows as drift, whatever field is changed then", function()
        it_.start { world = 2 }
        local function csv(text) return (text:gsub("\r\n", "\n")) end
        local text = csv(export("v2", "--output", "csv").stdout)
        regions.has(text, KAFKA:format(1) .. ",,orders\\..*,30000,false,false,3\n")
        for _, case in ipairs {
            { ",30000,", ",30001,", "target latency 30000 -> 30001 ms" },
            { "30000,false,", "30000,true,", "left: it has useRenaming false, not true" },
            { ",false,3", ",true,3", "left: it has usePrivateIps false, not true" },
            { ",3\n", ",4\n", "left: it has maxTasks 3, not 4" },
            { (KAFKA:format(1):gsub("%-", "%%-")), KAFKA:format(2),
                ("left: it has kafkaSource %s, not %s"):format(KAFKA:format(1), KAFKA:format(2)) },
            { "us%-west,[^,]*,,", "us-west,,other.properties,", "left: it has sourceType instaclustr, not custom" },
            { "us%-west", "other", "1 more exist that the file does not have" },
            { "orders", "returns", "1 more exist that the file does not have" },
            { (EAST:gsub("%-", "%%-")), WEST, "create: same names, 3 tasks, 30000 ms" },
        } do
            local changed, times = text:gsub("([^\n]*orders[^\n]*\n)", function(line)
                return (line:gsub(case[1], (case[2]:gsub("%%", "%%%%")), 1))
            end)
            assert.are_not.equal(text, changed, case[3] .. times)
            local result = plan("v2", "csv", changed)
            assert.are.equal(4, result.status, case[3] .. "\n" .. result.stdout .. result.stderr)
            regions.has(result.stdout, case[3])
        end
    end)

    it("leaves connection properties out, and says where to put them; plan compares them there", function()
        it_.start { world = "empty" }
        outside("dc", "a", "kafka-1")
        outside("dc", "b", "kafka-1")
        outside("dc", "c", "kafka-2")
        for _, format in ipairs { "lua", "json", "csv" } do
            local result = export("v2", "--output", format)
            assert.are.equal(0, result.status, result.stderr)
            regions.has(result.stdout, "dc-2.properties")
            for _, name in ipairs { "dc", "dc-2" } do
                regions.has(result.stderr, ("the connection properties of '%s' are left out, as they are secret: put "
                    .. "them into %s.properties, beside this file and readable by its owner only (chmod 600)"):format(
                    name, name))
            end
            local settled = is_settled("v2", format, result.stdout, 3)
            regions.has(settled.stderr, "the connection properties of 'a' and 1 more mirror are not compared: cannot ")
            local directory = support.temporary_directory("fleet")
            for name, servers in pairs { dc = "kafka-1", ["dc-2"] = "kafka-3" } do
                local path = support.write(directory .. "/" .. name .. ".properties",
                    ("bootstrap.servers=%s:9092\nsasl.jaas.config=x password=\"%s\";\n"):format(servers, SECRET))
                assert(os.execute("chmod 600 " .. path))
            end
            local path = support.write(directory .. "/fleet." .. format, result.stdout)
            local compared = it_:kmirror("--api", "v2", "plan", "--exit-code", path)
            assert.are.equal(4, compared.status, compared.stderr)
            regions.has(compared.stdout, "left: it has other connection properties")
            regions.has(compared.stdout, "Plan: 1 to settle by hand; 2 as wanted.")
            assert.is_nil((compared.stdout .. compared.stderr):find(SECRET, 1, true))
        end
    end)

    it("tells mirrors apart that version 1 takes for twins: by source and renaming", function()
        it_.start { world = "empty", clusters = 3 }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders")
        it_:create(EAST, "us-west", KAFKA:format(3), "orders")
        it_:create(EAST, "us-west", KAFKA:format(1), "orders", { useRenaming = true })
        outside("us-west", "orders", "kafka-1")
        outside("us-west", "orders", "kafka-2")
        for _, format in ipairs { "lua", "json", "csv" } do
            local result = export("v2", "--output", format)
            assert.are.equal(0, result.status, result.stderr)
            is_settled("v2", format, result.stdout, 5)
            local on_v1 = plan("v1", format, result.stdout)
            assert.are.equal(2, on_v1.status, on_v1.stdout .. on_v1.stderr)
            regions.has(on_v1.stderr, ", as far as version 1 of the API tells; with --api v2 there may be both")
        end
        local result = export("v1")
        assert.are.equal(3, result.status)
        regions.has(result.stderr, "1 mirror exported, 4 left out")
    end)

    it("names a mirror that is there twice, and ends with 3", function()
        it_.start { world = "empty" }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders")
        local second = it_:create(EAST, "us-west", KAFKA:format(1), "orders")
        for _, api in ipairs { "v1", "v2" } do
            local result = export(api)
            assert.are.equal(3, result.status)
            regions.has(result.stderr, "there is one more of 'orders' from us-west into us-east: " .. second)
            regions.has(result.stdout, "\n-- there is one more of 'orders' from us-west into us-east: " .. second)
        end
    end)

    it("marks what version 1 does not tell", function()
        it_.start { world = 1 }
        local result = export("v1")
        regions.has(result.stdout, "-- useRenaming, maxTasks, usePrivateIps: not known\n")
        regions.has(result.stderr, "version 1 of the API does not tell useRenaming, maxTasks, usePrivateIps and ")
        regions.has(export("v1", "--output", "json").stdout, '"maxTasks": null,')
        regions.has(export("v1", "--output", "csv").stdout, "orders\\..*,30000,,,\r\n")
        assert.is_nil(export("v2").stdout:find("not known", 1, true))
    end)

    it("exports the clusters that are named: by --in, by --cluster, else by the profile", function()
        it_.start { world = 2 }
        it_:create(WEST, "us-east", KAFKA:format(2), "back")
        name_all()
        local function exported(...)
            return #json.decode(export("v2", "--output", "json", ...).stdout).mirrors
        end
        assert.are.same({ 3, 1, 2, 3, 3 }, {
            exported(), exported("--in", "us-west"), exported("--cluster", "us-east"),
            exported("--in", EAST, "--in", WEST), exported("--cluster", WEST, "--in", "all"),
        })
        local result = it_:kmirror("--output", "json", "list")
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "'--output' must be 'csv' for kmirror list")
        assert.are.equal(2, export("v2", "--in", "us-est").status)
    end)

    it("writes what plan can read, however little or odd version 2 tells of a mirror; audit copes with it", function()
        it_.start { world = "empty" } -- for its home
        local whole = [[{"id":"m%d","connectorName":"us-west.us-east.x","topicsRegex":"%s","targetLatency":30000%s}]]
        local parts = {}
        for i, more in ipairs { "", ',"renameMirroredTopics":true,"sourceCluster":[],"maxTasks":0,"targetLatency":10',
            ',"renameMirroredTopics":false,"sourceCluster":[{"alias":"us-west"}],"maxTasks":1',
            ',"renameMirroredTopics":false,"sourceCluster":[{"alias":"us-west","externalCluster":[{}]}],"maxTasks":1',
            ',"renameMirroredTopics":false,"sourceCluster":[{"alias":"us-west","externalCluster":[{'
            .. '"sourceConnectionProperties":"****"}]}],"maxTasks":1',
            ',"renameMirroredTopics":false,"sourceCluster":[{"alias":"us-west","managedCluster":[{'
            .. '"sourceKafkaClusterId":"none"}]}],"maxTasks":1',
            ',"renameMirroredTopics":false,"sourceCluster":[{"alias":"a b","managedCluster":[]}],"maxTasks":1' } do
            parts[i] = whole:format(i, "r" .. i, more)
        end
        local list = { body = '[{"mirrors":[' .. table.concat(parts, ",") .. "]}]" }
        local server = support.server { list }
        local env = it_:env()
        env.KMIRROR_ENDPOINT = server.url
        local result = support.run { "--api", "v2", "export", env = env }
        assert.are.equal(3, result.status, result.stderr)
        regions.has(result.stderr, "left out: targetLatency of m2 is 10; expected milliseconds")
        regions.has(result.stderr, "left out: the kafkaSource of m6 is 'none'; expected the UUID of a Kafka cluster")
        regions.has(result.stderr, "left out: the sourceAlias of m7 is 'a b'; expected letters")
        regions.has(result.stderr, "5 mirrors exported, 2 left out")
        local file = support.temporary("fleet.lua", result.stdout)
        server:stop()
        assert.are.equal(5, #require("kmirror.fleet.wanted").read(file).mirrors)
        for i, part in ipairs(parts) do
            local one = support.server { { body = '[{"mirrors":[' .. part .. "]}]" }, { body = part } }
            env.KMIRROR_ENDPOINT = one.url
            local audit = support.run { "--api", "v2", "run", "audit", "--json", env = env }
            one:stop()
            assert.are.equal(3, audit.status, i .. audit.stderr)
            assert.are.equal(1, json.decode(audit.stdout).mirrors)
        end
    end)
end)
