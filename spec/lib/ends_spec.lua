local support = require("spec.support")

-- Runs Lua in the host, with a state of its own.
local function run(script)
    local result = support.run { "run", "-", env = { XDG_STATE_HOME = support.temporary_directory("state") }, stdin = [[
        local ends = require "kmirror.ends"
        local function told(id, partitions)
            local topic = { name = "orders", partitions = {} }
            for i, each in ipairs(partitions) do
                topic.partitions[i] = { partition = i - 1, endOffset = each[1], recordsLeft = each[2],
                    replicatedOffset = each[3], leftSince = each[4] }
            end
            return { id = id, topics = { topic } }
        end
        ends.note("east", { told("a", { { 100, 10 }, { 50, 50 }, {} }), told("b", { { 7, 0 } }) })
        ends.note("east", { told("b", { { 9, 2 } }) })
        ends.note("north", { told("a", { { 1, 1 } }) })
        local known = ends.known("east")
    ]] .. script }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("where topics ended", function()
    it("is known later, of each mirror as it was seen last, for each cluster by itself", function()
        assert.are.equal("9 100 nil true\n", run [[
            local a, b = known.a.partitions, known.b.partitions
            print(("%d %d %s %s"):format(b["orders:0"].ending, a["orders:0"].ending, a["orders:2"],
                math.abs(known.a.time - os.time()) < 60))]])
    end)

    it("tells what was not copied: what was left then, less what has been copied since", function()
        assert.are.equal("54 0\n", run [[
            print(("%d %d"):format(ends.missing(known.a, { { topic = "orders", partition = 0, offset = 95 } }),
                ends.missing(known.b, { { topic = "orders", partition = 0, offset = 20 } })))]])
    end)

    it("does not count as missing the marker of a transaction behind the last record, which was none then", function()
        assert.are.equal("0 2\n", run [[
            ends.note("east", { told("c", { { 11, 0, 9 } }), told("d", { { 11, 5, 4 } }) })
            known = ends.known("east")
            print(("%d %d"):format(ends.missing(known.c, { { topic = "orders", partition = 0, offset = 9 } }),
                ends.missing(known.d, { { topic = "orders", partition = 0, offset = 8 } })))]])
    end)

    it("goes with since when records are left and none is copied, until the mirror is told to go on", function()
        assert.are.equal("9\t1000\t-1\tnil\ttrue\tnil\n", run [[
            ends.note("east", { told("C", { { 20, 10, 9, 1000 }, { 50, 50, nil, 1000 }, { 7, 0, 6 } }) })
            local left = ends.left("east").c
            local first, second, third = left["orders-0"], left["orders-1"], left["orders-2"]
            ends.forgive("east", { "C", "unknown" })
            local after = ends.known("east").C.partitions["orders:0"]
            print(first.offset, first.since, second.offset, third, after.left == 10, after.since)]])
    end)

    it("is not known where nothing was noted down", function()
        assert.are.equal("nil\n", run [[print(ends.known("south").a)]])
    end)
end)
