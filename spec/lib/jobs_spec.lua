local cjson = require("cjson")
local support = require("spec.support")

-- Jobs as their runs have left them: "good" has ended well, "cut" was interrupted, "killed" was killed while it was
-- deleting. Each is one of the script's own making.
local prelude = [[
    local stores = require "kmirror.store"
    local jobs, journals, json = require "kmirror.jobs", require "kmirror.journal", require "kmirror.json"
    local mirrors, shown, task = require "mirrors", require "kmirror.cli.jobs.shown", require "task"
    local host, path = require "host", %q
    host.user, host.machine, host.process, host.version = function() return "alice" end, function() return "jump" end,
        function() return 17 end, "9.9"

    local function begin(name, fields)
        local options = { job = name, store = path, script = "failover", target = "the sandbox",
            args = { "--to", "b c" }, directory = "/tmp" }
        for key, value in pairs(fields or {}) do options[key] = value end
        return journals.open(options)
    end

    -- Asks for the change; the answer is an error of that kind, or an id.
    local function ask(run, operation, id, ms, failure)
        local change = { operation = operation, cluster = "c", id = id, newTargetLatency = ms }
        return pcall(run:intercept(), change, function()
            if failure then error(mirrors.error(failure, "so it was"), 0) end
        end)
    end

    local function good()
        local run = begin "good"
        ask(run, "update_target_latency", "m", 5000)
        ask(run, "delete", "m")
        return run:finish(0)
    end

    local function cut(status)
        local run = begin("cut", { settings = { rate = 5, cluster = "us-east" } })
        ask(run, "delete", "m")
        ask(run, "delete", "n", nil, "forbidden")
        ask(run, "delete", "o", nil, "cancelled")
        return run:finish(status or 130)
    end

    local function killed()
        local run = begin "killed"
        ask(run, "delete", "m", nil, "cancelled")
        run.lock:close()
        run.store:close()
    end

    local function lines(list) print(table.concat(list, "\n")) end
]]

local function run(script, options)
    options = options or {}
    local path = options.path or support.temporary_directory("jobs") .. "/jobs.db"
    local result = support.run { "run", "-", stdin = prelude:format(path) .. script }
    assert.are.equal(options.status or 0, result.status, result.stderr)
    if options.status or options.stderr then return result.stderr end
    assert.are.equal("", result.stderr)
    return (result.stdout:gsub("20%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ", "TIME"))
end

describe("the end of a run", function()
    it("says what the job has done, over all runs", function()
        assert.are.equal("job good: 1 latency update, 1 delete in 1 run\n"
            .. "job good: 1 latency update, 1 delete in 2 runs\n",
            run "lines(jobs.closing(good())) lines(jobs.closing(good()))")
    end)

    it("says what is left, and last of all how to continue", function()
        assert.are.equal("job cut: 1 delete in 1 run; 1 change failed; 1 change was never answered\n"
            .. "to continue: kmirror jobs resume cut\n", run "lines(jobs.closing(cut()))")
    end)

    it("says what earlier runs did that this one did not ask for", function()
        assert.are.equal("job good: 1 latency update, 1 delete in 2 runs\n"
            .. "not needed again: 2 changes of earlier runs; see kmirror jobs show good\n",
            run "good() lines(jobs.closing(begin('good'):finish(0)))")
    end)

    it("says why nothing more could be written down", function()
        assert.are.equal("job good: nothing in 1 run\nnothing more could be written down: the disk is full\n"
            .. "to continue: kmirror jobs resume good\n", run [[
            local run = begin "good"
            run.store.end_run = function() error(mirrors.error("store", "the disk is full"), 0) end
            lines(jobs.closing(run:finish(0)))]])
    end)
end)

