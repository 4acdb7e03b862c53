local support = require("spec.support")

local script = [[
    local screen = require "kmirror.screen".new(io.stdout)
    screen:draw("one\ntwo\n")
    screen:draw("three\n")
    print(screen:room())]]

-- What the script writes to a terminal of 60 columns and 9 rows.
local function on_terminal(env)
    local log = support.temporary("typescript")
    local path = support.temporary("screen.lua", script)
    local result = support.run { command = "script", env = env, "-qefc",
        ("stty cols 60 rows 9; %s run %s"):format(support.quote(support.executable), path), log }
    assert.are.equal(0, result.status)
    local text = support.read(log):gsub("\r\n", "\n"):gsub("^Script started[^\n]*\n", "")
    return (text:gsub("\nScript done[^\n]*\n$", ""))
end

describe("a screen", function()
    it("is drawn on again in the same place", function()
        assert.are.equal("one\27[K\ntwo\27[K\n\27[J" .. "\27[2A\rthree\27[K\n\27[J" .. "60\t9\n",
            on_terminal { TERM = "xterm" })
    end)

    it("is written to line after line where it cannot be drawn on", function()
        for _, kind in ipairs { "dumb", "" } do
            assert.are.equal("one\ntwo\n\nthree\n60\tinf\n", on_terminal { TERM = kind })
        end
    end)

    it("is endless in a pipe", function()
        local result = support.run { "run", "-", stdin = script, env = { TERM = "xterm" } }
        assert.are.equal("one\ntwo\n\nthree\nnil\tinf\n", result.stdout)
    end)
end)
