local runbook = require("spec.support.runbook")

describe("the retune runbook", function()
    local retune = runbook.new "retune"

    after_each(function() retune:stop() end)

    local function latencies()
        local found = {}
        for i, mirror in ipairs(retune:mirrors()) do
            found[i] = retune:ask("get", mirror.id).targetLatency
        end
        table.sort(found)
        return found
    end

    it("sets a latency where it is another one", function()
        retune:start { world = 3 }
        local result = retune:run({ "--yes" }, { "--latency", "20000", "--topic", "orders.created" })
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("Retune: 1 of 1 target latency set", 1, true))
        assert.are.same({ 20000, 30000, 30000 }, latencies())
        result = retune:run({ "--yes" }, { "--latency", "20000", "--topic", "orders.created" })
        assert.are.equal(0, result.status)
        assert.is_truthy(result.stdout:find("Nothing to do: 1 mirror has", 1, true))
        assert.are.same({ update_target_latency = 1 }, retune:changes())
    end)

    it("sets what was measured to be needed, within bounds", function()
        retune:start { world = 3, lag_ms = 4000 }
        local its = { "--from-measured", "--samples", "2", "--interval", "0", "--least", "7000", "--most", "9000",
            "--margin" }
        its[#its + 1] = "50"
        assert.are.equal(0, retune:run({ "--yes" }, its).status)
        assert.are.same({ 9000, 9000, 9000 }, latencies())
        its[#its] = "1"
        assert.are.equal(0, retune:run({ "--yes" }, its).status)
        for _, latency in ipairs(latencies()) do
            assert.is_true(latency >= 7000 and latency < 9000 and latency % 1000 == 0)
        end
    end)

    it("leaves mirrors that tell nothing", function()
        retune:start { world = 0, creating_seconds = 60 }
        retune:create "orders\\..*"
        local result = retune:run({ "--yes" }, { "--from-measured", "--samples", "1" })
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("1 latency is not known", 1, true))
    end)

    it("changes nothing in a dry run, and asks otherwise", function()
        retune:start { world = 3 }
        local result = retune:run({ "--dry-run" }, { "--latency", "20000" })
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("3 of 3 target latencies would be set", 1, true))
        assert.are.equal(2, retune:run({}, { "--latency", "20000" }).status)
        assert.are.same({}, retune:changes())
    end)

    it("says what it needs", function()
        retune:start { world = 0 }
        for message, its in pairs {
            ["give --latency MS or --from-measured"] = {},
            ["milliseconds, 1000 or more"] = { "--latency", "999" },
            ["--least 9000 is more than --most 8000"] = { "--from-measured", "--least", "9000", "--most", "8000" },
        } do
            local result = retune:run({}, its)
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find(message, 1, true), result.stderr)
        end
    end)
end)
