local argparse = require("argparse")
local options = require("kmirror.options")
local programs = require("kmirror.program")

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

    it("are those of a program, too, which is data", function()
        local program = programs.new("kmirror run tidy", "Tidies up.")
        program:argument("FILE"):args("*"):target("files")
        program:mutex(program:flag("--fast"), program:flag("--slow"))
        program:option("--wait", "How long.", "1.5"):argname("SECONDS")
            :convert(options.number("--wait", "seconds, 0 or more", 0))
        assert.are.same({ wait = 1.5, fast = true, files = { "a", "b" } }, options.parse(program, "a", "--fast", "b"))
        for problem, line in pairs {
            ["--wait 'x': expected seconds, 0 or more; see kmirror run tidy --help"] = { "--wait", "x" },
            ["option '--slow' can not be used together with option '--fast'; see kmirror run tidy --help"] =
                { "--fast", "--slow" },
            ["unknown option '--fats'. Did you mean '--fast'? See kmirror run tidy --help"] = { "--fats" },
        } do
            local ok, raised = pcall(options.parse, program, table.unpack(line))
            assert.is_false(ok)
            assert.are.equal(problem, raised.message)
        end
    end)

    it("are what a runbook takes, when it is asked", function()
        local program = programs.new("kmirror run tidy", "Tidies up.")
        local option = program:option("--wait", "How long.", "1.5"):argname("SECONDS")
        local went_on = false
        local function runbook(...)
            if not options.parse(program, ...) then return end
            went_on = true
        end
        assert.are.equal(program, options.of(runbook))
        assert.is_false(went_on)
        assert.are.same({ argname = "SECONDS", default = "1.5" }, option.is)
        assert.is_nil(options.of(function(...) options.parse(new_parser(), ...) end))
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
