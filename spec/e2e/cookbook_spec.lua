local support = require("spec.support")

-- What each script of the cookbook prints when it is run as its first lines say.
local prints = {
    canary = "^24 done, 0 failed, 0 not begun",
    create_many = "^[%x-]+\t%.%*\\%.created\t%u+_?%u*\n[%x-]+\t%.%*\\%.shipped\t[%u_]+\n$",
    delete_failed = "^0 done, 0 failed, 0 not begun\n$",
    idle = "^us%-west%.us%-east%.%w+\t[%w.-]+\n",
    lag = "^\n" .. ("us%-west%.us%-east%.%w+\t[^\n]+\t%d+\t30000\n"):rep(5) .. "\n$",
    replace_one = "^replaced\t[%x-]+\tby\t[%x-]+\n$",
    retry_until = "^[%x-]+\tis gone\n$",
    snapshot = "^new\t[%x-]+\t[^\n]+\n.*\n24 mirrors saved in [^\n]+\n$",
    status_count = "^CLUSTER +STATUS +MIRRORS\nus%-east +IN_SYNC +24\n$",
    tell = "^{\"IN_SYNC\":24}\n$",
    throughput = "^" .. ("%d%d:%d%d:%d%d +[%d.]+ records/s over %d+ topics\n"):rep(3) .. "$",
    tighten = "^orders\\%.%.%*\t30000 %-> 10000\npayments\\%.%.%*\t30000 %-> 10000\n$",
    until_in_sync = "^24 of 24 mirrors are in sync\n$",
    who_takes = "^[%x-]+\tus%-west%.us%-east%.%w+\torders\\%.%.%*\n$",
}

local function scripts()
    local names = {}
    local pipe <close> = assert(io.popen("ls scripts/cookbook/*.lua | grep -v _spec"))
    for path in pipe:lines() do names[#names + 1] = path:match("([%w_]+)%.lua$") end
    return names
end

describe("the cookbook's", function()
    for _, name in ipairs(scripts()) do
        it(name .. ".lua does what it says", function()
            local text = support.read("scripts/cookbook/" .. name .. ".lua")
            local command = text:match("\n%-%-   (kmirror run %-%-sandbox [^\n]+)\n")
            assert.is_truthy(command, "it does not say how to run it")
            assert.is_truthy(command:find("scripts/cookbook/" .. name .. ".lua", 1, true))
            command = command:gsub("^kmirror run %-%-sandbox", "%0 --creating-seconds 0.1 --sync-seconds 0.1")
                :gsub("^kmirror", (support.quote(support.executable):gsub("%%", "%%%%")))
                :gsub("/tmp/", support.temporary_directory() .. "/")
            local result = support.run { "-c", command, command = "sh" }
            assert.are.equal(0, result.status, result.stderr)
            assert.is_truthy(prints[name], "the spec does not know what it prints")
            assert.is_truthy(result.stdout:find(prints[name]), result.stdout)
        end)
    end

    it("scripts are a dozen or more", function()
        assert.is_true(#scripts() >= 12)
    end)
end)

-- The Lua blocks of the guide, with the lines where they begin.
local function guide()
    local blocks, block, number = {}, nil, 0
    for line in io.lines("scripts/README.md") do
        number = number + 1
        if line == "```lua" then
            block = { line = number, text = "" }
            blocks[#blocks + 1] = block
        elseif line == "```" then
            block = nil
        elseif block then
            block.text = block.text .. line .. "\n"
        end
    end
    return blocks
end

local function is_test(block)
    return block.text:find("\ndescribe(", 1, true) ~= nil
end

-- The runbooks, without the tests of them.
local function runbooks()
    local found = {}
    for _, block in ipairs(guide()) do
        if not is_test(block) then found[#found + 1] = block end
    end
    return found
end

describe("the guide's", function()
    for _, block in ipairs(runbooks()) do
        it(("example at line %d runs"):format(block.line), function()
            local result = support.run { "run", "--sandbox", "--creating-seconds", "0.1", "--sync-seconds", "0.1", "-",
                stdin = block.text }
            assert.are.equal(0, result.status, result.stderr)
            assert.is_true(#result.stdout > 0, "it printed nothing")
        end)
    end

    it("examples are found", function()
        assert.are.equal(6, #runbooks())
    end)

    it("test passes with the runbook that it is about", function()
        local directory, tests = support.temporary_directory(), 0
        for _, block in ipairs(guide()) do
            local name = is_test(block) and "tighten_spec.lua" or block.text:find('argparse("tighten"', 1, true)
                and "tighten.lua"
            tests = tests + (is_test(block) and 1 or 0)
            if name then support.write(directory .. "/" .. name, block.text) end
        end
        local pwd <close> = assert(io.popen("realpath " .. support.executable))
        local result = support.run { "test", directory = directory, executable = pwd:read("l") }
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
        assert.is_truthy(result.stdout:find("1 success / 0 failures", 1, true), result.stdout)
        assert.are.equal(1, tests)
    end)
end)