describe("the beginning of a run", function()
    it("says nothing the first time", function()
        assert.are.equal("nil\n", run "print(jobs.notice(begin 'good'))")
    end)

    it("says how the last one ended, and what there is", function()
        assert.are.equal("job good, run 2: the last one (TIME) was done; done so far: 1 latency update, 1 delete; "
            .. "to start over: kmirror jobs forget good\n" .. [[
job cut, run 2: the last one (TIME) was interrupted; done so far: 1 delete; 1 unanswered change to be reconciled
job killed, run 2: the last one (TIME) was killed; done so far: nothing; 1 unanswered change to be reconciled
]], run [[
            good()
            cut()
            killed()
            for _, name in ipairs { "good", "cut", "killed" } do print(jobs.notice(begin(name))) end]])
    end)
end)

describe("kmirror jobs", function()
    it("says when there are none", function()
        assert.matches("there are no jobs: kmirror run %-%-job NAME makes one",
            run("shown.list { store = path }", { stderr = true }))
        assert.are.equal("[]\n", run "shown.list { store = path, json = true }")
    end)

    it("shows all jobs by name, and which of them is at work", function()
        assert.are.equal("busy\trunning\t1\tTIME\tnothing\t0\t0\tfailover\talice@jump\n"
            .. "cut\tinterrupted\t1\tTIME\t1 delete\t1\t1\tfailover\talice@jump\n"
            .. "good\tdone\t2\tTIME\t1 latency update, 1 delete\t0\t0\tfailover\talice@jump\n"
            .. "killed\tkilled\t1\tTIME\tnothing\t0\t1\tfailover\talice@jump\n", run [[
            good()
            good()
            cut()
            killed()
            local busy = begin "busy"
            assert(shown.list { store = path } == 0)
            busy:finish(0)]])
    end)

    it("shows how a run ended by its exit status", function()
        assert.are.equal("failed\tdone, some items failed\tinterrupted\tdone\n", run [[
            local states = {}
            for i, status in ipairs { 1, 3, 130, 0 } do
                begin("j"):finish(status)
                states[i] = jobs.all(path)[1].state
            end
            print(table.concat(states, "\t"))]])
    end)

    it("shows all jobs as JSON", function()
        assert.are.equal([=[
[
  {
    "created": "TIME",
    "done": {
      "create": 0,
      "delete": 1,
      "update_target_latency": 0
    },
    "ended": "TIME",
    "failed": 1,
    "host": "jump",
    "name": "cut",
    "pid": 17,
    "runs": 1,
    "script": "failover",
    "started": "TIME",
    "state": "interrupted",
    "status": 130,
    "target": "the sandbox",
    "unanswered": 1,
    "unasked": 0,
    "user": "alice",
    "version": "9.9"
  }
]
]=], run "cut() shown.list { store = path, json = true }")
    end)
end)

