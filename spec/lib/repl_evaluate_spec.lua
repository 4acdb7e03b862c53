local evaluate = require("kmirror.repl.evaluate")
local literal = require("kmirror.literal")
local parts = require("kmirror.repl.parts")

describe("an input at the prompt", function()
    local env

    before_each(function() env = setmetatable({}, { __index = _G }) end)

    local function run(text)
        local input = evaluate.compile(text, env)
        assert.is_function(input.chunk, input.problem)
        return input.expression, input.chunk()
    end

    it("is an expression when it can be one", function()
        assert.are.same({ true, 2 }, { run "1 + 1" })
        assert.are.same({ true, 1, 2 }, { run "1, 2" })
        assert.are.same({ true }, { run "print == print and (function() end)()" })
        assert.are.same({ false }, { run "x = 1" })
    end)

    it("makes the locals that it begins with variables of the session", function()
        run "local a, b <const> = 1, 2"
        run "local c"
        run "local function f() return a + b end"
        run "local d = { local_ = 3 }"
        assert.are.equal(3, env.f())
        assert.are.equal(2, env.b)
        assert.are.equal(3, env.d.local_)
        assert.is_nil(rawget(env, "c"))
    end)

    it("is incomplete while it may become something", function()
        for _, text in ipairs { "f(", "{ 1,", "for i = 1, 2 do", "x =", "1 +", "s = [[a", "--[[ a", "if x then y()" } do
            assert.is_true(evaluate.compile(text, env).incomplete, text)
        end
        for _, text in ipairs { "f)", 'x = "a', "x = = 1", "api:list", "end" } do
            assert.is_false(evaluate.compile(text, env).incomplete, text)
        end
    end)
end)

describe("what is pasted at the prompt", function()
    local function split(text)
        local found, incomplete = parts.split(text, _G)
        local shown = {}
        for i, part in ipairs(found) do
            shown[i] = part.line .. (part.command and "" or " ") .. part.text
        end
        return table.concat(shown, "|"), incomplete
    end

    it("falls into commands, expressions and statements, each of as many lines as it takes", function()
        assert.are.same({ "1 x = 1|3:use east|4 if x then\n\n  y()\nend|9 x", false },
            { split "x = 1\n\n:use east\nif x then\n\n  y()\nend\n\nx\n" })
    end)

    it("has line ends of either kind", function()
        assert.are.same({ "1 if x then\n\nend|4 1", false }, { split "if x then\r\n\r\nend\r\n1\r\n" })
    end)

    it("is incomplete while its last part is", function()
        assert.are.same({ "1 1|2 if x then\n\ny()\n", true }, { split "1\nif x then\n\ny()\n" })
        assert.are.same({ "1:x f(", false }, { split ":x f(" })
        assert.are.same({ "", false }, { split "\n \n" })
    end)
end)

describe("a table at the prompt", function()
    it("is written as Lua, with its keys in order", function()
        assert.are.equal('{ 1, "a", b = true, ["c d"] = {} }', literal.line { 1, "a", ["c d"] = {}, b = true })
    end)

    it("has nothing in it that a terminal would obey", function()
        assert.are.equal('{ "\\u{1B}[2J" }', literal.line { "\27[2J" })
    end)

    it("ends where it goes round in a circle, is deep or is long", function()
        local circle = {}
        circle.self = circle
        assert.are.equal("{ self = {…} }", literal.line(circle))
        assert.are.equal("{ { { { { {…} } } } } }", literal.line { { { { { { 1 } } } } } })
        local long = {}
        for i = 1, 103 do long[i] = i end
        assert.is_truthy(literal.line(long):find("100, … and 3 more }", 1, true))
    end)

    it("has a line for each member when it does not fit into one", function()
        assert.are.equal('{\n    "aaaa",\n    b = "bbbb",\n}', literal.block({ "aaaa", b = "bbbb" }, 20))
    end)
end)

describe("an input for which memory runs out as it is compiled", function()
    it("means nothing else: its local variable is not one that is gone at once", function()
        local compile, real, calls = evaluate.compile, load, 0
        finally(function() _G.load = real end)
        _G.load = function(...)
            calls = calls + 1
            if calls == 2 then return nil, "not enough memory" end
            return real(...)
        end
        local input = compile("local answer = 42", {})
        assert.is_nil(input.chunk)
        assert.are.equal("not enough memory", input.problem)
        assert.is_false(input.incomplete)
    end)
end)
