local json = require "kmirror.json"
local support = require "spec.support"

local WEST_REGION = "us-west=" .. support.us_west .. ",5a9b1c52-0000-4000-8000-000000000001"
local EAST_REGION = "us-east=" .. support.us_east .. ",5a9b1c52-0000-4000-8000-000000000002"

describe("the failover runbook", function()
    local sandbox

    -- A new sandbox whose mirrors come up at once, unless the options say otherwise.
    local function start(options)
        local given = { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 6 }
        for name, value in pairs(options or {}) do given[name] = value end
        sandbox = support.sandbox(given)
    end

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    -- kmirror's own options, then what the runbook gets after its regions.
    local function arguments(own, its)
        local all = { "--rate", "0" }
        table.move(own or {}, 1, #(own or {}), 3, all)
        table.move({ "run", "failover", "--from", WEST_REGION, "--to", EAST_REGION }, 1, 6, #all + 1, all)
        table.move(its or {}, 1, #(its or {}), #all + 1, all)
        all.env = sandbox:env()
        return all
    end

    local function failover(own, its)
        return support.run(arguments(own, its))
    end

    local function mirrors_on(cluster)
        local result = support.run { "list", "--json", "--cluster", cluster, "--rate", "0", env = sandbox:env() }
        assert.are.equal(0, result.status, result.stderr)
        return json.decode(result.stdout)
    end

    local function regexes(list)
        local found = {}
        for i, mirror in ipairs(list) do found[i] = mirror.topicsRegex end
        table.sort(found)
        return found
    end

    -- The operations that changed something, in order.
    local function changes()
        local made = {}
        for _, request in ipairs(sandbox:requests()) do
            if request.effect then made[#made + 1] = request.operation end
        end
        return made
    end

    local function saved(...)
        local path = support.temporary("state.json")
        return path, { "--state", path, ... }
    end

    it("needs nothing but a sandbox, and shows what there was and what there is", function()
        local directory = support.temporary_directory()
        local result = support.run { "run", "--sandbox", "--creating-seconds", "0", "--sync-seconds", "0", "failover",
            env = { TMPDIR = directory } }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(24, select(2, result.stderr:gsub("\nus%-west%.us%-east%.%w+ [^\n]+IN_SYNC", "")))
        assert.are.equal(24, select(2, result.stdout:gsub("\nus%-east%.us%-west%.%w+ [^\n]+IN_SYNC", "")))
        assert.is_truthy(result.stdout:find("Failover us-west -> us-east: 24 of 24 reverse mirrors work", 1, true))
        local path = result.stdout:match("What there was:  (%S+)\n")
        assert.are.equal(directory .. "/", path:sub(1, #directory + 1))
        assert.are.equal(24, #json.read(path).mirrors)
    end)

    it("replaces every mirror by one of the same topics the other way, deletes before it creates", function()
        start()
        local before = mirrors_on(support.us_east)
        local path, its = saved()
        local result = failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({}, mirrors_on(support.us_east))
        local after = mirrors_on(support.us_west)
        assert.are.same(regexes(before), regexes(after))
        for _, mirror in ipairs(after) do
            assert.is_truthy(mirror.connectorName:find("^us%-east%.us%-west%.%w+$"))
        end
        local expected = {}
        for i = 1, 12 do expected[i] = i <= 6 and "delete" or "create" end
        assert.are.same(expected, changes())
        local state = json.read(path)
        assert.are.same(regexes(before), regexes(state.mirrors))
        assert.is_truthy(state.mirrors[1].topicStatuses[1].averageLatency)
    end)

    it("says when each step begins and ends", function()
        start()
        local _, its = saved()
        local result = failover({ "--yes" }, its)
        for _, step in ipairs { "look at both regions", "check", "delete us-west -> us-east",
            "confirm that they are gone", "create us-east -> us-west", "wait until they are up",
            "set their target latencies", "wait until they have caught up" } do
            assert.is_truthy(result.stderr:find(step .. " ...\n", 1, true), step)
            assert.is_truthy(result.stderr:find(" " .. step .. ": ", 1, true), step)
            assert.is_truthy(result.stdout:find("\n" .. step .. " ", 1, true), step)
        end
    end)

    it("comes back by the command that it prints", function()
        start()
        local before = regexes(mirrors_on(support.us_east))
        local _, its = saved()
        local back = failover({ "--yes" }, its).stdout:match("To fail back:    kmirror ([^\n]+)\n")
        local words = { "--yes", "--rate", "0" }
        for word in back:gmatch("%S+") do words[#words + 1] = word end
        words.env, words.directory = sandbox:env(), support.temporary_directory()
        local real <close> = assert(io.popen("realpath " .. support.executable))
        words.executable = real:read("l")
        local result = support.run(words)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same(before, regexes(mirrors_on(support.us_east)))
        assert.are.same({}, mirrors_on(support.us_west))
    end)

    it("carries the target latencies over, or sets the one that is given", function()
        start()
        local mirror = mirrors_on(support.us_east)[1]
        local function latency_of(cluster, regex)
            for _, each in ipairs(mirrors_on(cluster)) do
                if each.topicsRegex == regex then
                    local result = support.run { "get", each.id, "--json", "--cluster", cluster, env = sandbox:env() }
                    return json.decode(result.stdout).targetLatency
                end
            end
        end
        support.run { "latency", mirror.id, "77000", env = sandbox:env() }
        local _, its = saved()
        assert.is_truthy(failover({ "--yes" }, its).stderr:find("target latencies: 1 set, 5 right already", 1, true))
        assert.are.equal(77000, latency_of(support.us_west, mirror.topicsRegex))
        start()
        _, its = saved("--target-latency", "50000")
        failover({ "--yes" }, its)
        assert.are.equal(50000, latency_of(support.us_west, mirror.topicsRegex))
    end)

    it("changes nothing when mirrors are not healthy, and names each of them", function()
        start { lag_ms = 90000 }
        local path, its = saved()
        local result = failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        for _, mirror in ipairs(mirrors_on(support.us_east)) do
            assert.is_truthy(result.stderr:find(("error: mirror %s of '%s' is OUT_OF_SYNC"):format(mirror.id,
                mirror.topicsRegex), 1, true))
        end
        local refusal = "refused: 6 problems with 6 mirrors us-west -> us-east; nothing was changed"
        assert.is_truthy(result.stderr:find(refusal, 1, true))
        assert.are.same({}, changes())
        assert.are.equal("", support.read(path))
    end)

    it("changes nothing when a mirror runs the other way already", function()
        start()
        local spec = ([[{ "sourceType": "instaclustr", "kafkaSource": "%s", "sourceAlias": "us-east", "maxTasks": 1,
            "topicsRegex": "orders", "useRenaming": false }]]):format(EAST_REGION:match(",(.+)"))
        support.run { "create", "-", "--cluster", support.us_west, stdin = spec, env = sandbox:env() }
        local _, its = saved()
        local result = failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("of 'orders' runs us-east -> us-west already", 1, true))
        assert.are.same({ "create" }, changes())
    end)

    it("leaves mirrors between other regions alone", function()
        start()
        local spec = ([[{ "sourceType": "instaclustr", "kafkaSource": "%s", "sourceAlias": "us-west.us-east",
            "maxTasks": 1, "topicsRegex": "orders", "useRenaming": false }]]):format(WEST_REGION:match(",(.+)"))
        local other = support.run { "create", "-", stdin = spec, env = sandbox:env() }.stdout:match("%S+")
        local _, its = saved()
        assert.are.equal(0, failover({ "--yes" }, its).status)
        local left = mirrors_on(support.us_east)
        assert.are.same({ other }, { left[1].id, left[2] })
    end)

    it("does nothing unasked where there is nobody to ask", function()
        start()
        local _, its = saved()
        local result = failover({}, its)
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("there is no terminal to confirm it on; give --yes", 1, true))
        assert.are.same({}, changes())
    end)

    it("sends no change under --dry-run, and prints each one", function()
        start()
        local path, its = saved()
        local result = failover({ "--dry-run" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(6, select(2, result.stdout:gsub("would delete mirror ", "")))
        assert.are.equal(6, select(2, result.stdout:gsub("would create a mirror of ", "")))
        assert.is_truthy(result.stderr:find(": 6 would be deleted", 1, true))
        assert.are.same({}, changes())
        assert.are.equal("", support.read(path))
    end)

    it("sends no change under --read-only, and says so", function()
        start()
        local _, its = saved()
        local result = failover({ "--read-only" }, its)
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("--read-only lets nothing be changed", 1, true))
        assert.are.same({}, changes())
    end)

    it("leaves with 3 when a new mirror fails, and names it", function()
        start { fail_every = 3 }
        local path, its = saved("--wait", "5")
        local result = failover({ "--yes" }, its)
        assert.are.equal(3, result.status, result.stderr)
        assert.are.equal(2, select(2, result.stderr:gsub("error: mirror %S+ of '%S+' is FAILED\n", "")))
        assert.is_truthy(result.stdout:find("4 of 6 reverse mirrors work", 1, true))
        assert.is_nil(json.read(path).finished)
    end)

    it("leaves with 3 when a new mirror does not come up in time", function()
        start { creating_seconds = 60 }
        local _, its = saved("--wait", "1")
        local result = failover({ "--yes" }, its)
        assert.are.equal(3, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("wait until they are up: 0 are up, 6 still CREATING", 1, true))
    end)

    it("goes on where it was interrupted, and does nothing twice", function()
        start { world = 24 }
        local path, its = saved()
        local before = regexes(mirrors_on(support.us_east))
        local run = arguments({ "--yes", "--rate", "30", "--concurrency", "1" }, its)
        local first = support.start(run)
        support.eventually("the first mirrors of the other way", function() return #changes() > 27 end, 20)
        first:signal("INT")
        local result = first:wait(20)
        assert.are.equal(130, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("error: stopped: 24 mirrors deleted, %d+ created in this run\n"))
        local go_on = result.stderr:match("error: to go on: kmirror run failover ([^\n]+)\n")
        assert.is_truthy(go_on:find("--state '" .. path .. "'", 1, true))
        result = failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same(before, regexes(mirrors_on(support.us_west)))
        assert.are.same({}, mirrors_on(support.us_east))
        assert.are.equal(48, #changes())
        result = failover({ "--yes" }, its)
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("is of a failover that is done", 1, true))
    end)

    it("does not go on when there is a mirror that it knows nothing of", function()
        start { creating_seconds = 60 }
        local path, its = saved("--wait", "0")
        assert.are.equal(3, failover({ "--yes" }, its).status)
        local spec = ([[{ "sourceType": "instaclustr", "kafkaSource": "%s", "sourceAlias": "us-west", "maxTasks": 1,
            "topicsRegex": "new", "useRenaming": false }]]):format(WEST_REGION:match(",(.+)"))
        support.run { "create", "-", stdin = spec, env = sandbox:env() }
        local result = failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("of 'new' is not in " .. path .. "; nothing was changed", 1, true))
        assert.are.equal(13, #changes())
    end)

    it("goes by what it noted down, not by a list that runs behind", function()
        start { list_delay = 3, creating_seconds = 2 }
        local path, its = saved()
        local run = support.start(arguments({ "--yes" }, its))
        support.eventually("the wait for what was created", function()
            return run:stderr():find("wait until they are up ...", 1, true)
        end, 20)
        run:signal("KILL")
        run:wait()
        local result = failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("look at both regions: 0 mirrors, 0 the other way", 1, true))
        assert.is_truthy(result.stderr:find("0 created, 6 were there", 1, true))
        assert.are.equal(12, #changes())
        assert.is_truthy(json.read(path).finished)
    end)

    it("says what it needs when it knows no regions", function()
        local result = support.run { "run", "failover" }
        assert.are.equal(2, result.status)
        assert.are.equal("kmirror: give --from and --to; see kmirror run failover --help\n", result.stderr)
        result = support.run { "run", "failover", "--help" }
        assert.are.equal(0, result.status)
        assert.is_truthy(result.stdout:find("Usage: kmirror run failover", 1, true))
    end)

    it("refuses a region turned round with itself", function()
        local result = support.run { "run", "--sandbox", "failover", "--to", "us-west" }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("--from and --to are the same region, us-west", 1, true))
    end)
end)
