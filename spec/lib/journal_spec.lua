local stores = require("spec.support.stores")
local support = require("spec.support")

-- What the scripts below run on: a job whose changes are answered by functions of theirs. The ledger of
-- creates is a stand-in that writes down what it is told.
local prelude = [[
    local journals, mirrors, task = require "kmirror.journal", require "mirrors", require "task"
    local json, stores = require "kmirror.json", require "kmirror.store"
    local path = %q

    local told, listener = {}, nil
    local ledger = {}
    function ledger:listen(fn) listener = fn end
    function ledger:seed(cluster, events)
        local entries = {}
        for _, event in ipairs(events) do
            local what = event.seen and table.concat(event.seen, "+") or event.made or event.sent.topicsRegex .. "?"
            told[#told + 1] = cluster .. ":" .. what
            if event.sent then entries[#entries + 1] = { entry = event.sent.topicsRegex } end
        end
        return entries
    end
    local its_ledger = ledger

    local run, change, answer
    local sent = {}

    -- Begins a run; `fields` are options of the journal.
    local function begin(fields)
        local options = { job = "j", store = path, script = "/s.lua", target = "here" }
        for key, value in pairs(fields or {}) do options[key] = value end
        run = journals.open(options)
        change = run:intercept()
        sent = {}
    end

    -- Ends it as a SIGKILL would.
    local function kill()
        run.lock:close()
        run.store:close()
    end

    local function ask(fields, cluster)
        fields.cluster, fields.ledger = cluster or "c", its_ledger
        local what = fields.spec and fields.spec.topicsRegex or fields.newTargetLatency
        local name = ("%%s %%s"):format(fields.operation, what or fields.id)
        return change(fields, function(how)
            if how and how.sending and not how.lost then how.sending() end
            sent[#sent + 1] = name
            return answer(name, how)
        end)
    end

    local function create(regex, fields)
        local spec = { sourceAlias = "a", topicsRegex = regex, maxTasks = 3 }
        for key, value in pairs(fields or {}) do spec[key] = value end
        return ask { operation = "create", spec = spec }
    end
    local function delete(id) return ask { operation = "delete", id = id } end
    local function latency(id, ms)
        return ask { operation = "update_target_latency", id = id, newTargetLatency = ms }
    end

    local ids = 0
    local function works(name)
        if name:find("^create") then
            ids = ids + 1
            return "id" .. ids
        end
    end
    local function fails(kind)
        return function() error(mirrors.error(kind, kind .. " it was", { operation = "x" }), 0) end
    end
    local function kind_of(fn, ...)
        local ok, problem = pcall(fn, ...)
        return ok and "ok" or type(problem) == "table" and problem.kind or problem
    end

    -- State and id of every change in the store, and why it failed.
    local function show()
        local store = stores.open(path)
        for _, row in ipairs(store:changes("j")) do
            print(row.operation, row.state, row.id or "-", row.problem or "-")
        end
        store:close()
    end
    answer = works
]]

-- Runs Lua on top of that; returns what it printed.
local function run(script, options)
    options = options or {}
    local path = options.path or stores.place "journal"
    local result = support.run { "run", "-", env = stores.env(options.env), stdin = prelude:format(path) .. script }
    if options.fails then
        assert.are.equal(options.fails, result.status)
        return result.stderr
    end
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("a journal", function()
    it("answers with what was recorded, and sends nothing that was done", function()
        assert.are.equal("id1\nid1\tnil\tnil\t0\n", run [[
            begin()
            print(create "x")
            latency("id1", 5000)
            delete "m"
            run:finish(0)
            begin()
            print(create "x", latency("id1", 5000), delete "m", #sent)]])
    end)

    it("does not care in which order, or how concurrently, changes are asked for", function()
        assert.are.equal("id1,id2,id3,id4\t0\n", run [[
            begin()
            local before = { create "x", create "y", create "x", create "z" }
            kill()
            begin()
            local again = {}
            local group <close> = task.group {}
            for _, regex in ipairs { "z", "x", "y", "x" } do
                group:spawn(function() again[#again + 1] = create(regex) end)
            end
            group:wait()
            table.sort(again)
            print(table.concat(again, ","), #sent)]])
    end)

    it("counts equal changes: what is asked for more often than before is sent", function()
        assert.are.equal("id1\tid2\tid3\t1\n", run [[
            begin()
            create "x"
            create "x"
            run:finish(0)
            begin()
            print(create "x", create "x", create "x", #sent)]])
    end)

    it("tells changes apart by operation, cluster, mirror and every argument, not by how they are written", function()
        assert.are.equal("8\n8\n", run [[
            begin()
            create "x"
            latency("m", 5000)
            run:finish(0)
            begin()
            create "y"
            create("x", { maxTasks = 4 })
            create("x", { useRenaming = true })
            create("x", { sourceAlias = "b" })
            delete "m"
            latency("n", 5000)
            latency("m", 6000)
            ask({ operation = "update_target_latency", id = "m", newTargetLatency = 5000 }, "d")
            print(#sent)
            create("x", { maxTasks = 3.0 })
            ask({ operation = "update_target_latency", id = "M", newTargetLatency = 5000.0 }, "C")
            print(#sent)]])
    end)

    it("records a change before it is sent, and the outcome before anybody hears of it", function()
        assert.are.equal("create\tsent\t-\t-\ncreate\tdone\tid1\t-\n" ..
            "create\tdone\tid1\t-\ndelete\tsent\tm\t-\ncreate\tdone\tid1\t-\ndelete\tdone\tm\t-\n", run [[
            begin()
            answer = function(...) show() return works(...) end
            create "x"
            show()
            delete "m"
            show()]])
    end)

    -- A store that counts its writes of changes, and knows what was written.
    local counting = [[
        local writes, written = 0, {}
        local function counted()
            local store = stores.open(path)
            return setmetatable({}, { __index = function(_, name)
                return type(store[name]) == "function" and function(_, job, rows, ...)
                    if name == "write_changes" then
                        writes = writes + 1
                        for _, row in ipairs(rows) do written[row.id or row.arguments.topicsRegex] = row.state end
                    end
                    return store[name](store, job, rows, ...)
                end
            end })
        end
    ]]

    it("writes changes that are under way together at once, and sends none before that", function()
        assert.are.equal("64 sent, 32 deleted, 32 created\n4 writes\n64 done\n", run(counting .. [[
            begin { store = counted() }
            local unwritten, created = 0, 0
            answer = function(name, ...)
                local id = name:match("%S+$")
                if written[id] ~= "sent" then unwritten = unwritten + 1 end
                task.sleep(0.3)
                created = created + (name:find("^create") and 1 or 0)
                return works(name, ...)
            end
            do
                local group <close> = task.group()
                for i = 1, 32 do
                    group:spawn(delete, "m" .. i)
                    group:spawn(create, "x" .. i)
                end
            end
            print(("%d sent, %d deleted, %d created"):format(#sent, #sent - created, created))
            print((unwritten > 0 and unwritten .. " unwritten " or "") .. (writes <= 8 and 4 or writes) .. " writes")
            local done = 0
            for _, row in ipairs(run.store:changes("j")) do done = done + (row.state == "done" and 1 or 0) end
            print(done .. " done")]]))
    end)

    it("writes at once what a task asks for that may not wait any more, and what came of it", function()
        assert.are.equal("sent\ncancelled\ndelete\tsent\tm\tthe task was cancelled\n", run(counting .. [[
            begin { store = counted() }
            answer = function()
                print(written.m)
                task.sleep(0) -- raises, as a request does
            end
            local it
            it = task.spawn(function()
                it:cancel()
                delete "m"
            end)
            print(kind_of(it.join, it))
            show()]]))
    end)

    it("sends again what surely was not done", function()
        for _, kind in ipairs { "invalid", "unauthorized", "forbidden", "not_found", "read_only" } do
            local expected = ("KIND\tKIND\tKIND\ncreate\tfailed\t-\tKIND it was\ndelete\tfailed\tm\tKIND it was\n"
                .. "update_target_latency\tfailed\tm\tKIND it was\n3\n"):gsub("KIND", kind)
            assert.are.equal(expected, run(([[
                begin()
                answer = fails "%s"
                print(kind_of(create, "x"), kind_of(delete, "m"), kind_of(latency, "m", 5000))
                show()
                kill()
                answer = works
                begin()
                create "x"
                delete "m"
                latency("m", 5000)
                print(#sent)]]):format(kind)))
        end
    end)

    it("does not do twice what a runbook did at its second try", function()
        assert.are.equal("rate_limited\tid1\nid1\t0\ncreate\tdone\tid1\t-\n", run [[
            begin()
            answer = fails "rate_limited"
            local problem = kind_of(create, "x")
            answer = works
            print(problem, create "x")
            kill()
            begin()
            print(create "x", #sent)
            show()]])
    end)

    it("leaves a create unanswered when it cannot be told whether it was made, and says why", function()
        assert.are.equal("unknown_outcome\tcancelled\n" ..
            "create\tsent\t-\tunknown_outcome it was\ncreate\tsent\t-\tcancelled it was\n", run [[
            begin()
            answer = fails "unknown_outcome"
            local first = kind_of(create, "x")
            answer = fails "cancelled"
            print(first, kind_of(create, "y"))
            show()]])
    end)

    it("sends a delete again that was not answered, and takes a mirror that is gone for deleted", function()
        for _, kind in ipairs { "timeout", "server", "rate_limited", "transport", "cancelled" } do
            assert.are.equal(kind .. "\n1\tok\ndelete\tdone\tm\t-\n", run(([[
                begin()
                answer = fails "%s"
                print(kind_of(delete, "m"))
                kill()
                answer = fails "not_found"
                begin()
                local outcome = kind_of(delete, "m")
                print(#sent, outcome)
                show()]]):format(kind)))
        end
    end)

    it("sends a latency again that was not answered, and raises what comes of it", function()
        assert.are.equal("timeout\nnot_found\n1\n", run [[
            begin()
            answer = fails "timeout"
            print(kind_of(latency, "m", 5000))
            kill()
            answer = fails "not_found"
            begin()
            print(kind_of(latency, "m", 5000))
            print(#sent)]])
    end)

    it("keeps one record of a change that the same run asks for once more, as it was not answered", function()
        assert.are.equal("timeout\nok\nupdate_target_latency\tdone\tm\t-\n", run [[
            begin()
            answer = fails "timeout"
            print(kind_of(latency, "m", 5000))
            answer = works
            print(kind_of(latency, "m", 5000))
            show()]])
    end)

    it("gives the ledger what earlier runs knew, in order, before the first create", function()
        local first = "c:m1+m2 c:id1 c:y? c:m3 c:z? c:q? c:p? c:o?"
        assert.are.equal(first .. "\n1\n" .. first .. " c:id2 c:id3 c:m4\n", run [[
            begin()
            answer = function(name, how)
                if name == "create x" then return works(name) end
                error(mirrors.error("cancelled", "cancelled"), 0)
            end
            local wanted = { operation = "create", cluster = "C", spec = { topicsRegex = "x" }, ledger = its_ledger }
            change(wanted, function(how)
                listener("c", { "m1", "m2" })
                listener("d", { "n1" })
                how.sending()
                return works "create x"
            end)
            pcall(create, "y")
            listener("c", { "m2", "m3" })
            for _, regex in ipairs { "z", "q", "p", "o" } do pcall(create, regex) end
            answer = fails "invalid"
            pcall(create, "w")
            kill()
            begin()
            answer = function(name)
                if #sent == 1 then print(table.concat(told, " ")) end
                return works(name)
            end
            create "v"
            create "w"
            print(#told // 8)
            listener("c", { "m4" })
            kill()
            begin()
            told, answer = {}, works
            create "u"
            print(table.concat(told, " "))]])
    end)

    it("gives a ledger that comes later what this run has made through another", function()
        assert.are.equal("c:id1\n", run [[
            begin()
            create "x"
            its_ledger = setmetatable({}, { __index = ledger })
            create "y"
            print(table.concat(told, " "))]])
    end)

    it("lets go of a job that it could not open", function()
        assert.are.equal("usage\tok\n", run [[
            begin()
            run:finish(0)
            print(kind_of(begin, { target = "there" }), kind_of(begin))]])
    end)

    it("goes on with a create that was not answered, as the ledger's lost one", function()
        assert.are.equal("cancelled\nx true\nid1\n-\tfalse\nid2\ncreate\tdone\tid1\t-\ncreate\tdone\tid2\t-\n", run [[
            begin()
            answer = fails "cancelled"
            print(kind_of(create, "x"))
            kill()
            begin()
            local identity
            answer = function(name, how)
                io.write(how.lost and how.lost.entry .. " " or "-\t")
                print(how.identity == identity or how.lost ~= nil)
                identity = how.lost and how.identity
                return works(name)
            end
            print(create "x")
            print(create "y")
            show()]])
    end)

    it("writes down what lists show while it runs, once", function()
        assert.are.equal("1 c m1\n2 c m2\n", run [[
            begin()
            answer = function(name)
                listener("c", { "m1" })
                return works(name)
            end
            change({ operation = "create", cluster = "c", spec = {}, ledger = its_ledger }, function(how)
                listener("c", { "m1" })
                listener("c", { "m1", "m2" })
                how.sending()
                return "id"
            end)
            run:finish(0)
            begin()
            create "x"
            kill()
            local store = stores.open(path)
            for _, seen in ipairs(store:seen "j") do
                print(seen.order .. " " .. seen.cluster .. " " .. table.concat(seen.ids, "+"))
            end]])
    end)

    -- A store that fails at the n-th of its writes.
    local failing = [[
        local function fail_at(n)
            local store, count = stores.open(path), 0
            return setmetatable({}, { __index = function(_, name)
                return type(store[name]) == "function" and function(_, ...)
                    if name == "write_changes" or name == "write_seen" or name == "end_run" then
                        count = count + 1
                        if count == n then error(mirrors.error("store", "the disk is full"), 0) end
                    end
                    return store[name](store, ...)
                end
            end })
        end
    ]]

    it("sends nothing that it could not record, from then on", function()
        assert.are.equal("ok\nstore\nstore\tstore\tstore\n1\nthe disk is full\ndelete\tdone\tm\t-\n", run(failing .. [[
            begin { store = fail_at(3) }
            print(kind_of(delete, "m"))
            print(kind_of(delete, "n"))
            print(kind_of(create, "x"), kind_of(latency, "m", 5000), kind_of(delete, "m"))
            print(#sent)
            print(run:finish(0).problem.message)
            show()]]))
    end)

    it("leaves a change unanswered when its outcome cannot be recorded, and raises that", function()
        assert.are.equal("store\n1\n1\ndelete\tsent\tm\t-\nok\t1\ndelete\tdone\tm\t-\n", run(failing .. [[
            begin { store = fail_at(2) }
            print(kind_of(delete, "m"))
            print(#sent)
            print(run:finish(1).unanswered)
            show()
            begin()
            answer = fails "not_found"
            print(kind_of(delete, "m"), #sent)
            show()]]))
    end)

    it("keeps no secret, yet knows one from another", function()
        local path = stores.place "journal"
        local secret = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config=password=hunter2;"
        assert.are.equal("id1\tid2\nid1\t(hidden)\n", run(([[
            local secret = %q
            begin()
            print(create("x", { sourceConnectionProperties = secret }),
                create("x", { sourceConnectionProperties = secret .. " " }))
            answer = fails "cancelled"
            pcall(create, "y", { sourceConnectionProperties = secret })
            kill()
            begin()
            answer = works
            print(create("x", { sourceConnectionProperties = secret }),
                run.changes[1].arguments.sourceConnectionProperties)]]):format(secret), { path = path }))
        local files = stores.content(path)
        assert.is_truthy(files:find("topicsRegex", 1, true))
        assert.is_nil(files:find("hunter2", 1, true))
        assert.is_nil(files:find("10.0.0.1", 1, true))
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
        local holder = support.start { "run", "-", stdin = prelude:format(path) .. [[
            begin()
            print "begun"
            io.stdout:flush()
            task.sleep(60)]] }
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
