local support = require("spec.support")

-- Command lines of options, values and runbooks, right ones and wrong ones; what both ways of reading make of them.
local comparison = [[
    local arguments, plain = require("kmirror.cli.arguments"), require("kmirror.cli.plain")
    local encode = require("kmirror.json").encode
    local words = {
        "--rate", "--rate", "5", "auto", "--rate=0", "--concurrency", "--concurrency=0", "--timeout", "0.5", "--yes",
        "--read-only", "--dry-run", "--api", "v2", "--api=v9", "--profile", "p", "--job", "a=b", "--store=", "--json",
        "--log-level", "warn", "--log-level=loud", "--color", "never", "--report", "x.json", "--sandbox", "--yes=no",
        "--outage", "-e", "-i", "--list", "--", "-", "-1", "--unknown", "--outage=300", "--endpoint", "http://x",
    }
    local seen, different = 0, {}
    for seed = 1, 4000 do
        math.randomseed(seed)
        local line = {}
        for i = 1, math.random(0, 5) do line[i] = words[math.random(#words)] end
        line[#line + 1] = math.random(9) > 1 and "run" or "list"
        line[#line + 1] = math.random(9) > 1 and "x.lua" or words[math.random(#words)]
        if math.random(2) == 1 then line[#line + 1] = words[math.random(#words)] end
        local given = plain.read(line)
        if given then
            seen = seen + 1
            local ok, expected = pcall(arguments.read, line)
            if ok then expected.is_run = nil end
            if not ok or encode(expected) ~= encode(given) then
                local other = ok and encode(expected) or tostring(expected)
                different[#different + 1] = table.concat(line, " ") .. ": " .. other
            end
        end
    end
    print(seen > 100 and "many" or seen)
    print(table.concat(different, "\n"))]]

describe("a plain command line", function()
    it("means the same when it is read without argparse", function()
        local result = support.run { "run", "-", stdin = comparison }
        assert.are.equal("", result.stderr)
        assert.are.equal("many\n\n", result.stdout)
    end)

    it("is run without loading what reads any other", function()
        local loaded = [[print(package.loaded["kmirror.cli.arguments"] ~= nil)]]
        assert.are.equal("false\n", support.run { "--yes", "--rate", "0", "run", "-", stdin = loaded }.stdout)
        assert.are.equal("true\n", support.run { "run", "--yes", "-", stdin = loaded }.stdout)
    end)

    it("runs a runbook without loading what the runbook does not use", function()
        local loaded = [[print(package.loaded["kmirror.bulk"] ~= nil, package.loaded["kmirror.cli.list"] ~= nil)]]
        assert.are.equal("false\tfalse\n", support.run { "run", "-", stdin = loaded }.stdout)
    end)

    it("has its help told without loading the commands", function()
        local help = [[
            require("kmirror.cli.help").run {}
            print(package.loaded["kmirror.cli.list"] ~= nil, package.loaded["kmirror.fleet"] ~= nil)]]
        local told = support.run { "run", "-", stdin = help }.stdout
        assert.are.equal(support.run { "--help" }.stdout .. "false\tfalse\n", told)
        for _, words in ipairs { { "-h" }, { "help" }, {} } do
            assert.are.equal(support.run { "--help" }.stdout, support.run(words).stdout)
        end
    end)
end)
