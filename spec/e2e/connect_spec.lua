local cjson = require("cjson")
local mirrors = require("mirrors")
local support = require("spec.support")

-- What the runbooks that ship and the cookbook do on Kafka Connect of one's own: what each is told, and what it says.
-- No Kafka is behind it, so that records cannot be counted: what hangs on that says so.
local does = {
    ["scripts/audit.lua"] = { "", "2 mirrors on 2 clusters: 0 errors, 0 warnings." },
    ["scripts/drain.lua"] = { "--regex payments --save FILE", "1 of 1 mirror gone" },
    ["scripts/failback.lua"] = { "--from us-west --to us-east --still 0.1 --offset-sync 0.1 --fence-wait 9",
        "2 of 2 new mirrors us-east -> us-west work." },
    ["scripts/failover.lua"] = { "--from us-west --to us-east --still 0.1 --offset-sync 0.1 --fence-wait 9",
        "2 of 2 new mirrors us-east -> us-west work." },
    ["scripts/migrate.lua"] = { "LIST", "2 of 2 mirrors up, 1 created, 1 adopted" },
    ["scripts/retune.lua"] = { "--latency 45000", "2 of 2 target latencies set" },
    ["scripts/rollout.lua"] = { "--source us-west --target us-east --only payments --to payments|refunds",
        "in-place: 1 of 1 mirror healthy, none created or deleted" },
    ["scripts/watch.lua"] = { "--until in-sync --for 20", "2 IN_SYNC" },
    ["scripts/cookbook/canary.lua"] = { "", "^2 done, 0 failed, 0 not begun" },
    ["scripts/cookbook/create_many.lua"] = { "orders.shipped", "\torders.shipped\tIN_SYNC\n$" },
    ["scripts/cookbook/delete_failed.lua"] = { "", "^0 done, 0 failed, 0 not begun" },
    ["scripts/cookbook/idle.lua"] = { "", "\tpayments\n" },
    ["scripts/cookbook/lag.lua"] = { "", "payments\tIN_SYNC\t120\t30000" },
    ["scripts/cookbook/replace_one.lua"] = { "payments refunds", "^replaced\t%S+\tby\t%S+\n$" },
    ["scripts/cookbook/retry_until.lua"] = { "", "^%S+\tis gone\n$" },
    ["scripts/cookbook/snapshot.lua"] = { "FILE", "2 mirrors saved in " },
    ["scripts/cookbook/status_count.lua"] = { "", "us%-east +IN_SYNC +2\n" },
    ["scripts/cookbook/tell.lua"] = { "", '{"IN_SYNC":2}' },
    ["scripts/cookbook/throughput.lua"] = { "1", "0.0 records/s over 2 topics" },
    ["scripts/cookbook/tighten.lua"] = { "10000 orders", "^orders.created\t30000 %-> 10000\n$" },
    ["scripts/cookbook/until_in_sync.lua"] = { "20", "^2 of 2 mirrors are in sync\n$" },
    ["scripts/cookbook/who_takes.lua"] = { "payments", "\tpayments\n$" },
}

local TOPICS <const> = { "orders.created", "orders.shipped", "payments", "refunds" }
local NOWHERE <const> = { ["us-west"] = "127.0.0.1:1", ["us-east"] = "127.0.0.1:2" } -- no Kafka

