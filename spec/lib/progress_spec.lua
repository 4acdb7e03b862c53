local json = require("kmirror.json")
local line = require("kmirror.progress.line")
local support = require("spec.support")
local text = require("kmirror.text")

local function work(fields)
    local all = { title = "delete us-west -> us-east", count = 0, failed = 0, started = 0, since = 0 }
    for name, value in pairs(fields) do all[name] = value end
    return all
end

describe("a line of progress", function()
    it("has a bar, how many are done, and how long it will take", function()
        assert.are.equal("delete us-west -> us-east  [==============>                ]  12/24  0:10 left  50 %",
            line.of(work { count = 12, total = 24 }, 84, 10))
    end)

    it("says what failed, and what it is at", function()
        local shown = line.of(work { count = 12, total = 24, failed = 2, text = "payments" }, 120, 10)
        assert.is_truthy(shown:find("2 failed  payments  50 %", 1, true))
    end)

    it("shows of how long, when that is known, and for how long at most", function()
        local drain = work { title = "drain", count = 3, total = 8, limit = 600, text = "lag 9 ms", calls = 16 }
        assert.are.equal("drain  [==>      ]  3/8  0:07 of 10:00  lag 9 ms  16 calls", line.of(drain, 58, 7))
        assert.are.equal("soak  [=====>      ]  0:30 of 1:00", line.of(work { title = "soak", seconds = 60 }, 34, 30))
        assert.are.equal("soak  [============]  1:00 of 1:00", line.of(work { title = "soak", seconds = 60 }, 34, 90))
    end)

    it("keeps the time in short when there is no room for all of it", function()
        local wait = work { title = "wait until producers have stopped writing", count = 3, total = 8, limit = 600 }
        assert.are.equal("wait until produce…  3/8  0:07", line.of(wait, 38, 7))
    end)

    it("shows for how long, when it cannot be told how much there is", function()
        assert.are.equal("wait until they are up  1:05", line.of(work { title = "wait until they are up" }, 80, 65))
        assert.are.equal("x  2:00:01", line.of(work { title = "x" }, 80, 7201))
    end)

    it("never is wider than there is room, and keeps the count", function()
        for _, columns in ipairs { 20, 40, 80, 200 } do
            for _, title in ipairs { "short", ("long "):rep(30), ("日本"):rep(30), "a\27[2J\nb" } do
                local shown = line.of(work { title = title, count = 3, total = 9, text = ("n"):rep(99) }, columns, 10)
                assert.is_true(text.width(shown) <= columns, shown)
                assert.is_nil(shown:find("%c"))
                assert.is_truthy(columns < 40 or shown:find("3/9", 1, true), shown)
            end
        end
    end)
end)

-- Runs under a terminal of so many columns; all that it wrote there.
local function on_terminal(columns, script, options)
    options = options or {}
    local file, log = support.temporary("work.lua", script), support.temporary("typescript")
    local command = ("stty cols %d rows 24; %s %s %s"):format(columns, support.executable,
        options.with or "--sandbox --world 3", options.command or "run " .. file)
    local env = { TERM = options.TERM or "xterm", NO_COLOR = options.NO_COLOR }
    local result = support.run { command = "script", "-qec", command, log, env = env, timeout = 20 }
    assert.are.equal(0, result.status, result.stdout)
    return result.stdout
end

-- What a terminal shows of it in the end, by the few sequences that are used.
local function screen_of(written)
    local rows, row, column = { "" }, 1, 0
    local position = 1
    while position <= #written do
        local up = written:match("^\27%[(%d+)A", position)
        local color = written:match("^\27%[%d*m", position)
        if up then
            row, position = row - tonumber(up), position + #up + 3
        elseif written:find("^\27%[J", position) then
            rows[row] = rows[row]:sub(1, column)
            for i = #rows, row + 1, -1 do rows[i] = nil end
            position = position + 3
        elseif color then
            position = position + #color
        else
            local character = written:sub(position, position)
            if character == "\r" then
                column = 0
            elseif character == "\n" then
                row = row + 1
                rows[row] = rows[row] or ""
            else
                rows[row] = rows[row]:sub(1, column) .. character .. rows[row]:sub(column + 2)
                column = column + 1
            end
            position = position + 1
        end
    end
    return table.concat(rows, "\n")
end

local script = [[
    local progress, log, task = require "kmirror.progress", require "kmirror.log", require "task"
    local bar <close> = progress.start { title = "delete", total = 8 }
    local other <close> = progress.start { title = "wait", total = 2 }
    for i = 1, 8 do
        task.sleep(0.06)
        log.info("message %d", i)
        print("result " .. i)
        bar:step()
    end
]]

