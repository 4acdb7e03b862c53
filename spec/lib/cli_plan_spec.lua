local cjson = require("cjson")
local planning = require("spec.support.planning")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local WEST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000001"
local orders = planning.orders
local fleet = planning.fleet
local start = planning.start
local run = planning.run
local plan = planning.plan
local shape = planning.shape
local refusal = planning.refusal
local create = planning.create
local requests = planning.requests

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), text)
end

describe("kmirror plan", function()
    after_each(planning.stop)

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
                "^%+\teast\twest\tspec\\%.%.%*\tcreate: renamed, 3 tasks, 45000 ms\n",
                "\n%+\teast\twest\tother\tcreate: same names, 1 task\n",
                "\n~\teast\twest\torders\\%.%.%*\ttarget latency 30000 %-> 60000 ms\n",
                "\n%-\teast\tus%-west\tcarts\\%.%.%*\tdelete us%-west%.us%-east%.%w+\n",
                "\n%-\teast\tus%-west\tshipments\\%.%.%*\tdelete us%-west%.us%-east%.%w+\n",
                "\n\nPlan: 2 to create, 1 to retune, 3 to delete; 2 as wanted%.\n",
            } do
                line = line:gsub("east\twest", "east\tus%%-west")
                assert.is_truthy(shown:find(line), line .. shown)
            end
            assert.are.equal(6, select(2, ("\n" .. shown):gsub("\n[+~!-]\t", "")))
        end)

        it("that there is nothing to compare in a file without a mirror", function()
            start()
            says(select(2, plan(fleet(""))), "there is no mirror in it")
        end)

        it("that mirrors stay which are not in the file, and what it cannot compare", function()
            start()
            local shown = plan(fleet(orders))
            assert.is_truthy(shown:find("^Nothing to change; 1 as wanted%.\n"), shown)
            says(shown, "\n5 more exist that the file does not have; they stay, unless --prune is given.\n")
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
                ("%s plan --prune %s"):format(support.executable, path), log, command = "sh",
                env = planning.sandbox:env() }
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
            local methods = {}
            for _, request in ipairs(planning.sandbox:requests()) do
                methods[request.method] = true
            end
            assert.are.same({ GET = true }, methods)
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
            assert.is_truthy(shown:find("^!\teast\tus%-west\torders\\%.%.%*\tleft: 2 of them exist\n"), shown)
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

end)
