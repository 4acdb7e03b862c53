-- What runs the specs: the sum at its end is what CI goes by.
local support = require "spec.support"

-- Runs spec files with these texts, by name.
local function run(files)
    local directory = support.temporary_directory("specs")
    local words = { command = "bash", "spec/support/suites.sh", env = { KMIRROR_BUILD = directory .. "/build" } }
    assert(os.execute(("mkdir %s/build && ln -s $PWD/%s/* %s/build/"):format(directory, support.build, directory)))
    assert(os.execute(("rm -rf %s/build/specs"):format(directory)))
    for name, text in pairs(files) do
        words[#words + 1] = support.write(("%s/%s_spec.lua"):format(directory, name), text)
    end
    return support.run(words)
end

local GOOD = 'it("is good", function() end) it("is good again", function() end)'

describe("the runner of the specs", function()
    it("adds up what passed and failed in all files, and says what failed", function()
        local result = run {
            good = GOOD, bad = 'it("is bad", function() error("so bad") end) it("is good", function() end)',
        }
        assert.are.equal(1, result.status)
        assert.are.equal("3 passed, 1 failed", result.stdout:match("([^\n]*)\n$"))
        assert.is_truthy(result.stdout:find("so bad", 1, true))
    end)

    it("ends with 0 when all is well, and shows no more than a line for each file", function()
        local result = run { good = GOOD, fine = GOOD }
        assert.are.equal(0, result.status, result.stdout)
        assert.are.equal("4 passed, 0 failed", result.stdout:match("([^\n]*)\n$"))
        assert.are.equal(3, select(2, result.stdout:gsub("\n", "")))
    end)

    it("counts a file that breaks, ends without a word, or cannot be read as a failure", function()
        for _, text in ipairs { "this is no Lua", "os.exit(0)", 'it("x", function() os.exit(3) end)',
            'error("at once")' } do
            local result = run { good = GOOD, broken = text }
            assert.are.equal(1, result.status, text)
            assert.is_truthy(result.stdout:find("2 passed, [1-9] failed\n$"), result.stdout)
        end
    end)
end)
