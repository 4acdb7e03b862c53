local columns = require("kmirror.repl.columns")

local function titles(list)
    local found = {}
    for i, column in ipairs(list) do found[i] = column[1] end
    return found
end

local function mirror(i)
    return {
        id = ("ff4fccf3-2ac0-494b-9f40-e95288dd75%02d"):format(i), connectorName = "us-west.us-east.jgAKEHzOi4q0",
        topicsRegex = "recommendations\\..*", status = "IN_SYNC", mirrorStatus = "RUNNING",
        checkpointStatus = "RUNNING", targetLatency = 30000,
        topicStatuses = { { name = "a", averageLatency = 7 }, { name = "b", averageLatency = 9 } },
    }
end

describe("the columns of a table at the prompt", function()
    it("are the fields of all rows, the telling ones first, and the highest lag instead of the topics", function()
        local rows = { mirror(1), { id = "x", zeta = 1, alpha = {} } }
        local all, left_out = columns.of(rows, nil)
        assert.are.same({ "id", "connectorName", "topicsRegex", "status", "mirrorStatus", "checkpointStatus",
            "targetLatency", "alpha", "lag ms", "zeta" }, titles(all))
        assert.are.same({}, left_out)
        assert.are.equal(9, all[9][2](rows[1]))
        assert.are.equal("{}", all[8][2](rows[2]))
    end)

    it("leave out what is missed least where there is no room, and say so", function()
        local some, left_out = columns.of({ mirror(1) }, 80)
        assert.are.same({ "id", "topicsRegex", "status", "lag ms" }, titles(some))
        assert.are.same({ "targetLatency", "connectorName", "mirrorStatus", "checkpointStatus" }, left_out)
        assert.are.same({ "id", "topicsRegex" }, titles((columns.of({ mirror(1) }, 20))))
    end)

    it("leave out how a mirror was made before what it is called and how it is", function()
        local listed = { id = mirror(1).id, connectorName = "west.east.jgAKEHzOi4q0", topicsRegex = "orders",
            targetLatency = 30000, maxTasks = 1, sourceAlias = "west", sourceType = "custom", useRenaming = true,
            sourceConnectionProperties = "(hidden)", sourceKafka = mirror(2).id }
        local some = columns.of({ listed }, 110)
        assert.are.same({ "id", "connectorName", "topicsRegex", "targetLatency" }, { table.unpack(titles(some), 1, 4) })
    end)
end)
