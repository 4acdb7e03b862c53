local cjson = require("cjson")
local planning = require("spec.support.planning")
local support = require("spec.support")

local fleet, run, create = planning.fleet, planning.run, planning.create

local PASSWORD <const> = "hunter2-of-the-source"

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), part .. "\nis not in\n" .. text)
end

-- The changes that the sandbox was asked for since the last look, by operation; what reads does not count.
local counted = {}
local function changes()
    local now, new = planning.requests(), {}
    for _, operation in ipairs { "create", "update_target_latency", "delete" } do
        local count = (now[operation] or 0) - (counted[operation] or 0)
        new[operation] = count > 0 and count or nil
    end
    counted = now
    return new
end

local function start(options)
    counted = {}
    planning.start(options)
end

-- Saves a plan of a fleet file, and returns where.
local function save(path, ...)
    local out = support.temporary("night.plan")
    local result = run("plan", path, "-o", out, ...)
    assert.are.equal(0, result.status, result.stderr)
    return out, result
end

local function apply(...)
    return run("apply", "--rate", "0", ...)
end

-- What a plan that is refused says; no change was asked for.
local function refusal(out, ...)
    changes()
    local result = apply(out, ...)
    assert.are.equal(2, result.status, result.stdout .. result.stderr)
    assert.are.same({}, changes())
    assert.are.equal("", result.stdout)
    return result.stderr
end

local some = [[
    { topicsRegex = "new1", targetLatency = 41000 },
    { topicsRegex = "new2" },
    { topicsRegex = "orders\\..*", targetLatency = 60000 },
    { topicsRegex = "payments\\..*", targetLatency = 30000 },]]