local function shipped()
    local found = {}
    local pipe <close> = assert(io.popen("ls scripts/*.lua scripts/cookbook/*.lua | grep -v _spec"))
    for path in pipe:lines() do found[#found + 1] = path end
    return found
end

describe("on Kafka Connect of one's own,", function()
    local servers, env

    -- Two stand-ins, with a profile of both, and two mirrors from us-west into us-east.
    before_each(function()
        local home, parts = support.temporary_directory("home"), {}
        servers = {}
        for _, name in ipairs { "us-west", "us-east" } do
            servers[name] = support.server { handler = "spec.support.standin",
                settings = { topics = TOPICS, latency = 120, rate = 0 } }
            parts[#parts + 1] = ('["%s"] = { connect_url = "%s", metrics = "%s/jolokia", kafka = { '
                .. '["bootstrap.servers"] = "%s" } }'):format(name, servers[name].url, servers[name].url, NOWHERE[name])
        end
        assert(os.execute("mkdir -p " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua",
            ('return { profile = "own", profiles = { own = { cluster = "us-east", clusters = { %s } } } }')
            :format(table.concat(parts, ", ")))
        env = { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home, TMPDIR = home }
        local api = mirrors.connect { api = "connect", endpoint = servers["us-east"].url, cluster = "us-east",
            kafka = "bootstrap.servers=" .. NOWHERE["us-east"] }
        for _, topic in ipairs { "orders.created", "payments" } do
            api:create { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=" .. NOWHERE["us-west"],
                sourceAlias = "us-west", topicsRegex = topic, useRenaming = true, maxTasks = 1 }
        end
    end)
    after_each(function()
        for _, server in pairs(servers) do server:stop() end
    end)

    local function words_of(path, arguments)
        local words = { "run", "--yes", "--timeout", "0.5", path, env = env, timeout = 60 }
        for word in arguments:gmatch("%S+") do
            if word == "LIST" then
                word = support.temporary("list.csv", "from,to,topicsRegex,useRenaming,maxTasks\n"
                    .. "us-west,us-east,payments,true,1\nus-west,us-east,refunds,true,1\n")
            end
            words[#words + 1] = word == "FILE" and support.temporary("saved.json") or word
        end
        return words
    end

    it("several mirrors are stopped and paused only when that is confirmed, as by --yes", function()
        local ids = {}
        local listed = support.run({ "list", "--json", env = env }).stdout
        for id in listed:gmatch('"id": "([^"]+)"') do ids[#ids + 1] = id end
        assert.are.equal(2, #ids)
        for _, command in ipairs { "pause", "stop" } do
            local result = support.run { command, ids[1], ids[2], env = env }
            assert.are.equal(2, result.status)
            local question = command .. " 2 mirrors on cluster us-east: nothing is copied until resume"
            assert.is_truthy(result.stderr:find(question, 1, true), result.stderr)
            assert.is_truthy(result.stderr:find("give --yes", 1, true))
            assert.is_truthy(support.run({ "get", ids[1], env = env }).stdout:find("mirrorStatus\tRUNNING", 1, true))
            result = support.run { "--yes", command, ids[1], ids[2], env = env }
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(0, support.run({ "resume", ids[1], ids[2], env = env }).status)
        end
        assert.are.equal(0, support.run({ "stop", ids[1], env = env }).status) -- one is meant as it is typed
    end)

    describe("mirrors that others made", function()
        local function config_of(class, more)
            local its = { ["connector.class"] = "org.apache.kafka.connect.mirror." .. class, ["tasks.max"] = "2",
                ["source.cluster.alias"] = "us-west", ["target.cluster.alias"] = "us-east",
                ["source.cluster.bootstrap.servers"] = NOWHERE["us-west"],
                ["target.cluster.bootstrap.servers"] = NOWHERE["us-east"],
                ["source.cluster.max.poll.records"] = "500" }
            for name, value in pairs(more or {}) do its[name] = value end
            return its
        end

        local function adopt(connectors)
            local server = support.server { handler = "spec.support.standin",
                settings = { topics = TOPICS, latency = 120, rate = 0, connectors = connectors } }
            local home = env.XDG_CONFIG_HOME
            support.write(home .. "/kmirror/config.lua", support.read(home .. "/kmirror/config.lua")
                :gsub(servers["us-east"].url:gsub("%p", "%%%0"), server.url))
            servers.more = server
            return server
        end

        it("are listed, and planned and migrated as if kmirror had made them", function()
            adopt { { name = "us-west->us-east.MirrorSourceConnector", state = "RUNNING",
                config = config_of("MirrorSourceConnector", { topics = "payments" }) },
                { name = "us-west->us-east.MirrorCheckpointConnector", state = "RUNNING",
                    config = config_of("MirrorCheckpointConnector") } }
            local listed = support.run { "list", "--json", env = env }
            assert.is_truthy(listed.stdout:find('"foreign": true', 1, true), listed.stdout .. listed.stderr)
            local id = listed.stdout:match('"id": "([^"]+)"')
            local shown = support.run { "get", id, env = env }
            assert.is_truthy(shown.stdout:find("foreign\ttrue\n", 1, true), shown.stdout)
            local fleet = support.temporary("fleet.lua", [[return { mirrors = { { from = "us-west", to = "us-east",
                topicsRegex = "payments", useRenaming = true, maxTasks = 2, targetLatency = 45000 } } }]])
            local planned = support.run { "plan", fleet, env = env }
            assert.is_truthy(planned.stdout:find("Plan: 1 to retune; 0 as wanted.", 1, true), planned.stdout)
            local list = support.temporary("list.csv", "from,to,topicsRegex,useRenaming,maxTasks,targetLatency\n"
                .. "us-west,us-east,payments,true,2,45000\n")
            local migrated = support.run { "run", "--yes", "migrate", list, env = env, timeout = 60 }
            assert.is_truthy(migrated.stdout:find("1 of 1 mirror up, 0 created, 1 adopted, 1 target latency set", 1,
                true), migrated.stdout .. migrated.stderr)
            assert.is_truthy(support.run({ "plan", fleet, env = env }).stdout:find("Nothing to change", 1, true))
        end)

        it("are meant by their connectors' names, whatever these are; traces are shown as a terminal may show them",
            function()
                local names = { "payments", "we/st.x", "100%", "sp ace.x.y", "a?b#c", "\u{fc}n\u{ef}" }
                local connectors = {}
                for i, name in ipairs(names) do
                    connectors[i] = { name = name, state = "RUNNING", failed = "FAILED", trace = "x\27[31my",
                        config = config_of("MirrorSourceConnector", { topics = "payments" }) }
                end
                adopt(connectors)
                for _, name in ipairs(names) do
                    for _, word in ipairs { "get", "resume", "restart" } do
                        local result = support.run { word, name, env = env }
                        assert.are.equal(0, result.status, word .. " " .. name .. ": " .. result.stderr)
                        assert.is_nil((result.stdout .. result.stderr):find("\27", 1, true), word)
                    end
                    assert.are.equal(0, support.run({ "--dry-run", "latency", name, "3000", env = env }).status)
                    assert.are.equal(0, support.run({ "--dry-run", "delete", "--yes", name, env = env }).status)
                end
                local result = support.run { "pause", "nosuch", env = env }
                assert.are.equal(2, result.status)
                assert.is_truthy(result.stderr:find("no mirror of this cluster is meant by 'nosuch'", 1, true))
            end)

        it("and that have no checkpoint connector are adopted, too, but cannot have a target latency", function()
            adopt { { name = "west-orders", state = "RUNNING", config = config_of("MirrorSourceConnector",
                { topics = "orders.created" }) } }
            local list = support.temporary("list.csv", "from,to,topicsRegex,useRenaming,maxTasks,targetLatency\n"
                .. "us-west,us-east,orders.created,true,2,45000\n")
            local migrated = support.run { "run", "--yes", "migrate", list, env = env, timeout = 60 }
            assert.is_truthy(migrated.stdout:find("west-orders, which kmirror has not made, has none: leave", 1, true),
                migrated.stdout .. migrated.stderr)
            assert.is_truthy(migrated.stdout:find("0 created, 1 adopted", 1, true), migrated.stdout)
        end)
    end)

    describe("in a disaster mirrors", function()
        local order

        -- What is asked of us-east that changes something, and when the clients are moved.
        local function failover(refuses, clients, status)
            local its = { ["connector.class"] = "org.apache.kafka.connect.mirror.MirrorSourceConnector",
                ["source.cluster.alias"] = "us-west", ["target.cluster.alias"] = "us-east", topics = "payments",
                ["source.cluster.bootstrap.servers"] = NOWHERE["us-west"] }
            local server = support.server { handler = "spec.support.standin", settings = { topics = TOPICS,
                latency = 120, rate = 0, refuses = refuses,
                connectors = { { name = "us-west.us-east.abc", state = "RUNNING", config = its } } } }
            local config = env.XDG_CONFIG_HOME .. "/kmirror/config.lua"
            support.write(config, support.read(config):gsub(servers["us-east"].url:gsub("%p", "%%%0"), server.url))
            servers.more = server
            local hook = clients or "clients=curl -s " .. server.url .. "/clients"
            local result = support.run { "run", "--yes", "--timeout", "0.5", "failover", "--disaster", "--no-reverse",
                "--from", "us-west", "--to", "us-east", "--hook", hook, env = env, timeout = 60 }
            assert.are.equal(status or 0, result.status, result.stderr)
            if clients then return result end
            server:stop()
            order = {}
            for _, request in ipairs(server:requests()) do
                local is_change = request.method ~= "GET" or request.target == "/clients"
                local line = request.method .. " " .. request.target:gsub("^/connectors", "")
                order[#order + 1] = is_change and line or nil
            end
            return result
        end

        it("are stopped, then clients move, then they are deleted", function()
            failover()
            assert.are.same({ "PUT /us-west.us-east.abc/stop", "GET /clients", "DELETE /us-west.us-east.abc" }, order)
        end)

        it("that stand still when the run fails are told of, with the command that lets them copy again", function()
            local result = failover(nil, "clients=false", 1)
            local command = result.stderr:match("the mirrors us%-west %-> us%-east stand still; to let them copy "
                .. "again, if this is not to be continued: kmirror (resume %-%-cluster us%-east %S+)\n")
            assert.is_string(command, result.stderr)
            local abandoned = support.run { "run", "--yes", "failover", "--from", "us-west", "--to", "us-east",
                "--abandon", env = env, timeout = 30 }
            assert.are.equal(0, abandoned.status, abandoned.stderr)
            assert.is_truthy(abandoned.stdout:find("payments%s+not deleted, but stands still\n"), abandoned.stdout)
            assert.is_truthy(abandoned.stdout:find("To resume:       kmirror " .. command, 1, true), abandoned.stdout)
            local words = { env = env }
            for word in command:gmatch("%S+") do words[#words + 1] = word end
            assert.are.equal(0, support.run(words).status)
            assert.is_truthy(support.run({ "get", words[#words], env = env }).stdout:find("mirrorStatus\tRUNNING", 1,
                true))
        end)

        it("that cannot be stopped are deleted before clients move, and that is said", function()
            local result = failover "PUT /stop"
            assert.are.same({ "PUT /us-west.us-east.abc/stop", "DELETE /us-west.us-east.abc", "GET /clients" }, order)
            assert.is_truthy(result.stderr:find("the mirrors us-west -> us-east cannot be stopped, so that clients "
                .. "move once they are deleted: ", 1, true), result.stderr)
        end)
    end)

    it("a mirror that leaves records and copies none for 65 s is STALE_TOPIC, until it is told to go on", function()
        local id = support.run({ "list", "--json", env = env }).stdout:match('"id": "([^"]+)"')
        local topic = cjson.decode(support.run({ "get", "--json", id, env = env }).stdout).topicStatuses[1].name
        local note = support.temporary("note.lua", ([[
            local since, copied = os.time() - tonumber((...)), math.tointeger(tonumber((select(2, ...))))
            local partition = { partition = 0, endOffset = 120, recordsLeft = 20, replicatedOffset = copied,
                leftSince = since }
            require("kmirror.ends").note("us-east", { { id = "%s", topics = { { name = "%s",
                partitions = { partition } } } } })
        ]]):format(id, topic))
        local function status_after(seconds, copied) -- the stand-in has copied up to offset 99
            local noted = support.run { "run", note, seconds, copied, env = env }
            assert.are.equal(0, noted.status, noted.stderr)
            local seen = support.run({ "get", id, env = env }).stdout
            return seen:match("\nstatus\t([%u_]+)"), seen:match("\ncause\t([^\n]*)")
        end
        assert.are.equal("IN_SYNC", (status_after("50", "99")))
        assert.are.equal("IN_SYNC", (status_after("3600", "98"))) -- it has copied some since
        local status, cause = status_after("66", "99")
        assert.are.equal("STALE_TOPIC", status)
        assert.is_truthy(cause:find(("of its topic '%s' no record was copied since 20"):format(topic), 1, true), cause)
        assert.are.equal(0, support.run({ "resume", id, env = env }).status)
        assert.is_truthy(support.run({ "get", id, env = env }).stdout:find("\nstatus\tIN_SYNC\n", 1, true))
    end)

    it("what a librdkafka lacks is named, and that one is there", function()
        local directory = support.temporary_directory("librdkafka")
        assert(os.execute(("cc -shared -nostdlib -o %s/librdkafka.so.1 -x c /dev/null"):format(directory)))
        env.LD_LIBRARY_PATH = directory
        local result = support.run { "lag", env = env }
        assert.is_truthy(result.stderr:find("the librdkafka.so.1 of this machine lacks rd_kafka_conf_new: it needs "
            .. "librdkafka 1.0 or later", 1, true), result.stderr)
    end)

    for _, path in ipairs(shipped()) do
        it(path .. " does what it is for", function()
            local expected = assert(does[path], "the spec does not know what it does there")
            local result = support.run(words_of(path, expected[1]))
            local is_pattern = path:find("cookbook", 1, true)
            assert.is_truthy((result.stdout .. result.stderr):find(expected[2], 1, not is_pattern),
                result.stdout .. result.stderr)
            assert.are.equal(0, result.status, result.stderr)
        end)
    end
end)
