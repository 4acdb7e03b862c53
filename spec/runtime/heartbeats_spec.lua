-- Which topics are MirrorMaker's own, and what follows for what is told of a mirror on Kafka Connect.
local heartbeats = assert(loadfile("runtime/heartbeats.lua"))()
local lag = assert(loadfile("runtime/connect_lag.lua"))(nil, nil, nil, heartbeats)
local mirrors = require("mirrors")

local aliases = { "us-west", "us-east", "eu.north" }

describe("a heartbeats topic", function()
    it("is one called heartbeats, behind any of the aliases that are known", function()
        for _, name in ipairs { "heartbeats", "us-west.heartbeats", "us-east.us-west.heartbeats",
            "eu.north.us-west.heartbeats" } do
            assert.is_true(mirrors.is_heartbeats(name, aliases), name)
        end
    end)

    it("is none that a user may have called so, though MirrorMaker takes it for one", function()
        for _, name in ipairs { "team.heartbeats", "us-west.team.heartbeats", "team.us-west.heartbeats",
            "eu.heartbeats", "us-westheartbeats", "us-west.myheartbeats", "myheartbeats", "heartbeats.x", ".heartbeats",
            "Heartbeats", "" } do
            assert.is_false(mirrors.is_heartbeats(name, aliases), name)
        end
        assert.is_false(mirrors.is_heartbeats("us-west.heartbeats", {}))
        for name, is_one in pairs { heartbeats = true, ["team.heartbeats"] = true, ["a.b.heartbeats"] = true,
            myheartbeats = false, ["heartbeats.x"] = false } do
            assert.are.equal(is_one, mirrors.is_heartbeats(name), name)
        end
        assert.is_true(mirrors.is_heartbeats("heartbeats", {}))
    end)

    it("has no records that are left: these of the others are told", function()
        local function told(names)
            local partitions, bounds = {}, {}
            for i, name in ipairs(names) do
                partitions[i], bounds[i] = { name, 0 }, { beginning = 0, ending = 10 * i }
            end
            return lag.of(partitions, bounds, {}, aliases)
        end
        local seen = told { "heartbeats", "orders", "team.heartbeats" }
        assert.are.equal(20 + 30, seen.recordsLeft)
        assert.are.same({ true, nil, nil }, { seen.topics[1].heartbeats, seen.topics[2].heartbeats,
            seen.topics[3].heartbeats })
        assert.are.equal(10, seen.topics[1].recordsLeft)
        assert.are.equal(0, told({ "heartbeats" }).recordsLeft)
        assert.is_nil(told({}).recordsLeft)
    end)

    it("does not hide that what is left of another topic is not known", function()
        local seen = lag.of({ { "gone", 0 }, { "heartbeats", 0 }, { "orders", 0 } },
            { { beginning = false, ending = false }, { beginning = 0, ending = 5 }, { beginning = 0, ending = 7 } }, {},
            aliases)
        assert.is_nil(seen.recordsLeft)
    end)

    it("is not among the topics whose consumer groups are waited for", function()
        local source = { ["source.cluster.alias"] = "us-west", ["target.cluster.alias"] = "us-east" }
        local known = lag.aliases(source, { north = { alias = "north" } })
        assert.are.same({ "us-west", "us-east", "north" }, known)
        assert.are.same({ { "orders", 1 }, { "team.heartbeats", 0 } }, lag.without_heartbeats({ { "heartbeats", 0 },
            { "north.heartbeats", 0 }, { "orders", 1 }, { "team.heartbeats", 0 } }, known))
    end)
end)

describe("the name of a topic in the target", function()
    local config = assert(loadfile("runtime/connect_config.lua"))(mirrors.fields, { fields_with_latency = {} }, nil,
        nil, heartbeats)
    local function remote(policy, topic)
        return config.remote_topic({ ["source.cluster.alias"] = "us-west",
            ["replication.policy.class"] = "org.apache.kafka.connect.mirror." .. policy }, topic)
    end

    it("is kept where names are kept, but for what ends in heartbeats: MirrorMaker renames that in any case", function()
        for topic, kept in pairs { orders = true, heartbeats = false, ["team.heartbeats"] = false,
            myheartbeats = false, ["heartbeats.x"] = true } do
            assert.are.equal(kept and topic or "us-west." .. topic, remote("IdentityReplicationPolicy", topic))
            assert.are.equal("us-west." .. topic, remote("DefaultReplicationPolicy", topic))
        end
    end)
end)
