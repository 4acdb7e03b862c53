local support = require("spec.support")

-- Runs a runbook whose third line is given, and returns what is said of its end, after "kmirror: ".
local function said(line, ...)
    local directory = support.temporary_directory("uncaught")
    support.write(directory .. "/book.lua", "local api = require('mirrors').connect {}\n"
        .. "local bulk, wait, task = require 'kmirror.bulk', require 'kmirror.wait', require 'task'\n" .. line .. "\n")
    local pwd <close> = assert(io.popen("realpath " .. support.executable))
    local words = { "--log-level", "error", "--sandbox", "--world", "small", ... }
    table.move({ "run", "book.lua" }, 1, 2, #words + 1, words)
    words.directory, words.executable = directory, pwd:read("l")
    local result = support.run(words)
    assert.is_true(result.status == 1 or result.status == 2, line)
    return (result.stderr:gsub("^kmirror: ", ""):gsub("\n$", "")), result.status
end

local function begins(line, beginning, ...)
    local told = said(line, ...)
    assert.are.equal(beginning, told:sub(1, #beginning), line .. ": " .. told)
end

describe("an error that ends a runbook", function()
    it("names the place in the runbook, when it was used in a way that is wrong", function()
        begins("api.list()", "book.lua:3: list: call it with a colon")
        begins("api:get(5)", "book.lua:3: get mirror on cluster ")
        begins("api:update_target_latency(api:list()[1].id, 'x')", "book.lua:3: update the target latency of ")
        begins("bulk.each(5)", "book.lua:3: bulk.each: ")
        begins("bulk.each({}, print, { x = 1 })", "book.lua:3: bulk.each: unknown option 'x'")
        begins("wait.ready(api, 5)", "book.lua:3: wait.ready: ")
        begins("require('mirrors').connect { x = 1 }", "book.lua:3: mirrors.connect: unknown option 'x'")
        begins("task.group { x = 1 }", "book.lua:3: task.group: ")
        begins("for _ in ipairs(nil) do end", "book.lua:3: ")
    end)

    it("names it from within functions, coroutines and tasks, and in a job", function()
        begins("local function get() api:get(5) end local ok = get()", "book.lua:3: get mirror")
        begins("coroutine.wrap(function() api.list() end)()", "book.lua:3: list: ")
        begins("task.spawn(function() api.list() end):join()", "book.lua:3: list: ")
        begins("local g <close> = task.group {} g:spawn(function() api.list() end)", "book.lua:3: list: ")
        begins("api.list()", "book.lua:3: list: ", "--job", "uncaught", "--report", support.temporary("report.json"))
        begins("return api.list()", "book.lua: list: ")
    end)

    it("shows what it is, when it is no text", function()
        begins("error({ code = 3, why = 'x' })", "book.lua:3: an error object, { code = 3, why = \"x\" }")
        begins("error()", "book.lua:3: an error without a value")
        begins("error(nil)", "book.lua:3: an error without a value")
        begins("error(42)", "book.lua:3: 42")
        begins("error(setmetatable({}, { __tostring = function() return 'mine' end }))", "book.lua:3: mine")
        begins("task.spawn(error, { a = 1 })",
            "a task failed that nobody waited for:\nkmirror: book.lua: an error object")
    end)

    it("is left as it is where it has a place, or happened elsewhere", function()
        assert.are.equal("book.lua:3: no", (said("error('no')"):match("^[^\n]*")))
        assert.are.equal("no more", (said("error('no more', 0)"):match("^[^\n]*")))
        begins("api:get('34b8f365-a739-4077-b804-cbe741cfbac0')", "get mirror 34b8f365")
        assert.are.equal("do that", (said("require 'kmirror.usage' 'do that'")))
    end)

    it("shows the line of the innermost place in the runbook, also of what happened elsewhere", function()
        local get = "api:get('34b8f365-a739-4077-b804-cbe741cfbac0')"
        for _, line in ipairs { "error('no')", "error('no more', 0)", "api.list()", get, "local x = nil + 1",
            "task.spawn(function() api.list() end):join()", "  local function f() bulk.each(5) end f() ", "x = = 2" } do
            local told = said(line)
            assert.are.equal("    book.lua:3 | " .. line:match("^%s*(.-)%s*$"), told:match("[^\n]*$"))
        end
        assert.is_nil(said("require 'kmirror.usage' 'do that'"):find("|", 1, true))
    end)

    it("shows no line that may hold a secret, and none of kmirror's own", function()
        for _, line in ipairs { "require('mirrors').connect { api_key = 'hidden-one', x = 1 }",
            "api:create { sourceConnectionProperties = 'password=hidden-one' }", "local pass = 'hidden-one' .. nil",
            "local pwd = 'hidden-one' .. nil", "local header = 'Bearer hidden-one' .. nil",
            "local proxy = 'http://me:hidden-one@10.0.0.1' .. nil" } do
            assert.is_nil(said(line):find("hidden", 1, true))
        end
        local result = support.run { "run", "--sandbox", "drain", "--all", "--max-delete", "0", "--status", "FAILED" }
        assert.is_nil(result.stderr:find(" | ", 1, true))
    end)

    it("is told without its line when the runbook came from a pipe, which nobody writes to any more", function()
        local pipe = support.temporary_directory() .. "/pipe"
        local result = support.run { "-c", ("mkfifo %s; echo 'error(1)' > %s & exec %s run %s"):format(pipe, pipe,
            support.executable, pipe), command = "sh", timeout = 10 }
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("kmirror: [^\n]*1\n$"), result.stderr)
    end)

    it("cuts a long line to the terminal's width, or to 120 columns", function()
        local told = said("error('no') -- " .. ("x"):rep(300)):match("[^\n]*$")
        assert.is_true(utf8.len(told) <= 120, told)
    end)

    it("is also nil and why, returned", function()
        assert.are.equal("book.lua: why", (said("return nil, 'why'")))
        assert.are.equal("book.lua: why", (said("return false, 'why'")))
        begins("return io.open('/none/such')", "book.lua: /none/such: No such file or directory")
        begins("return nil, { code = 3 }", "book.lua: an error object, { code = 3 }")
    end)
end)
