local json = require("kmirror.json")
local runbook = require("spec.support.runbook")
local support = require("spec.support")

describe("the drain runbook", function()
    local drain = runbook.new "drain"

    after_each(function() drain:stop() end)

    it("deletes what the options are about, and saves what there was", function()
        drain:start()
        local path = support.temporary("saved.json")
        local its = { "--regex", "orders\\..*", "--topic", "orders.created", "--busy", "--save", path }
        local result = drain:run({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("Drain: 1 of 1 mirror gone", 1, true))
        assert.are.equal("orders\\..*", json.read(path).mirrors[1].topicsRegex)
        assert.are.equal(5, #drain:mirrors())
        assert.are.same({ delete = 1 }, drain:changes())
    end)

    it("deletes nothing, and is no success, when it is given a status or source that there is none of", function()
        drain:start()
        for _, arguments in ipairs { { "--status", "FAILD" }, { "--source", "us-wst" } } do
            local result = drain:run({ "--yes" }, arguments)
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find("Did you mean", 1, true), result.stderr)
        end
        assert.are.same({}, drain:changes())
    end)

    it("deletes by status", function()
        drain:start { fail_every = 1, creating_seconds = 0 }
        drain:create "new"
        local result = drain:run({ "--yes" }, { "--status", "failed", "--save", support.temporary("s.json") })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, #drain:mirrors())
    end)

    it("leaves mirrors alone that records pass through", function()
        drain:start()
        local result = drain:run({ "--yes" }, { "--source", "us-west" })
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("refused: records flow through 6 of 6 mirrors", 1, true))
        assert.are.same({}, drain:changes())
    end)

    it("refuses more than --max-delete, no filter, and a filter beside --all", function()
        drain:start()
        local function refused(message, ...)
            local result = drain:run({ "--yes" }, { "--busy", ... })
            assert.are.equal(2, result.status, result.stderr)
            assert.is_truthy(result.stderr:find(message, 1, true), result.stderr)
        end
        refused("refused: 6 mirrors would be deleted, more than --max-delete 5", "--all", "--max-delete", "5")
        refused("say which mirrors")
        refused("say which mirrors", "--all", "--id", support.mirror)
        assert.are.same({}, drain:changes())
    end)

    it("needs a confirmation, and touches no other source's mirrors", function()
        drain:start()
        local result = drain:run({}, { "--source", "us-west", "--busy" })
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("drain: delete 6 mirrors for good: there is no terminal", 1, true))
        result = drain:run({ "--yes" }, { "--source", "us", "--busy" })
        assert.are.equal(0, result.status)
        assert.are.equal("There is no such mirror: nothing to do.\n", result.stdout)
        assert.are.same({}, drain:changes())
    end)

    it("changes nothing in a dry run", function()
        drain:start()
        local path = support.temporary("saved.json")
        local result = drain:run({ "--dry-run" }, { "--all", "--busy", "--save", path })
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("Drain: 6 of 6 mirrors would be gone", 1, true))
        assert.are.equal("", support.read(path))
        assert.are.same({}, drain:changes())
    end)
end)
