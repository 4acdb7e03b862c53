local json = require "kmirror.json"
local support = require "spec.support"

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
            for _, attempt in ipairs(call.attempts) do failed = failed + (attempt.error and 1 or 0) end
        end
        assert.is_true(failed > 0)
        assert.are.equal(run.retries, waits)
        assert.are.equal(failed, waits)
    end)
end)

describe("the fields of a report", function()
    local fields = require "kmirror.report.fields"

    -- Notes each key of a value by where it is; what stands in free form (before, after) ends there.
    local free = { ["runs.changes.before"] = true, ["runs.changes.after"] = true }
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
            return (report("pcall(api.delete, api, '00000000-0000-4000-8000-000000000000')"))
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

describe("--report FILE.html", function()
    it("escapes whatever came from outside", function()
        local page = report([[
            create("<script>alert(1)</script>\u{202E}&'\"")
            create(("x"):rep(10000))
        ]], { name = "report.html" })
        assert.is_nil(page:find("<script>alert", 1, true))
        assert.is_truthy(page:find("&lt;script&gt;alert(1)&lt;/script&gt;\\u{202E}&amp;&#39;&quot;", 1, true))
        assert.is_nil(page:find("\u{202E}", 1, true))
        assert.is_truthy(page:find("(10000 characters)", 1, true))
        assert.is_nil(page:find(("x"):rep(400), 1, true))
    end)

    it("cuts no text that is short", function()
        local page = report('create("short")', { name = "report.html" })
        assert.is_truthy(page:find("<title>#%d+ create "))
        assert.is_nil(page:find("%d+ characters%)"))
    end)

    it("does not call it a failure that a mirror is gone after it was deleted", function()
        local page = report([[
            local id = api:list()[1].id
            api:delete(id)
            pcall(api.get, api, id)
        ]], { name = "report.html" })
        assert.is_truthy(page:find("<h2>Failures</h2>\n<p>None.</p>", 1, true))
        assert.is_nil(page:find('<rect class="failed"', 1, true))
        assert.is_truthy(page:find("<span class=dim>gone</span>", 1, true))
        page = report([[pcall(api.get, api, "00000000-0000-4000-8000-000000000000")]], { name = "report.html" })
        assert.is_nil(page:find("<h2>Failures</h2>\n<p>None.</p>", 1, true))
        assert.is_truthy(page:find('<rect class="failed"', 1, true))
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

    it("asks for nothing from outside", function()
        local page = report("api:list()", { name = "report.html" })
        assert.is_nil(page:find("https?:"))
        assert.is_nil(page:find(" src=", 1, true))
        assert.is_nil(page:find("@import", 1, true))
        assert.is_nil(page:find("url(", 1, true))
    end)

    it("is there while the run goes on, and after it was killed", function()
        local path = support.temporary("killed.html")
        local process = support.start { "--sandbox", "--report", path, "run", "-",
            stdin = prelude .. "api:list() require('task').sleep(60)" }
        support.eventually("the call in the page", function()
            return support.read(path):find("data-call=1", 1, true)
        end)
        process:signal "KILL"
        process:wait()
        local page = support.read(path)
        assert.is_truthy(page:find("Still running when this was written", 1, true))
        assert.is_truthy(page:find("</html>\n$"))
    end)

    it("has a color for each mark", function()
        local path = support.temporary("colors.html")
        local result = support.run { "--sandbox", "--report", path, "run", "-",
            stdin = prelude .. "for _, each in ipairs(api:list()) do api:update_target_latency(each.id, 31000) end" }
        assert.are.equal(0, result.status, result.stderr)
        local page, marks = support.read(path), 0
        local style = page:match("<style>(.-)</style>")
        for tag, class in page:gmatch("<(i) class=(%w+)") do
            marks = marks + 1
            assert.is_truthy(style:find(("%s.%s{"):format(tag, class), 1, true), class)
        end
        for tag, class in page:gmatch('<(rect) class="(%w+)"') do
            marks = marks + 1
            assert.is_truthy(style:find(("%s.%s"):format(tag, class), 1, true), class)
        end
        assert.is_true(marks > 8)
    end)

    it("says that the run was interrupted", function()
        local path = support.temporary("interrupted.html")
        local process = support.start { "--sandbox", "--report", path, "run", "-",
            stdin = prelude .. "api:list() print 'ready' io.stdout:flush() require('task').sleep(60)" }
        support.eventually("the run", function() return process:stdout():find "ready" end)
        process:signal "INT"
        assert.are.equal(130, process:wait().status)
        assert.is_truthy(support.read(path):find('class="state interrupted"', 1, true))
    end)

    it("stays small when there are thousands of calls", function()
        local sandbox, path = support.sandbox { rate = 0, world = 3 }, support.temporary("many.html")
        local result = support.run { "--rate", "0", "--report", path, "run", "-", env = sandbox:env(),
            stdin = prelude .. "for _ = 1, 4000 do api:list() end api:delete(api:list()[1].id)" }
        sandbox:stop()
        assert.are.equal(0, result.status, result.stderr)
        local page = support.read(path)
        assert.is_true(#page < 2e6, #page .. " bytes")
        assert.is_truthy(page:find("calls succeeded at once and are not drawn", 1, true))
        assert.is_truthy(page:find('class="removes"', 1, true))
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
        assert.is_truthy(page.stdout:find("Run 2, began", 1, true))
        assert.is_truthy(page.stdout:find("first", 1, true))
        local again = support.temporary("again.json")
        assert.are.equal(0, support.run { "report", "two", again, env = { HOME = home } }.status)
        assert.are.equal(2, #json.decode(support.read(again)).runs)
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