describe("progress on a terminal", function()
    it("leaves messages and results whole, and nothing of itself", function()
        for _, columns in ipairs { 40, 80, 200 } do
            local written = on_terminal(columns, script)
            assert.is_truthy(written:find("delete  [", 1, true) or columns == 40)
            assert.is_truthy(written:find("4/8", 1, true))
            local shown = screen_of(written):gsub("%d%d:%d%d:%d%d ", "")
            local expected = {}
            for i = 1, 8 do expected[i] = ("message %d\nresult %d\n"):format(i, i) end
            assert.are.equal(table.concat(expected), shown:match("message 1\n.*"))
        end
    end)

    it("shows the steps of a runbook, and several things at once", function()
        local written = on_terminal(80, [[
            require("kmirror.steps").new():run("look around", function()
                local bar <close> = require("kmirror.progress").start { title = "inside", total = 3 }
                require("task").sleep(0.5)
                return "seen"
            end)
        ]])
        assert.is_truthy(written:find("look around  0:0%d\r?\ninside  "))
    end)

    it("counts the calls of a step, and shows the rate against the quota", function()
        local written = on_terminal(80, [[
            local api, task = require("mirrors").connect {}, require "task"
            require("kmirror.steps").new():run("look", function()
                for _ = 1, 5 do api:list() end
                task.sleep(0.3)
                return "seen"
            end)
        ]])
        assert.is_truthy(written:find("look  0:0%d  5 calls\r?\n[^\n]*5 of 35 requests/s"))
    end)

    it("says since when the API does not answer, and when it is asked again", function()
        local written = on_terminal(80, [[
            local task = require "task"
            local api = require("mirrors").connect { endpoint = "http://127.0.0.1:9", outage = 60, backoff = 0.01 }
            require("kmirror.steps").new():run("look", function()
                pcall(task.timeout, 1, api.list, api)
                return "seen"
            end)
        ]])
        assert.is_truthy(written:find("the API has not answered for 0:0%d %(transport%), asking again in 0:0%d; "))
    end)

    it("has no colour with NO_COLOR, and draws nothing on a dumb terminal or with --json", function()
        assert.is_truthy(on_terminal(80, script):find("\27%[2m"))
        local plain = on_terminal(80, script, { NO_COLOR = "1" })
        assert.is_nil(plain:find("\27%[%d*m"))
        assert.is_truthy(plain:find("4/8", 1, true))
        local dumb = on_terminal(80, script, { TERM = "dumb" })
        assert.is_nil(dumb:find("\27", 1, true))
        assert.is_nil(dumb:find("4/8", 1, true))
    end)

    it("draws nothing with --json", function()
        local fleet = support.temporary("fleet.lua", [[return {
            clusters = { west = { kafka = "5a9b1c52-0000-4000-8000-000000000001", alias = "us-west" },
                east = { connect = "5a9b1c52-0000-4000-8000-0000000000c2", alias = "us-east" } },
            defaults = { from = "west", to = "east", useRenaming = false, maxTasks = 1,
                targetLatency = 9000 },
            mirrors = { { topicsRegex = "orders\\..*" }, { topicsRegex = "payments\\..*" },
                { topicsRegex = "customers\\..*" }, { topicsRegex = "inventory\\..*" } },
        }]])
        local options = { with = "--sandbox --world 4 --rate 3", command = "plan " .. fleet }
        assert.is_truthy(on_terminal(80, "", options):find("of 3 requests/s", 1, true))
        options.with = options.with .. " --json"
        local silent = on_terminal(80, "", options)
        assert.is_nil(silent:find("requests/s", 1, true))
        assert.is_nil(silent:find("\27[J", 1, true))
    end)

    it("leaves the terminal to a screen that is drawn there", function()
        local written = on_terminal(80, "", { with = "--sandbox --world 12 --rate 10", command = "run watch --for 1" })
        assert.is_truthy(written:find("12 mirrors", 1, true))
        assert.is_nil(written:find("requests/s", 1, true))
    end)
end)

