-- A new mirror starts from the beginning of its topics: what failover says of it, and the ways out.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local APPENDED = "they append all that us-east's topics hold"

describe("a failover that keeps topics' names", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    it("says before it is confirmed, in the dry run and in the report what is appended to which topics", function()
        start()
        local refused = it_:failover() -- nobody to ask
        has(refused.stderr, APPENDED)
        local dry = it_:failover({ "--dry-run" })
        has(dry.stderr, APPENDED)
        has(dry.stdout, APPENDED)
        local done = it_:failover({ "--yes" })
        assert.are.equal(0, done.status, done.stderr)
        for _, said in ipairs { done.stderr, done.stdout } do
            has(said, APPENDED)
            has(said, "us-west's topics of the same names")
            assert.is_truthy(said:find("%(%d+ topics: carts%.[%w.]+, carts%.[%w.]+, [%w.]+ and %d+ more%)"), said)
            for _, way_out in ipairs { "--use-renaming", "--no-reverse", "--hook empty=COMMAND" } do
                has(said, way_out)
            end
        end
        has(done.stdout, "IN_SYNC means caught up: the average latency of the last minute is not above the target.")
    end)

    it("says so in its help, too, and so does failback", function()
        for _, runbook in ipairs { "failover", "failback" } do
            local help = support.run { "run", runbook, "--help" }.stdout
            has(help, "append all that TO's topics hold to FROM's topics")
            has(help, "--no-reverse")
            has(help, "  empty    empty FROM's topics")
        end
    end)

    it("says nothing of it when the new mirrors rename topics", function()
        start()
        local done = it_:failover({ "--yes" }, { "--use-renaming" })
        assert.are.equal(0, done.status, done.stderr)
        assert.is_nil((done.stderr .. done.stdout):find(APPENDED, 1, true))
    end)

    it("creates no reverse mirrors with --no-reverse, and creates them when it is run again without", function()
        start()
        local done = it_:failover({ "--yes" }, { "--no-reverse" })
        assert.are.equal(0, done.status, done.stderr)
        assert.is_nil((done.stderr .. done.stdout):find(APPENDED, 1, true))
        has(done.stdout, "none was created us-east -> us-west, as --no-reverse says")
        assert.are.same({}, it_:mirrors_on(EAST))
        assert.are.same({}, it_:mirrors_on(WEST))
        local command = done.stdout:match("To create them:  (kmirror [^\n]+)")
        assert.is_nil(command:find("--no-reverse", 1, true))
        local again = it_:run_printed(command)
        assert.are.equal(0, again.status, again.stderr)
        assert.are.equal(6, #it_:mirrors_on(WEST))
    end)

    it("has the hook `empty` empty the topics, once, before the first of the new mirrors is created", function()
        start()
        local path = support.temporary("emptied")
        local command = ("empty=echo \"$KMIRROR_TOPICS\" >> %s"):format(path)
        local state, its = regions.saved("--hook", command)
        local done = it_:failover({ "--yes" }, its)
        assert.are.equal(0, done.status, done.stderr)
        assert.is_nil((done.stderr .. done.stdout):find(APPENDED, 1, true))
        local emptied = support.read(path)
        assert.are.equal(1, select(2, emptied:gsub("\n", "")))
        local topics = {}
        for _, mirror in ipairs(json.read(state).mirrors) do
            for _, topic in ipairs(mirror.topicStatuses) do topics[#topics + 1] = topic.name end
        end
        table.sort(topics)
        assert.are.equal(table.concat(topics, ",") .. "\n", emptied)
        local titles = {}
        for i, step in ipairs(json.read(state).steps) do titles[step.title] = i end
        assert.is_true(titles["hook empty"] < titles["create us-east -> us-west"])
        assert.is_true(titles["hook empty"] > titles["delete us-west -> us-east"])
    end)

    it("empties nothing that mirrors write to already", function()
        start()
        it_:create(WEST, "us-east", regions.east:match(",(.+)"), "orders\\..*")
        local path = support.temporary("emptied")
        local done = it_:failover({ "--yes" }, { "--hook", "empty=echo emptied >> " .. path })
        assert.are.equal(0, done.status, done.stderr)
        assert.are.equal("", support.read(path))
        has(done.stderr, "the hook empty was not run: 1 mirror us-east -> us-west already exists")
    end)

    it("does not take a rate for zero within the resolution of the API's numbers", function()
        local function run(endpoint, still)
            return support.run { "--endpoint", endpoint, "--timeout", "0.2", "run", "failover", "--from", regions.west,
                "--to", regions.east, "--still", still, "--state", "/nowhere/state.json",
                env = { KMIRROR_USERNAME = "u", KMIRROR_API_KEY = "k" } }.stderr
        end
        has(run("https://127.0.0.1:1", "10"), "--still 10 is below the resolution of the API's numbers (averages over "
            .. "2 x 30 s, refreshed every 20 s): raised to 40")
        assert.is_nil(run("https://127.0.0.1:1", "40"):find("below the resolution", 1, true))
        assert.is_nil(run("http://127.0.0.1:1", "0.1"):find("below the resolution", 1, true))
    end)

    it("does not do so either in a sandbox that refreshes its numbers now and then, and tells means", function()
        local result = support.run { "run", "--sandbox", "--jump", "--refresh", "20", "--metrics-window", "60",
            "failover", "--still", "3" }
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "--still 3 is below the resolution of the API's numbers (its numbers are refreshed every "
            .. "20 s): raised to 40")
        local seconds = tonumber(result.stdout:match("wait until producers have stopped writing%s+([%d.]+)"))
        assert.is_true(seconds >= 70, result.stdout) -- until they are zero, and 40 s more
    end)
end)

describe("a failover that was stopped before it changed anything", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    it("leaves nothing that a failback would stumble over", function()
        it_.start()
        local path, its = regions.saved("--hook", "check=false")
        local stopped = it_:failover({ "--yes" }, its)
        assert.are.equal(1, stopped.status)
        assert.are.equal("", support.read(path))
        assert.are.same({}, it_:changes())
        stopped = it_:failover({ "--yes" }, { "--hook", "check=false" })
        assert.are.equal(1, stopped.status)
        assert.is_nil(stopped.stderr:find("--state", 1, true))
        assert.are.equal(0, it_:failover({ "--yes" }).status)
        assert.are.equal(0, it_:failback({ "--yes" }, { "--throughput-wait", "0" }).status)
    end)
end)
