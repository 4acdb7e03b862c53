local json = require("kmirror.json")
local support = require("spec.support")

local prelude = [[
    local api = require("mirrors").connect {}
    local steps = require("kmirror.steps").new()
    local kafka = "5a9b1c52-0000-4000-8000-000000000001"
    local function create(regex)
        return api:create { sourceType = "instaclustr", kafkaSource = kafka, sourceAlias = "us-west",
            usePrivateIps = false, topicsRegex = regex, useRenaming = false, maxTasks = 1 }
    end
]]

-- Runs a runbook in a small sandbox; what it reports, and the result.
local function report(script, options)
    options = options or {}
    local path = options.path or support.temporary(options.name or "report.json")
    local words = { "--sandbox", "--world", "3", "--rate", "0", "--report", path }
    table.move(options, 1, #options, #words + 1, words)
    table.move({ "run", "-" }, 1, 2, #words + 1, words)
    words.stdin, words.env = prelude .. script, options.env
    local result = support.run(words)
    local text = support.read(path)
    return path:find "json$" and assert(json.decode(text)) or text, result
end

describe("--report FILE.json", function()
    it("has each call with its attempts, and the steps", function()
        local document, result = report [[
            steps:run("look", function()
                for _, listed in ipairs(api:list()) do api:get(listed.id) end
                return "seen"
            end)
        ]]
        assert.are.equal(0, result.status, result.stderr)
        local run = document.runs[1]
        assert.are.equal("done", run.state)
        assert.are.equal(4, #run.calls)
        assert.are.equal("list", run.calls[1].operation)
        for _, call in ipairs(run.calls) do
            assert.are.equal("done", call.outcome)
            local attempt = call.attempts[1]
            assert.is_true(call.asked <= attempt.granted and attempt.granted <= attempt.sent
                and attempt.sent <= attempt.ended and attempt.ended <= call.ended)
        end
        assert.are.same({ "look", "seen" }, { run.steps[1].title, run.steps[1].outcome })
        assert.are.equal(3, #run.mirrors)
        assert.are.equal("IN_SYNC", run.mirrors[1].points[1][3])
    end)

    it("has what changed, before and after", function()
        local document = report [[
            local mirror = api:get(api:list()[1].id)
            api:update_target_latency(mirror.id, 12000)
            api:delete(mirror.id)
            create "new"
        ]]
        local changes = document.runs[1].changes
        assert.are.same({ "update_target_latency", "delete", "create" },
            { changes[1].operation, changes[2].operation, changes[3].operation })
        assert.are.same({ 30000, 12000 }, { changes[1].before.targetLatency, changes[1].after.targetLatency })
        assert.are.equal(12000, changes[2].before.targetLatency)
        assert.are.equal("new", changes[3].after.topicsRegex)
        assert.is_truthy(changes[3].id)
    end)

    it("never has a secret", function()
        local _, path = nil, support.temporary("report.json")
        report([[
            pcall(api.create, api, { sourceType = "custom", sourceConnectionProperties = "password=hunter22",
                sourceAlias = "a", topicsRegex = "x", useRenaming = false, maxTasks = 1 })
        ]], { path = path })
        local text = support.read(path)
        assert.is_truthy(text:find("(hidden)", 1, true))
        assert.is_nil(text:find("hunter22", 1, true))
        assert.is_nil(text:find("sandbox-full-key", 1, true))
    end)

    it("says why the run failed", function()
        local document, result = report [[api:get "00000000-0000-4000-8000-000000000000"]]
        assert.are.equal(1, result.status)
        assert.are.equal("failed", document.runs[1].state)
        assert.is_truthy(document.error:find("404 Not Found", 1, true))
        assert.are.equal("not_found", document.runs[1].calls[1].outcome)
    end)

    it("tells a plan from a change", function()
        local document = report([[api:delete(api:list()[1].id)]], { "--dry-run" })
        assert.are.equal("planned", document.runs[1].changes[1].outcome)
    end)

    it("has waits and failed attempts of a call that was retried", function()
        local document = report([[for _ = 1, 40 do api:list() end]], { "--faults", "flaky", "--seed", "7" })
        local run, waits, failed = document.runs[1], 0, 0
        for _, call in ipairs(run.calls) do
            waits = waits + #call.waits
            for _, attempt in ipairs(call.attempts) do
                failed = failed + (attempt.error and 1 or 0)
            end
        end
        assert.is_true(failed > 0)
        assert.are.equal(run.retries, waits)
        assert.are.equal(failed, waits)
    end)

    it("tells what failed on the way to a mirror that is gone", function()
        local document = report([[
            local id = api:list()[1].id
            api:delete(id)
            for _ = 1, 30 do pcall(api.get, api, id) end
            pcall(api.update_target_latency, api, id, 5000)
        ]], { "--faults", "flaky", "--seed", "7" })
        local gone, failed = 0, 0
        for _, call in ipairs(document.runs[1].calls) do
            gone = gone + (call.outcome == "gone" and 1 or 0)
            for i, attempt in ipairs(call.attempts) do
                if call.outcome == "gone" then
                    assert.are.equal(i == #call.attempts, attempt.error == "not_found")
                    failed = failed + (i < #call.attempts and 1 or 0)
                end
            end
        end
        assert.are.equal(30, gone)
        assert.is_true(failed > 0)
        assert.are.equal("not_found", document.runs[1].calls[#document.runs[1].calls].outcome)
    end)
end)

describe("the fields of a report", function()
    local fields = require("kmirror.report.fields")

    -- Notes each key of a value by where it is; what stands in free form (before, after) ends there.
    local free = { ["runs.changes.before"] = true, ["runs.changes.after"] = true,
        ["runs.calls_over_time.counts"] = true }
    local function note(found, value, at)
        if type(value) ~= "table" or free[at] then return end
        for key, inner in pairs(value) do
            local is_list = math.type(key) == "integer"
            if not is_list then found[at .. " " .. key] = true end
            note(found, inner, is_list and at or at == "" and key or at .. "." .. key)
        end
    end

    local documents = {
        function() return (report([[
            steps:run("look", function() for _, listed in ipairs(api:list()) do api:get(listed.id) end return "" end)
            api:update_target_latency(create "new", 12000)
            steps:run("fail", function() api:get "00000000-0000-4000-8000-000000000000" end)
        ]])) end,
        function() return (report("for _ = 1, 40 do api:list() end", { "--faults", "flaky", "--seed", "7" })) end,
        function()
            return (report("api:update_target_latency(api:get(api:list()[1].id).id, 9000) error 'no'",
                { "--job", "fields" }))
        end,
        function()
            return (report("pcall(api.delete, api, '00000000-0000-4000-8000-000000000000')"
                .. "require 'kmirror.summary'.say 'nothing was there'"))
        end,
    }

    it("are those that help describes", function()
        local found, described = {}, {}
        for _, make in ipairs(documents) do note(found, make(), "") end
        for _, kind in ipairs(fields.all) do
            for _, field in ipairs(kind) do
                if field[1] ~= "" then described[kind.at .. " " .. field[1]] = true end
            end
        end
        assert.are.same(described, found)
    end)

    it("come with the version of what they mean", function()
        assert.are.equal(1, (report("api:list()")).schema_version)
    end)

    it("are in the help of the command", function()
        local help = support.run { "help", "report" }.stdout
        for _, kind in ipairs(fields.all) do
            assert.is_truthy(help:find(kind.title .. ":", 1, true))
            for _, field in ipairs(kind) do
                assert.is_truthy(help:find(("  %s  +%s\n"):format(field[1], (field[2]:gsub("%p", "%%%0")))), field[2])
            end
        end
        for text in help:gmatch("[^\n]+") do assert.is_true(#text < 80, text) end
    end)
end)

describe("the report of a job", function()
    local script = prelude .. [[
        local mark = io.open(os.getenv "HOME" .. "/second")
        local id = create "first"
        if not mark then
            io.open(os.getenv "HOME" .. "/second", "w"):close()
            error("out of luck", 0)
        end
        api:delete(id)
    ]]
    local home = support.temporary_directory("home")
    local file = support.temporary("job.lua", script)
    local path = support.temporary("job.json")

    it("names the command to continue, and covers all runs", function()
        local function go()
            return support.run { "--sandbox", "--job", "two", "--report", path, "run", file, env = { HOME = home } }
        end
        assert.are.equal(1, go().status)
        local document = json.decode(support.read(path))
        assert.are.equal("kmirror jobs resume two", document.resume)
        assert.are.equal("out of luck", document.error)
        local second = go()
        assert.are.equal(0, second.status, second.stderr)
        document = json.decode(support.read(path))
        assert.is_nil(document.resume)
        assert.are.equal(2, #document.runs)
        assert.are.same({ "failed", "done" }, { document.runs[1].state, document.runs[2].state })
        assert.are.equal("create", document.runs[1].changes[1].operation)
        assert.are.same({ "recorded", "done" },
            { document.runs[2].changes[1].outcome, document.runs[2].changes[2].outcome })
    end)

    it("is made from the journal later", function()
        local page = support.run { "report", "two", "-", env = { HOME = home } }
        assert.are.equal(0, page.status, page.stderr)
        assert.is_truthy(page.stdout:find("job two, run 2", 1, true))
        assert.is_truthy(page.stdout:find("first", 1, true))
        local again = support.temporary("again.json")
        assert.are.equal(0, support.run { "report", "two", again, env = { HOME = home } }.status)
        local text = support.read(again)
        assert.are.equal(2, #json.decode(text).runs)
        assert.is_truthy(text:find('"waits":[]', 1, true)) -- a list, also when nothing is in it
    end)

    it("is refused when there is no such job", function()
        local result = support.run { "report", "three", env = { HOME = home } }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("there is no job 'three'", 1, true))
    end)
end)

describe("--log-format json", function()
    it("makes each message a line of JSON, on stderr and in the file", function()
        local path = support.temporary("log.jsonl")
        local result = support.run { "--log-format", "json", "--log-file", path, "run", "-", stdin = [[
            require("kmirror.log").warn("two\nlines\27")
        ]] }
        local line = json.decode(result.stderr)
        assert.are.same({ "warn", "two\nlines\27" }, { line.level, line.message })
        assert.is_truthy(line.time:find("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
        assert.are.equal(result.stderr, support.read(path))
    end)

    it("has the fields of a retry", function()
        local result = support.run { "--sandbox", "--faults", "flaky", "--seed", "7", "--log-format", "json",
            "run", "-", stdin = prelude .. "for _ = 1, 40 do api:list() end" }
        local retries = 0
        for text in result.stderr:gmatch("[^\n]+") do
            local line = assert(json.decode(text))
            if line.event == "retry" then
                retries = retries + 1
                assert.are.equal("list", line.operation)
                assert.is_true(line.wait >= 0 and line.attempt >= 1 and #line.error > 0)
            end
        end
        assert.is_true(retries > 0)
    end)
end)
