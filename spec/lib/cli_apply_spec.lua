local cjson = require("cjson")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"
local WEST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000001"

-- A fleet file with these mirrors, which go from west to east unless they say otherwise.
local function fleet(mirrors)
    return support.temporary("fleet.lua", ([[return {
        clusters = {
            east = { connect = "%s", kafka = "%s", alias = "us-east" },
            west = { connect = "%s", kafka = "%s", alias = "us-west" },
        },
        defaults = { from = "west", to = "east", useRenaming = false, maxTasks = 3 },
        mirrors = {
%s
        },
    }]]):format(EAST, EAST_KAFKA, WEST, WEST_KAFKA, mirrors))
end

-- Many mirrors of topics that are not there yet.
local function many(count)
    local lines = {}
    for i = 1, count do
        lines[i] = ('{ topicsRegex = "new%d", targetLatency = %d },'):format(i, 40000 + i)
    end
    return fleet(table.concat(lines, "\n"))
end

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), text)
end

local at_create = support.api == "v2" -- target latencies are set as mirrors are created

describe("kmirror apply", function()
    local sandbox

    -- The world's six mirrors are of orders, payments, customers, inventory, shipments, carts.
    local function start(options)
        sandbox = regions.start(options).sandbox
    end

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    local function run(...)
        local options = { "--rate", "0", ... }
        if type(options[#options]) == "table" then
            for name, value in pairs(table.remove(options)) do options[name] = value end
        end
        local env = sandbox:env()
        for name, value in pairs(options.env or {}) do env[name] = value end
        options.env = env
        return support.run(options)
    end

    local function apply(...)
        return run("apply", "--yes", ...)
    end

    -- The changes that the sandbox made, in order: "created new1", "deleted ...".
    local function changes()
        local made = {}
        for _, request in ipairs(sandbox:requests()) do
            local effect = request.effect
            if effect then
                made[#made + 1] = type(effect) == "table" and effect.change .. (effect.topicsRegex and " "
                    .. effect.topicsRegex or "") or request.operation
            end
        end
        return made
    end

    local function count(list, wanted)
        local found = 0
        for _, each in ipairs(list) do
            found = found + (each:find(wanted, 1, true) == 1 and 1 or 0)
        end
        return found
    end

    -- What is there, by topics.
    local function there(cluster)
        local mirrors = {}
        for id, regex in run("list", "--cluster", cluster or EAST).stdout:gmatch("(%S+)\t%S+\t(%S+)\n") do
            mirrors[regex] = cjson.decode(run("get", "--json", "--cluster", cluster or EAST, id).stdout)
        end
        return mirrors
    end

    local function plans_nothing(...)
        local result = run("plan", "--exit-code", ...)
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
    end

    it("makes what is there like the file, after which there is nothing to plan", function()
        start()
        local path = fleet [[
            { topicsRegex = "spec\\..*", targetLatency = 45000 },
            { topicsRegex = "orders\\..*", targetLatency = 60000 },
            { topicsRegex = "payments\\..*", targetLatency = 30000 },
            { from = "east", to = "west", topicsRegex = "back" },]]
        local result = apply("--prune", path)
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("^2 created, 1 retuned, 4 deleted, in %d+%.%d seconds%.\n$"), result.stdout)
        local east, west = there(EAST), there(WEST)
        assert.are.same({ 45000, 60000, 30000 }, { east["spec\\..*"].targetLatency, east["orders\\..*"].targetLatency,
            east["payments\\..*"].targetLatency })
        assert.is_truthy(west.back.connectorName:find("^us%-east%.us%-west%."))
        assert.is_nil(east["carts\\..*"])
        plans_nothing("--prune", path)
        result = apply("--prune", path)
        assert.are.same({ 0, "" }, { result.status, result.stdout })
        says(result.stderr, "Nothing to change; 4 as wanted.")
    end)

    it("creates before it deletes, and sets target latencies between", function()
        start()
        assert.are.equal(0, apply("--prune", fleet [[
            { topicsRegex = "new", targetLatency = 45000 },
            { topicsRegex = "orders\\..*", targetLatency = 60000 },]]).status)
        local expected = { "created new", "target latency", "target latency", "deleted", "deleted", "deleted",
            "deleted", "deleted" }
        if at_create then table.remove(expected, 2) end
        assert.are.same(expected, changes())
    end)

    it("shows the plan and each step on stderr, and what came of it on stdout", function()
        start()
        local result = apply("--prune", fleet [[{ topicsRegex = "new", targetLatency = 5000 },]])
        says(result.stderr, "\nPlan: 1 to create, 6 to delete; 0 as wanted.\n")
        for _, line in ipairs { "create mirrors: 1 of 1 are created",
            "wait until they are up: 1 of 1 are up", at_create and "" or "set target latencies: 1 of 1 are set",
            "delete mirrors: 6 of 6 are deleted", "look at the lists: 7 of 7 are as they should be" } do
            says(result.stderr, line)
        end
        assert.are.equal(1, select(2, result.stdout:gsub("\n", "")))
    end)

    it("tells programs what became of each change", function()
        start()
        local result = apply("--json", "--prune", fleet [[
            { topicsRegex = "new", targetLatency = 45000 },
            { topicsRegex = "orders\\..*", targetLatency = 60000 },]])
        assert.are.equal(0, result.status, result.stderr)
        local told = cjson.decode(result.stdout)
        assert.are.same({ 1, 1, 5, {}, {} }, { #told.created, #told.retuned, #told.deleted, told.failed, told.skipped })
        assert.are.same({ there().new.id, "IN_SYNC", 8, EAST, 45000 }, { told.created[1].id, told.created[1].status,
            told.created[1].line, told.created[1].cluster, told.created[1].targetLatency })
        assert.are.same({ 60000, 30000 }, { told.retuned[1].targetLatency, told.retuned[1].oldTargetLatency })
    end)

    it("leaves a new mirror's target latency alone, when nothing is said of it or it is right already", function()
        start()
        local path = fleet [[{ topicsRegex = "a" }, { topicsRegex = "b", targetLatency = 30000 },]]
        assert.are.equal(0, apply(path).status)
        assert.are.equal(2, #changes())
    end)

    it("asks for no more than it has to", function()
        start()
        apply(many(10))
        local counts = {}
        for _, request in ipairs(sandbox:requests()) do
            counts[request.operation] = (counts[request.operation] or 0) + 1
        end
        -- The plan's list, the lists before the first create and after the last; two looks at each mirror.
        assert.are.same({ create = 10, update_target_latency = not at_create and 10 or nil },
            { create = counts.create, update_target_latency = counts.update_target_latency })
        assert.is_true(counts.list <= 3, "lists: " .. counts.list)
        assert.is_true(counts.get <= 25, "gets: " .. counts.get)
    end)

    it("takes a hand-made change back", function()
        start()
        local path = many(2)
        apply(path)
        local ids = there()
        run("latency", ids.new1.id, "99000")
        run("delete", "--yes", ids.new2.id)
        assert.are.equal(4, run("plan", "--exit-code", path).status)
        assert.is_truthy(apply(path).stdout:find("^1 created, 1 retuned, 0 deleted"))
        assert.are.equal(40001, there().new1.targetLatency)
        plans_nothing(path)
    end)

    describe("waits", function()
        it("until new mirrors are up, and the lists show it", function()
            start { creating_seconds = 1, list_delay = 2 }
            local path = many(3)
            local result = apply(path)
            assert.are.equal(0, result.status, result.stderr)
            plans_nothing(path)
        end)

        it("no longer than it may; what has not come up has failed, but is not made twice", function()
            start { creating_seconds = 60 }
            local path = many(2)
            local result = apply("--wait", "0.5", path)
            assert.are.equal(1, result.status)
            local line = "error: %S+fleet%.lua:%d: create 'new%d' from us%-west into east: mirror %S+ is CREATING"
            assert.are.equal(2, select(2, result.stderr:gsub(line, "")))
            says(result.stderr, "2 failed, 0 not tried; run the same command again to continue")
            assert.are.equal(2, count(changes(), "created"))
            assert.are.equal(0, #cjson.decode(run("plan", "--json", path).stdout).create)
        end)
    end)

    describe("deletes nothing", function()
        it("when a new mirror fails", function()
            start { fail_every = 2 }
            local result = apply("--prune", many(2))
            assert.are.equal(3, result.status)
            assert.is_truthy(result.stderr:find("error: %S+:%d+: create 'new%d' from us%-west into east: mirror %S+ is "
                .. "FAILED"))
            assert.is_truthy(result.stdout:find("^1 created, 0 retuned, 0 deleted"))
            says(result.stderr, "1 failed, 6 not tried")
            assert.are.equal(0, count(changes(), "deleted"))
        end)

        it("when a new mirror has a stale topic", function()
            start { stale_every = 1 }
            local result = apply("--prune", fleet [[{ topicsRegex = "orders\\.created" },]])
            assert.are.equal(1, result.status, result.stderr)
            says(result.stderr, "is STALE_TOPIC")
            assert.are.equal(0, count(changes(), "deleted"))
        end)

        it("when it may delete less", function()
            start()
            local result = apply("--prune", "--max-delete", "5", fleet [[{ topicsRegex = "new" },]])
            assert.are.equal(2, result.status)
            says(result.stderr, "the plan deletes 6 mirrors, more than 5: nothing was changed")
            assert.are.same({}, changes())
        end)

        it("that the file does not have, unless told to", function()
            start()
            assert.are.equal(0, apply(fleet [[{ topicsRegex = "new" },]]).status)
            assert.are.same({ "created new" }, changes())
        end)

        it("on clusters that the file has no mirror into", function()
            start()
            assert.are.equal(0, apply("--prune", fleet [[{ from = "east", to = "west", topicsRegex = "new" },]]).status)
            assert.are.same({ "created new" }, changes())
        end)
    end)

    describe("goes no further", function()
        it("than the canary, when that fails", function()
            start { fail_every = 1 }
            local result = apply("--canary", "2", many(10))
            assert.are.equal(1, result.status)
            assert.are.equal(2, #changes())
            says(result.stderr, "2 failed, 8 not tried")
        end)

        it("than what is under way, after three failures", function()
            start()
            local result = apply("--json", many(40), { env = { KMIRROR_API_KEY = "sandbox-read-only-key" } })
            assert.are.equal(1, result.status)
            local told = cjson.decode(result.stdout)
            assert.are.equal("forbidden", told.failed[1].error.kind)
            assert.is_true(#told.failed >= 3 and #told.failed < 40)
            assert.are.equal(40, #told.failed + #told.skipped)
        end)

        it("than the first request, with a key that is not known", function()
            start()
            local result = apply(many(3), { env = { KMIRROR_API_KEY = "wrong" } })
            assert.are.equal(1, result.status)
            says(result.stderr, "401 Not Authorized")
        end)
    end)

    it("does the others after a canary that is well", function()
        start()
        local result = apply("--canary", "2", many(5))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(5, count(changes(), "created"))
    end)

    it("leaves with 3 when something is left to settle by hand", function()
        start()
        local spec = { sourceType = "instaclustr", kafkaSource = WEST_KAFKA, sourceAlias = "us-west", maxTasks = 1,
            useRenaming = false, topicsRegex = "orders\\..*" }
        run("create", "-", { stdin = cjson.encode(spec) })
        local result = apply("--prune", fleet [[{ topicsRegex = "orders\\..*" }, { topicsRegex = "new" },]])
        assert.are.equal(3, result.status)
        says(result.stderr, "1 left to settle by hand; see kmirror plan")
        assert.are.equal(5, count(changes(), "deleted"))
    end)

    describe("changes nothing", function()
        it("under --dry-run, and prints each change", function()
            start()
            local path = fleet [[{ topicsRegex = "new" }, { topicsRegex = "orders\\..*", targetLatency = 60000 },]]
            local result = run("apply", "--dry-run", "--prune", path)
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(1, select(2, result.stdout:gsub("would create a mirror of 'new' from us%-west", "")))
            assert.are.equal(1, select(2, result.stdout:gsub("would set the target latency of mirror ", "")))
            assert.are.equal(5, select(2, result.stdout:gsub("would delete mirror ", "")))
            says(result.stdout, "1 would be created, 1 would be retuned, 5 would be deleted")
            local told = cjson.decode(run("apply", "--dry-run", "--json", path).stdout)
            assert.are.same({ true, 1, 1 }, { told.dryRun, #told.created, #told.retuned })
            assert.are.same({}, changes())
        end)

        it("under --read-only, and says so", function()
            start()
            local result = run("apply", "--read-only", many(2))
            assert.are.equal(1, result.status)
            says(result.stderr, "--read-only allows no changes")
            assert.are.same({}, changes())
        end)

        it("unasked, where there is nobody to ask", function()
            start()
            local result = run("apply", many(2))
            assert.are.equal(2, result.status)
            says(result.stderr, "apply: create 2 mirrors, retune 0, delete 0: there is no terminal to "
                .. "confirm it on; give --yes")
            assert.are.same({}, changes())
        end)
    end)

    describe("on a terminal", function()
        -- Runs it on a terminal and types an answer to its question, after so many seconds.
        local function answer(path, typed, seconds)
            local log = support.temporary("typescript")
            local result = support.run {
                "-c", [[{ until grep -qs 'to continue' "$2"; do sleep 0.05; done
                        sleep "$4"; printf "$3"; sleep 0.5; } |
                    script -qefc "$1" "$2"]],
                "sh", support.executable .. " apply " .. path, log, typed, seconds or 0, command = "sh",
                env = sandbox:env(),
            }
            return result.status, support.read(log)
        end

        it("asks, and does it when the word is typed", function()
            start()
            local status, screen = answer(many(2), "apply\\n")
            assert.are.equal(0, status, screen)
            says(screen, "apply: create 2 mirrors, retune 0, delete 0")
            assert.are.equal(2, count(changes(), "created"))
        end)

        it("does nothing when another word is typed", function()
            start()
            local status, screen = answer(many(2), "yes\\n")
            assert.are.equal(1, status, screen)
            says(screen, "not confirmed: nothing was changed")
            assert.are.same({}, changes())
        end)

        it("does nothing when somebody else has changed something while it waited", function()
            start()
            local path = many(2)
            local spec = support.temporary("spec.json", cjson.encode {
                sourceType = "instaclustr", kafkaSource = WEST_KAFKA, sourceAlias = "us-west", maxTasks = 1,
                useRenaming = false, topicsRegex = "new1",
            })
            local script = [[until [ -s "$1" ]; do sleep 0.1; done; sleep 1; "$2" create "$3"]]
            local process = support.start { "-c", script, "sh", sandbox.log_path, support.executable, spec,
                command = "sh", env = sandbox:env() }
            local status, screen = answer(path, "apply\\n", 5.5)
            process:wait()
            assert.are.equal(1, status, screen)
            says(screen, "the mirrors have changed since the plan was shown; nothing was changed")
            assert.are.equal(1, #changes())
        end)
    end)

    it("goes on where it was interrupted, and does nothing twice", function()
        start()
        local path = many(60)
        local first = support.start { "apply", "--yes", "--rate", "40", path, env = sandbox:env() }
        support.eventually("the first mirrors", function() return count(changes(), "created") > 10 end, 20)
        first:signal("INT")
        local result = first:wait(20)
        assert.are.equal(130, result.status, result.stderr)
        local created = count(changes(), "created")
        says(result.stderr, ("error: stopped: %d created, 0 retuned, 0 deleted; to continue, run the same "
            .. "command again"):format(created))
        assert.is_true(created < 60)
        result = apply(path)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(60, count(changes(), "created"))
        plans_nothing(path)
    end)

    it("can be a job, which goes on after it was killed", function()
        start()
        local path = many(30)
        local env = sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("state")
        local first = support.start { "apply", "--yes", "--rate", "20", "--job", "fleet", path, env = env }
        support.eventually("the first mirrors", function() return count(changes(), "created") > 5 end, 20)
        first:signal("KILL")
        first:wait()
        local result = run("jobs", "resume", "fleet", { env = env, timeout = 60 })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(30, count(changes(), "created"))
        plans_nothing(path)
    end)

    it("makes no mirror twice and forgets none where answers get lost", function()
        start { faults = support.temporary("faults.lua", [[return {
            { fault = "drop", when = "after", operation = "create", nth = 2 },
            { fault = "drop", when = "before", operation = "create", nth = 5 },
            { fault = "drop", when = "after", operation = "update_target_latency", nth = { 1, 4 } },
            { fault = "stale_list", operation = "list", seconds = 2 },
        }]]) }
        local path = many(8)
        local result = apply(path, { timeout = 60 })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(8, count(changes(), "created"))
        local mirrors = there()
        for i = 1, 8 do assert.are.equal(40000 + i, mirrors["new" .. i].targetLatency) end
    end)
end)
