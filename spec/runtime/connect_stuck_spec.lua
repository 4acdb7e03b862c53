-- Since when records are left of which none is copied, by looks at certain moments.
local stuck = assert(loadfile("runtime/connect_stuck.lua"))()

local function look(known, now, copied, left)
    local told = { topics = { { name = "or-ders", partitions = { { partition = 1, replicatedOffset = copied,
        recordsLeft = left } } } } }
    stuck.note(known, told, now)
    return told.topics[1].partitions[1].leftSince
end

local function at(known, now, copied, topics)
    return stuck.of(known, topics or { "or-ders" }, { ["or-ders-1"] = copied }, now)
end

describe("a topic is stale", function()
    it("when of its records left none is copied for 65 s, counted from when they were first seen", function()
        local known = {}
        assert.are.equal(1000, look(known, 1000, 7, 3))
        assert.are.equal(1000, look(known, 1040, 7, 9))
        assert.is_nil(at(known, 1064, 7))
        assert.are.same({ topic = "or-ders", since = 1000 }, at(known, 1065, 7))
    end)

    it("also when none was ever copied", function()
        local known = {}
        look(known, 1000, nil, 3)
        assert.are.equal("or-ders", at(known, 1070, nil).topic)
    end)

    it("not when one was copied, from when it counts anew", function()
        local known = {}
        look(known, 1000, 7, 3)
        assert.is_nil(at(known, 2000, 8))
        assert.are.equal(1060, look(known, 1060, 8, 2))
        assert.is_nil(at(known, 1070, 8))
        assert.are.equal(1060, at(known, 1125, 8).since)
    end)

    it("not when none is left, nor how many is not known, nor is it at work on that topic", function()
        local known = {}
        look(known, 1000, 7, 3)
        assert.is_nil(at(known, 2000, 7, { "other" }))
        assert.is_nil(look(known, 1010, 7, 0))
        assert.is_nil(at(known, 2000, 7))
        assert.is_nil(look(known, 1010, 7, nil))
    end)
end)
