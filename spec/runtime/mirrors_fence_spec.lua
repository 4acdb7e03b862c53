local mirrors = require("mirrors")
local support = require("spec.support")
local task = require("mirrors.task")

local DONE = { status = 204 }

-- Raises what a late change is told.
local function refuse()
    error(mirrors.error("store", "the lease is gone"), 0)
end

describe("changes that may be sent until some moment #native", function()
    local server

    after_each(function()
        mirrors.changes_until()
        if server then server:stop() end
        server = nil
    end)

    local function serve(answers)
        server = support.server(answers)
        return support.connect(server, { retries = 3, backoff = 0.001 })
    end

    local function asked()
        local methods = {}
        for i, request in ipairs(server:requests()) do methods[i] = request.method end
        return table.concat(methods, " ")
    end

    it("are not sent after it, while reads go on", function()
        local api = serve { { body = '{"mirrors":[]}' } }
        mirrors.changes_until(task.now() - 1, refuse)
        for _, change in ipairs { "delete", "update_target_latency" } do
            local problem = support.raises("store", api[change], api, support.mirror, 5000)
            assert.matches("the lease is gone", problem.message)
        end
        assert.are.same({}, api:list())
        assert.are.equal("GET", asked())
    end)

    it("are sent before it, and after it when there is another by then", function()
        local api = serve { DONE, DONE }
        mirrors.changes_until(task.now() + 60, refuse)
        api:delete(support.mirror)
        local waited = 0
        mirrors.changes_until(task.now() - 1, function()
            waited = waited + 1
            mirrors.changes_until(task.now() + 60, refuse)
        end)
        api:delete(support.mirror)
        assert.are.equal(1, waited)
        assert.are.equal("DELETE DELETE", asked())
    end)

    it("are cut off by it when they are under way, and not sent again", function()
        local api = serve { { hang = true } }
        mirrors.changes_until(task.now() + 0.1, refuse)
        local began = task.now()
        support.raises("store", api.delete, api, support.mirror)
        assert.is_true(task.now() - began < 2)
        assert.are.equal("DELETE", asked())
    end)

    it("are not sent again after it, when their answer was lost before", function()
        local api = serve { { close = "after", wait = 0.15 } }
        mirrors.changes_until(task.now() + 0.1, refuse)
        support.raises("store", api.update_target_latency, api, support.mirror, 5000)
        assert.are.equal("PUT", asked())
    end)
end)
