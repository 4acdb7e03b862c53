-- What the audit runbook says of mirrors that copy the same records, or copy them round and round: for certain where
-- the API tells whole specifications, as a suspicion where it does not.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local KAFKA = "5a9b1c52-0000-4000-8000-00000000000%d"
local WEST_KAFKA, EAST_KAFKA, THIRD_KAFKA = KAFKA:format(1), KAFKA:format(2), KAFKA:format(3)
local SITE <const> = "5a9b1c52-0000-4000-8000-0000000000c3"

describe("the audit runbook", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    local function name_all()
        it_:name(([[{ west = { connect = "%s", kafka = "%s", alias = "us-west" },
            east = { connect = "%s", kafka = "%s", alias = "us-east" },
            site = { connect = "%s", kafka = "%s", alias = "site-03" } }]]):format(WEST, WEST_KAFKA, EAST, EAST_KAFKA,
            SITE, THIRD_KAFKA))
    end

    -- What it finds of some kinds: "level kind topicsRegex", sorted; and all of the messages.
    local function found(api, kinds, ...)
        local result = it_:kmirror("--api", api, "run", "audit", "--json", ...)
        local lines, messages = {}, {}
        for _, each in ipairs(json.decode(result.stdout).findings) do
            if kinds:find(each.kind, 1, true) then
                lines[#lines + 1] = ("%s %s %s"):format(each.level, each.kind, each.topicsRegex)
                messages[#messages + 1] = each.message
            end
        end
        table.sort(lines)
        return table.concat(lines, ", "), table.concat(messages, "\n"), result
    end

    it("finds mirrors that are there and back for certain on version 2, and suspects them on version 1", function()
        it_.start { world = "empty" }
        name_all()
        local there = it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        it_:create(WEST, "us-east", EAST_KAFKA, ".*\\.created")
        it_:create(WEST, "us-east", EAST_KAFKA, "returns")
        local lines, messages, result = found("v2", "loop")
        assert.are.equal("error loop .*\\.created", lines)
        assert.are.equal(3, result.status)
        regions.has(messages, ("with mirror %s (us-west.us-east."):format(there))
        regions.has(messages, "), 'orders.created' goes round in a loop: its records are copied again and again; "
            .. "delete one of them")
        lines, messages = found("v1", "loop")
        assert.are.equal("warning loop .*\\.created", lines)
        regions.has(messages, "'orders.created' may go round in a loop: version 1 of the API does not tell whether ")
        regions.has(messages, " keeps the topics' names; if it does, delete one of them")
    end)

    it("finds a ring of three, and a mirror of a cluster onto itself", function()
        it_.start { world = "empty", clusters = 3 }
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        it_:create(SITE, "us-east", EAST_KAFKA, "orders\\.[a-z]+")
        it_:create(WEST, "site-03", THIRD_KAFKA, "orders\\.created")
        it_:create(EAST, "us-east", EAST_KAFKA, "self") -- who creates it does not know the clusters
        name_all()
        local lines, messages = found("v2", "loop")
        assert.are.equal("error loop orders\\.created, error loop self", lines)
        regions.has(messages, "(site -> west -> east -> site)")
        regions.has(messages, "'self' is mirrored from 'east' to itself: each record is copied again and again; "
            .. "delete it")
    end)

    it("finds each of hundreds of loops", function()
        it_.start { world = 400 }
        name_all()
        local specs = {}
        for i, mirror in ipairs(it_:mirrors_on(EAST)) do
            specs[i] = { sourceType = "instaclustr", kafkaSource = EAST_KAFKA, sourceAlias = "us-east", maxTasks = 1,
                topicsRegex = mirror.topicsRegex, useRenaming = false }
        end
        local made = it_:kmirror("--api", "v1", "--log-level", "error", "--cluster", WEST, "create",
            support.temporary("specs.json", json.encode(specs)))
        assert.are.equal(0, made.status, made.stderr)
        local lines = found("v2", "loop")
        assert.are.equal(400, select(2, lines:gsub("error loop ", "")))
        assert.is_nil(lines:find("warning", 1, true))
    end)

    it("finds nothing in mirrors that rename on one of the ways, or match other topics", function()
        it_.start { world = "empty" }
        name_all()
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        it_:create(WEST, "us-east", EAST_KAFKA, "orders\\..*", { useRenaming = true })
        it_:create(WEST, "us-east", EAST_KAFKA, "returns")
        assert.are.equal("", (found("v2", "loop duplicate")))
    end)

    it("looks for loops of the mirrors that its options are about, through all clusters of the profile", function()
        it_.start { world = "empty" }
        name_all()
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        it_:create(EAST, "us-west", WEST_KAFKA, "carts")
        it_:create(WEST, "us-east", EAST_KAFKA, "orders\\.created|carts")
        assert.are.equal("error loop carts", (found("v2", "loop", "--in", "east", "--topic", "carts")))
        assert.are.equal("error loop orders\\.created|carts", (found("v2", "loop")))
    end)

    it("suspects a loop that only an alias tells of, where no profile names the clusters", function()
        it_.start { world = "empty" }
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        it_:create(WEST, "us-east", EAST_KAFKA, "orders\\.created")
        local lines, messages = found("v2", "loop", "--in", EAST, "--in", WEST)
        assert.are.equal("warning loop orders\\.created", lines)
        regions.has(messages, "comes from there is known by an alias alone")
    end)

    it("finds duplicates by their sources on version 2, not by what connectors are called", function()
        it_.start { world = "empty", clusters = 3 }
        local first = it_:create(EAST, "us-west", WEST_KAFKA, "orders")
        it_:create(EAST, "us-west", THIRD_KAFKA, "orders") -- its twin, of another source
        it_:create(EAST, "us-west", WEST_KAFKA, "orders", { useRenaming = true }) -- into another topic
        assert.are.equal("", (found("v2", "duplicate overlap")))
        local lines, messages = found("v1", "duplicate overlap")
        assert.are.equal("warning duplicate orders, warning duplicate orders", lines)
        regions.has(messages, ("looks like %s: records arrive twice, unless their sources or useRenaming differ, which "
            .. "version 1 of the API does not tell"):format(first))
        it_:create(EAST, "other", WEST_KAFKA, "orders", { maxTasks = 5 })
        lines, messages = found("v2", "duplicate overlap")
        assert.are.equal("error duplicate orders", lines)
        regions.has(messages, ("copies the same as %s: each record arrives twice; delete one of them"):format(first))
    end)

    it("finds duplicates of sources outside of the account by their connection properties, and shows none", function()
        it_.start { world = "empty" }
        local function outside(servers, password)
            local properties = ("bootstrap.servers=%s:9092\nsasl.jaas.config=x password=\"%s\";"):format(servers,
                password)
            it_:create(EAST, "dc", nil, "orders", { sourceType = "custom", sourceConnectionProperties = properties })
        end
        outside("kafka-1", "hunter2")
        outside("kafka-2", "hunter2")
        assert.are.equal("", (found("v2", "duplicate overlap")))
        outside("kafka-1", "hunter2")
        outside("kafka-1", "hunter3")
        local lines, messages, result = found("v2", "duplicate overlap")
        assert.are.equal("error duplicate orders, warning duplicate orders", lines)
        regions.has(messages, "whose connection properties are of the same servers, but not the same")
        assert.is_nil((result.stdout .. result.stderr):find("hunter", 1, true))
    end)
end)
