local run = require("spec.support.journal").run
local stores = require("spec.support.stores")

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
end)
