local support = require("spec.support")

local script = [[
    local steps, task = require("kmirror.steps").new(), require "task"
    local made = steps:run("look", function() return "3 found", { 1, 2, 3 } end)
    steps:run("act", function() task.sleep(0.2) return #made .. " done" end)
    steps:show(io.stdout)
    print(steps:seconds() >= 0.2)
    steps:run("fail", function() error("no luck", 0) end)
]]

describe("steps", function()
    it("say when they begin and end, and hand on what they made", function()
        local result = support.run { "run", "-", stdin = script }
        assert.are.equal(1, result.status)
        assert.are.equal(table.concat({
            "look ...", "look: 3 found (0.0 s)", "act ...", "act: 3 done (0.2 s)", "fail ...",
            "kmirror: no luck", "",
        }, "\n"), (result.stderr:gsub("%d%d:%d%d:%d%d ", ""):gsub("0%.[2-9]", "0.2")))
    end)

    it("are shown with their timings, in a pipe with a tab between and nothing padded", function()
        assert.are.equal("look\t0.0\t3 found\nact\t0.2\t3 done\ntrue\n",
            (support.run { "run", "-", stdin = script }.stdout:gsub("0%.[2-9]", "0.2")))
    end)
end)
