local support = require("spec.support")

-- Runs Lua in the host with the memory in a new folder.
local function run(script)
    local result = support.run { "run", "-", env = { XDG_STATE_HOME = support.temporary_directory("state") }, stdin = [[
        local memory, path = require "kmirror.memory", ]] .. ("%q"):format(support.temporary("memory.json")) .. "\n"
        .. script }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("the memory of a runbook", function()
    it("has all that was written, and the facts that came after it", function()
        assert.are.equal("1 2 b\n2 0\n", run [[
            memory.write(path, { count = 1 })
            memory.note(path, { settled = "a" })
            memory.note(path, { settled = "b" })
            local whole, facts = memory.read(path)
            print(("%d %d %s"):format(whole.count, #facts, facts[2].settled))
            memory.write(path, { count = 2 })
            whole, facts = memory.read(path)
            print(("%d %d"):format(whole.count, #facts))]])
    end)

    it("does without a last line that was cut", function()
        assert.are.equal("1 a\n", run [[
            memory.write(path, { count = 1 })
            memory.note(path, { settled = "a" })
            local log <close> = io.open(path .. ".log", "a")
            log:write('{"settled": "')
            log:flush()
            local _, facts = memory.read(path)
            print(#facts .. " " .. facts[1].settled)]])
    end)

    it("is gone when it is forgotten", function()
        assert.are.equal("nil 0\n", run [[
            memory.write(path, { count = 1 })
            memory.note(path, { settled = "a" })
            memory.forget(path)
            local whole, facts = memory.read(path)
            print(tostring(whole) .. " " .. #facts)]])
    end)

    it("is in one place for the same regions, and in another for others", function()
        local places = run [[
            local function region(alias, digit)
                return { alias = alias, connect = ("%s0000000-0000-4000-8000-000000000000"):format(digit) }
            end
            local here = memory.path("failover", region("a", 1), region("b", 2))
            print(here == memory.path("failover", region("a", 1), region("b", 2)),
                here == memory.path("failover", region("a", 3), region("b", 2)),
                here == memory.path("failback", region("a", 1), region("b", 2)),
                here:find("failover%-a%-b%-%x+%.json$") ~= nil)]]
        assert.are.equal("true\tfalse\tfalse\ttrue\n", places)
    end)
end)
