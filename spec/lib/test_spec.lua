-- kmirror test and kmirror new, and the clock that jumps.
local support = require("spec.support")

-- Runs a spec beside a runbook.
local function test(runbook, spec, ...)
    local directory = support.temporary_directory()
    support.write(directory .. "/book.lua", runbook)
    local path = support.write(directory .. "/book_spec.lua", ([[
        local test = require "kmirror.test"
        local book = %q
        describe("book", function() it("works", function()
            %s
        end) end)]]):format(directory .. "/book.lua", spec))
    return support.run { "test", path, ... }
end

local function passes(runbook, spec)
    local result = test(runbook, spec)
    assert.are.equal(0, result.status, result.stdout .. result.stderr)
    assert.is_truthy(result.stdout:find("1 success / 0 failures", 1, true), result.stdout)
end

local API <const> = 'local api = require("mirrors").connect {}\n'

describe("kmirror test", function()
    it("ends with 1 when a spec fails, and says which", function()
        local result = test("", "assert.are.equal(1, 2)")
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stdout:find("book works", 1, true), result.stdout)
        result = test("", "assert.are.equal(1, 2)", "--tap")
        assert.is_truthy(result.stdout:find("not ok 1 - book works", 1, true), result.stdout)
    end)

    it("runs all specs of a folder", function()
        local directory = support.temporary_directory()
        support.write(directory .. "/a_spec.lua", "describe('a', function() it('is', function() end) end)")
        support.write(directory .. "/b_spec.lua", "describe('b', function() it('is', function() end) end)")
        support.write(directory .. "/c.lua", "error('no spec')")
        local result = support.run { "test", directory }
        assert.is_truthy(result.stdout:find("2 successes / 0 failures / 0 errors", 1, true), result.stdout)
        assert.are.equal(0, result.status)
    end)

    it("gives a runbook the world that a table describes, and tells what came of it", function()
        passes(API .. [[
            local one = api:list()[1]
            api:update_target_latency(one.id, 5000)
            for _, mirror in ipairs(api:list()) do
                if api:get(mirror.id).status == "FAILED" then api:delete(mirror.id) end
            end
            print(one.topicsRegex, ...)
            return 3]], [[
            local run = test.run(book, { args = { "x", 7 }, world = { mirrors = {
                { topicsRegex = "orders" }, { topicsRegex = "bad", status = "FAILED" } } } })
            assert.are.equal("orders\tx\t7\n", run.stdout)
            assert.are.equal(3, run.status)
            assert.are.equal(1, #run.mirrors)
            assert.are.equal(5000, run.mirrors[1].targetLatency)
            assert.are.equal(1, #run.sent.delete)
            assert.are.equal(204, run.sent.delete[1].status)
            assert.are.equal(0, #run.sent.create)]])
    end)

    it("has a world as the real one is: heartbeats, tasks that have failed, mirrors that take no topic", function()
        passes(API .. [[
            local health = require("kmirror.health")
            for _, listed in ipairs(api:list()) do
                local mirror = api:get(listed.id)
                print(mirror.topicsRegex, mirror.status, mirror.mirrorStatus, health.rate(mirror) > 0,
                    #mirror.topicStatuses - #health.topics(mirror))
            end]], [[
            local mirrors = { { topicsRegex = "orders\\..*" },
                { topicsRegex = "orders.created", status = "FAILED_TASK" } }
            local run = test.run(book, { world = { mirrors = mirrors, heartbeats = 1 } })
            assert.are.equal("orders\\..*\tIN_SYNC\tRUNNING\ttrue\t1\n"
                .. "orders.created\tFAILED\tRUNNING\tfalse\t1\n", run.stdout)
            run = test.run(book, { world = { mirrors = { { topicsRegex = "none" } }, stale_empty = 120 } })
            assert.are.equal("none\tSTALE_TOPIC\tRUNNING\tfalse\t0\n", run.stdout)]])
    end)

    it("lets no one wait: an hour takes no time, and the world is an hour older", function()
        local began = support.now()
        passes(API .. [[
            local task, wait = require "task", require "kmirror.wait"
            local west = require("kmirror.profile").cluster("us-west")
            local id = api:create { sourceType = "instaclustr", kafkaSource = west.kafka, sourceAlias = west.alias,
                topicsRegex = "a.*", useRenaming = false, usePrivateIps = false, maxTasks = 3 }
            assert(api:get(id).status == "CREATING")
            task.sleep(3500)
            assert(api:get(id).status == "CREATING")
            wait.ready(api, { id }, require("kmirror.health").works, { seconds = 600 })]], [[
            local run = test.run(book, { world = { mirrors = 0, creating_seconds = 3600 } })
            assert.are.equal(0, run.status, run.stderr)
            assert.is_true(run.seconds > 3600)
            assert.are.equal(1, #run.mirrors)]])
        assert.is_true(support.now() - began < 60)
    end)

    it("has faults by name, which the runbook gets through or does not", function()
        passes(API .. "for _ = 1, 20 do api:list() end", [[
            local run = test.run(book, { faults = "outage" })
            assert.are.equal(0, run.status, run.stderr)
            run = test.run(book, { faults = "no such plan" })
            assert.are.equal(2, run.status)]])
    end)

    it("takes down what hooks were called with", function()
        passes("", [[
            local run = test.run("failover", { world = { mirrors = 2 }, hooks = { "clients" },
                args = { "--from", "us-west", "--to", "us-east" } })
            assert.are.equal(0, run.status, run.stderr)
            assert.are.equal(1, #run.hooks.clients)
            assert.are.equal("us-west", run.hooks.clients[1].KMIRROR_FROM)
            assert.are.equal(2, #run.sent.create)]])
    end)

    it("refuses a world that cannot be, by name", function()
        local result = test("", [[test.run(book, { world = { mirors = 3 } })]])
        assert.is_truthy(result.stdout:find("unknown option 'mirors'. Did you mean 'mirrors'?", 1, true),
            result.stdout)
        result = test("", [[test.run(book, { world = { mirrors = { { topicRegex = "a" } } } })]])
        assert.is_truthy(result.stdout:find("'topicRegex'. Did you mean 'topicsRegex'?", 1, true), result.stdout)
    end)

    it("works on the cookbook's example", function()
        local result = support.run { "test", "scripts/cookbook" }
        assert.are.equal(0, result.status, result.stdout)
        assert.is_truthy(result.stdout:find("3 successes / 0 failures", 1, true), result.stdout)
    end)
end)

describe("--jump", function()
    it("goes with --sandbox alone", function()
        assert.are.equal("--jump is about the sandbox: give --sandbox, too", support.usage_error("list", "--jump"))
        assert.is_truthy(support.usage_error("sandbox", "--jump"):find("runbook and sandbox are one process", 1, true))
    end)

    it("has a whole failover take no time", function()
        local began = support.now()
        local result = support.run { "run", "--sandbox", "--jump", "--sync-seconds", "600", "failover",
            "--fence-wait", "900" }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_true(support.now() - began < 60)
    end)
end)

describe("kmirror new", function()
    it("begins a runbook that passes its check and its test, and can be run", function()
        local directory = support.temporary_directory()
        local path = directory .. "/my-book"
        local result = support.run { "new", path }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("next: kmirror test " .. path .. "_spec.lua", 1, true), result.stderr)
        assert.are.equal(0, support.run { "check", path .. ".lua", path .. "_spec.lua" }.status)
        result = support.run { "test", path .. "_spec.lua" }
        assert.is_truthy(result.stdout:find("4 successes / 0 failures", 1, true), result.stdout .. result.stderr)
        result = support.run { "run", "--sandbox", path .. ".lua", "--only", "orders" }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(support.run { "run", path .. ".lua", "--help" }.stdout:find("my-book.lua", 1, true))
    end)

    it("writes over nothing, and takes no name that is none", function()
        local path = support.write(support.temporary_directory() .. "/there.lua", "print('mine')")
        assert.is_truthy(support.usage_error("new", path):find("there.lua is there already, and is not written over", 1,
            true))
        assert.are.equal("print('mine')", support.read(path))
        assert.is_truthy(support.usage_error("new", "a b"):find("got 'a b'", 1, true))
    end)
end)
