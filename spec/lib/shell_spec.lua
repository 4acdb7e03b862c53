local shell = require("kmirror.shell")
local support = require("spec.support")

-- What a shell makes of a word.
local function read_by(program, word)
    local path = support.temporary("word.sh", "printf %s " .. word)
    local pipe <close> = assert(io.popen(("%s '%s'"):format(program, path)))
    return pipe:read("a")
end

local words = { "plain", "us-west=1,2", "", "it's", "a b", "$(id)", "`id`", "a\\b", "!x", "~", "=ls", "#x", "Zürich",
    "*?", "-x", "a;b", "\"", "\\'" }

describe("a word of a command", function()
    it("is read by the shell as it is, when it is run", function()
        for _, word in ipairs(words) do assert.are.equal(word, read_by("sh", shell.quote(word))) end
        assert.are.equal("a\nb", read_by("sh", shell.quote("a\nb")))
    end)

    it("is printable and on one line when it is shown, and read as it is by who pastes it", function()
        local odd = { "a\nb", "\27[2J", "x\u{9B}1m", "\u{202E}txt", "it's\r", "\255", "a\\\tb", "é\n1" }
        for _, word in ipairs(table.move(words, 1, #words, #odd + 1, odd)) do
            local shown = shell.word(word)
            assert.are.equal(word, read_by("bash", shown))
            assert.is_nil(shown:find("%c"), shown)
            assert.is_nil(shown:find("\u{9B}", 1, true))
        end
        assert.are.equal("$'a\\x0arm -rf'", shell.word("a\nrm -rf"))
        assert.are.equal("us-west", shell.word("us-west"))
    end)
end)
