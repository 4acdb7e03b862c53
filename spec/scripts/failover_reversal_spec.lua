-- What the mirrors are like that a failover and a failback create, where the API tells what they replace.
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local KAFKA = "5a9b1c52-0000-4000-8000-00000000000%d"
local SECRET <const> = "hunter2-and-more"
local PROPERTIES <const> = ("bootstrap.servers=kafka-1:9092\nsasl.jaas.config=x password=\"%s\";\n"):format(SECRET)
local V2 = { "--yes", "--api", "v2" }
local TAKES_FILE = " of 'orders.*' comes from connection properties of its own, which are secret and not saved: to "
    .. "bring such mirrors back later takes --source-properties FILE"

describe("on version 2 of the API", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    -- What export says of the mirrors into a cluster: source, renaming, private addresses and tasks by topics.
    local function exported(cluster)
        local found = {}
        local text = it_:kmirror("--api", "v2", "export", "--output", "csv", "--in", cluster).stdout
        for line in text:gmatch("[^\r\n]+") do
            local kafka, file, regex, rest = line:match("^[^,]*,[^,]*,([^,]*),([^,]*),([^,]*),%d+,(.*)$")
            if regex then found[regex] = (kafka ~= "" and kafka or file) .. " " .. rest end
        end
        return found
    end

    local function counts()
        local found = {}
        for _, request in ipairs(it_.sandbox:requests()) do
            local operation = request.operation
            if operation then found[operation] = (found[operation] or 0) + 1 end
        end
        return found
    end

    local function shows_no_secret(result)
        assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
        return result
    end

    local function outside(alias, regex)
        return it_:create(EAST, alias, nil, regex, { sourceType = "custom", sourceConnectionProperties = PROPERTIES,
            maxTasks = 2 })
    end

    it("failover and failback create mirrors like those that they replace, by requests as on version 1", function()
        local totals = {}
        for _, api in ipairs { "v1", "v2" } do
            it_.start { world = "empty" }
            it_:create(EAST, "us-west", KAFKA:format(1), "orders\\..*", { useRenaming = true, maxTasks = 7 })
            it_:create(EAST, "us-west", KAFKA:format(1), "carts\\..*", { usePrivateIps = true, maxTasks = 5 })
            local own = { "--yes", "--api", api }
            local result = it_:failover(own)
            assert.are.equal(0, result.status, result.stderr)
            local there = exported(WEST)
            result = it_:failback(own, { "--throughput-wait", "0" })
            assert.are.equal(0, result.status, result.stderr)
            local back = exported(EAST)
            local made = counts()
            totals[api] = { made.list, made.create, made.delete, made.update_target_latency }
            if api == "v2" then
                assert.are.same({ ["orders\\..*"] = KAFKA:format(2) .. " true,false,7",
                    ["carts\\..*"] = KAFKA:format(2) .. " false,true,5" }, there)
                assert.are.same({ ["orders\\..*"] = KAFKA:format(1) .. " true,false,7",
                    ["carts\\..*"] = KAFKA:format(1) .. " false,true,5" }, back)
            else
                assert.are.same({ ["orders\\..*"] = KAFKA:format(2) .. " false,false,3",
                    ["carts\\..*"] = KAFKA:format(2) .. " false,false,3" }, there)
            end
        end
        assert.are.same(totals.v1, totals.v2)
    end)

    it("options say otherwise, and a failback brings back what was before", function()
        it_.start { world = "empty" }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders\\..*", { useRenaming = true, maxTasks = 7 })
        local result = it_:failover(V2, { "--use-renaming", "false", "--max-tasks=9", "--use-private-ips" })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ ["orders\\..*"] = KAFKA:format(2) .. " false,true,9" }, exported(WEST))
        local back = result.stdout:match("To fail back: +([^\n]+)")
        regions.has(back, "--use-renaming false --use-private-ips true --max-tasks 9")
        result = it_:failback(V2, { "--throughput-wait", "0" })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ ["orders\\..*"] = KAFKA:format(1) .. " true,false,7" }, exported(EAST))
    end)

    it("only the topics of new mirrors that keep names are appended to, and given to the hook empty", function()
        it_.start { world = "empty" }
        it_:create(EAST, "us-west", KAFKA:format(1), "orders\\..*", { useRenaming = true })
        local result = it_:failover { "--dry-run", "--api", "v2" }
        assert.is_nil((result.stdout .. result.stderr):find("start from the beginning", 1, true))
        it_:create(EAST, "us-west", KAFKA:format(1), "carts\\..*")
        result = it_:failover { "--dry-run", "--api", "v2" }
        regions.has(result.stdout, "2 topics: carts.abandoned, carts.items")
        local path = support.temporary("topics")
        result = it_:failover(V2, { "--hook", "empty=printf %s \"$KMIRROR_TOPICS\" > " .. path })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("carts.abandoned,carts.items", support.read(path))
    end)

    it("mirrors of connection properties are reversed, and what is lost is told; none is shown or saved", function()
        it_.start { world = "empty" }
        outside("us-west", "orders.*")
        it_:create(EAST, "us-west", KAFKA:format(1), "payments.*")
        local path, its = regions.saved("--disaster") -- the sandbox cannot stop producers elsewhere
        local result = shows_no_secret(it_:failover(V2, its))
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, TAKES_FILE .. ", or else they come from us-west's Kafka cluster " .. KAFKA:format(1))
        assert.is_nil(support.read(path):find(SECRET, 1, true))
        assert.are.same({ ["orders.*"] = KAFKA:format(2) .. " false,false,2", ["payments.*"] = KAFKA:format(2)
            .. " false,false,1" }, exported(WEST))
        local file = support.temporary("west.properties", PROPERTIES)
        assert(os.execute("chmod 600 " .. file))
        result = shows_no_secret(it_:failback({ "--dry-run", "--api", "v2" }, { "--failover", path }))
        regions.has(result.stderr, " of 'orders.*' replaced came from connection properties of its own; what comes "
            .. "back comes from us-west's Kafka cluster " .. KAFKA:format(1) .. ", unless --source-properties FILE "
            .. "names them")
        result = shows_no_secret(it_:failback(V2, { "--failover", path, "--source-properties", file,
            "--throughput-wait", "0" }))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ ["orders.*"] = "us-west.properties false,,2",
            ["payments.*"] = "us-west.properties false,,1" }, exported(EAST))
    end)

    it("a mirror of another cluster of the same alias is left alone", function()
        it_.start { world = 2, clusters = 3 }
        local other = it_:create(EAST, "us-west", KAFKA:format(3), "orders\\.created")
        local result = it_:failover(V2)
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, ("mirror %s of 'orders\\.created' is left alone: it comes from another Kafka "
            .. "cluster that is called 'us-west', %s"):format(other, KAFKA:format(3)))
        assert.are.equal(other, it_:mirrors_on(EAST)[1].id)
        assert.are.equal(2, #it_:mirrors_on(WEST))
    end)

    it("a failover away from a site without a Kafka Connect cluster says that nothing leads back there", function()
        it_.start { world = "empty" }
        outside("dc", "orders.*")
        local function failover(...)
            return shows_no_secret(support.run(it_:arguments("failover", "dc", regions.east, V2, { ... })))
        end
        local result = failover("--disaster")
        assert.are.equal(2, result.status)
        regions.has(result.stderr, "--from dc: no Kafka Connect cluster is known there, on which mirrors us-east -> dc "
            .. "would run: give a name of the profile, or ALIAS=CONNECT-UUID,KAFKA-UUID; with --no-reverse none is "
            .. "created")
        assert.are.equal(1, #it_:mirrors_on(EAST))
        result = failover("--disaster", "--no-reverse")
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, TAKES_FILE)
        regions.has(result.stdout, "None can be created: no Kafka Connect cluster is known in dc.")
        assert.are.equal(0, #it_:mirrors_on(EAST))
    end)
end)
