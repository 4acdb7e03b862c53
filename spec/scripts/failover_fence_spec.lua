local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local WEST_KAFKA = regions.west:match(",(.+)")

describe("the fence of the failover runbook", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    -- ---- the fence ----------------------------------------------------------------------------------------

    it("deletes nothing while something is written, and says what", function()
        start()
        local result = it_:failover({ "--yes" }, { false, "--fence-wait", "0.5" })
        assert.are.equal(1, result.status)
        has(result.stderr, "there is no hook for it: stop the producers in us-west now")
        assert.is_truthy(result.stderr:find("cannot be confirmed after 0.5 seconds: something is still written: "
            .. "orders%.%w+ [%d.]+/s, .* and %d+ more; no mirror was deleted\n"), result.stderr)
        assert.are.same({}, it_:changes())
    end)

    it("goes on by itself when somebody stops them meanwhile", function()
        start()
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" }))
        support.eventually("the wait", function()
            return run:stderr():find("producers have stopped writing ...", 1, true)
        end)
        assert.are.same({}, it_:changes())
        it_:producers("us-west", "stop")
        assert.are.equal(0, run:wait(20).status)
    end)

    it("does not trust a fence that does not hold", function()
        start()
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" },
            { "--hook", regions.fence, "--offset-sync", "20" }))
        support.eventually("the sync", function() return run:stderr():find("sync of group offsets ...", 1, true) end)
        it_:producers("us-west", "start")
        local result = run:wait(20)
        assert.are.equal(1, result.status)
        has(result.stderr, "the fence does not hold: ")
        has(result.stderr, "producers in us-west may be stopped, and the mirrors us-west -> us-east are as they were")
        assert.are.same({}, it_:changes())
    end)

    it("lets the producers go on by a hook when it ends before the first deletion", function()
        start()
        local result = it_:failover({ "--yes" }, { "--hook", "drained=echo not yet; exit 4", "--hook",
            [[unfence=curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/start"]] })
        assert.are.equal(1, result.status)
        has(result.stderr, "[drained] not yet\n")
        has(result.stderr, "kmirror: the hook drained failed with status 4\n")
        assert.is_true(it_:producing("us-west"))
        assert.are.same({}, it_:changes())
    end)

    it("has the operator stop them, when there is no hook for that", function()
        start { sync_seconds = 0.2 }
        local words = {}
        for i, word in ipairs(it_:arguments("failover", regions.west, regions.east)) do
            words[i] = support.quote(word)
        end
        local log = support.temporary("typescript")
        local result = support.run { command = "sh", env = it_:env(), "-c", [[
            log=$2
            when() { for _ in $(seq 200); do grep -qs "$1" "$log" && break; sleep 0.05; done; }
            { when 'Type us-west'; echo us-west; when 'Type stopped'
              curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/us-west/stop" > /dev/null
              echo stopped; sleep 2; } |
                script -qefc "$1" "$log"]], "sh", support.executable .. " " .. table.concat(words, " "), log }
        assert.are.equal(0, result.status, support.read(log))
        has(support.read(log), "Stop the producers in us-west")
        has(support.read(log), "stop the producers: confirmed by the operator")
        assert.are.equal(6, #it_:mirrors_on(WEST))
    end)

    it("stops before the next step when a hook fails, and goes on from there", function()
        start()
        local directory = support.temporary_directory()
        local canary = ("canary=test -e %s/good"):format(directory)
        local result = it_:failover({ "--yes" }, { "--hook", canary })
        assert.are.equal(1, result.status)
        has(result.stderr, "kmirror: the hook canary failed with status 1\n")
        assert.are.equal(6, #it_:changes())
        local command = result.stderr:match("error: to continue: ([^\n]+)\n")
        support.write(directory .. "/good", "")
        result = it_:run_printed(command)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(12, #it_:changes())
        has(result.stdout, "in 2 runs")
    end)

    it("tells hooks what it is about", function()
        start()
        local path, its = regions.saved("--hook", "check=env | grep ^KMIRROR | grep -v ENDPOINT | sort", "--hook",
            "done=echo $KMIRROR_STATUS")
        local result = it_:failover({ "--yes" }, its)
        for _, line in ipairs { "KMIRROR_FROM=us-west", "KMIRROR_FROM_CONNECT=" .. WEST,
            "KMIRROR_FROM_KAFKA=" .. WEST_KAFKA, "KMIRROR_HOOK=check", "KMIRROR_MIRRORS=6", "KMIRROR_MODE=planned",
            "KMIRROR_RUNBOOK=failover",
            "KMIRROR_STATE=" .. path, "KMIRROR_TO=us-east", "KMIRROR_TO_CONNECT=" .. EAST } do
            has(result.stderr, "[check] " .. line .. "\n")
        end
        has(result.stderr, "[done] 0\n")
        assert.is_nil(result.stderr:find("sandbox-full-key", 1, true))
    end)

    -- ---- disaster -----------------------------------------------------------------------------------------

    it("waits for nothing in a disaster, and estimates what may be lost", function()
        start { lag_ms = 90000 }
        local result = it_:failover({ "--yes" }, { "--disaster", "--wait", "0" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "is OUT_OF_SYNC")
        assert.is_nil(result.stderr:find("[fence]", 1, true))
        has(result.stderr, "[clients] ")
        has(result.stdout, "Failover us-west -> us-east, disaster\n")
        assert.is_truthy(result.stdout:find("May be missing in us%-east: about %d+ records, of the last [%d.]+ s"))
        assert.are.equal(6, #it_:mirrors_on(WEST))
    end)

    it("creates the reverse mirrors later, when the other cluster does not answer", function()
        start()
        local nowhere = regions.west:gsub("0c1,", "0c9,")
        local path, its = regions.saved("--disaster")
        local result = support.run(it_:arguments("failover", nowhere, regions.east, { "--yes" }, its))
        assert.are.equal(3, result.status, result.stderr)
        has(result.stderr, "us-west does not answer, its mirrors come later: ")
        has(result.stdout, "are deleted, those us-east -> us-west are yet to be created: us-west does not answer")
        assert.are.same({}, it_:mirrors_on(EAST))
        local again = result.stdout:match("To continue: +(%S[^\n]+)\n")
        support.write(path, (support.read(path):gsub("000c9", "000c1")))
        result = it_:run_printed((again:gsub("000c9", "000c1")))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, #it_:mirrors_on(WEST))
        assert.are.equal(12, #it_:changes())
    end)
end)
