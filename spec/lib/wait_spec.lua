local support = require("spec.support")

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

    it("does not give up because of what is transient", function()
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

describe("wait.ready", function()
    local works = "function(mirror) return mirror.status == 'IN_SYNC' end"

    it("gives the mirrors in order when all are ready", function()
        assert.are.equal("a\tb\n", run('{ a = { "CREATING", "IN_SYNC" }, b = { "IN_SYNC" } }', [[
            local seen = wait.ready(api, { "a", "b" }, ]] .. works .. [[)
            print(seen[1].id, seen[2].id)]]))
    end)

    it("ends at once when one is FAILED, STALE_TOPIC or gone, and names it", function()
        assert.are.equal("failed\twaited without success: mirror b is FAILED\ttrue\n"
            .. "failed\twaited without success: mirror b is "
            .. "STALE_TOPIC\ttrue\nnot_found\twaited without success: mirror b is gone\ttrue\n", run(
            '{ a = { "CREATING" } }', [[
            for _, status in ipairs { "FAILED", "STALE_TOPIC", false } do
                statuses.b = { status }
                local start = task.now()
                local _, problem = pcall(wait.ready, api, { "a", "b" }, ]] .. works .. [[)
                print(problem.kind, problem.message, task.now() - start < 0.5)
            end]]))
    end)

    it("raises timeout with the names and last states of those that are not ready", function()
        assert.are.equal("timeout\t0.1 seconds are up, and 2 of 3 mirrors are not ready: b is CREATING; c is "
            .. "OUT_OF_SYNC\t2\tCREATING\n", run(
            '{ a = { "IN_SYNC" }, b = { "CREATING" }, c = { "OUT_OF_SYNC" } }', [[
            local _, problem = pcall(wait.ready, api, { "a", "b", "c" }, ]] .. works .. [[, { seconds = 0.1 })
            local late = problem.details.late
            print(problem.kind, problem.message, #late, late[1].mirror.status)]]))
    end)

    it("gives up when nothing moves any more", function()
        local message = "nothing moves any more, and 1 of 1 mirror is not ready: a is CREATING"
        assert.are.equal("timeout\t" .. message .. "\ttrue\n", run('{ a = { "CREATING" } }', [[
            local start = task.now()
            local _, problem = pcall(wait.ready, api, { "a" }, ]] .. works .. [[, { seconds = 60, stall = 0.5 })
            print(problem.kind, problem.message, task.now() - start < 5)]]))
    end)
end)

describe("wait.settle", function()
    it("keeps apart those that are ready, have failed and are late", function()
        assert.are.equal("a / b is FAILED; d is gone / c is CREATING / false\n", run(
            '{ a = { "IN_SYNC" }, b = { "FAILED" }, c = { "CREATING" }, d = { false } }', [[
            local function works(mirror) return mirror.status == "IN_SYNC" end
            local outcome = wait.settle(api, { "a", "b", "c", "d" }, works, { seconds = 0.1 })
            print(("%s / %s / %s / %s"):format(outcome.ready[1].id, wait.describe(outcome.failed),
                wait.describe(outcome.late), outcome.stalled))]]))
    end)

    it("looks at new mirrors when they are likely to be up: about once", function()
        assert.are.equal("40\ttrue\n", run("{}", [[
            local looks, created = 0, task.now()
            function api:get(id)
                looks = looks + 1
                return { id = id, status = task.now() - created < 1 and "CREATING" or "IN_SYNC" }
            end
            local places = {}
            for i = 1, 40 do places[i] = { id = tostring(i), since = created } end
            local outcome = wait.settle(api, places, up, { seconds = 30 })
            print(#outcome.ready, looks < 60)]]))
    end)

    it("takes a new mirror that is not found for one that is still to come", function()
        assert.are.equal("1\t0\n", run('{ a = { false, "IN_SYNC" } }', [[
            local outcome = wait.settle(api, { { id = "a", since = task.now() } }, up, { seconds = 30 })
            print(#outcome.ready, #outcome.failed)]]))
    end)

    it("does not wait long for the next look at the few that are late, or could not be seen", function()
        assert.are.equal("2\ttrue\n", run('{ a = { "server", "IN_SYNC" }, b = { "CREATING", "IN_SYNC" } }', [[
            local start = task.now()
            local places = { { id = "a", since = start - 100 }, { id = "b", since = start - 100 } }
            print(#wait.settle(api, places, up, { seconds = 30 }).ready, task.now() - start < 5)]]))
    end)

    it("does not take the age of what was up at the first look for the time that it took", function()
        assert.are.equal("2\ttrue\n", run('{ a = { "server", "IN_SYNC" }, b = { "IN_SYNC" } }', [[
            local start = task.now()
            local watch <close> = wait.watch(api, up, { seconds = 60 })
            watch:add({ { id = "a", since = start - 40 } })
            task.sleep(1.5)
            watch:add({ { id = "b", since = start - 25 } })
            print(#watch:outcome().ready, task.now() - start < 8)]]))
    end)

    it("shows how many are ready of how many, unless it is one alone", function()
        assert.are.equal("ups\t2\t2\tnone\n", run('{ a = { "IN_SYNC" }, b = { "IN_SYNC" } }', [[
            local progress = require "kmirror.progress"
            local start, bar = progress.part
            function progress.part(options)
                bar = start(options)
                return bar
            end
            wait.settle(api, { "a", "b" }, up, { title = "ups" })
            local first = bar
            bar = nil
            wait.settle(api, { "a" }, up)
            print(first.title, first.count, first.total, bar or "none")]]))
    end)

    it("asks each mirror's own cluster", function()
        assert.are.equal("east:a\n", run("{}", [[
            local asked
            function api:on(cluster)
                return { get = function(_, id)
                    asked = cluster .. ":" .. id
                    return { id = id, status = "IN_SYNC" }
                end }
            end
            wait.settle(api, { { id = "a", cluster = "east" } }, up)
            print(asked)]]))
    end)
end)

describe("waiting", function()
    it("refuses one id in the place of a list, and options that it does not know, and asks nothing", function()
        assert.are.equal([[
wait.ready: wanted must be a list of ids, or of tables with id and cluster, got 'a'; one alone is given as { … }
wait.gone: ids must be a list of ids, or of tables with id and cluster, got 'a'; one alone is given as { … }
wait.settle: wanted must be a list of ids, or of tables with id and cluster, got a table; one alone is given as { … }
wait.settle: unknown option 'second'. Did you mean 'seconds'? Known are seconds, stall, title, total
nil
]], run('{ a = { "IN_SYNC" } }', [[
            for _, each in ipairs {
                { wait.ready, api, "a", up }, { wait.gone, api, "a", 1 }, { wait.settle, api, { id = "a" }, up },
                { wait.settle, api, { "a" }, up, { second = 1 } },
            } do
                local problem = select(2, pcall(table.unpack(each)))
                print(problem.kind == "invalid" and problem.message)
            end
            print(looks.a)]]))
    end)
end)

describe("wait.watch", function()
    it("takes mirrors as they come, and looks at the first before the last is there", function()
        assert.are.equal("a\tb\ttrue\n", run('{ a = { "IN_SYNC" }, b = { "CREATING", "IN_SYNC" } }', [[
            local watch <close> = wait.watch(api, up, { seconds = 30 })
            watch:add({ "a" })
            task.sleep(0.1)
            local early = looks.a == 1 and not looks.b
            watch:add({ { id = "b", since = task.now() } })
            local ready = watch:outcome().ready
            print(ready[1].id, ready[2].id, early)]]))
    end)

    it("counts the time from the last that came", function()
        assert.are.equal("1\t1\ttrue\n", run('{ a = { "CREATING" }, b = { "CREATING", "IN_SYNC" } }', [[
            local watch <close> = wait.watch(api, up, { seconds = 1.5 })
            watch:add({ "a" })
            task.sleep(1)
            watch:add({ "b" })
            local start = task.now()
            local outcome = watch:outcome()
            print(#outcome.ready, #outcome.late, task.now() - start > 1.3)]]))
    end)
end)
