local dialect = require("spec.support.dialect")

describe("the dialect", function()
    it("has a block of one plain statement on one line, where that is short", function()
        assert.are.equal("if a then\n    for _, b in ipairs(c) do d(b) end\nend\n",
            dialect.fixed("if a then\n    for _, b in ipairs(c) do\n        d(b)\n    end\nend\n"))
        local long = ("if %s then\n    return %s\nend\n"):format(("a"):rep(50), ("b"):rep(50))
        assert.are.equal(long, dialect.fixed(long))
        assert.are.equal(long, dialect.fixed((long:gsub("\n%s*", " "):gsub(" $", "\n"))))
    end)

    it("leaves blocks of several lines, with a comment, a local or an else, and such without anything", function()
        for _, source in ipairs({
            "if a then\n    b = {\n    }\nend\n",
            "if a then\n    b() -- why\nend\n",
            "if a then\n    -- why\nend\n",
            "if a then\n    local b <close> = c\nend\n",
            "if a then\n    b()\nelse\n    c()\nend\n",
            "while a() do end\n",
            "f(function()\n    if a then b() end\nend)\n",
        }) do
            assert.are.equal(source, dialect.fixed(source))
        end
    end)

    it("parts a block that holds another one, or several statements", function()
        assert.are.equal("for _, a in ipairs(b) do\n    if a then c() end\nend\n",
            dialect.fixed("for _, a in ipairs(b) do if a then c() end end\n"))
        assert.are.equal("if a then\n    b(); c()\nend\n", dialect.fixed("if a then b(); c() end\n"))
    end)

    it("has parentheses around what is required", function()
        assert.are.equal('local a = require("a.b")\n', dialect.fixed("local a = require 'a.b'\n"))
        assert.are.equal('local a = require("b").c\n', dialect.fixed('local a = require "b".c\n'))
    end)

    it("does not touch strings and comments", function()
        for _, source in ipairs({
            "local a = [[\nif a then\n    return b\nend\n]]\n",
            '-- require "a"\n--[==[\nif a then\n    return b\nend\n]==]\n',
            [[local a = "require 'b' \\" .. 'if'\n]] .. "\n",
        }) do
            assert.are.equal(source, dialect.fixed(source))
        end
    end)

    it("names the place and what is expected there", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write("f()\nif a then\n    b()\nend\n")
        file:close()
        assert.are.same({ path .. ":2: expected: if a then b() end" }, dialect.check({ path }, false))
        assert.are.same({}, dialect.check({ path }, true))
        assert.are.same({}, dialect.check({ path }, false))
        os.remove(path)
    end)
end)
