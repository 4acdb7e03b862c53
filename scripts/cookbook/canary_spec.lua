-- Tests of canary.lua.
--   kmirror test scripts/cookbook/canary_spec.lua

local test = require("kmirror.test")

-- This file's folder is where the runbook is.
local runbook = debug.getinfo(1, "S").source:match("^@(.*)_spec%.lua$") .. ".lua"

describe("canary", function()
    it("halves the target latency of every mirror when all stay in sync", function()
        local run = test.run(runbook, { world = { mirrors = 12, lag_ms = 1000 } })
        assert.are.equal(0, run.status, run.stderr)
        assert.are.equal(12, #run.sent.update_target_latency)
        for _, mirror in ipairs(run.mirrors) do assert.are.equal(15000, mirror.targetLatency) end
    end)

    it("stops behind the first when that is no longer in sync, and sets it back", function()
        local run = test.run(runbook, { world = { mirrors = 12, lag_ms = 22000 } })
        assert.are_not.equal(0, run.status)
        assert.are.equal(2, #run.sent.update_target_latency)
        for _, mirror in ipairs(run.mirrors) do assert.are.equal(30000, mirror.targetLatency) end
        assert.is_true(run.seconds > 9) -- it has looked for ten seconds, which took none
    end)

    it("gets through when answers are lost", function()
        local run = test.run(runbook, { world = { mirrors = 12, lag_ms = 1000 }, faults = "lossy" })
        assert.are.equal(0, run.status, run.stderr)
    end)
end)
