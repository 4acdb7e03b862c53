local instructions = require("spec.support.instructions")
local runbook = require("spec.support.runbook")
local support = require("spec.support")

describe("the rollout runbook", function()
    local rollout = runbook.new "rollout"

    after_each(function() rollout:stop() end)

    local function run(own, ...)
        return rollout:run(own, { "--source", runbook.west, "--target", runbook.east, ... })
    end

    local function contains(text, part)
        assert.is_truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text))
    end

    it("moves mirrors by canary, and the old ones go at the end", function()
        rollout:start { world = 24 }
        local old = rollout:each "id"
        rollout:ask("latency", old[1], "45000")
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first")
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stderr, "batch 1: 1 mirror: 1 healthy")
        contains(result.stderr, "batch 2: 2 mirrors: 2 healthy")
        contains(result.stderr, "batch 3: 21 mirrors: 21 healthy")
        contains(result.stdout, "create-first: 24 of 24 new mirrors healthy, 24 old ones deleted")
        local regexes, latencies = rollout:each "topicsRegex", 0
        assert.are.equal(24, #regexes)
        for _, regex in ipairs(regexes) do assert.is_truthy(regex:find("%.%*|x$")) end
        for _, mirror in ipairs(rollout:mirrors()) do
            latencies = latencies + (rollout:ask("get", mirror.id).targetLatency == 45000 and 1 or 0)
        end
        assert.are.equal(1, latencies)
    end)

    it("stops at the gate and takes its batch back when every tenth new mirror fails", function()
        rollout:start { world = 60, fail_every = 10 }
        local old = rollout:each "id"
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stdout, "Stopped: 6 of 53 mirrors of batch 3 not healthy, with --max-failures 10%.")
        contains(result.stdout, "To continue:  kmirror run rollout --source")
        assert.are.same({ create = 60, delete = 53 }, rollout:changes())
        local left = {}
        for _, id in ipairs(rollout:each "id") do left[id] = true end
        for _, id in ipairs(old) do assert.is_true(left[id]) end
        assert.are.equal(67, #rollout:mirrors())
    end)

    it("goes on with what an earlier run has created, and then has nothing to do", function()
        rollout:start()
        for _, regex in ipairs { "orders\\..*|x", "carts\\..*|x" } do rollout:create(regex) end
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first", "--allow-overlap")
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ create = 6, delete = 6 }, rollout:changes())
        result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first")
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "Nothing to do: 6 mirrors have the new regex, 0 others are not selected.")
        assert.are.same({ create = 6, delete = 6 }, rollout:changes())
    end)

    it("keeps an old mirror when the new one fails, within what may fail", function()
        rollout:start { fail_every = 3 }
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first", "--max-failures", "50%")
        assert.are.equal(3, result.status, result.stderr)
        contains(result.stdout, "4 of 6 new mirrors healthy, 4 old ones deleted")
        assert.are.equal(6, #rollout:mirrors())
    end)

    it("counts what fails over all batches, and stops when that is too many", function()
        rollout:start { fail_every = 3 }
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "create-first", "--batches", "3",
            "--max-failures", "1")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stderr, "batch 1: 3 mirrors: 2 healthy; 1 is not: 1 of 1 rolled back")
        contains(result.stdout, "Stopped: 1 of 3 mirrors of batch 2 not healthy, with --max-failures 1.")
    end)

    it("deletes first when told to, and brings the old mirrors of a failed batch back", function()
        rollout:start { fail_every = 5 }
        for _, id in ipairs(rollout:each "id") do rollout:ask("latency", id, "45000") end
        local before = rollout:each "topicsRegex"
        local result = run({ "--yes" }, "--to", "{old}|x", "--strategy", "delete-first", "--batches", "6")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stdout, "1 of 6 mirrors of batch 1 not healthy")
        assert.are.same(before, rollout:each "topicsRegex")
        local made = rollout:changes()
        assert.are.same({ 13, 13 }, { made.create, made.delete }) -- one of those that come back fails, too
        for _, id in ipairs(rollout:each "id") do
            assert.are.equal(45000, rollout:ask("get", id).targetLatency)
        end
    end)

    it("adds mirrors beside the old ones, but none that takes the same topics", function()
        rollout:start()
        local only = { "--only", "orders\\..*", "--strategy", "add" }
        local result = run({ "--yes" }, "--to", "orders\\.(created|new)", table.unpack(only))
        assert.are.equal(1, result.status)
        contains(result.stdout, "overlap: 'orders\\.(created|new)' and 'orders\\..*' both match orders.created")
        contains(result.stderr, "refused: 1 pair of mirrors would copy the same topics twice")
        result = run({ "--yes" }, "--to", "accounting\\..*", table.unpack(only))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ create = 1 }, rollout:changes())
    end)

    it("shows what is gained and lost, and changes nothing in a dry run", function()
        rollout:start()
        local topics = support.temporary("topics", "orders.created\norders.shipped\nreturns.dlq\n")
        local map = support.temporary("map.json", [[{ "orders\\..*": "orders\\.created|returns\\.dlq" }]])
        local result = run({ "--dry-run" }, "--map", map, "--topics", topics, "--strategy", "create-first")
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stdout, "also matches returns.dlq")
        contains(result.stdout, "no longer matches orders.shipped")
        contains(result.stdout, "would create a mirror of 'orders\\.created|returns\\.dlq' from us-west")
        contains(result.stdout, "would delete mirror ")
        assert.are.same({}, rollout:changes())
    end)

    it("computes the same for each mirror, however many there are", function()
        local function count(mirrors)
            local counted, result = instructions.of { "--sandbox", "--jump", "--world", mirrors, "--log-level", "error",
                "--yes", "run", "rollout", "--max-delete", 1000 }
            assert.are.equal(0, result.status, result.stderr)
            return counted
        end
        assert.is_true(instructions.growth(50, count) < 2.2)
    end)

    it("counts pairs of regexes up to so many, and says that there are more", function()
        rollout:start { world = 640 }
        local result = run({ "--dry-run" }, "--to", "{old}|orders.created", "--strategy", "create-first")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stdout, "not all pairs of regexes were tried out")
        contains(result.stderr, "refused: at least 200000 pairs of mirrors")
    end)

    it("refuses what makes no sense, before anything is changed", function()
        rollout:start()
        local function refused(message, ...)
            local result = run({ "--yes" }, ...)
            assert.are.equal(2, result.status, result.stderr)
            contains(result.stderr, message)
        end
        refused("give --source, --target and --strategy", "--to", "{old}|x")
        refused("give either --to REGEX or --map FILE", "--strategy", "add")
        refused("--to '{old}' changes nothing", "--to", "{old}", "--strategy", "add")
        refused("would both become 'x'; choose one by --only", "--to", "x", "--strategy", "add")
        refused("the new topics regex '(orders\\..*' is broken", "--to", "({old}", "--strategy", "add")
        refused("more than --max-delete 2; nothing was changed", "--to", "{old}|x", "--strategy", "create-first",
            "--max-delete", "2")
        refused("--batches '1,x': expected whole numbers and percentages", "--to", "{old}|x", "--strategy", "add",
            "--batches", "1,x")
        assert.are.same({}, rollout:changes())
        assert.are.equal(1, rollout:run({ "--read-only" }, { "--source", runbook.west, "--target", runbook.east, "--to",
            "{old}|x", "--strategy", "create-first" }).status)
    end)
end)
