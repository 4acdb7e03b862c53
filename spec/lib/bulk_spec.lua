local support = require("spec.support")

-- Runs Lua in the host, where tasks run side by side; returns what it printed.
local function run(script)
    local result = support.run { "run", "-",
        stdin = 'local bulk, task = require "kmirror.bulk", require "task"\n' .. script }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("bulk.map", function()
    it("gives results in the order of the items, whichever is ready first", function()
        assert.are.equal("3a 2b 1c\n", run [[
            local made = bulk.map({ 0.03, 0.02, 0.01 }, function(seconds, i)
                task.sleep(seconds)
                return ("%d%s"):format(seconds * 100, ("abc"):sub(i, i))
            end)
            print(table.concat(made, " "))]])
    end)

    it("works on several at a time, but no more than it may", function()
        assert.are.equal("16 3 1\n", run [[
            local function most(concurrency)
                local now, most = 0, 0
                local items = {}
                for i = 1, 40 do items[i] = i end
                bulk.map(items, function()
                    now = now + 1
                    most = math.max(most, now)
                    task.sleep(0.001)
                    now = now - 1
                end, concurrency)
                return most
            end
            print(most() .. " " .. most(3) .. " " .. most(1))]])
    end)

    it("stops at the first failure, and raises it", function()
        assert.are.equal("false\tno\t2 begun, 0 ended\n", run [[
            local begun, ended = 0, 0
            local ok, problem = pcall(bulk.map, { 1, 2, 3, 4 }, function(i)
                begun = begun + 1
                if i == 2 then error("no", 0) end
                task.sleep(5)
                ended = ended + 1
            end, 2)
            print(ok, problem, ("%d begun, %d ended"):format(begun, ended))]])
    end)

    it("has nothing to do with nothing", function()
        assert.are.equal("0\n", run "print(#bulk.map({}, error))")
    end)
end)

describe("bulk.filter", function()
    it("keeps what it is told to, in order", function()
        assert.are.equal("3 1\n", run [[
            local kept = bulk.filter({ 3, 2, 1 }, function(item, i)
                task.sleep(item / 100)
                return i ~= 2
            end)
            print(table.concat(kept, " "))]])
    end)
end)

