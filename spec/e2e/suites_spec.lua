-- What runs the specs: the sum at its end is what CI goes by.
local support = require("spec.support")

-- What runs spec files with these texts, by name; it has a build folder of its own.
local function suites(files)
    local directory = support.temporary_directory("specs")
    local build = directory .. "/build"
    local words = { command = "bash", "spec/support/suites.sh", env = { KMIRROR_BUILD = build } }
    assert(os.execute(("mkdir %s && ln -s $(realpath %s)/kmirror $(realpath %s)/mirrors.so %s"):format(
        build, support.build, support.build, build)))
    for name, text in pairs(files) do
        words[#words + 1] = support.write(("%s/%s_spec.lua"):format(directory, name), text)
    end
    return words
end

local function run(files)
    return support.run(suites(files))
end

local function last_line(result)
    return result.stdout:match("([^\n]*)\n$")
end

-- A spec that leaves a process behind, and the path where that writes its number.
local function leaver(more)
    local path = support.temporary("pid")
    return ('it("leaves one", function() os.execute("sleep 300 & echo $! > %s") %s end)'):format(path, more or ""), path
end

local function gone(path)
    local pid = support.read(path):match("%d+")
    return pid and support.read("/proc/" .. pid .. "/cmdline") == ""
end

local GOOD = 'it("is good", function() end) it("is good again", function() end)'

describe("the runner of the specs", function()
    it("adds up what passed and failed in all files, and says what failed", function()
        local result = run {
            good = GOOD, bad = 'it("is bad", function() error("so bad") end) it("is good", function() end)',
        }
        assert.are.equal(1, result.status)
        assert.are.equal("3 passed, 1 failed", last_line(result))
        assert.is_truthy(result.stdout:find("so bad", 1, true))
    end)

    it("ends with 0 when all is well, and shows no more than a line for each file", function()
        local result = run { good = GOOD, fine = GOOD }
        assert.are.equal(0, result.status, result.stdout)
        assert.are.equal("4 passed, 0 failed", last_line(result))
        assert.are.equal(3, select(2, result.stdout:gsub("\n", "")))
    end)

    it("counts a file that breaks, ends without a word, has no spec, or cannot be read as a failure", function()
        for _, text in ipairs { "this is no Lua", "os.exit(0)", "", 'describe("nothing", function() end)',
            'it("x", function() os.exit(3) end)',
            'error("at once")',
            'it("x", function() os.execute("kill -KILL $PPID") end)' } do
            local result = run { good = GOOD, broken = text }
            assert.are.equal(1, result.status, text)
            assert.is_truthy(result.stdout:find("2 passed, [1-9] failed\n$"), result.stdout)
        end
    end)

    it("ends a file that takes too long, and counts it as failed", function()
        local words = suites { good = GOOD, slow = 'it("waits", function() os.execute("sleep 300") end)' }
        words.env.KMIRROR_TEST_SECONDS = "1"
        local result = support.run(words)
        assert.are.equal("2 passed, 1 failed", last_line(result))
        assert.is_truthy(result.stdout:find("slow_spec.lua ended with status 124", 1, true), result.stdout)
    end)

    it("gives each file a home of its own, which is gone in the end", function()
        local paths = { support.temporary("home"), support.temporary("home") }
        local files = {}
        for index, path in ipairs(paths) do
            files["at" .. index] = ('it("x", function() os.execute("echo $HOME > %s") end)')
                :format(path)
        end
        assert.are.equal("2 passed, 0 failed", last_line(run(files)))
        local one, other = support.read(paths[1]), support.read(paths[2])
        assert.are_not.equal(one, other)
        for _, home in ipairs { one, other } do
            assert.is_truthy(home:find("^/%S+\n$"))
            assert.is_nil(io.open(home:sub(1, -2)))
        end
    end)

    it("leaves nothing running, also when it is killed itself", function()
        local text, path = leaver()
        assert.are.equal("1 passed, 0 failed", last_line(run { leaver = text }))
        support.eventually("the process to be killed", function() return gone(path) end)

        text, path = leaver('os.execute("sleep 300")')
        local runner = support.start(suites { leaver = text })
        support.eventually("the process to run", function() return support.read(path) ~= "" end)
        runner:signal("KILL")
        support.eventually("the process to be killed", function() return gone(path) end)
    end)
end)
