local argparse = require "argparse"
local options = require "kmirror.options"

local function new_parser()
    local parser = argparse("kmirror run tidy", "Tidies up.")
    parser:option("--wait"):convert(options.number("--wait", "seconds, 0 or more", 0))
    parser:option("--tasks"):convert(options.integer("--tasks", "a whole number, 1 or more", 1))
    return parser
end

-- What parsing these raises.
local function complaint(...)
    local ok, problem = pcall(options.parse, new_parser(), ...)
    assert.is_false(ok)
    assert.are.equal("usage", problem.kind)
    return problem.message
end

describe("a runbook's options", function()
    it("are parsed", function()
        assert.are.same({ wait = 1.5, tasks = 3 }, options.parse(new_parser(), "--wait", "1.5", "--tasks=3"))
    end)

    it("are refused when they are unknown, with the nearest that is known", function()
        assert.are.equal("unknown option '--wiat'. Did you mean '--wait'? See kmirror run tidy --help",
            complaint("--wiat", "3"))
        assert.are.equal("unknown option '-x'; see kmirror run tidy --help", complaint("-x"))
    end)

    it("are refused when the value is not as expected, which is said", function()
        assert.are.equal("--wait 'soon': expected seconds, 0 or more; see kmirror run tidy --help",
            complaint("--wait", "soon"))
        for _, value in ipairs { "0", "1.5", "2147483648", "0x10", "1e3", "nan", "" } do
            assert.are.equal(("--tasks '%s': expected a whole number, 1 or more; see kmirror run tidy --help")
                :format(value), complaint("--tasks=" .. value))
        end
        for _, value in ipairs { "-1", "inf", "nan", "1.2.3", "1s" } do
            assert.is_truthy(complaint("--wait=" .. value):find("expected seconds, 0 or more", 1, true))
        end
    end)

    it("are those of the file that is run, whatever its parser is called", function()
        for file, named in pairs { ["./tidy.lua"] = "kmirror run ./tidy.lua", [false] = "kmirror run mytool" } do
            options.runbook = file
            local ok, problem = pcall(options.parse, argparse("mytool"), "--all")
            options.runbook = false
            assert.is_false(ok)
            assert.are.equal("unknown option '--all'; see " .. named .. " --help", problem.message)
        end
    end)

    it("give help when it is asked for, and nothing else then", function()
        local printed
        local original = print
        _G.print = function(value) printed = value end -- luacheck: ignore
        local ok, result = pcall(options.parse, new_parser(), "--help")
        _G.print = original -- luacheck: ignore
        assert.is_true(ok)
        assert.is_nil(result)
        assert.is_truthy(printed:find("Usage: kmirror run tidy", 1, true))
    end)
end)