describe("bulk.each", function()
    -- What it makes of items 1 to `count` of which those in `bad` fail.
    local function each(script)
        return run([[
            local function each(count, bad, options)
                local items, is_bad = {}, {}
                for i = 1, count do items[i] = i end
                for _, i in ipairs(bad) do is_bad[i] = true end
                return bulk.each(items, function(item)
                    if is_bad[item] then error("no " .. item, 0) end
                    return item * 10
                end, options)
            end
            local function show(result)
                local failed = {}
                for i, outcome in ipairs(result.failed) do failed[i] = outcome.problem end
                print(("%d done, %s; %d left; %d; %s"):format(#result.done, table.concat(failed, ", "),
                    #result.untouched, result:status(), result.stopped))
            end
            ]] .. script)
    end

    it("goes on after a failure, and keeps both halves in order", function()
        assert.are.equal("8 done, no 3, no 5; 0 left; 3; nil\n10 20 40\n8 done, 2 failed, 0 not begun\n", each [[
            local result = each(10, { 3, 5 })
            show(result)
            print(table.concat(result:values(), " ", 1, 3))
            print(result:summary())]])
    end)

    it("ends with status 0 when all is done, and 1 when nothing is", function()
        assert.are.equal("2 done, ; 0 left; 0; nil\n0 done, no 1; 0 left; 1; nil\n0 done, ; 0 left; 0; nil\n", each [[
            show(each(2, {}))
            show(each(1, { 1 }))
            show(each(0, {}))]])
    end)

    it("begins nothing after the first failure when told to stop", function()
        assert.are.equal("2 done, no 3; 7 left; 3; 1 of 3 items failed, more than 0\n", each [[
            show(each(10, { 3, 5 }, { on_error = "stop", concurrency = 1 }))]])
    end)

    it("begins nothing after more failures than there may be", function()
        assert.are.equal("1 done, no 2, no 3; 7 left; 3; 2 of 3 items failed, more than 1\n", each [[
            show(each(10, { 2, 3 }, { max_failures = 1, concurrency = 1 }))]])
    end)

    it("takes a percentage of failures as one of each batch", function()
        assert.are.equal("0 done, no 1; 9 left; 1; 1 of 1 item failed, more than 10%\n"
            .. "9 done, no 2; 0 left; 3; nil\n", each [[
            show(each(10, { 1 }, { max_failures = "10%", batches = { 1, "100%" } }))
            show(each(10, { 2 }, { max_failures = "20%", batches = { 1, "100%" } }))]])
    end)

    it("works in batches, the last size again until none is left, with a gate behind each", function()
        local script = [[
            local sizes = {}
            local result = each(23, {}, { batches = %s, gate = function(batch)
                sizes[#sizes + 1] = batch.number .. ":" .. #batch.done
            end })
            print(table.concat(sizes, " "), #result.done)]]
        assert.are.equal("1:1 2:2 3:20\t23\n", each(script:format('{ 1, "10%", "100%" }')))
        assert.are.equal("1:1 2:5 3:4 4:4 5:4 6:4 7:1\t23\n", each(script:format('{ 1, 5, "20%" }')))
    end)

    it("begins nothing more when the gate is shut, by false or by an error", function()
        assert.are.equal("3 done, ; 7 left; 3; it lags\n3 done, ; 7 left; 3; broken\n1 done, ; 9 left; 3; the gate "
            .. "closed after batch 1\n", each [[
            local function second(batch) return batch.number < 2, "it lags" end
            show(each(10, {}, { batches = { 1, 2, 100 }, gate = second }))
            show(each(10, {}, { batches = { 1, 2, 100 }, gate = function(batch)
                if batch.number == 2 then error("broken", 0) end
            end }))
            show(each(10, {}, { batches = { 1 }, gate = function() return false end }))]])
    end)

    it("raises at once what would befall every item", function()
        assert.are.equal("unauthorized 1\n", run [[
            local begun = 0
            local ok, problem = pcall(bulk.each, { 1, 2, 3 }, function()
                begun = begun + 1
                error(require "mirrors".error("unauthorized", "no"), 0)
            end, { concurrency = 1 })
            print(problem.kind .. " " .. begun)]])
    end)

    it("tries again what passes by itself, and counts it as a failure only in the last round", function()
        assert.are.equal("a: 2 times, b: 1 times, c: 3 times; 1 done, 2 failed, 0 not begun\n", run [[
            local mirrors = require "mirrors"
            local tried = { a = 0, b = 0, c = 0 }
            local result = bulk.each({ "a", "b", "c" }, function(item)
                tried[item] = tried[item] + 1
                if item == "b" then error(mirrors.error("invalid", "no"), 0) end
                if item == "c" or tried.a < 2 then error(mirrors.error("server", "no"), 0) end
            end, { rounds = 3, pause = 0.01, concurrency = 1, max_failures = 2 })
            print(("a: %d times, b: %d times, c: %d times; %s"):format(tried.a, tried.b, tried.c, result:summary()))]])
    end)

    it("waits between two rounds for as long as it is told to, and not after the last", function()
        assert.are.equal("true\n", run [[
            local mirrors, began = require "mirrors", task.now()
            local result = bulk.each({ 1 }, function() error(mirrors.error("server", "down"), 0) end,
                { rounds = 3, pause = 0.5 })
            local took = task.now() - began
            print(#result.failed == 1 and took >= 1 and took < 1.5 or took)]])
    end)

    it("says of a failure without a reason that it has none", function()
        assert.are.equal("no reason given\n", run [[
            print(bulk.each({ 1 }, function() error() end).failed[1].problem)]])
    end)

    it("tells of its progress", function()
        assert.are.equal("1/2, 0 failed; 2/2, 1 failed\n", each [[
            local told = {}
            each(2, { 2 }, { concurrency = 1, progress = function(ended, failed, total)
                told[#told + 1] = ("%d/%d, %d failed"):format(ended, total, failed)
            end }):status()
            print(table.concat(told, "; "))]])
    end)

    it("refuses options that are unknown or wrong", function()
        assert.are.equal("bulk.each: unknown option 'batch'. Did you mean 'batches'? Known are batches, concurrency, "
            .. "gate, key, max_failures, on_error, pause, progress, rounds, shared, title\n"
            .. "bulk.each: max_failures must be a whole number from 0 up or a percentage such as \"10%\", got 'ten'\n"
            .. "bulk.each: batches[1] must be a whole number from 1 up or a percentage such as \"10%\", got 0\n"
            .. "bulk.each: on_error must be 'continue' or 'stop', got 'no'\n", run [[
            for _, options in ipairs { { batch = 1 }, { max_failures = "ten" }, { batches = { 0 } },
                { on_error = "no" } } do
                print(select(2, pcall(bulk.each, { 1 }, print, options)).message)
            end]])
    end)
end)

describe("what went wrong in bulk.each", function()
    local function outcome(source)
        local result = support.run { "run", "-", stdin = 'local bulk = require "kmirror.bulk"\n' .. source }
        return result.status, result.stdout, (result.stderr:gsub("%d%d:%d%d:%d%d ", ""))
    end
    local two_fail = "bulk.each({ 1, 2, 3 }, function(i) if i > 1 then error('no ' .. i, 0) end end)"

    it("is raised when it is a mistake in the runbook, whoever reads the result", function()
        for mistake, message in pairs {
            ["local x; x.y = 1"] = "attempt to index a nil value (local 'x')",
            ["api:lst()"] = "attempt to index a nil value (global 'api')",
            ["('x'):rep({})"] = "bad argument #1 to 'rep' (number expected, got table)",
            ["bulk.map({ 1 }, function() return 1 + {} end)"] = "attempt to perform arithmetic on a table value",
        } do
            local status, _, stderr = outcome(("bulk.each({ 1, 2, 3 }, function() %s end)"):format(mistake))
            assert.are.equal(1, status)
            assert.are.equal("kmirror: stdin:2: " .. message .. "\n", stderr)
        end
    end)

    it("is told of at the end when nobody has looked, and the run does not end well", function()
        local told = "error: stdin:2: 2 of 3 failed, and nobody looked at the result of bulk.each; the first: no 2\n"
        assert.are.same({ 3, "", told }, { outcome(two_fail) })
        assert.are.same({ 3, "1\n", told }, { outcome("local r = " .. two_fail .. " print(#r.done) return 0") })
        assert.are.same({ 7, "", told }, { outcome(two_fail .. " return 7") })
        local status, _, stderr = outcome(two_fail .. " error('later', 0)")
        assert.are.same({ 1, told .. "kmirror: later\n" }, { status, stderr })
        assert.are.equal(1, (outcome("bulk.each({ 1 }, function() error('no', 0) end)")))
    end)

    it("is told of with the fields of an error that is a table", function()
        local status, _, stderr = outcome("bulk.each({ 1 }, function() error({ code = 3 }) end)")
        assert.are.equal(1, status)
        assert.is_truthy(stderr:find("the first: an error object, { code = 3 }", 1, true), stderr)
    end)

    it("is the runbook's own business when it has looked", function()
        for _, look in ipairs { "r:status()", "r:summary()", "print(r.failed[1].problem)", "print(#r.untouched)",
            "print(r.stopped)", "for _ in pairs(r) do end" } do
            local status, _, stderr = outcome(("local r = %s; %s"):format(two_fail, look))
            assert.are.same({ 0, "" }, { status, stderr }, look)
        end
    end)
end)

describe("bulk.details", function()
    -- Two clusters: a mirror that is gone since the list was made, and one that cannot be read.
    local fleet = [[
        local mirrors = require "mirrors"
        local lists = { a = { { id = "1" }, { id = "gone" }, { id = "2" } }, b = { { id = "3" }, { id = "bad" } } }
        local reads = 0
        local function cluster(name)
            return {
                cluster = name,
                list = function()
                    if not lists[name] then error(mirrors.error("not_found", "no cluster"), 0) end
                    return lists[name]
                end,
                get = function(_, id)
                    reads = reads + 1
                    if id == "gone" then error(mirrors.error("not_found", "gone"), 0) end
                    if id == "bad" then error(mirrors.error("server", "bad"), 0) end
                    return { id = id }
                end,
            }
        end
        local function show(found)
            for _, mirror in ipairs(found) do io.write(mirror.cluster, mirror.id, " ") end
            print(reads)
        end
    ]]

    it("gives the mirrors of one cluster in full, without those that are gone", function()
        assert.are.equal("a1 a2 3\n", run(fleet .. 'show(bulk.details(cluster "a"))'))
    end)

    it("reads only what passes the filter, on all clusters", function()
        assert.are.equal("a2 b3 2\n", run(fleet .. [[
            show(bulk.details({ cluster "a", cluster "b" }, function(listed)
                return listed.id == "2" or listed.id == "3" and listed.cluster == "b"
            end))]]))
    end)

    it("reads one: nil when it is gone, what stands for one that cannot be read; mistakes are raised", function()
        assert.are.equal("1 nil server\nstands for bad\nnil\nfalse a mistake\n", run(fleet .. [[
            local a, b = cluster "a", cluster "b"
            print(bulk.read(a, { id = "1" }).id, bulk.read(a, { id = "gone" }),
                select(2, pcall(bulk.read, b, { id = "bad" })).kind)
            print(bulk.read(b, { id = "bad" }, function(listed) return "stands for " .. listed.id end))
            print((bulk.read(b, { id = "bad" }, function() end)))
            b.get = function() error("a mistake", 0) end
            print(pcall(bulk.read, b, { id = "1" }, function() return "nothing" end))]]):gsub("\t", " "))
    end)

    it("raises what cannot be read, or tells of it and goes on", function()
        assert.are.equal("server\nb bad server\nc nil not_found\nb3 3\n", run(fleet .. [[
            print(select(2, pcall(bulk.details, cluster "b")).kind)
            reads = 1
            local told = {}
            local found = bulk.details({ cluster "b", cluster "c" }, nil, function(about, problem)
                told[#told + 1] = ("%s %s %s"):format(about.cluster, about.id, problem.kind)
            end)
            table.sort(told)
            print(table.concat(told, "\n"))
            show(found)]]))
    end)
end)