-- A runbook that forges a plan: each of its fields in turn becomes each of many things, and the digest is made anew.
-- With a second argument it leaves one of them in the plan's place.
local forge <const> = [[
    local fleet, host, json = require("kmirror.fleet"), require("host"), require("kmirror.json")
    local path, one = ...
    local file <close> = io.open(path)
    local content = file:read("a")
    local count, wrong = 0, {}

    local function write(whole)
        local plan = json.decode(json.encode(whole)).plan
        whole.digest = host.hmac_sha256("kmirror plan 1", json.encode(plan))
        require("kmirror.file").write(path, json.encode(whole))
    end

    local function look(where)
        local ok, problem = pcall(function()
            local plan = fleet.saved.read(path)
            fleet.warn(plan)
            json.encode({ fleet.shape(plan), fleet.text(plan) })
            require("kmirror.cli.planning").anew(path, plan, {})
            fleet.stale.check_fleet(path, plan, { mirrors = {} }, "")
        end)
        count = count + 1
        if not ok and not (type(problem) == "table" and problem.kind == "usage") then
            wrong[#wrong + 1] = where .. ": " .. tostring(problem)
        end
    end

    local whole = json.decode(content)
    local function forge(holder, key, where)
        local value = holder[key]
        for _, other in ipairs({ false, true, 0, -1, 1.5, 1e300, "x", "", {}, { 1 }, { x = 1 }, { {} } }) do
            holder[key] = other or nil
            write(whole)
            look(("%s = %s"):format(where, json.encode(other)))
        end
        holder[key] = value
        for part in pairs(type(value) == "table" and value or {}) do forge(value, part, where .. "." .. part) end
    end

    if one then
        whole.plan.create[2].wanted.line = "x"
        return write(whole)
    end
    for _, list in ipairs({ "create", "retune", "delete", "unlisted", "there", "mirrors" }) do
        whole.plan[list] = { whole.plan[list][1] } -- one of each will do
    end
    forge(whole, "plan", "plan")
    print(count .. " forged; " .. (wrong[1] or "all refused, or told as a plan"))
]]

local function id_of(regex)
    local list = cjson.decode(run("list", "--json").stdout)
    for _, mirror in ipairs(list) do
        if mirror.topicsRegex == regex then return mirror.id end
    end
    error("no mirror of " .. regex)
end

describe("A saved plan", function()
    after_each(planning.stop)

    it("is carried out unasked, as it was looked at", function()
        start()
        local out, planned = save(fleet(some), "--prune")
        says(planned.stderr, "the plan is in " .. out .. "; to carry out just that: kmirror apply " .. out)
        local result = apply(out)
        assert.are.equal(0, result.status, result.stderr)
        says(result.stderr, "as planned at ")
        says(result.stderr, planned.stdout:match("^(.-)\n\n"))
        says(result.stdout, "2 created, 1 retuned, 4 deleted")
        local made = changes()
        assert.are.same({ 2, 4 }, { made.create, made.delete })
    end)

    it("is printed as it was when it was made, without asking the API", function()
        start()
        local out, planned = save(fleet(some), "--prune")
        local asked = #planning.sandbox:requests()
        local shown = run("show", out)
        assert.are.equal(0, shown.status, shown.stderr)
        assert.are.equal(planned.stdout, shown.stdout)
        says(shown.stderr, "fleet.lua, for " .. planning.sandbox.url)
        local told = cjson.decode(run("show", "--json", out).stdout)
        assert.are.same({ 2, 1, 4, 64 }, { #told.create, #told.retune, #told.delete, #told.digest })
        assert.are.equal(asked, #planning.sandbox:requests())
    end)

    it("changes nothing under --dry-run", function()
        start()
        local result = apply("--dry-run", (save(fleet(some))))
        assert.are.equal(0, result.status, result.stderr)
        says(result.stdout, "2 would be created, 1 would be retuned, 0 would be deleted")
        assert.are.same({}, changes())
    end)

    it("survives other comments, and being written with other line ends", function()
        start()
        local path = fleet(some)
        local out = save(path)
        support.write(path, "-- looked at by two\n\n" .. support.read(path))
        support.write(out, (support.read(out):gsub("\n", "\r\n")))
        assert.are.equal(0, apply(out).status)
    end)

    describe("is refused, with what has changed,", function()
        it("when a mirror is gone, or new, or has another target latency", function()
            start()
            local out = save(fleet(some))
            local gone, orders = id_of("payments\\..*"), id_of("orders\\..*")
            run("delete", "--yes", gone)
            run("latency", orders, "45000")
            local new = create { topicsRegex = "elsewhere" }
            local said = refusal(out)
            says(said, "night.plan is stale: what is there has changed since 20")
            says(said, ("\n  mirror %s of 'payments\\..*' from us-west is gone\n"):format(gone))
            says(said, ("\n  mirror %s of 'elsewhere' from us-west is new\n"):format(new))
            says(said, ("\n  mirror %s of 'orders\\..*' from us-west: its target latency is 45000 ms now, and was "
                .. "30000 ms\n"):format(orders))
            assert.is_truthy(said:find("\nmake it anew: kmirror plan %S+fleet%.lua %-o %S+night%.plan\n"), said)
        end)

        it("when one that it would create or delete is there, or gone", function()
            start()
            local out = save(fleet(some), "--prune")
            local new = create { topicsRegex = "new2" }
            local gone = id_of("carts\\..*")
            run("delete", "--yes", gone)
            local said = refusal(out)
            says(said, ("mirror %s of 'new2' from us-west is new"):format(new))
            says(said, ("mirror %s of 'carts\\..*' from us-west is gone"):format(gone))
            says(said, " --prune\n")
        end)

        it("when it was carried out already", function()
            start()
            local out = save(fleet(some))
            assert.are.equal(0, apply(out).status)
            says(refusal(out), "of 'new1' from us-west is new")
        end)

        it("when the fleet file says something else, before anything is asked", function()
            start()
            local path = fleet(some)
            local out = save(path)
            local asked = #planning.sandbox:requests()
            support.write(path, (support.read(path):gsub("41000", "42000"):gsub("new2", "new3")))
            local said = refusal(out)
            says(said, "fleet.lua has changed since 20")
            says(said, "fleet.lua:8: 'new1' from us-west: targetLatency is 42000 now, and was 41000\n")
            says(said, "fleet.lua:9: 'new2' from us-west into east is no longer in the file\n")
            says(said, "fleet.lua:9: 'new3' from us-west into east is new in the file\n")
            assert.are.equal(asked, #planning.sandbox:requests())
        end)

        it("when the fleet file is not there", function()
            start()
            local path = fleet(some)
            local out = save(path)
            os.remove(path)
            says(refusal(out), "fleet.lua, which is not there: it is read again, as the plan holds no passwords")
        end)

        it("at another endpoint, for another user and with another version of the API, before anything is asked",
            function()
                start()
                local out = save(fleet(some))
                local asked = #planning.sandbox:requests()
                says(refusal(out, { env = { KMIRROR_USERNAME = "mallory" } }), "and this is mallory; nothing was sent")
                says(refusal(out, "--endpoint", "http://127.0.0.1:9"), "and this is http://127.0.0.1:9; nothing")
                local other = support.api == "v2" and "v1" or "v2"
                says(refusal(out, "--api", other), "and this is --api " .. other)
                assert.are.equal(asked, #planning.sandbox:requests())
            end)

        it("when it was changed by hand, damaged, or made by a later kmirror", function()
            start()
            local out = save(fleet(some))
            local whole = support.read(out)
            local function with(content)
                return refusal(support.write(out, content))
            end
            says(with((whole:gsub("41000", "51000"))), "it was changed or damaged (its digest does not match)")
            says(with((whole:gsub('"version": 1\n', '"version": 2\n'))), "is a saved plan of version 2")
            says(with(whole:sub(1, #whole // 2)), "is a damaged plan: line ")
            says(with("nonsense"), "expected a fleet file, whose name ends in .lua, .json or .csv, or a plan")
            says(with(""), "expected a fleet file, whose name ends in .lua, .json or .csv, or a plan")
        end)

        it("when somebody has forged it, whatever field that was and whatever stands there, by name", function()
            start()
            local out = save(fleet(some), "--prune")
            local result = run("run", support.temporary("forge.lua", forge), out, { timeout = 60 })
            assert.are.equal(0, result.status, result.stderr)
            local tried, said = result.stdout:match("^(%d+) forged; (.*)$")
            assert.is_true(math.tointeger(tried) > 1000)
            assert.are.equal("all refused, or told as a plan\n", said)
        end)

        it("when it was forged, with its name and the field, by show, plan and apply; nothing is asked", function()
            start()
            local out = save(fleet(some), "--prune")
            local result = run("run", support.temporary("forge.lua", forge), out, "one")
            assert.are.equal(0, result.status, result.stderr)
            local asked = #planning.sandbox:requests()
            for _, command in ipairs { "show", "plan", "apply" } do
                result = run(command, out)
                assert.are.equal(2, result.status)
                assert.are.equal("", result.stdout)
                says(result.stderr, "night.plan is not as kmirror has written it: plan.create[2].wanted.line must be a "
                    .. "whole number from 1 up, got 'x'; make it anew: kmirror plan FLEET -o ")
            end
            assert.are.equal(asked, #planning.sandbox:requests())
        end)

        it("when a field stands there twice, or its version is no number", function()
            start()
            local out = save(fleet(some))
            local whole = support.read(out)
            says(refusal(support.write(out, (whole:gsub('"whole"', '"whole": true, "whole"')))),
                "is not as kmirror has written it: 'whole' stands there twice, in line ")
            says(refusal(support.write(out, (whole:gsub('"version": 1\n', '"version": {"x": "1"}\n')))),
                "is a saved plan of version a table; this kmirror (")
        end)

        it("when it would delete more than may be", function()
            start()
            local out = save(fleet(some), "--prune")
            says(refusal(out, "--max-delete", "3"), "the plan deletes 4 mirrors, more than 3")
            says(refusal(save(fleet(some)), "--prune"), "was made without --prune: give it to kmirror plan")
        end)
    end)

    it("is known by what is in it, whatever its name", function()
        start()
        local path, out = fleet(some), support.temporary("plan.json")
        assert.are.equal(0, run("plan", "-o", out, path).status)
        assert.are.equal(0, apply(out).status)
        local result = run("plan", out)
        assert.are.equal(2, result.status)
        says(result.stderr, "is a saved plan: kmirror show ")
    end)

    it("is not written over a file that is no plan, such as its fleet file by another name", function()
        start()
        local path, link = fleet(some), support.temporary("link.plan")
        os.remove(link)
        assert(os.execute(("ln -s '%s' '%s'"):format(path, link)))
        local before = support.read(path)
        for _, out in ipairs { link, support.temporary("notes.txt", "buy milk"), support.temporary("f.json", "[]") } do
            local result = run("plan", path, "-o", out)
            assert.are.equal(2, result.status)
            assert.are.equal("", result.stdout)
            says(result.stderr, "is no saved plan, and it is not written over")
        end
        assert.are.equal(before, support.read(path))
        local out = save(path)
        assert.are.equal(0, run("plan", path, "-o", out).status)
    end)

    it("is not kept of standard input, nor where it cannot be written, nor when it deletes too much", function()
        start()
        local result = run("plan", "-", "-o", support.temporary("p"), { stdin = "{}" })
        assert.are.equal(2, result.status)
        says(result.stderr, "a plan of standard input cannot be kept")
        result = run("plan", fleet(some), "-o", "other.lua")
        assert.are.equal(2, result.status)
        says(result.stderr, "a name that ends so is a fleet file's")
        result = run("plan", fleet(some), "-o", "/nowhere/night.plan")
        assert.are.equal(2, result.status)
        says(result.stderr, "cannot write /nowhere/night.plan: No such file or directory")
        local out = support.temporary("p")
        assert.are.equal(2, run("plan", "--prune", "--max-delete", "1", fleet(some), "-o", out).status)
        assert.are.equal("", support.read(out))
    end)

    describe("holds no connection properties:", function()
        local function with_properties(way)
            local clusters = ([[clusters = { east = { connect = "%s", alias = "us-east" }, dc1 = { %s } },]])
                :format(support.us_east, way)
            return support.temporary("fleet.lua", "return { " .. clusters .. [[
                mirrors = { { from = "dc1", to = "east", topicsRegex = "old", useRenaming = true, maxTasks = 1 } } }]])
        end

        local function properties(password, server)
            return ("bootstrap.servers=%s:9092\nsasl.jaas.config=Plain password=\"%s\";\n"):format(server or "10.0.0.1",
                password)
        end

        it("they are taken from where the fleet file says when it is carried out", function()
            start()
            local file = support.temporary("dc1.properties", properties(PASSWORD))
            os.execute("chmod 600 " .. file)
            local text = properties(PASSWORD):gsub("\n", "\\n"):gsub('"', '\\"')
            for _, way in ipairs {
                ("sourceConnectionPropertiesFile = %q"):format(file), [[sourceConnectionPropertiesEnv = "DC1"]],
                ('sourceConnectionProperties = "%s"'):format(text),
                ("sourceConnectionPropertiesCommand = 'cat %s'"):format(file),
                ("sourceConnectionPropertiesCommand = 'password=%s; cat %s'"):format(PASSWORD, file),
            } do
                local options = { env = { DC1 = properties(PASSWORD) } }
                local out = save(with_properties(way), options)
                assert.is_falsy(support.read(out):find(PASSWORD, 1, true))
                assert.is_falsy(run("show", "--json", out).stdout:find(PASSWORD, 1, true))
                local result = apply(out, options)
                assert.are.equal(0, result.status, result.stderr)
                run("delete", "--yes", id_of("old"))
            end
        end)

        it("a rotated password does no harm; another server, or none, is told", function()
            start()
            local fleet_file = with_properties([[sourceConnectionPropertiesEnv = "DC1"]])
            local out = save(fleet_file, { env = { DC1 = properties(PASSWORD) } })
            local moved = refusal(out, { env = { DC1 = properties(PASSWORD, "10.6.6.6") } })
            says(moved, "its connection properties are others now, in more than a secret")
            says(refusal(out), "the environment variable DC1 is not set")
            assert.are.equal(0, apply(out, { env = { DC1 = properties("rotated") } }).status)
        end)
    end)

    it("has lists where it has none of something, too", function()
        start()
        local whole = support.read((save(fleet(some))))
        for _, list in ipairs { "blocked", "delete", "unclear", "warnings" } do
            assert.is_truthy(whole:find(('"%s": %%[[%%]\n]'):format(list)), list)
        end
    end)

    it("can be a pipe", function()
        start()
        local out, planned = save(fleet(some))
        local shown = support.run { "-c", [["$0" show <(cat "$1")]], support.executable, out, command = "bash" }
        assert.are.equal(0, shown.status, shown.stderr)
        assert.are.equal(planned.stdout, shown.stdout)
    end)

    it("can be a job, which goes on after it was killed; without one it is stale then", function()
        start()
        local lines = {}
        for i = 1, 30 do
            lines[i] = ('{ topicsRegex = "new%d", targetLatency = %d },'):format(i, 40000 + i)
        end
        lines[31] = [[{ topicsRegex = "orders\\..*", targetLatency = 60000 },]]
        local out = save(fleet(table.concat(lines, "\n")))
        local env = planning.sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("state")
        local first = support.start { "apply", "--rate", "20", "--job", "night", out, env = env }
        support.eventually("the first mirrors", function() return (planning.requests().create or 0) > 5 end, 20)
        first:signal("KILL")
        first:wait()
        local result = apply(out)
        assert.are.equal(2, result.status)
        says(result.stderr, "is stale: what is there has changed since 20")
        result = run("jobs", "resume", "night", { env = env, timeout = 60 })
        assert.are.equal(0, result.status, result.stderr)
        local plan = cjson.decode(run("plan", "--json", support.read(out):match('"fleet": "([^"]+)"')).stdout)
        assert.are.same({ 0, 0, 31 }, { #plan.create, #plan.retune, plan.unchanged })
        assert.are.equal(36, #cjson.decode(run("list", "--json").stdout))
    end)

    it("of a job is not stale for what the job has deleted and set before it was killed", function()
        start { faults = support.temporary("third.lua", [[return {
            { fault = "stall", when = "before", operation = "delete", nth = { 3, 4 }, seconds = 60 } }]]) }
        local out = save(fleet(some), "--prune")
        local env = planning.sandbox:env()
        env.XDG_STATE_HOME = support.temporary_directory("state")
        local first = support.start { "apply", "--job", "night", out, env = env }
        support.eventually("two deletes of four, and two that wait", function()
            return planning.requests().delete == 4 and #cjson.decode(run("list", "--json").stdout) == 6
        end, 20)
        first:signal("KILL")
        first:wait()
        local result = run("jobs", "resume", "night", { env = env, timeout = 60 })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(4, #cjson.decode(run("list", "--json").stdout))
        local at_create = support.api == "v2" and 1 or 0 -- that of new1
        assert.are.equal(2 - at_create, planning.requests().update_target_latency) -- of new1 and of orders, once
    end)

    it("of a job is refused when it is resumed and others have changed something meanwhile", function()
        start()
        local out = save(fleet(some), "--prune")
        local env = { XDG_STATE_HOME = support.temporary_directory("state") }
        local options = { env = env }
        assert.are.equal(2, apply("--job", "night", "--max-delete", "1", out, options).status)
        create { topicsRegex = "elsewhere" }
        says(refusal(out, "--job", "night", options), "of 'elsewhere' from us-west is new")
    end)
end)
