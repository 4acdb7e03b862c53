local histories = require("kmirror.repl.history")
local support = require("spec.support")

describe("the history of the prompt", function()
    it("keeps entries of several lines whole, across sessions", function()
        local path = support.temporary("history")
        local entry = "for i = 1, 2 do\n    print('\\n', i)\nend"
        histories.new(path):add(entry)
        histories.new(path):add("1 + 1")
        assert.are.same({ entry, "1 + 1" }, histories.new(path).entries)
    end)

    it("keeps an entry once when it comes again at once, and none that begins with a space", function()
        local history = histories.new()
        for _, entry in ipairs { "a", "a", "b", " hidden", "a", "" } do history:add(entry) end
        assert.are.same({ "a", "b", "a" }, history.entries)
    end)

    it("does not keep what may hold a secret", function()
        local path = support.temporary("history")
        local history = histories.new(path)
        for _, entry in ipairs {
            'api:create { sourceConnectionProperties = "x" }', 'mirrors.connect { api_key = "k" }', 'password = "p"',
            "sasl.jaas.config", 'KMIRROR_API_KEY = "k"',
        } do
            history:add(entry)
        end
        assert.are.same({}, history.entries)
        assert.are.equal("", support.read(path))
    end)

    it("forgets the oldest entries when the file has grown too long", function()
        local lines = {}
        for i = 1, 6001 do lines[i] = ("entry %d\n"):format(i) end
        local path = support.temporary("history", table.concat(lines))
        local result = support.run { "run", "-", stdin = ('require("kmirror.repl.history").new(%q)'):format(path) }
        assert.are.equal(0, result.status, result.stderr)
        local entries = histories.new(path).entries
        assert.are.equal(5000, #entries)
        assert.are.equal("entry 6001", entries[5000])
        assert.are.equal(table.concat(entries, "\n") .. "\n", support.read(path))
    end)
end)
