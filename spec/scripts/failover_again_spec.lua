local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local WEST_KAFKA = regions.west:match(",(.+)")

describe("a failover that did not end well", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    it("leaves with 3 when a new mirror fails, names it, and goes on once it is deleted", function()
        start { fail_every = 4 }
        local path, its = regions.saved("--wait", "5")
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(3, result.status, result.stderr)
        local failed = result.stderr:match("error: mirror (%S+) of '%S+' is FAILED\n")
        has(result.stdout, "5 of 6 new mirrors us-east -> us-west work")
        assert.is_nil(json.read(path).finished)
        local delete = result.stderr:match("when you know why: (kmirror delete [^,]+), then continue as below\n")
        has(delete, failed)
        assert.are.equal(0, it_:run_printed(delete).status)
        result = it_:run_printed(result.stdout:match("To continue: +(%S[^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, ("mirror %s of "):format(failed))
        has(result.stdout, "6 of 6 new mirrors")
        assert.are.equal(6, #it_:mirrors_on(WEST))
    end)

    it("leaves with 3 when a new mirror does not come up in time", function()
        start { creating_seconds = 60 }
        local result = it_:failover({ "--yes" }, { "--wait", "1" })
        assert.are.equal(3, result.status, result.stderr)
        has(result.stderr, "wait until they are up: 0 are up, 6 still CREATING")
    end)

    it("goes on where it was interrupted, and does nothing twice", function()
        start { world = 24 }
        local before = regions.regexes(it_:mirrors_on(EAST))
        local run = it_:arguments("failover", regions.west, regions.east,
            { "--yes", "--rate", "50", "--concurrency", "1" }, { "--hook", regions.fence })
        local first = support.start(run)
        support.eventually("the first mirrors of the other way", function() return #it_:changes() > 27 end, 20)
        first:signal("INT")
        local result = first:wait(20)
        assert.are.equal(130, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("error: stopped: 24 mirrors deleted, %d+ created in this run\n"))
        result = it_:run_printed(result.stderr:match("error: to continue: ([^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same(before, regions.regexes(it_:mirrors_on(WEST)))
        assert.are.same({}, it_:mirrors_on(EAST))
        assert.are.equal(48, #it_:changes())
    end)

    it("goes on by the same command, without being told where", function()
        start { creating_seconds = 3 }
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" },
            { "--hook", regions.fence }))
        support.eventually("the wait", function() return run:stderr():find("until they are up ...", 1, true) end, 20)
        run:signal("KILL")
        run:wait()
        local result = it_:failover({ "--yes" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "0 created, 6 were there")
        assert.are.equal(12, #it_:changes())
    end)

    it("does not take up what is done: by a name it refuses, without it begins anew", function()
        start()
        local path, its = regions.saved()
        assert.are.equal(0, it_:failover({ "--yes" }, its).status)
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(2, result.status)
        has(result.stderr, path .. " is of a failover that is done")
        result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "refused: there are no mirrors us-west -> us-east, and 6 us-east -> us-west; nothing")
    end)

    it("does not go on when there is a mirror that it knows nothing of", function()
        start { creating_seconds = 60 }
        local path, its = regions.saved("--wait", "0")
        assert.are.equal(3, it_:failover({ "--yes" }, its).status)
        it_:create(EAST, "us-west", WEST_KAFKA, "new")
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'new' is not in " .. path .. "; nothing was changed")
        assert.are.equal(13, #it_:changes())
    end)

    it("creates nothing while somebody else makes mirrors the old way", function()
        start()
        local create = ([[drained=echo '{ "sourceType": "instaclustr", "kafkaSource": "%s", "sourceAlias": "us-west",
            "topicsRegex": "new", "useRenaming": false, "maxTasks": 1 }' |
            KMIRROR_API_KEY=sandbox-full-key %s create - --cluster %s]]):format(WEST_KAFKA,
            io.popen("realpath " .. support.executable):read("l"), EAST)
        local result = it_:failover({ "--yes" }, { "--hook", create })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'new' us-west -> us-east has come up meanwhile: delete it, then continue")
        assert.are.same({}, it_:mirrors_on(WEST))
    end)

    it("goes by what it noted down, not by a list that runs behind", function()
        start { list_delay = 3, creating_seconds = 2 }
        local path, its = regions.saved("--hook", regions.fence)
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" }, its))
        support.eventually("the wait for what was created", function()
            return run:stderr():find("wait until they are up ...", 1, true)
        end, 20)
        run:signal("KILL")
        run:wait()
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "look at both regions: 0 mirrors, 0 the other way")
        has(result.stderr, "0 created, 6 were there")
        assert.are.equal(12, #it_:changes())
        assert.is_truthy(json.read(path).finished)
    end)

    it("waits for what a run has sent that was killed before it was answered: a list that runs behind has it later",
        function()
            start { list_delay = 3, faults = support.temporary("late.lua",
                [[return { { fault = "stall", when = "after", operation = "create", seconds = 60 } }]]) }
            local _, its = regions.saved("--hook", regions.fence)
            local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" }, its))
            support.eventually("the creates", function() return #it_:changes() == 12 end, 20)
            run:signal("KILL")
            run:wait()
            local result = it_:failover({ "--yes" }, its)
            assert.are.equal(0, result.status, result.stderr)
            has(result.stderr, "the run before was killed as it created mirrors: what it may have sent shows in")
            has(result.stderr, "0 created, 6 were there")
            assert.are.equal(12, #it_:changes())
        end)

    it("comes through a bad day", function()
        start { faults = "lossy", seed = 3, world = 3 }
        local result = it_:failover({ "--yes" })
        assert.are.equal(0, result.status, result.stderr)
        support.eventually("lists that have caught up", function()
            return #it_:mirrors_on(WEST) == 3 and #it_:mirrors_on(EAST) == 0
        end)
    end)

    it("is resumed as a job", function()
        start { creating_seconds = 2 }
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes", "--job", "j" },
            { "--hook", regions.fence }))
        support.eventually("the wait", function() return run:stderr():find("until they are up ...", 1, true) end, 20)
        run:signal("KILL")
        run:wait()
        local result = it_:kmirror("jobs", "resume", "j", "--yes")
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "6 creates, 6 deletes in 2 runs")
        has(result.stdout, "6 of 6 new mirrors")
        assert.are.equal(12, #it_:changes())
    end)
end)
