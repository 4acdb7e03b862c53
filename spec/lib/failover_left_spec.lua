local support = require("spec.support")

-- What comes of counting records, of an API that tells of mirrors a and b what `told(look)` says at each look: a table
-- of topics, each { records, left }. Time jumps.
local function count(told, script)
    local result = support.run { "run", "-", stdin = ([[
        local left, task = require "kmirror.failover.left", require "task"
        local look, told = 0, %s
        local api = { cluster = "east", can = function() return true end, lag = function(_, id)
            if id == "a" then look = look + 1 end
            local all = { id = id, recordsLeft = 0, topics = {} }
            for name, its in pairs(told(look, id)) do
                local beats = name == "heartbeats" or nil
                table.insert(all.topics, { name = name, recordsLeft = its[2], heartbeats = beats,
                    partitions = { { partition = 0, endOffset = its[1] } } })
                if not beats then all.recordsLeft = all.recordsLeft + its[2] end
            end
            return all
        end }
        require("host").jump()
        local it = assert(left.new(api, { { id = "a" }, { id = "b" } }))
        local function try(step, ...)
            local ok, value = pcall(it[step], it, ...)
            print(ok and "ok" or tostring(value))
        end
        %s]]):format(told, script), env = { XDG_STATE_HOME = support.temporary_directory("state") } }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout
end

describe("a failover that counts records", function()
    it("goes on when none was written, and none is left", function()
        assert.are.equal("ok\nok\nok\n200\t0\n", count("function() return { orders = { 100, 0 } } end", [[
            try("caught_up", 5, 1000)
            try("still", 30)
            try("drained", 5)
            print(it.written, it.remaining)]]))
    end)

    it("does not while some are written, which it names, or left", function()
        assert.matches("^the fence cannot be confirmed after 30 seconds: something is still written: orders [%d.]+/s; "
            .. "no mirror was deleted\n$", count("function(look) return { orders = { 3 * look, 0 } } end",
            [[try("still", 30)]]))
        assert.are.equal("ok\nnot drained after 5 seconds: 8 records left; no mirror was deleted\n",
            count("function() return { orders = { 9, 4 } } end", [[try("still", 30) try("drained", 5)]]))
    end)

    it("says what is written behind the fence, and where that may be MirrorMaker's", function()
        assert.matches("^ok\nthe fence does not hold: orders [%d.]+/s, north%.heartbeats [%d.]+/s %(north%.heartbeats "
            .. "is MirrorMaker's own where 'north' is a cluster: then the profile has to say aliases = {'north'}%); "
            .. "no mirror was deleted\n$", count([[function(look) return { orders = { 5 * math.max(0, look - 36), 1 },
                ["north.heartbeats"] = { math.max(0, look - 36), 1 } } end]],
            [[try("still", 30) try("drained", 60)]]))
    end)

    it("does not wait for MirrorMaker's heartbeats, of which there is always another one", function()
        assert.are.equal("ok\nok\nok\n200\t0\n", count(
            "function(look) return { orders = { 100, 0 }, heartbeats = { look, 40 } } end", [[
            try("caught_up", 5, 1000)
            try("still", 30)
            try("drained", 5)
            print(it.written, it.remaining)]]))
    end)

    it("waits for one to which more is written, and for what is left of one that stands still", function()
        assert.matches("something is still written: heartbeats [45]%d%.%d/s; no mirror was deleted\n", count(
            "function(look) return { orders = { 100, 0 }, heartbeats = { 50 * look, 40 } } end", [[try("still", 30)]]))
        assert.are.equal("ok\nnot drained after 5 seconds: 40 records left; no mirror was deleted\n", count(
            "function() return { orders = { 100, 0 }, heartbeats = { 100, 40 } } end",
            [[try("still", 30) try("drained", 5)]]))
    end)
end)
