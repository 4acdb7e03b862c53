-- A few of the failures of `make torture`, each of which has hung or crashed kmirror.
local support = require("spec.support")

local function run(failing, settings, options)
    settings.FAILING, settings.KMIRROR_MALLOC = failing, "1" -- as in torture.sh: each object is an allocation
    local given = table.move(options, 1, #options, 1, { stdin = options.stdin })
    given.env = support.preload("../torture/failing", settings)
    for name, value in pairs(options.env or {}) do given.env[name] = value end
    return support.run(given)
end

-- How many allocations a command makes.
local function allocations(options)
    local counts = support.temporary("counts")
    run(nil, { FAILING_COUNTS = counts }, options)
    return tonumber(support.read(counts):match("memory (%d+)"))
end

describe("when memory runs out", function()
    it("a group whose tasks start ends, and the run says why", function()
        local script = support.temporary("group.lua", [[
            local task = require "task"
            local group <close> = task.group()
            for i = 1, 5 do group:spawn(function() end) end
            group:wait()
        ]])
        local count = allocations { "run", script }
        for n = count - 80, count, 2 do
            local result = run(("memory:%d:2:12"):format(n), {}, { "run", script })
            assert.is_true(result.status <= 1, ("allocation %d: status %d"):format(n, result.status))
            if result.status == 1 then assert.matches("not enough memory", result.stderr) end
        end
    end)

    it("an input of the prompt says so, and no variable is lost without a word", function()
        local sandbox = support.sandbox { rate = 0 }
        finally(function() sandbox:stop() end)
        local options = { "repl", env = sandbox:env(), stdin = "local list = {}\n"
            .. "for i = 1, 300 do list[i] = { i } end\nlocal answer = 42\nprint(answer)\n" }
        assert.are.equal("42\n", run(nil, {}, options).stdout)
        local count = allocations(options)
        local said = 0
        for n = count - 1000, count, 7 do
            local result = run(("memory:%d:2:12"):format(n), {}, options)
            local told = result.stderr:find("not enough memory", 1, true)
            assert.is_truthy(told or result.stdout == "42\n", ("allocation %d: %s"):format(n, result.stdout))
            assert.is_nil(result.stderr:find("without a value", 1, true), ("allocation %d"):format(n))
            if told then said = said + 1 end
        end
        assert.is_true(said > 0)
    end)

    it("a request says so, whatever it was that lacked it", function()
        local sandbox = support.sandbox { rate = 0 }
        finally(function() sandbox:stop() end)
        local options = { "list", env = sandbox:env() }
        local whole = run(nil, {}, options).stdout
        local count = allocations(options)
        local said = 0
        for n = count - 640, count - 380, 2 do -- from the first that libcurl makes to its last
            local result = run(("memory:%d:2:12"):format(n), {}, options)
            local told = result.stderr:find("not enough memory", 1, true)
            assert.is_truthy(result.status == 0 and result.stdout == whole or told,
                ("allocation %d: status %d, %s"):format(n, result.status, result.stderr))
            if told then said = said + 1 end
        end
        assert.is_true(said > 20)
    end)

    it("as the command line is read, a message says so", function()
        for n = 1, 40 do
            local result = run(("memory:%d:2:12"):format(n), {}, { "version" })
            assert.is_true(result.status <= 1, ("allocation %d: status %d"):format(n, result.status))
            if result.status == 1 then assert.matches("not enough memory", result.stderr) end
        end
    end)
end)

describe("a library that cannot be opened", function()
    it("is not told as one that is not installed", function()
        local env = { XDG_STATE_HOME = support.temporary_directory() }
        local options = { "--job", "j", "run", "-", stdin = "", env = env }
        local counts = support.temporary("counts")
        assert.are.equal(0, run(nil, { FAILING_COUNTS = counts }, options).status)
        local opened, told = support.read(counts), 0
        for _, name in ipairs { "fopen", "fopen64" } do
            for n = 1, tonumber(opened:match(name .. " (%d+)")) do
                local result = run(("%s:%d:1:24"):format(name, n), {}, options)
                assert.is_nil(result.stderr:find("apt install", 1, true), result.stderr)
                if result.stderr:find("Too many open files", 1, true) then told = told + 1 end
            end
        end
        assert.is_true(told > 0)
    end)
end)

describe("a sandbox that cannot say where it listens", function()
    it("ends the run that waits for it, with a message", function()
        local result = run("fflush:1:9:28", { FAILING_CHILD = "1" }, { "--sandbox", "list" })
        assert.are.equal("", result.stdout)
        assert.are_not.equal(0, result.status)
        assert.matches("cannot say where it listens: No space left", result.stderr)
        assert.matches("the sandbox did not start", result.stderr)
    end)
end)
