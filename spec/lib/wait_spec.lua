local support = require "spec.support"

-- Runs Lua in the host with an api whose mirrors have these statuses one after the other; false is not_found.
local function run(statuses, script)
    local result = support.run { "run", "-", stdin = ([[
        local mirrors, task, wait = require "mirrors", require "task", require "kmirror.wait"
        local statuses, looks = %s, {}
        local api = {}
        function api:get(id)
            looks[id] = (looks[id] or 0) + 1
            local status = statuses[id][math.min(looks[id], #statuses[id])]
            if status == "unauthorized" or status == "server" then error(mirrors.error(status, "no"), 0) end
            if not status then error(mirrors.error("not_found", "gone"), 0) end
            return { id = id, status = status }
        end
        local function up(mirror) return mirror.status ~= "CREATING" end
        %s]]):format(statuses, script) }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("wait.all", function()
    it("looks until every mirror is ready, and no longer at those that are", function()
        local statuses = '{ a = { "RUNNING" }, b = { "CREATING", "CREATING", "FAILED" } }'
        assert.are.equal("RUNNING\tFAILED\t0\t1\t3\n", run(statuses, [[
            local seen, left = wait.all(api, { "a", "b" }, 30, up)
            print(seen[1].status, seen[2].status, left, looks.a, looks.b)]]))
    end)

    it("gives up when the time is up, and says how many are not ready", function()
        assert.are.equal("RUNNING\tCREATING\t1\ttrue\n", run('{ a = { "RUNNING" }, b = { "CREATING" } }', [[
            local start = task.now()
            local seen, left = wait.all(api, { "a", "b" }, 0.2, up)
            print(seen[1].status, seen[2].status, left, task.now() - start < 0.9)]]))
    end)

    it("looks once when there is no time at all", function()
        assert.are.equal("1\t1\n", run('{ a = { "CREATING" } }', [[
            local _, left = wait.all(api, { "a" }, 0, up)
            print(left, looks.a)]]))
    end)

    it("does not give up because of what passes by itself", function()
        assert.are.equal("RUNNING\t0\t3\n", run('{ a = { "server", "server", "RUNNING" } }', [[
            local seen, left = wait.all(api, { "a" }, 30, up)
            print(seen[1].status, left, looks.a)]]))
        assert.are.equal("server\n", run('{ a = { "CREATING", "server" }, b = { "RUNNING" } }', [[
            print(select(2, pcall(wait.all, api, { "a", "b" }, 0.2, up)).kind)]]))
    end)

    it("raises what the API raises", function()
        assert.are.equal("unauthorized\n", run('{ a = { "unauthorized" } }', [[
            print(select(2, pcall(wait.all, api, { "a" }, 5, up)).kind)]]))
    end)
end)

describe("wait.gone", function()
    it("returns when none of the mirrors exists any more", function()
        assert.are.equal("1\t2\n", run('{ a = { false }, b = { "IN_SYNC", false } }', [[
            wait.gone(api, { "a", "b" }, 30)
            print(looks.a, looks.b)]]))
    end)

    it("raises timeout, and names those that are still there", function()
        assert.are.equal("timeout\tstill there after 0.1 seconds: b, c\n", run(
            '{ a = { false }, b = { "IN_SYNC" }, c = { "FAILED" } }', [[
            local _, problem = pcall(wait.gone, api, { "a", "b", "c" }, 0.1)
            print(problem.kind, problem.message)]]))
    end)

    it("takes nothing but not_found for gone", function()
        assert.are.equal("unauthorized\n", run('{ a = { "unauthorized" } }', [[
            print(select(2, pcall(wait.gone, api, { "a" }, 5)).kind)]]))
    end)
end)
