local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA, WEST_KAFKA = regions.east:match(",(.+)"), regions.west:match(",(.+)")

describe("the failover runbook", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    it("needs nothing but a sandbox, and shows what there was and what there is", function()
        local directory = support.temporary_directory()
        local result = support.run { "run", "--sandbox", "--world", "6", "--creating-seconds", "0", "--sync-seconds",
            "0", "failover", "--still", "0.1", "--offset-sync", "0", env = { TMPDIR = directory } }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, select(2, result.stderr:gsub("\nus%-west%.us%-east%.%w+\t[^\n]+\tIN_SYNC\t", "")))
        assert.are.equal(6, select(2, result.stdout:gsub("\n%S+ +IN_SYNC +%d+ +%x+%-%S+ +IN_SYNC +%d+ +30000", "")))
        has(result.stdout, "6 of 6 new mirrors us-east -> us-west work")
        local path = result.stdout:match("Previous state:  (%S+)\n")
        assert.are.equal(directory .. "/", path:sub(1, #directory + 1))
        assert.are.equal(6, #json.read(path).mirrors)
    end)

    it("replaces every mirror by one of the same topics the other way, deletes before it creates", function()
        start()
        local before = it_:mirrors_on(EAST)
        local path, its = regions.saved()
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({}, it_:mirrors_on(EAST))
        local after = it_:mirrors_on(WEST)
        assert.are.same(regions.regexes(before), regions.regexes(after))
        for _, mirror in ipairs(after) do
            assert.is_truthy(mirror.connectorName:find("^us%-east%.us%-west%.%w+$"))
        end
        local expected = {}
        for i = 1, 12 do expected[i] = i <= 6 and "delete" or "create" end
        assert.are.same(expected, it_:changes())
        local state = json.read(path)
        assert.are.same(regions.regexes(before), regions.regexes(state.mirrors))
        assert.is_truthy(state.mirrors[1].topicStatuses[1].averageLatency)
    end)

    it("says when each step begins and ends, and reports them with their times", function()
        start()
        local report = support.temporary("report")
        local _, its = regions.saved("--report-text", report, "--hook", "canary=true")
        local result = it_:failover({ "--yes" }, its)
        for _, step in ipairs { "look at both regions", "check", "wait for a low lag", "hook fence",
            "wait until producers have stopped writing", "drain", "wait for a sync of group offsets",
            "delete us-west -> us-east",
            "confirm that they are gone", "hook clients", "hook canary", "create us-east -> us-west",
            "wait until they are up", "set their target latencies", "wait until they have caught up" } do
            has(result.stderr, step .. " ...\n")
            has(result.stderr, " " .. step .. ": ")
            assert.is_truthy(result.stdout:find("\n%d%d:%d%d:%d%d +" .. step:gsub("%p", "%%%0") .. " +%d+%.%d  "), step)
        end
        assert.are.equal("\n" .. support.read(report), result.stdout)
        has(result.stdout, "Failover us-west -> us-east, planned\n")
        assert.is_truthy(result.stdout:find("Nothing was written in us%-west from 20%S+Z on"))
    end)

    it("carries the target latencies over, or sets the one that is given", function()
        start()
        local mirror = it_:mirrors_on(EAST)[1]
        local function latency_now()
            for _, each in ipairs(it_:mirrors_on(WEST)) do
                if each.topicsRegex == mirror.topicsRegex then
                    return it_:get(WEST, each.id).targetLatency
                end
            end
        end
        it_:kmirror("latency", mirror.id, "77000")
        local set = support.api == "v2" and "0 set, 6 right already" or "1 set, 5 right already" -- v2 creates with them
        has(it_:failover({ "--yes" }).stderr, "target latencies: " .. set)
        assert.are.equal(77000, latency_now())
        start()
        it_:failover({ "--yes" }, { "--target-latency", "50000" })
        assert.are.equal(50000, latency_now())
    end)

    -- ---- refusing -----------------------------------------------------------------------------------------

    it("changes nothing when mirrors are not healthy, and names each of them", function()
        start { lag_ms = 90000 }
        local path, its = regions.saved()
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        for _, mirror in ipairs(it_:mirrors_on(EAST)) do
            has(result.stderr, ("error: mirror %s of '%s' is OUT_OF_SYNC"):format(mirror.id, mirror.topicsRegex))
        end
        has(result.stderr, "refused: 6 problems with the mirrors between us-west and us-east; nothing was changed")
        assert.are.same({}, it_:changes())
        assert.are.equal("", support.read(path))
        assert.is_true(it_:producing("us-west"))
    end)

    it("changes nothing when a mirror of other topics runs the other way, or one that has failed", function()
        start { fail_every = 2 }
        it_:create(WEST, "us-east", EAST_KAFKA, "other")
        local failed = it_:create(WEST, "us-east", EAST_KAFKA, "orders\\..*")
        local result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'other' runs us-east -> us-west already, and none to reverse has the same topics")
        has(result.stderr, ("mirror %s of 'orders\\..*' runs us-east -> us-west already, and is FAILED"):format(failed))
        assert.are.same({ "create", "create" }, it_:changes())
    end)

    it("adopts a mirror that runs the other way already", function()
        start()
        local there = it_:create(WEST, "us-east", EAST_KAFKA, "orders\\..*")
        local result = it_:failover({ "--yes" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "5 created, 1 were there")
        local ids = {}
        for _, mirror in ipairs(it_:mirrors_on(WEST)) do ids[mirror.id] = true end
        assert.is_true(ids[there])
        assert.are.equal(6, #it_:mirrors_on(WEST))
    end)

    it("refuses two mirrors of the same topics", function()
        start()
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        local result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "is of the same topics as mirror ")
    end)

    it("leaves mirrors between other regions alone", function()
        start()
        local other = it_:create(EAST, "us-west.us-east", WEST_KAFKA, "orders")
        assert.are.equal(0, it_:failover({ "--yes" }).status)
        local left = it_:mirrors_on(EAST)
        assert.are.same({ other }, { left[1].id, left[2] })
    end)

    it("does nothing unasked where there is nobody to ask", function()
        start()
        local result = it_:failover()
        assert.are.equal(2, result.status)
        has(result.stderr, "there is no terminal to confirm it on; give --yes")
        assert.are.same({}, it_:changes())
        assert.is_true(it_:producing("us-west"))
    end)

    -- ---- nothing changed ----------------------------------------------------------------------------------

    it("sends no change under --dry-run, stops no producer, and prints what it would do", function()
        start()
        local path, its = regions.saved()
        local result = it_:failover({ "--dry-run" }, its)
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "would run the hook fence: curl")
        assert.are.equal(6, select(2, result.stdout:gsub("would delete mirror ", "")))
        assert.are.equal(6, select(2, result.stdout:gsub("would create a mirror of ", "")))
        has(result.stdout, "6 mirrors would be deleted, 6 created. Nothing was changed.\n")
        assert.are.same({}, it_:changes())
        assert.is_true(it_:producing("us-west"))
        assert.are.equal("", support.read(path))
    end)

    it("fails under --dry-run where it would fail", function()
        start { lag_ms = 90000 }
        assert.are.equal(1, it_:failover({ "--dry-run" }).status)
        start()
        local result = it_:failover({ "--dry-run" }, { "--state", "/nowhere/state.json" })
        assert.are.equal(2, result.status)
        has(result.stderr, "cannot save the present state: /nowhere/")
        assert.are.equal(2, it_:failover({ "--dry-run" }, { "--hook", "check=echo 'x" }).status)
    end)

    it("sends no change under --read-only, stops no producer, and says so", function()
        start()
        local result = it_:failover({ "--read-only" })
        assert.are.equal(1, result.status)
        has(result.stderr, "--read-only allows no changes")
        assert.are.same({}, it_:changes())
        assert.is_true(it_:producing("us-west"))
    end)

    -- ---- usage --------------------------------------------------------------------------------------------

    it("says what it needs when it knows no regions", function()
        local result = support.run { "run", "failover" }
        assert.are.equal(2, result.status)
        assert.are.equal("kmirror: give --from and --to; see kmirror run failover --help\n", result.stderr)
        result = support.run { "run", "failover", "--help" }
        assert.are.equal(0, result.status)
        has(result.stdout, "Usage: kmirror run failover")
    end)

    it("refuses a region turned round with itself, and a hook for no step", function()
        local result = support.run { "run", "--sandbox", "failover", "--to", "us-west" }
        assert.are.equal(2, result.status)
        has(result.stderr, "--from and --to are the same region, us-west")
        result = support.run { "run", "--sandbox", "failover", "--hook", "fense=true" }
        assert.are.equal(2, result.status)
        has(result.stderr, "--hook 'fense=true': expected STEP=COMMAND, with a step of: check, fence")
    end)
end)
