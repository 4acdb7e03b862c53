local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

describe("the requests of the failover runbook", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    -- How often each mirror was read, and how many requests of each other kind there were.
    local function count_requests()
        local reads, counts = {}, {}
        for _, request in ipairs(it_.sandbox:requests()) do
            if request.operation == "get" then
                reads[request.id] = (reads[request.id] or 0) + 1
            elseif request.operation then
                counts[request.operation] = (counts[request.operation] or 0) + 1
            end
        end
        return reads, counts
    end

    it("reads an old mirror three times, but for the busiest, and once more when it is gone; a new one once", function()
        start { world = 12 }
        local path, its = regions.saved()
        assert.are.equal(0, it_:failover({ "--yes" }, its).status)
        local reads, counts = count_requests()
        assert.are.same({ list = 3, delete = 12, create = 12 }, counts)
        local watched = 0
        for _, mirror in ipairs(json.read(path).mirrors) do
            watched = watched + (reads[mirror.id] > 4 and 1 or 0)
            assert.is_true(reads[mirror.id] >= 4)
            assert.are.equal(1, reads[mirror.reverse])
        end
        assert.are.equal(3, watched)
    end)

    it("takes the lags for recent that it has read at once, however long the rate made that take", function()
        local log = support.temporary("requests")
        local result = support.run { "--sandbox", "--jump", "--yes", "--world", "150", "--rate", "2",
            "--request-log", log, "run", "failover", "--state", support.temporary("state.json") }
        assert.are.equal(0, result.status, result.stderr)
        local gets = select(2, support.read(log):gsub('"operation":"get"', ""))
        assert.is_true(gets >= 5 * 150 and gets < 5.5 * 150, gets .. " gets") -- 75 s for each look at all
    end)

    it("reads those once more whose target latency it has set; version 2 of the API spares both", function()
        start()
        local path, its = regions.saved("--target-latency", "50000")
        assert.are.equal(0, it_:failover({ "--yes" }, its).status)
        local reads, counts = count_requests()
        local updates = support.api == "v1" and 6 or nil
        assert.are.same({ list = 3, delete = 6, create = 6, update_target_latency = updates }, counts)
        for _, mirror in ipairs(json.read(path).mirrors) do
            assert.are.equal(updates and 2 or 1, reads[mirror.reverse])
        end
    end)

    it("asks for each mirror after it was deleted, whatever a list says", function()
        start { list_delay = 60 }
        local path, its = regions.saved()
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        local missing = {}
        for _, request in ipairs(it_.sandbox:requests()) do
            if request.status == 404 then missing[request.id] = true end
        end
        for _, mirror in ipairs(json.read(path).mirrors) do assert.is_true(missing[mirror.id]) end
    end)

    it("reads each mirror again after the hook drained, and not more than once", function()
        start { world = 12 }
        local path, its = regions.saved("--hook", "drained=true")
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "look again: nothing is written")
        local reads, often = count_requests(), 0
        for _, mirror in ipairs(json.read(path).mirrors) do
            often = often + (reads[mirror.id] == 5 and 1 or 0)
        end
        assert.are.equal(9, often)
    end)
end)
