local support = require("spec.support")

-- Runs Lua in the host with an api on which mirrors have a status and a target latency, and can be deleted.
local function run(script)
    local result = support.run { "run", "-", stdin = [[
        local health, lifecycle, mirrors = require "kmirror.health", require "kmirror.lifecycle", require "mirrors"
        local there = {
            up = { status = "IN_SYNC", targetLatency = 30000 }, broken = { status = "FAILED", targetLatency = 30000 },
            slow = { status = "CREATING", targetLatency = 30000 },
        }
        local asked = {}
        local function ask(what, id)
            asked[#asked + 1] = what .. " " .. id
            if id == "refused" then error(mirrors.error("forbidden", "no"), 0) end
            if not there[id] then error(mirrors.error("not_found", "gone"), 0) end
        end
        local api = {}
        function api:on() return self end
        function api:get(id)
            ask("get", id)
            return { id = id, status = there[id].status, targetLatency = there[id].targetLatency }
        end
        function api:delete(id) ask("delete", id) there[id] = nil end
        function api:update_target_latency(id, ms) ask("set " .. ms, id) there[id].targetLatency = ms end
        ]] .. script .. ' print(table.concat(asked, ", "))' }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("the life of a mirror", function()
    it("ends when it is deleted; one that is gone already is no failure, any other is raised", function()
        assert.are.equal("true false\nforbidden\ndelete up, delete nobody, delete refused\n", run [[
            print(tostring(lifecycle.delete(api, { id = "up" })) .. " " ..
                tostring(lifecycle.delete(api, { id = "nobody", cluster = "c" })))
            print(select(2, pcall(lifecycle.delete, api, { id = "refused" })).kind)]])
    end)

    it("is over when it is removed", function()
        assert.are.equal("delete up, get up\n", run [[ lifecycle.remove(api, { id = "up" }, 5) ]])
    end)

    it("is sorted by what a wait for it came to, with what is wrong", function()
        assert.are.equal("up IN_SYNC\nbroken is FAILED\nslow is CREATING\nnobody is gone true\n", run([[
            local items = { { id = "up", problem = "of an earlier wait" } }
            for _, id in ipairs { "broken", "slow", "nobody" } do items[#items + 1] = { id = id } end
            local right, wrong = lifecycle.settle(api, items, health.works, { seconds = 0.2 })
            for _, item in ipairs(right) do print(item.id .. " " .. item.mirror.status, item.problem) end
            for _, item in ipairs(wrong) do print(item.id .. " " .. item.problem .. (item.gone and " true" or "")) end
            asked = {}]]):gsub("\tnil", ""):gsub("\n\n$", "\n"))
    end)

    it("has the target latency that is wanted, and is asked only when it has another", function()
        assert.are.equal("false false true\nset 5000 up\n", run [[
            local mirror = { id = "up", targetLatency = 30000 }
            print(tostring(lifecycle.retune(api, mirror, nil)) .. " " .. tostring(lifecycle.retune(api, mirror, 30000))
                .. " " .. tostring(lifecycle.retune(api, mirror, 5000)))]])
    end)
end)
