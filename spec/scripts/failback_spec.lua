local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local WEST_KAFKA = regions.west:match(",(.+)")

describe("the failback runbook", function()
    local it_ = regions.fresh()
    local has = regions.has

    after_each(it_.stop)

    -- A sandbox in which us-west has been left.
    local function start(options, its)
        it_.start(options)
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        return result
    end

    it("is no part of the job of the failover, which is of another runbook", function()
        it_.start()
        local result = it_:failover({ "--yes", "--job", "over" })
        assert.are.equal(0, result.status, result.stderr)
        local printed = result.stdout:match("To fail back: +(%S[^\n]+)\n")
        assert.is_nil(printed:find("--job", 1, true), printed)
        assert.are.equal(0, it_:run_printed(printed).status)
    end)

    it("is what the failover prints at its end, and turns the mirrors round again", function()
        local printed = start().stdout:match("To fail back: +(%S[^\n]+)\n")
        local before = regions.regexes(it_:mirrors_on(WEST))
        local result = it_:run_printed(printed)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same(before, regions.regexes(it_:mirrors_on(EAST)))
        assert.are.same({}, it_:mirrors_on(WEST))
        has(result.stdout, "Failback us-east -> us-west, planned\n")
        has(result.stdout, "6 of 6 new mirrors us-west -> us-east work")
        has(result.stdout, "the topics in us-west still hold what they held before; what comes back may be there twice")
        assert.is_truthy(result.stdout:match("To fail over: +(%S[^\n]+)\n"))
        assert.are.equal(24, #it_:changes())
    end)

    it("says nothing of records that are there twice after a failover that told its mirrors where to begin", function()
        local path, its = regions.saved()
        start({}, its)
        for _, exact in ipairs { false, true } do
            local state = json.decode(support.read(path))
            state.ends = exact and { [state.mirrors[1].id] = {} } or nil
            support.write(path, json.encode(state))
            local result = it_:failback({ "--dry-run" }, { "--failover", path })
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(not exact, result.stderr:find("may be there twice", 1, true) ~= nil)
        end
    end)

    it("brings back the target latencies that there were before the failover", function()
        start({}, { "--target-latency", "90000" })
        for _, mirror in ipairs(it_:mirrors_on(WEST)) do
            assert.are.equal(90000, it_:get(WEST, mirror.id).targetLatency)
        end
        assert.are.equal(0, it_:failback({ "--yes" }).status)
        for _, mirror in ipairs(it_:mirrors_on(EAST)) do
            assert.are.equal(30000, it_:get(EAST, mirror.id).targetLatency)
        end
    end)

    it("refuses while a mirror of the old way is there, whatever its topics", function()
        start()
        local old = it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        local other = it_:create(EAST, "us-west", WEST_KAFKA, "other")
        local count = #it_:changes()
        for _, own in ipairs { "--yes", "--dry-run" } do
            local result = it_:failback({ own })
            assert.are.equal(1, result.status)
            has(result.stderr, ("error: mirror %s of 'orders\\..*' runs us-west -> us-east already"):format(old))
            has(result.stderr, ("error: mirror %s of 'other' runs us-west -> us-east already"):format(other))
        end
        assert.are.equal(count, #it_:changes())
        assert.is_true(it_:producing("us-east"))
    end)

    it("refuses when a mirror that the failover has turned round has no replacement", function()
        start()
        local lost = it_:mirrors_on(WEST)[1]
        it_:kmirror("delete", "--yes", "--cluster", WEST, lost.id)
        local result = it_:failback({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, ("of '%s' was reversed, and there is none us-east -> us-west"):format(lost.topicsRegex))
        assert.are.equal(13, #it_:changes())
    end)

    it("refuses when the mirrors to delete are not in sync", function()
        it_.start { lag_ms = 90000 }
        assert.are.equal(0, it_:failover({ "--yes" }, { "--disaster", "--wait", "0" }).status)
        local result = it_:failback({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "is OUT_OF_SYNC")
        has(result.stderr, "nothing was changed")
    end)

    it("refuses when there is nothing to come back from", function()
        it_.start()
        local result = it_:failback({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "refused: there are no mirrors us-east -> us-west, and 6 us-west -> us-east")
        has(result.stderr, "the failover is unknown (see --failover)")
    end)

    it("deletes nothing while something is written in the region to leave", function()
        start()
        local result = it_:failback({ "--yes" }, { false, "--fence-wait", "0.3" })
        assert.are.equal(1, result.status)
        has(result.stderr, "the fence cannot be confirmed")
        assert.are.equal(12, #it_:changes())
    end)

    it("leaves with 3 when no records flow afterwards, and names the mirrors", function()
        start()
        local result = it_:failback({ "--yes" }, { false, "--hook", regions.fence, "--throughput-wait", "0.3" })
        assert.are.equal(3, result.status)
        has(result.stderr, "wait for records: 0 carry records or never did, 6 do not")
        assert.are.equal(6, select(2, result.stderr:gsub("is IN_SYNC, but carries no records\n", "")))
        has(result.stdout, "0 of 6 new mirrors us-west -> us-east work")
        it_:producers("us-west", "start")
        result = it_:run_printed(result.stdout:match("To continue: +(%S[^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "in 2 runs")
        assert.are.equal(24, #it_:changes())
    end)

    it("goes there and back again and again, each time from what is there", function()
        start()
        for round = 1, 2 do
            assert.are.equal(0, it_:failback({ "--yes" }).status)
            it_:producers("us-east", "start")
            local result = it_:failover({ "--yes" })
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(12 + 24 * round, #it_:changes())
        end
    end)

    it("sends no change under --dry-run, and prints what it would do", function()
        start()
        local result = it_:failback({ "--dry-run" })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, select(2, result.stdout:gsub("would delete mirror ", "")))
        assert.are.equal(6, select(2, result.stdout:gsub("would create a mirror of '%S+' from us%-west", "")))
        assert.are.equal(12, #it_:changes())
        assert.is_true(it_:producing("us-east"))
    end)

    it("does not begin before the failover has ended, nor without the file that it is told of", function()
        it_.start { creating_seconds = 60 }
        local path, its = regions.saved("--wait", "0")
        assert.are.equal(3, it_:failover({ "--yes" }, its).status)
        local result = it_:failback({ "--yes" }, { "--failover", path })
        assert.are.equal(2, result.status)
        has(result.stderr, path .. " belongs to a failover that has not finished: continue that one first")
        result = it_:failback({ "--yes" }, { "--failover", "/nowhere" })
        assert.are.equal(2, result.status)
        has(result.stderr, "--failover /nowhere: there is no such file")
        support.write(path, json.encode { 1 })
        assert.are.equal(2, it_:failback({ "--yes" }, { "--failover", path }).status)
    end)
end)
