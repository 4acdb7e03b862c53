--- The ledger of creates: what the model in spec/support/interleavings.lua does not show.
local ledgers = require("spec.support.ledger")
local specs = require("spec.support.interleavings").specs

local new_world, mirror, fail, lose = ledgers.new_world, ledgers.mirror, ledgers.fail, ledgers.lose

describe("the ledger of creates", function()
    it("reads one list for all creates of a minute, however many there are", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            return {}
        end
        local made = 0
        local function send()
            made = made + 1
            return "created", "id" .. made
        end
        for _ = 1, 100 do
            world.spawn(function() return world.ledger:create("c", specs.a, send, fail) end)
        end
        world.run()
        assert.equal(100, made)
        assert.equal(1, world.lists)

        world.clock, world.tasks = world.clock + 61, {}
        world.spawn(function() return world.ledger:create("c", specs.a, send, fail) end)
        world.run()
        assert.equal(2, world.lists)
    end)

    it("takes a list that the runbook read for its baseline, however the cluster is written", function()
        local world, sent = new_world(), 0
        world.ledger:saw("c", { mirror("id0", "a.t.r0") }, 0)
        world.api.list = function() return { mirror("id0", "a.t.r0"), mirror("id1", "a.t.r1") } end
        local one = world.spawn(function()
            return world.ledger:create("C", specs.a, function()
                sent = sent + 1
                return lose()
            end, fail)
        end)
        world.run()
        assert.equal("id1", one.value)
        assert.equal(1, sent)
        assert.equal(1, world.lists)
    end)

    it("sends nothing when the baseline cannot be read, and asks for it once", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            error({ kind = "server", message = "503" }, 0)
        end
        for _ = 1, 3 do
            world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end)
        end
        world.run()
        for _, one in ipairs(world.tasks) do
            assert.is_false(one.ok)
            assert.equal("server", one.value.kind)
        end
        assert.equal(1, world.lists)
    end)

    it("has another create read the baseline when the one that read it was cancelled", function()
        local world = new_world()
        world.api.list = function()
            world.ledger.sleep(1)
            if world.lists == 1 then error({ kind = "cancelled", message = "cancelled" }, 0) end
            return {}
        end
        local first = world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end)
        local second = world.spawn(function()
            return world.ledger:create("c", specs.a, function() return "created", "id1" end, fail)
        end)
        world.run()
        assert.equal("cancelled", first.value.kind)
        assert.equal("id1", second.value)
    end)

    it("sends nothing when what was seen, or what is about to be sent, cannot be written down", function()
        local function full() error({ kind = "store", message = "disk full" }, 0) end
        for _, broken in ipairs({ "listen", "sending" }) do
            local world = new_world()
            world.api.list = function() return { mirror("id0", "z.t.r0") } end
            if broken == "listen" then world.ledger:listen(full) end
            local one = world.spawn(function()
                local sending = broken == "sending" and full or nil
                return world.ledger:create("c", specs.a, error, fail, { sending = sending })
            end)
            world.run()
            assert.equal("store", one.value.kind)
        end
    end)

    it("tells once what lists show and what is about to be sent, as it happens", function()
        local world, told, sends = new_world({ settle = 2 }), {}, 0
        local function tell(what) told[#told + 1] = what end
        world.api.list = function()
            tell("list")
            return { mirror("id0", "z.t.r0"), world.lists > 1 and mirror("id9", "q.t.r9") or nil }
        end
        world.ledger:saw("d", { mirror("id5", "e.t.r5") })
        world.ledger:listen(function(cluster, ids) tell(cluster .. " " .. table.concat(ids, " ")) end)
        world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                tell("send")
                sends = sends + 1
                if sends == 1 then return lose() end
                return "created", "id1"
            end, function() end, { sending = function() tell("sending") end })
        end)
        world.run()
        assert.same({ "d id5", "list", "c id0", "sending", "send", "list", "c id9", "send" }, told)
    end)

    it("says what it waits for, and how that ended", function()
        local told, sends = {}, 0
        local world = new_world({ settle = 4, tell = function(event)
            told[#told + 1] = ("%s %s"):format(event.what, event.wait or event.id or event.error.message)
        end })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { sends == 2 and mirror("id1", "a.t.r1") or nil } end
        world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                sends = sends + 1
                return lose()
            end, function() end)
        end)
        world.run()
        assert.same({ "lost 4", "undone no answer within 30 s", "lost 4", "adopted id1" }, told)
    end)

    it("says what cannot be told when the list cannot be read", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function() error({ kind = "transport", message = "connection refused" }, 0) end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.is_true(world.clock >= 20 and world.clock < 25)
        assert.equal("create", one.value.operation)
        assert.equal("c", one.value.cluster)
        assert.same({}, one.value.details.candidates)
        assert.equal("the answer was lost, and whether mirror `a.…` of topics `x` was made cannot be told: "
            .. "the list of mirrors could not be read (connection refused); when it can, run `kmirror list "
            .. "--cluster c`, and the create again if it shows no new mirror `a.…` of these topics",
            one.value.message)
    end)

    it("asks for the list again when it cannot be read at once", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            if world.lists < 3 then
                error({ kind = "transport", message = "connection refused" }, 0)
            end
            return { mirror("id1", "a.t.r1") }
        end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("id1", one.value)
    end)

    it("names the candidates when there are too many, and what to run", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            return { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2"), mirror("id3", "b.t.r3") }
        end
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.same({ mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") }, one.value.details.candidates)
        assert.equal("the answer was lost, and whether mirror `a.…` of topics `x` was made cannot be told: "
            .. "2 new mirrors for 1 lost create: id1 (a.t.r1), id2 (a.t.r2); look at each with `kmirror get "
            .. "--cluster c ID`, and delete what is too many, or run the create again if none is yours",
            one.value.message)
    end)

    it("raises what `again` raises for a create that was surely not made", function()
        for _, outcome in ipairs({ "rejected", "unsent", "lost" }) do
            local world, attempts = new_world({ settle = 1 }), {}
            world.api.list = function() return {} end
            local one = world.spawn(function()
                local function send() return outcome, { kind = "server" } end
                return world.ledger:create("c", specs.a, send, function(e, attempt)
                    attempts[#attempts + 1] = attempt
                    if attempt == 3 then error(e, 0) end
                end)
            end)
            world.run()
            assert.equal("server", one.value.kind)
            assert.same({ 1, 2, 3 }, attempts)
        end
    end)

    it("does not hold up creates of other topics, or from elsewhere, while one is lost", function()
        local world = new_world({ settle = 10 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return {} end
        world.step(world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end))
        for _, spec in ipairs({ { sourceAlias = "a", topicsRegex = "y" }, { sourceAlias = "q", topicsRegex = "x" } }) do
            local one = world.spawn(function()
                return world.ledger:create("c", spec, function() return "created", world.clock end, fail)
            end)
            world.step(one)
            assert.equal(0, one.value)
        end
    end)

    it("takes no mirror for that of a create that was not sent, as it could not be written down", function()
        local world = new_world({ settle = 1 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") } end
        local function full() error({ kind = "store", message = "disk full" }, 0) end
        world.spawn(function() return world.ledger:create("c", specs.a, error, fail, { sending = full }) end)
        world.run()
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
    end)

    it("says with the doubt why the answer was lost", function()
        local world = new_world()
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") } end
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, function() return "lost", "no answer within 30 s" end, fail)
        end)
        world.run()
        assert.equal("no answer within 30 s", one.value.details.cause)
    end)

    it("doubts a second attempt when the mirror of the first shows after all", function()
        local world = new_world({ settle = 2 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            return world.lists == 1 and {} or { mirror("id1", "a.t.r1"), mirror("id2", "a.t.r2") }
        end
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, lose, function()
                world.ledger:saw("c", { mirror("id1", "a.t.r1") })
            end)
        end)
        world.run()
        assert.equal("unknown_outcome", one.value.kind)
        assert.equal(2, #one.value.details.candidates)
    end)

    it("reads the list itself when another create that reads it does not come to an end", function()
        local world = new_world({ patience = 5 })
        world.api.list = function()
            if world.lists == 1 then world.ledger.sleep(1000) end
            return {}
        end
        world.step(world.spawn(function() return world.ledger:create("c", specs.a, error, fail) end))
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, function() return "created", "id1" end, fail)
        end)
        repeat world.step(one) until one.ok ~= nil
        assert.equal("id1", one.value)
        assert.is_true(world.clock < 10)
    end)

    it("gives a create its time to show although it was lost while the list was read", function()
        local world = new_world({ settle = 2, patience = 5 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function()
            if world.lists == 1 then
                world.ledger.sleep(2)
                return {}
            end
            return { mirror("id1", "a.t.r1") }
        end
        local function resend() error("sent again") end
        local slow = world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                world.ledger.sleep(8)
                return lose()
            end, resend)
        end)
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, lose, function() world.ledger.sleep(1000) end)
        end)
        for _ = 1, 1000 do
            for _, each in ipairs({ slow, one }) do
                if slow.ok == nil and each.due <= math.min(slow.due, one.due) then
                    world.step(each)
                end
            end
        end
        assert.equal("id1", slow.value)
    end)

    it("waits for a create that is under way no longer than its patience, and then doubts", function()
        local world = new_world({ settle = 2, patience = 20 })
        world.ledger:saw("c", {}, 0)
        world.api.list = function() return { mirror("id1", "a.t.r1") } end
        local stuck = world.spawn(function()
            return world.ledger:create("c", specs.a, function() world.ledger.sleep(1000) end, fail)
        end)
        world.step(stuck)
        local one = world.spawn(function() return world.ledger:create("c", specs.a, lose, fail) end)
        repeat world.step(one) until one.ok ~= nil
        assert.equal("unknown_outcome", one.value.kind)
        assert.is_true(world.clock >= 20 and world.clock < 30)
    end)

    it("knows what an earlier run knew, even when this one has read the list already", function()
        local world = new_world({ settle = 1 })
        world.api.list = function()
            return { mirror("old", "a.t.r0"), mirror("made", "a.t.r1"), mirror("late", "a.t.r2") }
        end
        world.ledger:saw("c", world.api.list(), 0)
        local lost = world.ledger:seed("c", {
            { seen = { "old" } }, { sent = specs.a, identity = "key" }, { made = "made" },
        })
        assert.equal(1, #lost)
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, error, fail, { lost = lost[1], identity = "key" })
        end)
        world.run()
        assert.equal("late", one.value)
    end)

    it("sends a create of an earlier run again when its mirror is not there", function()
        local world = new_world({ settle = 1 })
        world.api.list = function() return { mirror("old", "a.t.r0") } end
        local lost = world.ledger:seed("c", { { seen = { "old" } }, { sent = specs.a } })
        local one = world.spawn(function()
            local function send() return "created", "new" end
            return world.ledger:create("c", specs.a, send, fail, { lost = lost[1] })
        end)
        world.run()
        assert.equal("new", one.value)
        assert.equal(1, world.lists)
    end)

    it("decides a create that it takes over amid its own, by what was there before that one", function()
        local world = new_world({ settle = 1 })
        local shown = { mirror("old", "a.t.r0") }
        world.api.list = function() return shown end
        world.ledger:saw("c", shown, 0)
        -- Another process has sent its create before this list, and made "theirs"; ours is lost, and was not made.
        shown = { mirror("old", "a.t.r0"), mirror("theirs", "a.t.r1") }
        world.ledger:saw("c", shown, 0)
        local entry = world.ledger:inherit("c", specs.a, "key", { old = true })
        world.ledger:made("c", "other", specs.a)
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, error, fail, { lost = entry, identity = "key" })
        end)
        world.run()
        assert.equal("theirs", one.value)
    end)

    it("loses nothing of its own when it takes a create over", function()
        local world, sent = new_world({ settle = 1 }), 0
        local shown = {}
        world.api.list = function() return shown end
        local one = world.spawn(function()
            return world.ledger:create("c", specs.a, function()
                sent = sent + 1
                shown = { mirror("ours", "a.t.r1") }
                -- Another runner has seen it, too, before it is gone and this one goes on with what it had sent.
                world.ledger:inherit("c", specs.b, "other", { ours = true })
                return lose()
            end, fail)
        end)
        world.run()
        assert.equal("ours", one.value)
        assert.equal(1, sent)
    end)
end)