describe("kmirror jobs show", function()
    it("shows the runs and the changes of a job", function()
        assert.are.equal("good\tdone\t2\tTIME\t1 latency update, 1 delete\t0\t0\tfailover\talice@jump\n\n"
            .. "1\tdone\tTIME\tTIME\t--to b c\talice@jump\t2\t17\t9.9\t\n"
            .. "2\tdone\tTIME\tTIME\t\talice@jump\t0\t17\t9.9\tOPS-17\n\n"
            .. "1\tset the target latency of mirror m on cluster c to 5000 ms\tdone\t1\tTIME\t\n"
            .. "2\tdelete mirror m on cluster c\tdone\t1\tTIME\tnot needed by the last run\n", run [[
            good()
            local second = begin("good", { args = {}, reason = "OPS-17" })
            ask(second, "update_target_latency", "m", 5000)
            second:finish(0)
            shown.one { name = "good", store = path }]])
    end)

    it("shows why a change failed, and which was never answered", function()
        local shown = run "cut() shown.one { name = 'cut', store = path }"
        assert.matches("2\tdelete mirror n on cluster c\tfailed\t1\tTIME\tso it was\n", shown)
        assert.matches("3\tdelete mirror o on cluster c\tunanswered\t1\t\tso it was\n", shown)
    end)

    it("shows a job as JSON, with arguments, settings and times", function()
        assert.are.equal([=[
{"args":["--to","b c"],"directory":"/tmp","done":1,"ended":"TIME","host":"jump","number":1,"pid":17,]=]
            .. [=["settings":{"cluster":"us-east","rate":5},"started":"TIME","state":"interrupted","status":130,]=]
            .. [=["user":"alice","version":"9.9"}
{"answered":"TIME","arguments":{},"asked":true,"cluster":"c","id":"n","number":2,"operation":"delete",]=]
            .. [=["problem":"so it was","run":1,"sent":"TIME","state":"failed"}
cut	130
]=], run [[
            cut()
            local stdout, text = io.stdout, {}
            io.stdout = { write = function(_, ...) text[#text + 1] = table.concat { ... } end }
            shown.one { name = "cut", store = path, json = true }
            io.stdout = stdout
            local job = json.decode(table.concat(text))
            print(json.encode(job.history[1]))
            print(json.encode(job.changes[2]))
            print(job.name, job.status)]])
    end)

    it("tells who ran each run, as whom, and why, with nothing that a terminal would obey", function()
        local odd = [[ "m\27[2J\u{9B}\u{202E}\nx" ]]
        local script = ("host.user = function() return %s end begin('j', { reason = %s }):finish(1) "):format(odd, odd)
        for _, options in ipairs { "", ", json = true" } do
            local told = run(script .. ("shown.one { name = 'j', store = path%s }"):format(options))
            assert.matches("9[bB]", told)
            for _, each in ipairs { "\27[2J", "\u{9B}", "\u{202E}" } do
                assert.is_nil(told:find(each, 1, true), told)
            end
        end
    end)

    it("tells who holds a job by a lease, and for how long", function()
        local script = [[
            begin("j"):finish(1)
            local methods = getmetatable(stores.open(path)).__index
            methods.holders = function(_, name)
                return { { user = "alice", host = "jump", pid = 17, since = 0, left = 12.34 },
                    { user = "bob", host = "b", pid = 18, since = 1, left = 0.25 } }
            end
        ]]
        assert.are.equal("j\trunning\t1\tTIME\tnothing\t0\t0\tfailover\talice@jump, bob@b\t0.2 s\n",
            run(script .. "shown.list { store = path }"))
        assert.are.equal([=[
[{"host":"jump","lease":12.3,"pid":17,"since":"1970-01-01T00:00:00Z","user":"alice"},]=]
            .. [=[{"host":"b","lease":0.2,"pid":18,"since":"1970-01-01T00:00:01Z","user":"bob"}]
]=], run(script .. "print(json.encode(jobs.one('j', path).holders))"))
    end)

    it("names the jobs that there are when there is none of that name", function()
        assert.are.equal("kmirror: there is no job 'goof'; there are: cut, good. Did you mean 'good'?\n",
            run("good() cut() shown.one { name = 'goof', store = path }", { status = 2 }))
        assert.are.equal("kmirror: there is no job 'goof'; there are none: kmirror run --job NAME makes one\n",
            run("shown.one { name = 'goof', store = path }", { status = 2 }))
    end)

    it("makes tables for spreadsheets: of all jobs, and of the changes of one", function()
        local created = "TIME,1,TIME,TIME,130,0,0,1,1,1,0,alice,jump,17,9.9,"
        assert.are.equal("name,state,script,target,created,runs,started,ended,status,creates,updates,deletes,failed,"
            .. "unanswered,unasked,user,host,pid,version,reason\r\n"
            .. "cut,interrupted,failover,the sandbox," .. created .. "\r\n",
            run "cut() shown.list { store = path, output = 'csv' }")
        assert.are.equal("number,operation,cluster,id,newTargetLatency,state,run,sent,answered,problem,asked\r\n"
            .. "1,update_target_latency,c,m,5000,done,1,TIME,TIME,,true\r\n2,delete,c,m,,done,1,TIME,TIME,,true\r\n",
            run "good() shown.one { name = 'good', store = path, output = 'csv' }")
    end)

    it("says what is wrong with the store", function()
        local path = support.temporary("jobs.db", ("no database "):rep(200))
        assert.matches("^kmirror: the store .* file is not a database",
            run("shown.list { store = path }", { path = path, status = 2 }))
    end)
end)

describe("kmirror jobs resume", function()
    local resume = " print(json.encode(jobs.resume { name = %q, store = path, directory = %q }))"

    it("gives the runbook, arguments and settings of the last run", function()
        assert.are.equal([=[
{"args":["--to","b c"],"job":"cut","script":"failover","settings":{"cluster":"us-east","rate":5}}
{"args":["--fast"],"job":"killed","script":"failover","settings":{}}
]=], run("cut() killed() begin('killed', { args = { '--fast' } }).lock:close()" .. resume:format("cut", "/tmp")
            .. resume:format("killed", "/tmp")))
    end)

    it("has nothing to give for a job that has ended well, but for one with failed items", function()
        assert.matches("job 'good' has succeeded %(20.*Z%): there is nothing to resume; to start over: kmirror "
            .. "jobs forget good %-%-store [^\n]+\n", run("good()" .. resume:format("good", "/tmp"), { status = 2 }))
        run("cut(3)" .. resume:format("cut", "/tmp"))
        run("cut(0)" .. resume:format("cut", "/tmp"))
    end)

    it("says where a job ran, when that is not here", function()
        assert.are.equal("kmirror: job 'cut' ran in another directory: cd /tmp and resume it there\n",
            run("cut()" .. resume:format("cut", "/"), { status = 2 }))
    end)

    it("cannot give a runbook that came from standard input", function()
        assert.matches("came from standard input, and was not kept: give it to kmirror run %-%-job j once more",
            run("begin('j', { script = '-' }):finish(1)" .. resume:format("j", "/tmp"), { status = 2 }))
    end)

    it("lists the others beside a job whose record is damaged, and names that with status 2", function()
        local path = support.temporary_directory("jobs") .. "/jobs.db"
        run("cut()", { path = path })
        for _, name in ipairs { "after", "zz" } do
            run(("local j = begin('%s') j:finish(0)"):format(name), { path = path })
        end
        for _, statement in ipairs { "UPDATE changes SET key = 'x' WHERE number = 2",
            "UPDATE jobs SET name = 'cut' || char(10) || 'kmirror: x' WHERE name = 'zz'" } do
            os.execute(("sqlite3 %s \"%s\""):format(path, statement))
        end
        local result = support.run { "jobs", "--store", path }
        assert.are.equal(2, result.status)
        assert.matches("^after\t[^\n]+\n$", result.stdout)
        assert.matches("change 2 is damaged, .+kmirror jobs forget cut %-%-yes", result.stderr)
        assert.matches("job 'cut\\nkmirror: x': its record is damaged", result.stderr, 1, true)
        result = support.run { "jobs", "--json", "--store", path }
        assert.are.same({ 2, "after" }, { result.status, cjson.decode(result.stdout)[1].name })
    end)

    it("names no more than twenty jobs when there is none of a name", function()
        local path = support.temporary_directory("jobs") .. "/jobs.db"
        run("for i = 1, 25 do begin(('job%02d'):format(i)):finish(0) end", { path = path })
        local result = support.run { "jobs", "show", "job30", "--store", path }
        assert.are.equal(2, result.status)
        assert.matches(", job20 and 5 more; kmirror jobs lists them. Did you mean 'job", result.stderr, 1, true)
        assert.is_nil(result.stderr:find("job21,", 1, true))
    end)

    it("leaves a job alone that is at work", function()
        assert.matches("job 'j' is running in another kmirror process",
            run("local j = begin('j')" .. resume:format("j", "/tmp"), { status = 2 }))
    end)
end)

describe("kmirror jobs resume, with options of its own", function()
    local directory, env

    -- A job that has failed after its first change, and would go on.
    before_each(function()
        directory = support.temporary_directory("again")
        env = { HOME = directory, XDG_STATE_HOME = directory }
        local script = support.temporary("again.lua", [[
            local api = require("mirrors").connect {}
            for _, mirror in ipairs(api:list()) do
                api:update_target_latency(mirror.id, 5000)
                if not io.open(os.getenv("HOME") .. "/mended") then error("not yet", 0) end
            end
        ]])
        local first = support.run { "run", "--sandbox", "--world", "small", "--job", "again", "--reason", "OPS-17",
            script, env = env }
        assert.are.equal(1, first.status, first.stderr)
        support.write(directory .. "/mended", "")
    end)

    it("keeps the reason of the last run, unless another is given", function()
        local runs = { { "jobs", "resume", "again" }, { "jobs", "resume", "again", "--reason", "OPS-18" } }
        os.remove(directory .. "/mended")
        for _, words in ipairs(runs) do
            assert.are.equal(1, support.run { env = env, table.unpack(words) }.status)
        end
        local reasons = {}
        local shown = support.run { "jobs", "show", "again", "--json", env = env }
        for i, each in ipairs(cjson.decode(shown.stdout).history) do reasons[i] = each.reason end
        assert.are.same({ "OPS-17", "OPS-17", "OPS-18" }, reasons)
    end)

    it("writes the report and the metrics that are asked for now", function()
        local report, metrics = directory .. "/report.json", directory .. "/metrics"
        local result = support.run { "jobs", "resume", "again", "--report", report, "--metrics", metrics, env = env }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(2, #cjson.decode(support.read(report)).runs)
        assert.is_truthy(support.read(metrics):find("# EOF", 1, true))
    end)

    it("sends nothing with --dry-run, and refuses changes with --read-only", function()
        local result = support.run { "jobs", "resume", "again", "--dry-run", env = env }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("^would set"), result.stdout)
        result = support.run { "--read-only", "jobs", "resume", "again", env = env }
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("--read-only", 1, true), result.stderr)
        assert.is_truthy(support.run { "jobs", env = env }.stdout:find("again\tfailed\t1\t"))
    end)

    it("is what somebody may have meant", function()
        local result = support.run { "jobs", "resum", "again", env = env }
        assert.are.equal(2, result.status)
        assert.are.equal("kmirror: kmirror jobs cannot 'resum': expected show, resume, forget, approve or refuse. "
            .. "Did you mean 'resume'?\n", result.stderr)
    end)

    it("refuses what has no sense without it, by name", function()
        for _, words in ipairs {
            { "show", "--report", "r.html" }, { "resume", "--json" }, { "forget", "--output", "csv" },
            { "show", "--reason", "r" },
        } do
            local result = support.run { "jobs", words[1], "again", table.unpack(words, 2) }
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find(("kmirror jobs %s has no %s; see kmirror help jobs"):format(words[1],
                words[2]), 1, true), result.stderr)
        end
    end)
end)

