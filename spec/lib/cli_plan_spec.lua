local cjson = require "cjson"
local regions = require "spec.support.regions"
local support = require "spec.support"

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"
local WEST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000001"

local clusters = ([[
    clusters = {
        east = { connect = "%s", kafka = "%s", alias = "us-east" },
        west = { connect = "%s", kafka = "%s", alias = "us-west" },
    },
    defaults = { from = "west", to = "east", useRenaming = false, maxTasks = 3 },]])
    :format(EAST, EAST_KAFKA, WEST, WEST_KAFKA)

-- A fleet file with these mirrors, each on a line of its own from line 7 on.
local function fleet(mirrors)
    return support.temporary("fleet.lua", ("return {\n%s\n    mirrors = {\n%s\n} }"):format(clusters, mirrors))
end

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), text)
end

describe("kmirror plan", function()
    local sandbox
    local orders = [[{ topicsRegex = "orders\\..*", targetLatency = 30000 },]]

    -- The world's six mirrors are of orders, payments, customers, inventory, shipments, carts.
    local function start(options)
        sandbox = regions.start(options).sandbox
    end

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    local function run(...)
        local options = { ... }
        if type(options[#options]) == "table" then
            for name, value in pairs(table.remove(options)) do options[name] = value end
        end
        local env = sandbox:env()
        for name, value in pairs(options.env or {}) do env[name] = value end
        options.env = env
        return support.run(options)
    end

    local function plan(...)
        local result = run("plan", ...)
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout, result.stderr
    end

    local function shape(...)
        return cjson.decode((plan("--json", ...)))
    end

    -- What a plan that is refused says; nothing is printed.
    local function refusal(path, options)
        local result = run("plan", path, options or {})
        assert.are.equal(2, result.status, result.stdout)
        assert.are.equal("", result.stdout)
        return (result.stderr:gsub("kmirror: ", "", 1):gsub(path:gsub("%W", "%%%0"), "F"):gsub("\n$", ""))
    end

    local function create(spec)
        local fields = { sourceType = "instaclustr", kafkaSource = WEST_KAFKA, sourceAlias = "us-west", maxTasks = 1,
            useRenaming = false, topicsRegex = "orders\\..*" }
        for name, value in pairs(spec) do fields[name] = value end
        local result = run("create", "-", { stdin = cjson.encode(fields) })
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout:match("%S+")
    end

    -- How often each operation was asked for.
    local function requests()
        local counts = {}
        for _, request in ipairs(sandbox:requests()) do
            counts[request.operation] = (counts[request.operation] or 0) + 1
        end
        return counts
    end

    describe("shows", function()
        it("what to create, retune and delete, and how much of each", function()
            start()
            local shown = plan("--prune", fleet [[
                { topicsRegex = "spec\\..*", useRenaming = true, targetLatency = 45000 },
                { topicsRegex = "other", maxTasks = 1 },
                { topicsRegex = "orders\\..*", targetLatency = 60000 },
                { topicsRegex = "payments\\..*", targetLatency = 30000 },
                { topicsRegex = "customers\\..*" },]])
            for _, line in ipairs {
                "\n%+  east  west  spec\\%.%.%*  +create: renamed, 3 tasks, 45000 ms\n",
                "\n%+  east  west  other  +create: same names, 1 task\n",
                "\n~  east  west  orders\\%.%.%*  +target latency 30000 %-> 60000 ms\n",
                "\n%-  east  us%-west  carts\\%.%.%*  +delete us%-west%.us%-east%.%w+\n",
                "\n%-  east  us%-west  shipments\\%.%.%*  +delete us%-west%.us%-east%.%w+\n",
                "\n\nPlan: 2 to create, 1 to retune, 3 to delete; 2 as wanted%.\n",
            } do
                line = line:gsub("east  west ", "east  us%%-west ")
                assert.is_truthy(shown:find(line), line .. shown)
            end
            assert.are.equal(7, select(2, shown:gsub("\n[+~!-]  ", "")) + 1)
        end)

        it("that mirrors stay which are not in the file, and what it cannot compare", function()
            start()
            local shown = plan(fleet(orders))
            assert.is_truthy(shown:find("^Nothing to change; 1 as wanted%.\n"), shown)
            says(shown, "\n5 more are there that the file does not have; they stay, but for --prune.\n")
            says(shown, "Not compared, as the API does not tell it: kafkaSource, maxTasks, useRenaming")
        end)

        it("the same to programs, with the API's names", function()
            start()
            local found = shape("--prune", fleet [[
                { topicsRegex = "spec\\..*", usePrivateIps = true, targetLatency = 45000 },
                { topicsRegex = "orders\\..*", targetLatency = 60000 },
                { topicsRegex = "payments\\..*" },
                { topicsRegex = "customers\\..*" },
                { topicsRegex = "inventory\\..*" },
                { topicsRegex = "shipments\\..*" },]])
            assert.are.same({ {
                cluster = EAST, line = 8, sourceAlias = "us-west", sourceType = "instaclustr", kafkaSource = WEST_KAFKA,
                topicsRegex = "spec\\..*", useRenaming = false, usePrivateIps = true, maxTasks = 3,
                targetLatency = 45000,
            } }, found.create)
            local retune, delete = found.retune[1], found.delete[1]
            assert.is_truthy(retune.connectorName:find("^us%-west%.us%-east%.%w+$"))
            assert.is_truthy(retune.id:find("^%x+%-%x+%-%x+%-%x+%-%x+$"))
            retune.connectorName, retune.id = nil, nil
            assert.are.same({ cluster = EAST, line = 9, sourceAlias = "us-west", topicsRegex = "orders\\..*",
                targetLatency = 60000, oldTargetLatency = 30000 }, retune)
            assert.is_truthy(delete.id and delete.connectorName)
            delete.id, delete.connectorName = nil, nil
            assert.are.same({ cluster = EAST, sourceAlias = "us-west", topicsRegex = "carts\\..*" }, delete)
            assert.are.same({ 4, {}, {}, {}, {} }, { found.unchanged, found.blocked, found.unlisted, found.unclear,
                found.warnings })
            assert.are.same({ "kafkaSource", "maxTasks", "sourceConnectionProperties", "usePrivateIps", "useRenaming" },
                found.notCompared)
        end)

        it("a change that was made by hand", function()
            start()
            local path = fleet(orders)
            assert.are.same({}, shape(path).retune)
            local id = run("list").stdout:match("(%x+%-[%x-]+)\t[^\t]+\torders")
            run("latency", id, "99000")
            local drift = shape(path).retune[1]
            assert.are.same({ id, 99000, 30000 }, { drift.id, drift.oldTargetLatency, drift.targetLatency })
            run("delete", "--yes", id)
            assert.are.equal("orders\\..*", shape(path).create[1].topicsRegex)
        end)

        it("no more than 80 columns on a terminal, in colour", function()
            start()
            local path = fleet [[
                { topicsRegex = "orders\\..*", targetLatency = 60000 },
                { topicsRegex = "a-rather-long-name-of-a-team-and-its-topics-before-the-dot-that-ends-it\\..*" },]]
            local log = support.temporary("typescript")
            local result = support.run { "-c", [[script -qefc "stty cols 80; $1" "$2"]], "sh",
                ("%s plan --prune %s"):format(support.executable, path), log, command = "sh", env = sandbox:env() }
            assert.are.equal(0, result.status)
            local screen = support.read(log)
            says(screen, "\27[32m+\27[0m")
            says(screen, "\27[33m~\27[0m")
            says(screen, "\27[31m-\27[0m")
            says(screen, "…")
            for line in screen:gsub("\27%[%d*m", ""):gmatch("[^\r\n]+") do
                if not line:find("^Script ") then assert.is_true(utf8.len(line) <= 80, line) end
            end
        end)
    end)

    describe("leaves with", function()
        it("0 whatever is to do, and with --exit-code with 4 if anything is", function()
            start()
            local none, some = fleet(orders), fleet [[{ topicsRegex = "x" },]]
            assert.are.equal(0, run("plan", some).status)
            assert.are.equal(4, run("plan", "--exit-code", some).status)
            assert.are.equal(4, run("plan", "--exit-code", "--json", some).status)
            assert.are.equal(0, run("plan", "--exit-code", none).status)
            assert.are.equal(4, run("plan", "--exit-code", "--prune", none).status)
        end)

        it("2 for a file that is wrong, before anything is asked for", function()
            start()
            assert.are.equal("F:8: mirrors[1].targetLatency: expected milliseconds, a whole number from 1000 to "
                .. "2147483647, got 1", refusal(fleet [[{ topicsRegex = "x", targetLatency = 1 },]]))
            assert.are.same({}, requests())
            assert.are.equal(2, run("plan").status)
        end)

        it("2 for a plan that deletes more than it may, which it shows all the same", function()
            start()
            local path = fleet(orders)
            local result = run("plan", "--prune", "--max-delete", "4", path)
            assert.are.equal(2, result.status)
            says(result.stdout, "5 to delete")
            says(result.stderr, "the plan deletes 5 mirrors, more than 4: nothing was changed; if that "
                .. "is meant, give --max-delete 5\n")
            plan("--prune", "--max-delete", "5", path)
            assert.are.equal(2, run("plan", "--max-delete", "few", path).status)
        end)

        it("2 for more than ten deletes, when nothing is said of that", function()
            start { world = 12 }
            local path = fleet(orders)
            assert.are.equal(2, run("plan", "--prune", path).status)
            plan("--prune", fleet(orders .. [[{ topicsRegex = "payments\\..*" },]]))
        end)

        it("1 when the API refuses", function()
            start()
            local result = run("plan", fleet(orders), { env = { KMIRROR_API_KEY = "wrong" } })
            assert.are.equal(1, result.status)
            says(result.stderr, "401 Not Authorized")
        end)
    end)

    describe("asks", function()
        it("for each cluster once, and for no mirror that it need not know", function()
            start()
            plan("--prune", fleet [[
                { topicsRegex = "orders\\..*", targetLatency = 30000 },
                { topicsRegex = "payments\\..*" },
                { topicsRegex = "new\\..*", targetLatency = 5000 },
                { from = "east", to = "west", topicsRegex = "back" },]])
            assert.are.same({ list = 2, get = 1 }, requests())
        end)

        it("for the mirrors of one cluster only, when one is given", function()
            start()
            local path = fleet [[
                { topicsRegex = "there" },
                { from = "east", to = "west", topicsRegex = "back" },]]
            local found = shape("--cluster", WEST, path)
            assert.are.same({ "back", 1 }, { found.create[1].topicsRegex, #found.create })
            assert.are.same({ list = 2 }, requests()) -- the other one for what may lead back from there
        end)

        it("for no change, ever", function()
            start()
            plan("--prune", fleet [[{ topicsRegex = "new", targetLatency = 5000 }, { topicsRegex = "orders\\..*",
                targetLatency = 5000 },]])
            for _, request in ipairs(sandbox:requests()) do assert.are.equal("GET", request.method) end
        end)

        it("with a read-only key as well", function()
            start()
            plan(fleet(orders), { env = { KMIRROR_API_KEY = "sandbox-read-only-key" } })
        end)
    end)

    describe("takes", function()
        it("JSON on standard input", function()
            start()
            local document = { mirrors = { { to = EAST, sourceAlias = "us-west", topicsRegex = "orders\\..*" } } }
            local result = run("plan", "-", { stdin = cjson.encode(document) })
            assert.are.equal(0, result.status, result.stderr)
            says(result.stdout, "Nothing to change; 1 as wanted")
            result = run("plan", "-", { stdin = '{ "mirrors": [\n  {} ] }' })
            assert.are.equal(2, result.status)
            says(result.stderr, "\n  standard input:2: mirrors[1].to: missing")
        end)

        it("the clusters of the sandbox by name", function()
            local path = support.temporary("fleet.csv", "from,to,topicsRegex\nus-west,us-east,orders\\..*\n")
            local result = support.run { "plan", "--sandbox", path }
            assert.are.equal(0, result.status, result.stderr)
            says(result.stdout, "Nothing to change; 1 as wanted")
        end)

        it("a mirror for what its connector is called, dots in aliases or not", function()
            start()
            create { sourceAlias = "a.b", topicsRegex = "x" }
            create { sourceAlias = "a", topicsRegex = "y" }
            local found = shape(fleet [[
                { from = nil, sourceAlias = "a.b", topicsRegex = "x" },
                { sourceAlias = "a", topicsRegex = "y" },]])
            assert.are.same({ {}, 2 }, { found.create, found.unchanged })
            found = shape(fleet(([[
                { sourceAlias = "a", kafkaSource = "%s", topicsRegex = "x" },
                { sourceAlias = "a.b", kafkaSource = "%s", topicsRegex = "y" },]]):format(WEST_KAFKA, WEST_KAFKA)))
            assert.are.equal(2, #found.create)
        end)

        it("a deleted mirror for gone, though the list still has it", function()
            start { list_delay = 60 }
            local id = run("list").stdout:match("(%x+%-[%x-]+)\t[^\t]+\torders")
            run("delete", "--yes", id)
            assert.are.equal("orders\\..*", shape(fleet(orders)).create[1].topicsRegex)
        end)
    end)

    describe("leaves for people to settle", function()
        it("a mirror that is there more than once", function()
            start()
            local id = create {}
            local path = fleet [[{ topicsRegex = "orders\\..*", targetLatency = 60000 },]]
            local shown = plan(path)
            assert.is_truthy(shown:find("\n!  east  us%-west  orders\\%.%.%*  left: there are 2 of it\n"), shown)
            says(shown, "'orders\\..*' from us-west into east is there more than once. Delete all but "
                .. "one:\n")
            says(shown, "\n  " .. id .. "  us-west.us-east.")
            says(shown, "\nPlan: 1 to settle by hand; 0 as wanted.\n")
            local found = shape(path)
            assert.are.same({ {}, {}, {}, "duplicate", 2, 8 }, { found.create, found.retune, found.delete,
                found.blocked[1].reason, #found.blocked[1].found, found.blocked[1].line })
            assert.are.equal(4, run("plan", "--exit-code", path).status)
        end)

        it("a mirror that may be there, when names do not tell", function()
            start { world = "empty" }
            local id = create { sourceAlias = "dc.one", topicsRegex = "x" }
            local path = support.temporary("fleet.lua", ([[return { mirrors = { { to = "%s", sourceAlias = "dc",
                kafkaSource = "%s", topicsRegex = "x", useRenaming = true, maxTasks = 1 } } }]])
                :format(EAST, WEST_KAFKA))
            local found = shape(path)
            assert.are.same({ {}, "unclear", id, id },
                { found.create, found.blocked[1].reason, found.blocked[1].found[1].id, found.unclear[1].id })
            says(plan(path), "Give the cluster its alias in the file")
            assert.are.same({}, shape("--prune", path).delete)
        end)
    end)

    describe("refuses", function()
        it("to create what the file says too little of, though it is enough for a mirror that is there", function()
            start()
            local head = ("return {\nclusters = { east = { connect = '%s' } },\nmirrors = {\n"):format(EAST)
            local function bare(regex)
                local mirror = ("{ to = 'east', sourceAlias = 'us-west', topicsRegex = '%s' } } }"):format(regex)
                return support.temporary("fleet.lua", head .. mirror)
            end
            assert.are.equal(1, shape(bare "orders\\\\..*").unchanged)
            assert.are.equal([[
F has 3 problems:
  F:4: mirrors[1].kafkaSource: missing; a new mirror needs it: the UUID of its source's Kafka cluster, ]]
                .. [[here or as kafka of the cluster
  F:4: mirrors[1].maxTasks: missing; a new mirror needs it: a whole number, 1 or more
  F:4: mirrors[1].useRenaming: missing; a new mirror needs it: true or false]], refusal(bare "new"))
        end)

        it("a regex that is broken, with the place", function()
            start()
            assert.are.equal("F:8: mirrors[1].topicsRegex: 'orders(x' is broken: the '(' is never closed, at "
                .. "character 7", refusal(fleet [[{ topicsRegex = "orders(x" },]]))
        end)

        it("fields that do not go together", function()
            start()
            assert.are.equal("F:8: kafkaSource is missing: with sourceType 'instaclustr' it is the UUID of the source "
                .. "Kafka cluster", refusal(fleet [[{ topicsRegex = "x", sourceAlias = "a", sourceType = "instaclustr",
                sourceConnectionProperties = "bootstrap.servers=a:9092" },]]))
        end)

        it("mirrors there and back that would carry a topic in a loop", function()
            start()
            local said = refusal(fleet [[
                { topicsRegex = "loop\\..*" },
                { from = "east", to = "west", topicsRegex = "loop\\.created" },]])
            assert.are.equal("F:9: with the mirror in line 8, 'loop.created' would go round in a loop; set "
                .. "useRenaming, or keep one of them", said)
            plan(fleet [[
                { topicsRegex = "loop\\..*", useRenaming = true },
                { from = "east", to = "west", topicsRegex = "loop\\.created" },]])
            plan(fleet [[
                { topicsRegex = "there\\..*" },
                { from = "east", to = "west", topicsRegex = "back\\..*" },]])
        end)

        it("a mirror from a cluster to itself", function()
            start()
            assert.is_truthy(refusal(fleet [[{ from = "east", topicsRegex = "x" },]])
                :find("'x' is mirrored from 'east' to itself", 1, true))
        end)

        it("rings of mirrors, of any length", function()
            start({ clusters = 5, world = "empty" })
            local function ring(count, regexes)
                local parts = {}
                for i = 1, count do
                    parts[i] = ('{ from = "c%d", to = "c%d", topicsRegex = %q, useRenaming = false, maxTasks = 1 }')
                        :format(i, i % count + 1, regexes[i] or "orders.*")
                end
                local names = {}
                for i = 1, count do
                    names[i] = ('c%d = { kafka = "5a9b1c52-0000-4000-8000-%012x", alias = "c%d", '
                        .. 'connect = "5a9b1c52-0000-4000-8000-0000000000%02x" }'):format(i, i, i, 0xc0 + i)
                end
                return support.temporary("ring.lua", ("return { clusters = { %s }, mirrors = { %s } }"):format(
                    table.concat(names, ", "), table.concat(parts, ",\n")))
            end
            for count = 3, 5 do
                local said = refusal(ring(count, { ".*\\.created", "orders\\.c.*" }))
                assert.is_truthy(said:find("would go round in a loop", 1, true), said)
                assert.is_truthy(said:find(" -> .* -> .* -> "), said)
            end
            assert.is_truthy(plan(ring(3, { "payments" })):find("3 to create", 1, true))
        end)

        it("an alias that the connectors of the cluster do not go by", function()
            start()
            local path = support.temporary("fleet.lua", ([[return {
                clusters = { east = { connect = "%s",
                    alias = "use1" } },
                mirrors = { { to = "east", sourceAlias = "us-west", topicsRegex = "orders\\..*" } },
            }]]):format(EAST))
            assert.is_truthy(refusal(path):find("^F:2: the alias of 'east' is 'use1', but connectors there are called "
                .. "us%-west%.us%-east%.%w+; expected SOURCE%.use1%.RANDOM$"))
        end)
    end)

    describe("warns", function()
        local function warnings(mirrors)
            local path = fleet(mirrors)
            local _, said = plan(path)
            return (said:gsub(path:gsub("%W", "%%%0"), "F"))
        end

        it("of what may not be meant by a new mirror's topics", function()
            start()
            local said = warnings [[
                { topicsRegex = ".*" },
                { topicsRegex = "a.b" },]]
            says(said, "warning: F:8: '.*': takes every topic, also those that are still to come\n")
            says(said, "warning: F:9: 'a.b': the '.' stands for any character")
        end)

        it("of topics that would be copied twice, from known ones or by the text", function()
            start()
            local said = warnings [[
                { topicsRegex = "orders\\..*", targetLatency = 30000 },
                { topicsRegex = ".*\\.shipped" },
                { topicsRegex = "late\\..*" },
                { topicsRegex = "late\\.x" },]]
            says(said, "F:9: '.*\\.shipped' takes the same topics as 'orders\\..*' (line 8) and 5 more "
                .. "mirrors, such as orders.shipped: they would be copied twice\n")
            says(said, "F:11: 'late\\.x' takes the same topics as 'late\\..*' (line 10), such as late.x")
            says(said, "F:10: 'late\\..*' takes the same topics as '.*\\.shipped' (line 9), such as late.")
        end)

        it("of a new mirror that leads back the way of one that is there, whose renaming v1 does not tell", function()
            start()
            local said = warnings [[{ from = "east", to = "west", topicsRegex = ".*\\.shipped" },]]
            says(said, "F:8: with mirror ")
            says(said, "'orders.shipped' may go round in a loop: the API does not tell whether ")
        end)

        it("of nothing when the way back is of other topics, or when the names are not kept", function()
            start()
            assert.are.equal("", warnings [[
                { from = "east", to = "west", topicsRegex = "returns" },
                { from = "east", to = "west", topicsRegex = "orders\\..*", useRenaming = true },]])
        end)

        it("of two sources that become one topic", function()
            start({ clusters = 3 })
            local said = warnings [[
                { topicsRegex = "bills\\..*" },
                { sourceAlias = "other", kafkaSource = "5a9b1c52-0000-4000-8000-000000000003",
                topicsRegex = "bills\\.a" },
                { sourceAlias = "third", kafkaSource = "5a9b1c52-0000-4000-8000-000000000003",
                topicsRegex = "bills\\.b", useRenaming = true },]]
            says(said, "'bills.a' of ")
            says(said, " become one topic of 'east', as names are kept")
            assert.is_nil(said:find("bills.b", 1, true))
        end)

        it("that not all was tried, when that would be too much", function()
            start({ world = "empty" })
            local lines = {}
            for i = 1, 800 do lines[i] = ('{ topicsRegex = "[a-z]+[.]%d[.].*" },'):format(i) end
            says(warnings(table.concat(lines, "\n")), "to try all pairs out")
        end)

        it("of nothing, when nothing is new", function()
            start()
            create { topicsRegex = ".*" }
            assert.are.equal("", warnings [[{ topicsRegex = "orders\\..*" }, { topicsRegex = ".*" },]])
        end)

        it("of a mirror that is there, but does not work", function()
            start { fail_every = 1 }
            local id = create { topicsRegex = "x" }
            local said = warnings [[{ topicsRegex = "x", targetLatency = 30000 },]]
            says(said, ("warning: mirror %s of 'x' from us-west is FAILED; delete it, to have it "
                .. "created anew\n"):format(id))
        end)
    end)

    describe("gets connection properties", function()
        local SECRET <const> = "hunter2-and-more"
        local properties = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config=... password=\"" .. SECRET .. '";\n'

        local function external(field)
            return support.temporary("fleet.lua", ([[return {
    clusters = { dc = { %s } },
    mirrors = { { from = "dc", to = "%s", topicsRegex = "x", useRenaming = true, maxTasks = 1 } },
}]]):format(field, EAST))
        end

        local function secret_file(name, mode)
            local path = support.temporary(name, properties)
            os.execute(("chmod %s %s"):format(mode, path))
            return path
        end

        it("from a file beside the fleet file, the environment or the file itself, and shows them never", function()
            start()
            local path = secret_file("dc.properties", "600")
            for field, env in pairs {
                [("sourceConnectionPropertiesFile = %q"):format(path:match("[^/]+$"))] = {},
                [("sourceConnectionPropertiesFile = %q"):format(path)] = {},
                ['sourceConnectionPropertiesEnv = "DC_PROPERTIES"'] = { DC_PROPERTIES = properties },
                [("sourceConnectionProperties = %q"):format(properties)] = {},
            } do
                local result = run("plan", "--json", "--log-level", "debug", external(field), { env = env })
                assert.are.equal(0, result.status, result.stderr)
                local spec = cjson.decode(result.stdout).create[1]
                assert.are.same({ "custom", "(hidden)", "dc" },
                    { spec.sourceType, spec.sourceConnectionProperties, spec.sourceAlias })
                assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
                local own = field:find("^sourceConnectionProperties ") ~= nil
                assert.are.equal(own, result.stderr:find("warning: .*a password stands in the fleet file") ~= nil)
            end
        end)

        it("only when they are needed", function()
            start()
            create { sourceAlias = "dc", topicsRegex = "x" }
            assert.are.equal(1, shape(external 'sourceConnectionPropertiesEnv = "NOT_SET"').unchanged)
        end)

        it("and says once what is wrong with them, for however many mirrors", function()
            start()
            local path = support.temporary("fleet.lua", ([[return {
                clusters = { dc = { sourceConnectionPropertiesEnv = "NOT_SET" } },
                defaults = { from = "dc", to = "%s", useRenaming = true, maxTasks = 1 },
                mirrors = { { topicsRegex = "x" }, { topicsRegex = "y" } },
            }]]):format(EAST))
            assert.are.equal("F:2: clusters.dc.sourceConnectionPropertiesEnv: the environment variable NOT_SET is not "
                .. "set; expected Kafka client properties", refusal(path))
        end)

        it("or says what is in the way", function()
            start()
            local open = secret_file("open.properties", "644")
            local empty = support.temporary("empty.properties", " \n")
            os.execute("chmod 600 " .. empty)
            for field, said in pairs {
                ['sourceConnectionPropertiesEnv = "NOT_SET"'] = "Env: the environment variable NOT_SET is not set",
                ['sourceConnectionPropertiesFile = "/nowhere/x"'] =
                    "File: cannot read /nowhere/x: No such file or directory",
                ['sourceConnectionPropertiesFile = "password=' .. SECRET .. '"'] = "File: cannot read (not shown: it "
                    .. "looks like the properties themselves): No such file or directory",
                [("sourceConnectionPropertiesFile = %q"):format(open)] =
                    ("File: %s can be read by others than its owner: chmod 600 %s"):format(open, open),
                [("sourceConnectionPropertiesFile = %q"):format(empty)] = "File: there is nothing in it",
            } do
                local whole = "F:2: clusters.dc.sourceConnectionProperties%s; expected Kafka client properties"
                assert.are.equal(whole:format(said), (refusal(external(field)):gsub(": +No such", ": No such")))
            end
        end)
    end)
end)