describe("work on many things", function()
    local prelude = [[
        local bulk, task, steps = require "kmirror.bulk", require "task", require("kmirror.steps").new()
        local items = { 1, 2, 3, 4, 5, 6, 7, 8 }
        local function slowly() task.sleep(0.1) end
    ]]

    it("is counted on the line of the step that it is done in", function()
        local written = on_terminal(80, prelude .. [[
            steps:run("move", function()
                bulk.map(items, slowly, 2)
                return "moved"
            end)
        ]])
        assert.is_truthy(written:find("move  %[=*> *%]  [2-7]/8  0:0%d left"))
        assert.is_nil(written:find("work.lua", 1, true))
    end)

    it("has a line of its own elsewhere, called after its place in the runbook or as the runbook says", function()
        local written = on_terminal(80, prelude .. "bulk.map(items, slowly, 2)\n" .. [[
            bulk.each(items, slowly, { title = "each", concurrency = 2 })
            bulk.filter(items, slowly, 2, "filter")
        ]])
        assert.is_truthy(written:find("work%.lua:4  %[=*> *%]  [2-7]/8"))
        assert.is_truthy(written:find("each  %[=*> *%]  [2-7]/8"))
        assert.is_truthy(written:find("filter  %[=*> *%]  [2-7]/8"))
    end)

    -- The lines that there are while the last of `items` is worked on, and when all is done.
    local function lines(rest)
        local result = support.run { "run", "-", stdin = [[
            local works = require("kmirror.progress.display").works
            local function show()
                local titles = {}
                for i, work in ipairs(works) do
                    titles[i] = ("%s %d/%s"):format(work.title, work.count, work.total)
                end
                print(table.concat(titles, ", "))
            end
        ]] .. prelude .. rest .. "\nshow()" }
        assert.are.equal("", (result.stderr:gsub("[^\n]+ outer[^\n]*\n", "")))
        return result.stdout
    end

    it("does not show what is done to each of them, unless there is one alone", function()
        assert.are.equal("a 2/3\n\n", lines [[
            bulk.map({ 1, 2, 3 }, function(i)
                bulk.map(items, function(j) if i + j == 11 then show() end end, 1, "b")
            end, 1, "a")]])
        assert.are.equal("b 7/8\n\n", lines [[
            bulk.map({ 1 }, function()
                bulk.map(items, function(j) if j == 8 then show() end end, 1, "b")
            end, 1, "a")]])
    end)

    it("has a bar for each of several steps side by side", function()
        assert.are.equal("outer 1 7/8, outer 2 0/nil\n\n", lines [[
            local shown = false
            local other = task.spawn(function()
                task.sleep(0.01)
                steps:run("outer 2", function()
                    while not shown do task.sleep(0.01) end
                    return ""
                end)
            end)
            steps:run("outer 1", function()
                bulk.map(items, function(j)
                    task.sleep(0.02)
                    if j == 8 then show() end
                end, 1)
                return ""
            end)
            shown = true
            other:join()]])
    end)

    it("leaves no line behind when it stops before its end", function()
        assert.are.equal("work 1/8\n\n", lines [[
            bulk.each(items, function(i)
                if i == 2 then show() end
                error("no", 0)
            end, { progress = bulk.tell "work", on_error = "continue", max_failures = 1, concurrency = 1 }):status()]])
        assert.are.equal("\n", lines [[pcall(bulk.map, items, function() error("no", 0) end)]])
    end)
end)

describe("progress elsewhere", function()
    it("is a message every ten seconds for each piece of work", function()
        local result = support.run { "run", "-", stdin = [[
            local bar <close> = require("kmirror.progress").start { title = "delete", total = 100 }
            bar.told, bar.since = bar.told - 9.9, bar.since - 5
            bar:step(25)
            require("task").sleep(0.01)
            bar.told = bar.told - 0.1
            require("task").sleep(1.5)
        ]] }
        assert.are.equal("delete: 25 of 100, 0:1X left\n",
            (result.stderr:gsub("%d%d:%d%d:%d%d ", ""):gsub("0:1[5-9]", "0:1X")))
    end)

    -- What is told at once of pieces of work that nothing was told of for long.
    local function told(works, format)
        return support.run { "--log-format", format or "text", "run", "-", stdin = ([[
            local now = require("task").now()
            local works = { %s }
            for _, work in ipairs(works) do
                work.since, work.started, work.told = now - 30, now - 30, now - 30
                work.count, work.failed = work.count or 0, work.failed or 0
                work.outer = works[work.outer]
            end
            local display = require("kmirror.progress.told").new(works)
            display:look()
            display:look()
        ]]):format(works) }.stderr
    end

    it("tells for how long, of what it may take, and what it is at", function()
        assert.are.equal("look: 0:30 so far\ndrain: 3 of 8, 1 failed, 0:30 of 10:00 at most, lag 9 ms\n",
            (told([[{ title = "look" },
                { title = "drain", count = 3, total = 8, failed = 1, limit = 600, text = "lag 9 ms" }]])
                :gsub("%d%d:%d%d:%d%d ", "")))
    end)

    it("does not tell of a step while it tells of a part of it", function()
        assert.are.equal("wait: 3 of 8, 0:50 left\n",
            (told('{ title = "step" }, { title = "wait", count = 3, total = 8, outer = 1 }')
                :gsub("%d%d:%d%d:%d%d ", "")))
    end)

    it("is a line of JSON where messages are", function()
        local line_told = json.decode(told('{ title = "wait", count = 3, total = 8 }', "json"))
        assert.are.same({ "progress", "wait", 3, 8 },
            { line_told.event, line_told.title, line_told.done, line_told.total })
    end)

    it("is what bulk.each() tells", function()
        local result = support.run { "run", "-", stdin = [[
            local bulk, task = require "kmirror.bulk", require "task"
            local tell = bulk.tell "work"
            bulk.each({ 1, 2, 3 }, function() end, { progress = tell })
        ]] }
        assert.are.same({ 0, "" }, { result.status, result.stderr })
    end)
end)