describe("kmirror jobs, with a store in the profile", function()
    it("finds the jobs there, and by name those of the sandbox, too", function()
        local home = support.temporary_directory("home")
        os.execute("mkdir -p " .. home .. "/kmirror")
        support.write(home .. "/kmirror/config.lua",
            ('return { profile = "p", profiles = { p = { store = "%s/p.db" } } }'):format(home))
        local env = { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home, HOME = home }
        local function job(name, store)
            local result = support.run { "run", "--sandbox", "--job", name, "--store", store, "-",
                stdin = "return 1", env = env }
            assert.are.equal(1, result.status, result.stderr)
        end
        job("here", home .. "/p.db")
        job("elsewhere", home .. "/kmirror/jobs.db")
        assert.matches("^here\t[^\n]*\n$", support.run { "jobs", env = env }.stdout)
        assert.matches("^elsewhere\t[^\n]*\n$", support.run { "jobs", "--sandbox", env = env }.stdout)
        assert.matches("^elsewhere\t", support.run { "jobs", "show", "elsewhere", env = env }.stdout)
        for _, name in ipairs { "here", "elsewhere" } do
            assert.matches("<h1>", support.run { "report", name, "-", env = env }.stdout, 1, true)
        end
        assert.matches("there is no job 'nosuch'; there are: here\n",
            support.run { "jobs", "show", "nosuch", env = env }.stderr)
    end)
end)

