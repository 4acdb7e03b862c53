local evaluate = require("kmirror.repl.evaluate")
local histories = require("kmirror.repl.history")
local new_keys = require("kmirror.repl.keys").new

local function is_incomplete(text)
    return evaluate.compile(text, {}).incomplete
end

describe("the keys of the prompt", function()
    local history, keys, reset

    before_each(function()
        history = histories.new()
        keys, reset = new_keys { history = history, is_incomplete = is_incomplete, complete = function() end }
    end)

    describe("Enter", function()
        it("accepts what can be parsed, and what never will be", function()
            for _, text in ipairs { "1 + 1", "x = 1", "for i = 1, 2 do end", "x = = 1", 'f("', "api:list", "" } do
                assert.is_true(keys.enter(text, #text, false), text)
            end
        end)

        it("goes on in another line, further in, while something is missing", function()
            local text, cursor = keys.enter("for i = 1, 2 do", 15, false)
            assert.are.equal("for i = 1, 2 do\n    ", text)
            assert.are.equal(#text, cursor)
            assert.are.equal("f(1,\n", (keys.enter("f(1,", 4, false)))
            assert.are.equal("x = [[\n", (keys.enter("x = [[", 6, false)))
        end)

        it("leaves pasted text as it is", function()
            assert.are.equal("if x then\n", (keys.enter("if x then", 9, true)))
        end)

        it("goes on after an empty line, as a block does not end there", function()
            assert.are.equal("for i = 1, 2 do\n    \n    ", (keys.enter("for i = 1, 2 do\n    ", 20, false)))
            assert.are.equal("if x then\n\n\n", (keys.enter("if x then\n\n", 11, true)))
        end)

        it("accepts nothing while more of a paste is to come", function()
            assert.are.equal("x = 1\n", (keys.enter("x = 1", 5, true)))
            assert.is_true(keys.enter("x = 1\ny = 2", 11, false))
        end)

        it("breaks the line where the cursor is", function()
            local text, cursor = keys.enter("f(1,2", 4, false)
            assert.are.equal("f(1,\n2", text)
            assert.are.equal(5, cursor)
        end)
    end)

    it("take a paste as it is, without what a terminal would obey, and leave it to Enter", function()
        local text, cursor = keys.paste("f()", 2, false, "a\r\n\tb\rc\n\27[2Jé")
        assert.are.equal("f(a\n    b\nc\n[2Jé)", text)
        assert.are.equal(#text - 1, cursor)
    end)

    describe("Up and Down", function()
        before_each(function()
            for _, entry in ipairs { "api:list()", "x = 1", "api:get(id)" } do
                history:add(entry)
            end
            reset()
        end)

        it("go through what begins like the line, and back to the line", function()
            assert.are.equal("api:get(id)", (keys.older("api", 3)))
            assert.are.equal("api:list()", (keys.older("api:get(id)", 11)))
            assert.is_nil((keys.older("api:list()", 10)))
            assert.are.equal("api:get(id)", (keys.newer("api:list()", 10)))
            assert.are.equal("api", (keys.newer("api:get(id)", 11)))
        end)

        it("go through everything from an empty line", function()
            assert.are.equal("api:get(id)", (keys.older("", 0)))
            assert.are.equal("x = 1", (keys.older("api:get(id)", 11)))
        end)

        it("move between the lines of an entry first", function()
            local text = "for i = 1, 2 do\n    print(i)\nend"
            assert.are.same({ text, 19 }, { keys.older(text, #text) })
            assert.are.same({ text, 3 }, { keys.older(text, 19) })
            assert.are.same({ text, 19 }, { keys.newer(text, 3) })
        end)
    end)

    describe("Ctrl-R", function()
        before_each(function()
            for _, entry in ipairs { "api:get(1)", "x = 1", "lag(api:get(2))", "für = 1" } do
                history:add(entry)
            end
        end)

        -- The keys one after another, from a line with that text. Returns what the last one did.
        local function search(text, ...)
            local shown = table.pack(keys.search(text, #text, false, nil))
            for _, key in ipairs { ... } do
                shown = table.pack(keys.search(shown[1], shown[2], false, key))
            end
            return table.unpack(shown, 1, 3)
        end

        it("looks for the newest entry with the text in it, and narrows it by each key", function()
            assert.are.same({ "", 0, "(reverse-i-search)'': " }, { search("") })
            assert.are.same({ "für = 1", 0, "(reverse-i-search)'f': " }, { search("", "f") })
            assert.are.same({ "für = 1", 1, "(reverse-i-search)'ür': " }, { search("", "ü", "r") })
            assert.are.same({ "lag(api:get(2))", 8, "(reverse-i-search)'get': " }, { search("ge", "t") })
        end)

        it("once more goes to an older one, and Backspace back to the newest", function()
            assert.are.equal("api:get(1)", (search("get", "\x12")))
            assert.are.equal("lag(api:get(2))", (search("get", "\x12", "\127")))
            assert.are.same({ "für = 1", 1, "(reverse-i-search)'ü': " }, { search("", "ü", "r", "\127") })
        end)

        it("says when there is none, and keeps showing what it had", function()
            local shown, _, prompt = search("get", "\x12", "\x12")
            assert.are.same({ "api:get(1)", "(failed reverse-i-search)'get': " }, { shown, prompt })
            assert.are.same({ "nosuch", 6, "(failed reverse-i-search)'nosuch': " }, { search("nosuch") })
        end)

        it("takes what was found by Enter, and by other keys, which then do what they do elsewhere", function()
            assert.are.same({ "x = 1", 0 }, { search("x", "\r") })
            assert.are.same({ "x = 1", 0, true }, { search("x", "\27[C") })
        end)

        it("gives up by Ctrl-G and Escape: the line is as it was", function()
            for _, key in ipairs { "\a", "\27" } do
                assert.are.same({ "x", 1 }, { search("x", " ", key) })
            end
        end)

        it("pressed twice at first looks for what was looked for before", function()
            search("", "x", "\a")
            assert.are.equal("x = 1", (search("", "\x12")))
        end)
    end)

    it("Ctrl-D ends the session on an empty line, and deletes a character elsewhere", function()
        assert.is_false(keys.finish("", 0))
        assert.are.same({ "ac", 1 }, { keys.finish("aβc", 1) })
        assert.is_nil((keys.finish("abc", 3)))
    end)
end)
