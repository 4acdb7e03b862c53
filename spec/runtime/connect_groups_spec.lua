-- The arithmetic of consumer groups: how much of what they have read they would read again in the target.
local groups = assert(loadfile("runtime/connect_groups.lua"))()

-- One partition, that ends at so many records on both sides, all of them copied unless `replicated` says otherwise.
local function place(fields)
    local all = { topic = "orders", partition = 0, source = { beginning = 0, ending = 600 },
        target = { beginning = 0, ending = 600 }, replicated = 599 }
    for name, value in pairs(fields or {}) do all[name] = value end
    return all
end

local function again(fields, committed, translated)
    local told = groups.of({ place(fields) }, { billing = { committed } }, { billing = { translated or false } })
    return told.groups[1].recordsAgain
end

describe("a consumer group that moves", function()
    it("reads nothing again when its offset in the target is behind the last record that it has read", function()
        assert.are.equal(0, again({}, 600, 600))
        assert.are.equal(0, again({}, 405, 405))
    end)

    it("reads again what lies between that and its offset in the target", function()
        assert.are.equal(195, again({}, 600, 405))
        assert.are.equal(5, again({}, 405, 400))
    end)

    it("does not read again what it has not read yet, nor what was not copied yet", function()
        assert.are.equal(0, again({ source = { beginning = 0, ending = 900 } }, 600, 600))
        assert.are.equal(100, again({ target = { beginning = 0, ending = 1600 } }, 600, 1500))
    end)

    it("is not ready when it has no offset in the target, unless there is nothing to read", function()
        assert.is_nil(again({}, 600))
        assert.are.equal(0, again({ source = { beginning = 600, ending = 600 } }, 600))
    end)

    it("has its partitions added up, and counts only where it has committed", function()
        local told = groups.of({ place(), place { partition = 1 }, place { partition = 2 } },
            { billing = { 600, 600, false }, idle = { false, false, false } }, { billing = { 590, 597, false } })
        assert.are.equal(1, #told.groups)
        assert.are.equal(13, told.groups[1].recordsAgain)
        assert.are.equal(2, #told.groups[1].partitions)
    end)

    it("is left out when MirrorMaker leaves it out", function()
        local there = {}
        for _, name in ipairs { "console-consumer-1", "connect-sink", "__in", "b", "a" } do
            there[name] = { 1 }
        end
        assert.are.same({ "a", "b" }, groups.names(there))
    end)
end)