describe("kmirror jobs forget", function()
    it("forgets a job, so that it begins anew", function()
        assert.are.equal("0\n1\n", run([[
            good()
            local stderr = io.stderr
            io.stderr = { write = function() end }
            print(jobs.forget { name = "good", store = path })
            print(#begin("good").runs)]]))
    end)

    it("keeps a job that has unanswered changes, unless it is told to forget it nonetheless", function()
        local path = support.temporary_directory("jobs") .. "/jobs.db"
        assert.are.equal("kmirror: job 'cut' has 1 unanswered change, and only its record can tell what became of it: "
            .. "resume the job first, or give --yes to forget it anyway\n",
            run("cut() jobs.forget { name = 'cut', store = path }", { path = path, status = 2 }))
        assert.matches("forgot job cut", run("jobs.forget { name = 'cut', store = path, yes = true }",
            { path = path, stderr = true }))
        assert.are.equal("0\n", run("print(#jobs.all(path))", { path = path }))
    end)

    it("forgets with --yes a job whose record is damaged, which all else names and does not go by", function()
        local path = support.temporary_directory("jobs") .. "/jobs.db"
        run("cut()", { path = path })
        os.execute(("sqlite3 %s \"UPDATE changes SET key = 'x' WHERE number = 2\""):format(path))
        for _, line in ipairs { { "jobs" }, { "jobs", "show", "cut" }, { "jobs", "resume", "cut" },
            { "report", "cut", "-" }, { "jobs", "forget", "cut" },
            { "run", "--sandbox", "--job", "cut", "failover" } } do
            local result = support.run { "--store", path, table.unpack(line) }
            assert.are.equal(2, result.status, result.stderr)
            assert.matches("change 2 is damaged, .+kmirror jobs forget cut %-%-yes", result.stderr)
        end
        assert.are.equal(0, support.run { "jobs", "forget", "cut", "--yes", "--store", path }.status)
        assert.are.equal(0, support.run { "jobs", "--store", path }.status)
    end)

    it("leaves a job alone that is at work", function()
        assert.matches("job 'j' is running in another kmirror process",
            run("local j = begin('j') jobs.forget { name = 'j', store = path, yes = true }", { status = 2 }))
    end)
end)

describe("kmirror's option --reason", function()
    it("is refused where it would be kept with nothing, and when it is no line of text", function()
        for _, case in ipairs {
            { { "--reason", "OPS-17", "run", "audit" }, "--reason is kept with a job's run: give --job NAME, too" },
            { { "--reason", "OPS-17", "--sandbox", "list" }, "give --job NAME" },
            { { "--reason", " ", "--job", "j", "run", "audit" }, "--reason ' ': expected up to 500 characters" },
            { { "--reason", "a\nb", "--job", "j", "run", "audit" }, "--reason 'a\\nb': expected up to 500" },
            { { "--reason", ("x"):rep(501), "--job", "j", "run", "audit" }, "up to 500 characters on one line" },
        } do
            local result = support.run(case[1])
            assert.are.equal(2, result.status)
            assert.is_truthy(result.stderr:find(case[2], 1, true), result.stderr)
        end
    end)
end)

describe("a job's name", function()
    it("is looked at before anything is made of it, and told in short", function()
        local problem = support.usage_error("--sandbox", "--job", ("x"):rep(5000), "run", "audit")
        assert.matches("^'x+%.%.%.' cannot be a job's name: expected up to 64", problem)
        assert.is_true(#problem < 200)
    end)
end)
