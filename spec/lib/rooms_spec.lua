local rooms = require("spec.support.rooms")

describe("the rooms", function()
    local lines, arrows = rooms.read()

    -- What is wrong when there is one more arrow.
    local function with(arrow)
        return table.concat(rooms.problems(lines, { arrow, table.unpack(arrows) }), "\n")
    end

    it("need only what stands below them, nobody's inside, and make no circle", function()
        assert.are.equal("", table.concat(rooms.problems(lines, arrows), "\n"))
        assert.is_true(#arrows > 500)
    end)

    it("are refused an arrow that points upward", function()
        assert.are.equal("x.lua: text needs cli, which is above it",
            with({ from = "text", to = "cli", file = "x.lua" }):match("[^\n]*above it"))
    end)

    it("are refused a circle", function()
        for from, to in pairs({ text = "table", ["runtime/chunk"] = "runtime/error" }) do
            assert.is_truthy(with({ from = from, to = to, file = "x" }):find("a circle: ", 1, true))
        end
        local within = { from = "fleet", to = "fleet", file = "lib/kmirror/fleet/plan.lua",
            leads_to = "lib/kmirror/fleet.lua" }
        assert.is_truthy(with(within):find("a circle: lib/kmirror/fleet", 1, true))
    end)

    it("are refused an arrow into another one's inside", function()
        local problems = with { from = "cli", to = "wait", file = "x.lua", inside = "follow" }
        assert.is_truthy(problems:find("x.lua -> wait.follow is its inside: require kmirror.wait", 1, true), problems)
    end)

    it("each have a floor", function()
        local others = { novelty = 1 }
        for room, count in pairs(lines) do others[room] = room ~= "lib/types" and count or nil end
        assert.are.same({
            "lib/types stands on the floor 'programs', but is no room",
            "novelty has no floor: give it one in spec/support/rooms.lua",
        }, rooms.problems(others, arrows))
    end)
end)
