-- What the rollout runbook takes from the mirrors that it replaces, where the API tells their specifications.
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST = support.us_east
local KAFKA = "5a9b1c52-0000-4000-8000-00000000000%d"
local SECRET <const> = "hunter2-and-more"
local PROPERTIES <const> = ("bootstrap.servers=kafka-1:9092\nsasl.jaas.config=x password=\"%s\";\n"):format(SECRET)

describe("the rollout runbook", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    local function rollout(api, source, ...)
        local result = it_:kmirror("--yes", "--api", api, "run", "rollout", "--source", source, "--target",
            regions.east, "--to", "{old}|x", "--strategy", ...)
        assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
        return result
    end

    local function outside(regex, more)
        local spec = { sourceType = "custom", sourceConnectionProperties = PROPERTIES }
        for name, value in pairs(more or {}) do spec[name] = value end
        return it_:create(EAST, "dc", nil, regex, spec)
    end

    local function count(operation)
        return it_.sandbox:asked(operation)
    end

    -- What export says of the mirror of a regex.
    local function exported(regex)
        local text = it_:kmirror("--api", "v2", "export", "--output", "csv").stdout
        for line in text:gmatch("[^\r\n]+") do
            if line:find("," .. regex .. ",", 1, true) then return line:match("^[^,]*,(.*)$") end
        end
    end

    it("gives new mirrors on version 2 what the old ones have, as they are created; options say otherwise", function()
        it_.start { world = "empty" }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders.created", { useRenaming = true, usePrivateIps = true,
            maxTasks = 7 })
        local id = it_:mirrors_on(EAST)[1].id
        assert.are.equal(0, it_:kmirror("latency", id, "77000").status)
        local result = rollout("v2", "us-west", "create-first")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("us-west," .. KAFKA:format(1) .. ",,orders.created|x,77000,true,true,7",
            exported("orders.created|x"))
        assert.are.equal(1, count "update_target_latency") -- that of this spec itself
        result = rollout("v2", regions.west, "create-first", "--to", "orders.created", "--use-renaming", "false",
            "--use-private-ips=false", "--max-tasks", "2")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("us-west," .. KAFKA:format(1) .. ",,orders.created,77000,false,false,2",
            exported("orders.created"))
    end)

    it("asks for the Kafka cluster where neither the API nor the source says it", function()
        it_.start { world = 1 }
        local result = rollout("v1", "us-west", "create-first")
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "which Kafka cluster is 'us-west'? Give --kafka-source UUID, or --source-properties")
        result = rollout("v1", "us-west", "create-first", "--kafka-source", KAFKA:format(1), "--use-renaming")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("us-west," .. KAFKA:format(1) .. ",,orders\\..*|x,30000,true,false,3",
            exported("orders\\..*|x"))
        assert.are.equal(2, rollout("v1", "us-west", "create-first", "--kafka-source", "x").status)
    end)

    it("replaces mirrors of sources outside of the account on version 2, and shows no connection properties", function()
        it_.start { world = "empty" }
        outside("orders", { useRenaming = true, maxTasks = 2 })
        local result = rollout("v2", "dc", "create-first")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("dc,,dc.properties,orders|x,30000,true,,2", exported("orders|x"))
        local path = support.temporary("dc.properties", PROPERTIES)
        assert(os.execute("chmod 600 " .. path))
        local file = support.temporary("fleet.csv", ("to,sourceAlias,sourceConnectionPropertiesFile,topicsRegex\n"
            .. "%s,dc,%s,orders|x\n"):format(EAST, path))
        local plan = it_:kmirror("--api", "v2", "plan", "--exit-code", file)
        assert.are.equal(0, plan.status, plan.stdout .. plan.stderr)
    end)

    it("deletes no mirror first whose connection properties would then be nowhere, unless it gets them", function()
        it_.start { world = "empty" }
        outside "orders"
        local path = support.temporary("dc.properties", PROPERTIES)
        local result = rollout("v2", "dc", "delete-first")
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "has connection properties, which are nowhere once it is deleted")
        assert.are.equal(0, count "delete")
        assert(os.execute("chmod 644 " .. path))
        result = rollout("v2", "dc", "delete-first", "--source-properties", path)
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "--source-properties: " .. path .. " can be read by others than its owner")
        assert(os.execute("chmod 600 " .. path))
        result = rollout("v2", "dc", "delete-first", "--source-properties", "env:NOT_SET")
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "--source-properties: the environment variable NOT_SET is not set; expected Kafka")
        for _, api in ipairs { "v2", "v1" } do
            result = rollout(api, "dc", "delete-first", "--source-properties",
                api == "v2" and "command:cat " .. path or path, "--to", api == "v2" and "{old}|x" or "{old}|y")
            assert.are.equal(0, result.status, result.stderr)
        end
        assert.are.equal("dc,,dc.properties,orders|x|y,30000,false,,3", exported("orders|x|y"))
    end)

    it("leaves mirrors alone that come from another cluster of the same alias", function()
        it_.start { world = 1, clusters = 3 }
        local other = it_:create(EAST, "us-west", KAFKA:format(3), "orders.created")
        local result = rollout("v2", regions.west, "create-first")
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, "left alone, as they come from another Kafka cluster that is called 'us-west', too: "
            .. other)
        assert.are.same({ "orders.created", "orders\\..*|x" }, regions.regexes(it_:mirrors_on(EAST)))
    end)

    it("remembers what a mirror was like that it has deleted first, when the run was killed", function()
        local plan = 'return { { fault = "drop", when = "before", operation = "create", nth = 2 } }'
        it_.start { world = "empty", faults = support.temporary("plan.lua", plan) }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders.created", { useRenaming = true, maxTasks = 7 })
        local running = support.start { "--rate", "0", "--yes", "--api", "v2", "run", "rollout", "--source", "us-west",
            "--target", regions.east, "--to", "{old}|x", "--strategy", "delete-first", env = it_:env() }
        support.eventually("the create", function() return count "create" == 2 end, 20)
        running:signal "KILL"
        running:wait()
        assert.are.equal(0, #it_:mirrors_on(EAST))
        local result = rollout("v2", regions.west, "delete-first")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("us-west," .. KAFKA:format(1) .. ",,orders.created|x,30000,true,false,7",
            exported("orders.created|x"))
    end)

    it("remembers of a run that was killed only what is open, also when the next one is about others", function()
        local plan = 'return { { fault = "drop", when = "before", operation = "create", nth = 5 } }'
        it_.start { world = "empty", faults = support.temporary("plan.lua", plan) }
        for _, regex in ipairs { "carts.items", "orders.created", "search.clicks" } do
            it_:create(EAST, "us-west", KAFKA:format(1), regex)
        end
        local running = support.start { "--rate", "0", "--yes", "run", "rollout", "--source", regions.west, "--target",
            regions.east, "--to", "{old}|x", "--strategy", "delete-first", "--batches", "1", env = it_:env() }
        support.eventually("the create that gets lost", function() return count "create" == 5 end, 20)
        running:signal "KILL"
        running:wait()
        assert.are.same({ "carts.items|x", "search.clicks" }, regions.regexes(it_:mirrors_on(EAST)))
        local result = rollout("v1", regions.west, "delete-first", "--only", "search.clicks")
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, "3 mirrors us-west -> us-east, 1 of them deleted by an earlier run that did not end")
        result = rollout("v1", regions.west, "delete-first")
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stdout, "1 of 1 new mirror healthy")
        assert.are.same({ "carts.items|x", "orders.created|x", "search.clicks|x" },
            regions.regexes(it_:mirrors_on(EAST)))
        result = rollout("v1", regions.west, "delete-first")
        regions.has(result.stdout, "Nothing to do: 3 mirrors have the new regex")
    end)
end)
