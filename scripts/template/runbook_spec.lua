-- Tests of NAME.lua:
--   kmirror test NAME_spec.lua

local test = require("kmirror.test")

-- The runbook lies beside this file.
local runbook = debug.getinfo(1, "S").source:match("^@(.*)_spec%.lua$") .. ".lua"

describe("NAME", function()
    it("sets the target latency where it is higher, and only there", function()
        local run = test.run(runbook, { args = { "--latency", 20000 }, world = { mirrors = {
            { topicsRegex = "orders\\..*" },
            { topicsRegex = "payments\\..*", targetLatency = 15000 },
        } } })
        assert.are.equal(0, run.status, run.stderr)
        assert.are.equal(20000, run.mirrors[1].targetLatency)
        assert.are.equal(15000, run.mirrors[2].targetLatency)
        assert.are.equal(1, #run.sent.update_target_latency)
    end)

    it("sets the first batch back when it is not healthy, and begins no more", function()
        local run = test.run(runbook, { args = { "--latency", 20000 }, world = { mirrors = 20, lag_ms = 100000 } })
        assert.are_not.equal(0, run.status)
        assert.are.equal(2, #run.sent.update_target_latency) -- there and back; a minute of waiting took no time
        for _, mirror in ipairs(run.mirrors) do assert.are.equal(30000, mirror.targetLatency) end
    end)

    it("changes nothing in a dry run", function()
        local run = test.run(runbook, { options = { "--dry-run" }, world = { mirrors = 5 } })
        assert.are.equal(0, run.status, run.stderr)
        assert.are.equal(0, #run.sent.update_target_latency)
    end)

    it("gets through when the API is in trouble", function()
        local run = test.run(runbook, { world = { mirrors = 5 }, faults = "flaky" })
        assert.are.equal(0, run.status, run.stderr)
    end)
end)
