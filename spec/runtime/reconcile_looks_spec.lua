--- The ledger of creates: which mirrors look as a create would have made them.
local ledgers = require("spec.support.ledger")
local specs = require("spec.support.interleavings").specs

local new_world, mirror, fail, lose = ledgers.new_world, ledgers.mirror, ledgers.fail, ledgers.lose

describe("the ledger of creates, by what mirrors look like,", function()
    it("learns the target alias, dots and all, from a mirror that it made", function()
        local world = new_world()
        local list = { mirror("id0", "z.b.t.r0") }
        world.api.list = function() return list end
        local first = world.spawn(function()
            return world.ledger:create("c", specs.b, function() return "created", "id1" end, fail)
        end)
        world.run()
        assert.equal("id1", first.value)
        list = { list[1], mirror("id1", "b.b.t.r1"), mirror("id2", "a.b.t.r2") }
        local second = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("id2", second.value)
    end)

    it("reads a name of three parts in one way, even when names contradict each other", function()
        local outcomes = { ["a.t.r1"] = "id1", ["a.b.t.r1"] = "unknown_outcome" }
        for name, outcome in pairs(outcomes) do
            local world = new_world()
            world.ledger:saw("c", { mirror("id0", "z.t.r0") }, 0)
            world.api.list = function() return { mirror("id1", name), mirror("id9", "z.u.r9") } end
            local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
            world.run()
            assert.equal(outcome, one.ok and one.value or one.value.kind)
        end
    end)

    -- What comes of a lost create of that alias when the list has shown some mirrors before, and shows others after it.
    local function outcome(alias, before, after, options)
        local world = new_world(options)
        world.ledger:saw("c", before, 0)
        world.api.list = function() return table.move(before, 1, #before, #after + 1, { table.unpack(after) }) end
        local one = world.spawn(function()
            return world.ledger:create("c", { sourceAlias = alias, topicsRegex = "x" }, lose, function(e, attempt)
                error(attempt == 1 and "undone" or e, 0)
            end)
        end)
        world.run()
        return one.value
    end

    it("takes from names of four parts what the target may be, as all mirrors have the same one", function()
        local before = { mirror("id0", "z.b.t.r0") } -- into b.t from z, or into t from z.b
        assert.equal("undone", outcome("a", before, { mirror("id1", "a.c.b.t.r1") })) -- c.b.t cannot be the target
        for alias, name in pairs({ a = "a.b.t.r1", ["a.b"] = "a.b.t.r1", ["a.c"] = "a.c.b.t.r1" }) do
            local e = outcome(alias, before, { mirror("id1", name) })
            assert.equal("unknown_outcome", e.kind, alias)
            assert.is_truthy(e.message:find("1 new mirror for 1 lost create, but its connector name can be read in two "
                .. "ways: id1 (" .. name .. "); look at each with", 1, true), e.message)
            assert.same({ mirror("id1", name) }, e.details.candidates)
        end
    end)

    it("learns the target from each list anew", function()
        local world = new_world({ settle = 1 })
        local shown = { mirror("id0", "z.b.t.r0") }
        world.api.list = function() return shown end
        world.ledger:saw("c", shown, 0)
        local function lost(alias, ...)
            shown = table.move({ ... }, 1, select("#", ...), #shown + 1, { table.unpack(shown) })
            local one = world.spawn(function()
                return world.ledger:create("c", { sourceAlias = alias, topicsRegex = "x" }, lose, function()
                    error("undone", 0)
                end)
            end)
            world.run()
            return one.value
        end
        assert.equal("undone", lost("a", mirror("id1", "a.c.b.t.r1")))
        assert.equal("id2", lost("a.b", mirror("id2", "a.b.t.r2"), mirror("id3", "q.t.r3"))) -- so the target is t
    end)

    it("goes by whole specifications where the list tells them, and not by names", function()
        local function listed(id, fits)
            local its = mirror(id, "not.the.alias")
            its.fits = fits
            return its
        end
        local function come_of(...)
            return outcome("a", { listed("id0", "yes") }, { ... }, { fit = function()
                return function(_, its) return its.fits end
            end })
        end
        assert.equal("undone", come_of(listed("id1", "no")))
        assert.equal("id1", come_of(listed("id1", "yes"), listed("id2", "no")))
        -- What fits for certain is shown as it was sent, so that what only may fit is somebody else's.
        assert.equal("id1", come_of(listed("id1", "yes"), listed("id2", "perhaps"), listed("id3", "perhaps")))
        local e = come_of(listed("id2", "perhaps"), listed("id3", "no"))
        assert.equal("unknown_outcome", e.kind)
        assert.is_truthy(e.message:find("1 new mirror for 1 lost create, but its connection properties are of the same "
            .. "servers, but are not the same: id2 (", 1, true), e.message)
        assert.same({ mirror("id2", "not.the.alias") }, e.details.candidates)
    end)

    it("tells specifications apart by every field, but not by how a whole number is written", function()
        local ledger = new_world().ledger
        local function identity(field, value)
            local spec = { sourceAlias = "a", topicsRegex = "1", maxTasks = 3, useRenaming = true }
            spec[field] = value
            return ledger:seed("c", { { sent = spec } })[1].identity
        end
        local identities = { [identity("maxTasks", 3)] = true }
        assert.is_true(identities[identity("maxTasks", 3.0)])
        local others = { sourceAlias = "b", topicsRegex = "1.0", maxTasks = 4, useRenaming = false }
        for field, value in pairs(others) do assert.is_nil(identities[identity(field, value)]) end
    end)
end)
