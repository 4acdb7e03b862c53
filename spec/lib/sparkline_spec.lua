local support = require("spec.support")

local function run(env, script)
    local result = support.run { "run", "-", env = env,
        stdin = 'local sparkline = require "kmirror.sparkline"\n' .. script }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout
end

describe("a sparkline", function()
    it("shows the last numbers, from nothing to full, and what is beyond as full", function()
        assert.are.equal("▁▁▄█▅██\n", run({}, "print(sparkline.of({ 9, 0, 0.01, 0.5, 1, 0.6, 1, 7 }, 1, 7))"))
    end)

    it("leaves a gap where there is no number, and is always as wide", function()
        assert.are.equal("[   █ ▂]\n", run({}, 'print("[" .. sparkline.of({ 5, false, 1 }, 5, 6) .. "]")'))
        assert.are.equal("[    ]\n", run({}, 'print("[" .. sparkline.of({}, 5, 4) .. "]")'))
    end)

    it("does without UTF-8 where there is none", function()
        assert.are.equal(".=#\n", run({ LC_ALL = "C" }, "print(sparkline.of({ 0, 0.5, 1 }, 1, 3))"):gsub("%+", "="))
        assert.are.equal("▁\n", run({ LC_ALL = "", LANG = "de_DE.utf8" }, "print(sparkline.of({ 0 }, 1, 1))"))
    end)
end)
