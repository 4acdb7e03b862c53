local instructions = require("spec.support.instructions")
local journal = require("spec.support.journal")
local stores = require("spec.support.stores")
local support = require("spec.support")

local run = journal.run

describe("a journal, of the runs of a job,", function()
    it("lets go of a job that it could not open", function()
        assert.are.equal("usage\tok\n", run [[
            begin()
            run:finish(0)
            print(kind_of(begin, { target = "there" }), kind_of(begin))]])
    end)

    it("refuses a name that could not be a file's, and tells what would do", function()
        for _, name in ipairs { "", "..", "a/b", "-x", ("x"):rep(65), "a\nb" } do
            local problem = run(("begin { job = %q }"):format(name), { fails = 2 })
            assert.matches("cannot be a job's name: expected up to 64 letters", problem)
        end
    end)

    it("refuses a job of another runbook or target, which it would take for done", function()
        local path = stores.place "journal"
        run("begin() run:finish(0)", { path = path })
        assert.are.equal("kmirror: job 'j' belongs to the runbook /s.lua, not to failback: give another --job NAME, "
            .. "or start it over: kmirror jobs forget j\n",
            run("begin { script = 'failback' }", { path = path, fails = 2 }))
        assert.are.equal("kmirror: job 'j' has changed here, not there: give another --job NAME, or start it over: "
            .. "kmirror jobs forget j\n", run("begin { target = 'there' }", { path = path, fails = 2 }))
    end)

    stores.it_in_file(it, "refuses a job that another process is at work on", function()
        local path = stores.place "journal"
        local holder = support.start { "run", "-", stdin = journal.runbook(path, [[
            begin()
            print "begun"
            io.stdout:flush()
            task.sleep(60)]]) }
        support.eventually("the run", function() return holder:stdout() == "begun\n" end)
        assert.matches("job 'j' is running in another kmirror process", run("begin()", { path = path, fails = 2 }))
        run("begin { job = 'k' }", { path = path })
        holder:signal("KILL")
        holder:wait()
        assert.are.equal("2\n", run("begin() print(run.run.number)", { path = path }))
    end)

    stores.it_in_file(it, "says before anything is sent what is wrong with its store", function()
        local path = support.temporary("jobs.db", ("no database "):rep(200))
        assert.matches("^kmirror: the store .*file is not a database", run("begin()", { path = path, fails = 2 }))
    end)

    it("computes the same for each item of a shared job, however many there are", function()
        local script = support.temporary("shared.lua", [[
            local task = require "task"
            local job, runs, last = nil, {}, 0
            local function nothing() return {} end
            local store = {
                url = "postgresql://x/y", user = "alice", share_items = nothing, holders = nothing, changes = nothing,
                seen = nothing, write_changes = nothing, end_run = nothing, close = nothing,
                lock = function() return { close = nothing } end,
                secret = function() return ("k"):rep(32) end,
                job = function() return job end,
                runs = function() return runs end,
                begin_run = function(_, its, run) job, runs[run.number] = its, run end,
                next_position = function() last = last + 1 return last end,
            }
            local opened = require "kmirror.journal".open { job = "j", store = store, join = true, script = "/s.lua",
                target = "here" }
            local change = opened:intercept()
            for i = 1, tonumber((...)) do
                task.enter("item " .. i)
                change({ operation = "delete", cluster = "c", id = tostring(i) }, function() end)
                opened:leave("item " .. i)
            end
            task.enter(nil)
            opened:finish(0)]])
        local growth = instructions.growth(200, function(items)
            local count, result = instructions.of { "run", script, items }
            assert.are.equal(0, result.status, result.stderr)
            return count
        end)
        assert.is_true(growth < 2.2, growth)
    end)

    it("tells at the end what earlier runs did that this one did not ask for", function()
        assert.are.equal("0\n0\n2\tx\tdelete\n0\n", run [[
            begin()
            create "x"
            delete "m"
            answer = fails "invalid"
            pcall(create, "bad")
            print(#run:finish(0).unasked)
            begin()
            print(#run:finish(1).unasked)
            begin()
            local unasked = run:finish(3).unasked
            print(#unasked, unasked[1].arguments.topicsRegex, unasked[2].operation)
            begin()
            create "x"
            delete "m"
            print(#run:finish(0).unasked)]])
    end)

    it("sums up all runs of a job, and says how to continue", function()
        assert.are.equal([[
{"done":{"create":1,"delete":0,"update_target_latency":1},"failed":1,"job":"j","resume":"kmirror jobs resume j",]]
            .. [["runs":1,"sent":5,"unanswered":1,"unasked":[]}
{"done":{"create":2,"delete":1,"update_target_latency":1},"failed":0,"job":"j","runs":2,]]
            .. [["sent":2,"store":"sqlite:it's","unanswered":0,"unasked":[]}
kmirror jobs resume j --store 'sqlite:it'\''s'
]], run [[
            local function finish(status)
                local summary = run:finish(status)
                summary.started = nil
                json.array(summary.unasked)
                print(json.encode(summary))
                return summary
            end
            begin()
            create "x"
            latency("m", 5000)
            answer = fails "invalid"
            pcall(create, "y")
            pcall(create, "y")
            answer = fails "timeout"
            pcall(delete, "m")
            finish(130)
            begin { settings = { store = "sqlite:it's" } }
            answer = works
            create "x"
            create "y"
            delete "m"
            latency("m", 5000)
            finish(0)
            begin { settings = { store = "sqlite:it's" } }
            print(run:finish(1).resume)]])
    end)
end)
