local json = require "kmirror.json"
local support = require "spec.support"

describe("JSON written", function()
    it("has its keys in order, and integers as integers", function()
        assert.are.equal('{"a":30000,"b":1.5,"c":[true,"x"],"d":9007199254740993}',
            json.encode { d = 9007199254740993, b = 1.5, c = { true, "x" }, a = 30000 })
    end)

    it("tells an empty array from an empty object", function()
        assert.are.equal('{"array":[],"object":{}}', json.encode { array = json.array {}, object = {} })
    end)

    it("keeps any text, and stays valid UTF-8", function()
        assert.are.equal([["say \"hi\"\\\n\u0001 é/"]], json.encode("say \"hi\"\\\n\1 é/"))
        assert.are.equal('"\u{FFFD}"', json.encode("\xFF"))
    end)

    it("has a float's every digit, and null for what is no number", function()
        assert.are.equal("[0.1,0.30000000000000004,null,null]",
            json.encode { 0.1, 0.1 + 0.2, math.huge, 0 / 0 })
    end)

    it("is indented when people are to read it", function()
        assert.are.equal('{\n  "a": [\n    1\n  ],\n  "b": []\n}',
            json.encode({ a = { 1 }, b = json.array {} }, true))
    end)

    it("has the keys of each object in order, whatever the one before it had", function()
        assert.are.equal('[{"a":1,"b":2},{"b":1,"c":2},{},{"a":{"y":1,"z":2},"b":3},{"2.5":1,"true":2,"x":3},{"a":1}]',
            json.encode { { b = 2, a = 1 }, { c = 2, b = 1 }, {}, { b = 3, a = { z = 2, y = 1 } },
                { x = 3, [true] = 2, [2.5] = 1 }, { a = 1 } })
        for _ = 1, 200 do
            local object, names, parts = {}, {}, {}
            for i = 1, math.random(0, 6) do names[i] = ("%c"):format(96 + math.random(1, 8)) end
            for _, name in ipairs(names) do object[name] = true end
            for i = 97, 104 do
                parts[#parts + 1] = object[string.char(i)] and ('"%c":true'):format(i) or nil
            end
            local text = "{" .. table.concat(parts, ",") .. "}"
            assert.are.equal("[" .. text .. ',{"a":1,"b":2},' .. text .. "]",
                json.encode { object, { a = 1, b = 2 }, object })
        end
    end)

    it("writes every character of ASCII that needs no escape as it is", function()
        local text = ""
        for byte = 32, 126 do text = text .. string.char(byte) end
        assert.are.equal('"' .. text:gsub('["\\]', "\\%0") .. '"', json.encode(text))
        assert.are.equal('"\\u007f"', json.encode("\127"))
    end)

    it("refuses what JSON has no word for", function()
        assert.has_error(function() json.encode { print } end, "cannot write a function as JSON")
    end)
end)

describe("JSON read", function()
    it("gives integers as integers, and null as nil", function()
        local value = json.decode '{"ms": 30000, "rate": 1.5, "none": null}'
        assert.are.equal("integer", math.type(value.ms))
        assert.are.same({ ms = 30000, rate = 1.5 }, value)
    end)

    it("says where it is wrong", function()
        local value, problem = json.decode '{\n  "a": 1,\n  "b" 2\n}'
        assert.is_nil(value)
        assert.is_truthy(problem:find("^line 3, column %d+: Expected colon"))
    end)

    it("comes back from a file as it was written", function()
        local path = support.temporary("state.json")
        assert.is_nil(json.read(path))
        local result = support.run { "run", "-", stdin = ([[
            require("kmirror.json").write(%q, { mirrors = { { id = "a", targetLatency = 30000 } } })]]):format(path) }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({ mirrors = { { id = "a", targetLatency = 30000 } } }, json.read(path))
    end)

    it("names the file that is none, or that cannot be written", function()
        local path = support.temporary("state.json", "{")
        local ok, problem = pcall(json.read, path)
        assert.is_false(ok)
        assert.are.equal("usage", problem.kind)
        assert.is_truthy(problem.message:find(path .. " is not JSON: line 1", 1, true))
        local result = support.run { "run", "-", stdin = 'require("kmirror.json").write("/nowhere/state.json", {})' }
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("cannot write /nowhere/state.json: No such file or directory", 1, true))
    end)
end)
