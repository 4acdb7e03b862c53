-- The exit status of a run is one truth: the process, the job's record, report.json and the metrics tell the same.
-- 2 means that something was wrong before any change was sent.
local json = require("kmirror.json")
local support = require("spec.support")

local connect = 'local api = require("mirrors").connect {} '
local change = connect .. "api:delete(api:list()[1].id) "
local misuse = 'require("task").group(5) '

-- How a run can end: the runbook, the status, and how it is run when that matters.
local ways = {
    ["by its end"] = { "", 0 },
    ["by returning 0"] = { "return 0", 0 },
    ["by returning a status"] = { "return 3", 3 },
    ["by returning something else"] = { "return 999", 1 },
    ["by returning nil and why"] = { "return nil, 'why'", 1 },
    ["by an error"] = { "error('x')", 1 },
    ["by an error without a value"] = { "error()", 1 },
    ["by an error with a table"] = { "error { code = 3 }", 1 },
    ["by os.exit"] = { "os.exit(7)", 7 },
    ["by os.exit(true)"] = { "os.exit(true)", 0 },
    ["by not being Lua"] = { "print(", 2 },
    ["by misuse before anything was sent"] = { misuse, 2 },
    ["by misuse after a list"] = { connect .. "api:list() " .. misuse, 2 },
    ["by misuse after a change"] = { change .. misuse, 1 },
    ["by a usage error before anything was sent"] = { 'require("kmirror.usage")("no")', 2 },
    ["by a usage error after a change"] = { change .. 'require("kmirror.usage")("no")', 1 },
    ["by an error of the API"] = { connect .. 'api:get("00000000-0000-4000-8000-000000000000")', 1 },
    ["by a task that failed and that nobody joined"] = { 'require("task").spawn(error, "y")', 1 },
    ["by joining a task that was cancelled"] = {
        'local t = require("task").spawn(require("task").sleep, 9) t:cancel() t:join()', 1 },
    ["with some items failed"] = {
        'require("kmirror.bulk").each({ 1, 2 }, function(i) if i == 1 then error("z") end end)', 3 },
    ["with all items failed"] = { 'require("kmirror.bulk").each({ 1 }, function() error("z") end)', 1 },
    ["with output that was lost"] = { "print 'x'", 1, stdout = "/dev/full" },
    ["by Ctrl-C"] = { 'io.stderr:write("now\\n") require("task").sleep(30)', 130, signal = "INT" },
    ["by SIGTERM"] = { 'io.stderr:write("now\\n") require("task").sleep(30)', 130, signal = "TERM" },
    ["by a dropped connection"] = { 'io.stderr:write("now\\n") require("task").sleep(30)', 130, signal = "HUP" },
}

describe("the exit status of a run that ends", function()
    local sandbox, home

    setup(function()
        sandbox = support.sandbox { world = 60 }
        home = support.temporary_directory("home")
    end)
    teardown(function() sandbox:stop() end)

    local jobs = 0

    -- Runs it as a job of its own; what each of the four says.
    local function statuses(way)
        jobs = jobs + 1
        local name = "j" .. jobs
        local env = sandbox:env()
        env.XDG_STATE_HOME = home
        local script = support.temporary("r.lua", way[1])
        local report, metrics = support.temporary("r.json"), support.temporary("m.txt")
        local words = { "--job", name, "--report", report, "--metrics", metrics, "run", script, env = env }
        local result
        if way.signal then
            local process = support.start(words)
            support.eventually("it to run", function() return process:stderr():find("now", 1, true) end)
            process:signal(way.signal)
            result = process:wait()
        elseif way.stdout then
            result = support.run { command = "sh", "-c", 'exec "$0" "$@" > ' .. way.stdout, support.executable,
                env = env, table.unpack(words) }
        else
            result = support.run(words)
        end
        local job = support.run { "jobs", "show", name, "--json", env = env }
        local document = json.read(report)
        return {
            process = result.status, job = json.decode(job.stdout).status,
            report = document.runs[#document.runs].status,
            metrics = tonumber(support.read(metrics):match("\nkmirror_run_exit_status (%d+)")),
        }, result
    end

    for how, way in pairs(ways) do
        it(how .. " is told by all alike", function()
            local expected = { process = way[2], job = way[2], report = way[2], metrics = way[2] }
            local told, result = statuses(way)
            assert.are.same(expected, told, result.stderr)
        end)
    end

    it("without credentials is 2 everywhere", function()
        local report, metrics = support.temporary("r.json"), support.temporary("m.txt")
        local result = support.run { "--job", "none", "--report", report, "--metrics", metrics, "run",
            support.temporary("r.lua", connect), env = { XDG_STATE_HOME = home } }
        assert.are.equal(2, result.status, result.stderr)
        local shown = support.run { "jobs", "show", "none", "--json", env = { XDG_STATE_HOME = home } }
        local job = json.decode(shown.stdout)
        assert.are.same({ 2, 2, "2" }, { job.status, json.read(report).runs[1].status,
            support.read(metrics):match("\nkmirror_run_exit_status (%d+)") })
    end)

    it("of a command with --json is that of the command without", function()
        for _, words in ipairs { { "get", "no/id" }, { "get", "00000000-0000-4000-8000-000000000000" },
            { "list", "--cluster", "nowhere" }, { "create", "/nowhere.json" }, { "delete" } } do
            local plain, programs = { env = sandbox:env() }, { env = sandbox:env() }
            for i, word in ipairs(words) do plain[i], programs[i] = word, word end
            programs[#programs + 1] = "--json"
            assert.are.equal(support.run(plain).status, support.run(programs).status, table.concat(words, " "))
        end
    end)
end)
