local line = require "kmirror.progress.line"
local support = require "spec.support"
local text = require "kmirror.text"

local function work(fields)
    local all = { title = "delete us-west -> us-east", count = 0, failed = 0, started = 0 }
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
        assert.is_truthy(shown:find("2 failed  50 %  payments", 1, true))
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
    local command = ("stty cols %d rows 24; %s %s run %s"):format(columns, support.executable,
        options.with or "--sandbox --world 3", file)
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

    it("has no colour with NO_COLOR, and draws nothing on a dumb terminal or with --json", function()
        assert.is_truthy(on_terminal(80, script):find("\27%[2m"))
        local plain = on_terminal(80, script, { NO_COLOR = "1" })
        assert.is_nil(plain:find("\27%[%d*m"))
        assert.is_truthy(plain:find("4/8", 1, true))
        local dumb = on_terminal(80, script, { TERM = "dumb" })
        assert.is_nil(dumb:find("\27", 1, true))
        assert.is_nil(dumb:find("4/8", 1, true))
    end)
end)

describe("progress elsewhere", function()
    it("is a message now and then", function()
        local result = support.run { "run", "-", stdin = [[
            local bar <close> = require("kmirror.progress").start { title = "delete", total = 100 }
            bar.told = bar.told - 4.9
            bar.started = bar.started - 5
            bar:step(20)
            require("task").sleep(0.2)
            bar:step(5)
            bar:step(5)
        ]] }
        assert.are.equal("delete: 25 of 100, 16 seconds left\n", (result.stderr:gsub("%d%d:%d%d:%d%d ", "")))
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
