local text = require("kmirror.text")

describe("text", function()
    it("leaves plain text as it is", function()
        assert.are.equal("us-west.us-east.x Zürich 東京", text.clean("us-west.us-east.x Zürich 東京"))
    end)

    it("makes what a terminal would obey visible", function()
        assert.are.equal("a\\u{1B}[31mb", text.clean("a\27[31mb"))
        assert.are.equal("one\\ntwo\\tthree\\r", text.clean("one\ntwo\tthree\r"))
        assert.are.equal("\\u{9B}2J", text.clean("\u{9B}2J"))
        assert.are.equal("\\u{202E}txt", text.clean("\u{202E}txt"))
        assert.are.equal("\\u{0}\\u{7F}", text.clean("\0\127"))
    end)

    it("replaces bytes that are no UTF-8", function()
        assert.are.equal("a\u{FFFD}b\u{FFFD}", text.clean("a\xFFb\xC3"))
        assert.are.equal("a?b", text.valid("a\xFFb", "?"))
    end)

    it("knows how many columns a text takes", function()
        assert.are.equal(5, text.width("plain"))
        assert.are.equal(6, text.width("Zürich"))
        assert.are.equal(4, text.width("東京"))
        assert.are.equal(1, text.width("e\u{301}"))
        assert.are.equal(2, text.width("🚀"))
    end)

    it("cuts to a width, and marks the cut", function()
        assert.are.equal("short", text.cut("short", 5))
        assert.are.equal("shor…", text.cut("shorter", 5))
        assert.are.equal("東…", text.cut("東京都", 4))
        assert.are.equal("…", text.cut("東京", 1))
        for width = 1, 8 do
            assert.is_true(text.width(text.cut("a東b京c都d", width)) <= width)
        end
    end)

    it("shortens a long text in its middle, and says how long it is", function()
        assert.are.equal(("x"):rep(80), text.short(("x"):rep(80)))
        assert.are.equal(("a"):rep(40) .. "…" .. ("b"):rep(20) .. " (5000 characters)",
            text.short(("a"):rep(2500) .. ("b"):rep(2500)))
        assert.are.equal(("東"):rep(40) .. "…" .. ("京"):rep(20) .. " (200 characters)",
            text.short(("東"):rep(100) .. ("京"):rep(100)))
    end)

    it("counts one thing as one, and several as several", function()
        assert.are.equal("1 mirror", text.count(1, "mirror"))
        assert.are.equal("0 mirrors", text.count(0, "mirror"))
        assert.are.equal("2 changes were", text.count(2, "change was", "changes were"))
    end)

    it("breaks a message between words, and no command line in it", function()
        local message = "mirror a is not healthy, and nothing was done; to continue: kmirror run --job night failover"
        assert.are.equal("mirror a is not\n  healthy, and\n  nothing was done;\n  to continue:\n  "
            .. "kmirror run --job night failover", text.message(message, 19, 2))
        assert.are.equal(message, text.message(message, nil, 2))
        assert.are.equal("a.lua has\n  problems:\na.lua:1: to", text.message("a.lua has problems:\na.lua:1: to", 11, 2))
    end)

    it("wraps between words; a word that is too long stays whole", function()
        assert.are.same({ "as it is   here" }, text.wrap("as it is   here", 15))
        assert.are.same({ "one two", "three" }, text.wrap("one two   three", 8))
        assert.are.same({ "  one", "  two" }, text.wrap("  one two", 6))
        assert.are.same({ "one", "    two" }, text.wrap("one two", 6, "    "))
        assert.are.same({ "a", "longer", "one" }, text.wrap("a longer one", 4))
        assert.are.same({ "東京", "東京" }, text.wrap("東京 東京", 8))
        assert.are.same({ "" }, text.wrap("", 8))
    end)
end)
