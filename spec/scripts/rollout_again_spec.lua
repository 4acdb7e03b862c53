local runbook = require("spec.support.runbook")
local support = require("spec.support")

describe("the rollout runbook", function()
    local rollout = runbook.new "rollout"

    after_each(function() rollout:stop() end)

    local between = { "--source", runbook.west, "--target", runbook.east, "--to", "{old}|x" }

    local function words_of(...)
        local words = { ... }
        return table.move(between, 1, #between, #words + 1, words)
    end

    local function run(...)
        return rollout:run({ "--yes" }, words_of("--strategy", ...))
    end

    local function contains(text, part)
        assert.is_truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text))
    end

    local function regexes()
        local found = { old = 0, new = 0 }
        for _, regex in ipairs(rollout:each "topicsRegex") do
            local kind = regex:find "|x$" and "new" or "old"
            found[kind] = found[kind] + 1
        end
        return found
    end

    -- Runs it as a job, and kills it as soon as that many changes of a kind were done, long before it could be through;
    -- resumes it then.
    local function killed_after(operation, count, strategy)
        local store = support.temporary("jobs.db")
        local own = { "--yes", "--job", "j", "--store", store, "--concurrency", "2", "--rate", "12" }
        local running = support.start(rollout:arguments(own, words_of("--strategy", strategy, "--batches", "2,100%")))
        support.eventually(operation, function() return (rollout:changes()[operation] or 0) >= count end, 20)
        running:signal "KILL"
        running:wait()
        return support.run { "--yes", "--store", store, "jobs", "resume", "j", env = rollout.sandbox:env() }
    end

    describe("killed and resumed as a job", function()
        it("makes each new mirror once, whatever it was at", function()
            for _, place in ipairs { { "create", 1 }, { "create", 4 }, { "delete", 1 } } do
                rollout:start { creating_seconds = 0.5 }
                local result = killed_after(place[1], place[2], "create-first")
                assert.are.equal(0, result.status, result.stderr)
                assert.are.same({ create = 6, delete = 6 }, rollout:changes())
                assert.are.same({ old = 0, new = 6 }, regexes())
            end
        end)

        it("deletes each old mirror once, when these go first", function()
            rollout:start { creating_seconds = 0.5 }
            local result = killed_after("delete", 4, "delete-first")
            assert.are.equal(0, result.status, result.stderr)
            assert.are.same({ create = 6, delete = 6 }, rollout:changes())
            assert.are.same({ old = 0, new = 6 }, regexes())
        end)
    end)

    it("creates once more, when its job is resumed, what it had rolled back", function()
        rollout:start { fail_every = 7 }
        rollout:ask("--yes", "delete", rollout:create "first\\..*") -- so that the seventh is the last of the batch
        local store = support.temporary("jobs.db")
        local result = rollout:run({ "--yes", "--job", "j", "--store", store }, words_of("--strategy", "create-first",
            "--batches", "100%", "--max-failures", "0"))
        assert.are.equal(1, result.status, result.stderr)
        assert.are.same({ old = 6, new = 0 }, regexes())
        result = support.run { "--yes", "--store", store, "jobs", "resume", "j", env = rollout.sandbox:env() }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ old = 0, new = 6 }, regexes())
        assert.are.same({ create = 13, delete = 13 }, rollout:changes())
    end)

    it("takes a batch back that gets healthy and does not stay so for the soak", function()
        rollout:start { world = 3, sync_seconds = 3, stale_every = 3 }
        for _, mirror in ipairs(rollout:mirrors()) do
            rollout:ask("latency", mirror.id, "600000")
        end
        local result = run("create-first", "--soak", "4", "--batches", "100%")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stderr, "is STALE_TOPIC")
        contains(result.stdout, "1 of 3 mirrors of batch 1 not healthy")
        assert.are.same({ old = 3, new = 0 }, regexes())
    end)

    it("deletes old mirrors after each batch when told to", function()
        rollout:start()
        local result = run("create-first", "--delete-old", "batch", "--batches", "2")
        assert.are.equal(0, result.status, result.stderr)
        contains(result.stderr, "batch 1: 2 mirrors: 2 healthy; old: 2 of 2 deleted")
        local order = {}
        for _, request in ipairs(rollout.sandbox:requests()) do
            order[#order + 1] = request.effect and request.operation:sub(1, 1)
        end
        assert.are.equal("ccddccddccdd", table.concat(order))
    end)

    it("gives a batch up when nothing moves, and takes it back", function()
        rollout:start { creating_seconds = 3600 }
        local result = run("create-first", "--stall", "1", "--batches", "100%")
        assert.are.equal(1, result.status, result.stderr)
        contains(result.stderr, "is CREATING")
        contains(result.stdout, "6 new mirrors were rolled back; what they replaced is unchanged.")
        assert.are.same({ old = 6, new = 0 }, regexes())
    end)

    it("refuses new mirrors that would feed themselves, and warns where that is not known", function()
        rollout:start { world = 3 }
        local back = [[{"sourceType":"instaclustr","kafkaSource":"%s","sourceAlias":"us-east","topicsRegex":"orders.*",
            "useRenaming":false,"maxTasks":1}]]
        local made = support.run { "create", "--cluster", support.us_west, "-", env = rollout.sandbox:env(),
            stdin = back:format(runbook.east:match ",(.+)") }
        assert.are.equal(0, made.status, made.stderr)
        local before = rollout:changes()
        local words = words_of("--strategy", "create-first")
        local refused = rollout:run({ "--yes", "--api", "v2" }, words)
        assert.are.equal(2, refused.status, refused.stderr)
        contains(refused.stderr, "would go round in a loop")
        contains(refused.stderr, "nothing was created")
        local warned = rollout:run({ "--yes", "--dry-run", "--api", "v1" }, words)
        assert.are.equal(0, warned.status, warned.stderr)
        contains(warned.stderr, "may go round in a loop")
        local apart = rollout:run({ "--yes", "--dry-run", "--api", "v2" }, words_of("--strategy", "create-first",
            "--use-renaming"))
        assert.are.equal(0, apart.status, apart.stderr)
        assert.is_nil(apart.stderr:find("in a loop", 1, true), apart.stderr)
        assert.are.same(before, rollout:changes())
    end)
end)
