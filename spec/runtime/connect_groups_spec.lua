-- The arithmetic of consumer groups: how much of what they have read they would read again in the target.
local groups = assert(loadfile("runtime/connect_groups.lua"))(assert(loadfile("runtime/connect_regex.lua"))())

-- One partition, that ends at so many records on both sides, all of them copied unless `replicated` says otherwise.
local function place(fields)
    local all = { topic = "orders", partition = 0, source = { beginning = 0, ending = 600 },
        target = { beginning = 0, ending = 600 }, replicated = 599 }
    for name, value in pairs(fields or {}) do all[name] = value end
    return all
end

local function again(fields, committed, translated)
    local told = groups.of({ place(fields) }, { billing = { committed } }, { billing = { translated or false } },
        { "billing" })
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
        local there = { billing = { 600, 600, false }, idle = { false, false, false } }
        local told = groups.of({ place(), place { partition = 1 }, place { partition = 2 } }, there,
            { billing = { 590, 597, false } }, groups.names(there, function() return true end))
        assert.are.equal(1, #told.groups)
        assert.are.equal(13, told.groups[1].recordsAgain)
        assert.are.equal(2, #told.groups[1].partitions)
    end)

    describe("counts", function()
        local there = {}
        for _, name in ipairs { "console-consumer-1", "connect-sink", "__in", "billing", "billing-old", "audit" } do
            there[name] = { 1 }
        end

        local function counted(its)
            local counts, problem = groups.filter(its)
            return counts and groups.names(there, counts), problem
        end

        it("by default unless MirrorMaker leaves it out by default", function()
            assert.are.same({ "audit", "billing", "billing-old" }, counted {})
            assert.are.same({ "audit", "billing", "billing-old" }, counted { groups = ".*" })
        end)

        local cases = {
            { "one regex", { groups = "billing.*" }, { "billing", "billing-old" } },
            { "a list, with blanks", { groups = " billing , audit" }, { "audit", "billing" } },
            { "a whole name", { groups = "billing" }, { "billing" } },
            { "what is left out in place of the defaults", { ["groups.exclude"] = "billing-.*" },
                { "__in", "audit", "billing", "connect-sink", "console-consumer-1" } },
            { "what is left out by the older name of that", { ["groups.blacklist"] = "billing-.*, .*[_-].*" },
                { "audit", "billing" } },
            { "nothing that is left out", { groups = "connect-.*|billing", ["groups.exclude"] = "" },
                { "billing", "connect-sink" } },
            { "both", { groups = "(billing|audit)(-old)?", ["groups.exclude"] = "a[a-z]{4}" },
                { "billing", "billing-old" } },
            { "no group", { groups = "" }, {} },
        }
        for _, case in ipairs(cases) do
            it("by what its checkpoint connector is told: " .. case[1], function()
                assert.are.same(case[3], counted(case[2]))
            end)
        end

        it("for nobody knows what, where a filter of another's decides, or a regex cannot be tried out", function()
            local found, problem = counted { ["group.filter.class"] = "io.example.Mine" }
            assert.is_nil(found)
            assert.is_truthy(problem:find("its group.filter.class io.example.Mine decides that", 1, true), problem)
            found, problem = counted { ["groups.exclude"] = "fine, bil(ling" }
            assert.is_nil(found)
            assert.is_truthy(problem:find("groups.exclude: its regex bil(ling cannot be tried out", 1, true), problem)
        end)
    end)
end)
