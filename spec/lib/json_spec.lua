local cjson = require("cjson")
local json = require("kmirror.json")
local support = require("spec.support")
local text = require("kmirror.text")

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
            local written = "{" .. table.concat(parts, ",") .. "}"
            assert.are.equal("[" .. written .. ',{"a":1,"b":2},' .. written .. "]",
                json.encode { object, { a = 1, b = 2 }, object })
        end
    end)

    it("writes every character of ASCII that needs no escape as it is", function()
        local all = ""
        for byte = 32, 126 do all = all .. string.char(byte) end
        assert.are.equal('"' .. all:gsub('["\\]', "\\%0") .. '"', json.encode(all))
        assert.are.equal('"\\u007f"', json.encode("\127"))
    end)

    it("has a character beyond 16 bits that nobody would see as two escapes, which stand for it", function()
        assert.are.equal([["\udb40\udc41"]], json.encode("\u{E0041}"))
        assert.are.equal("\u{E0041}", json.decode(json.encode("\u{E0041}")))
    end)

    it("has what pairs() tells of an object", function()
        local inside = { b = 2, a = 1 }
        local object = setmetatable({}, { __pairs = function()
            return function(_, key) return next(inside, key) end, nil, nil
        end })
        assert.are.equal('{"a":1,"b":2}', json.encode(object))
    end)

    it("refuses what JSON has no word for", function()
        assert.has_error(function() json.encode { print } end, "cannot write a function as JSON")
    end)

    it("refuses a table that holds itself", function()
        local list = {}
        list[1] = { again = list }
        assert.has_error(function() json.encode(list) end,
            "cannot write more than 1000 levels as JSON: does a table hold itself?")
    end)
end)

-- What JSON looks like by its rules alone, slowly.
local function plainly(value, margin)
    local inner = margin and margin .. "  "
    local function around(open, parts, close)
        if #parts == 0 then return open .. close end
        return open .. (inner or "") .. table.concat(parts, "," .. (inner or "")) .. (margin or "") .. close
    end
    if type(value) == "string" then
        return '"' .. text.valid(value):gsub('[%c"\\]', function(character)
            local short = ({ ["\n"] = "n", ["\r"] = "r", ["\t"] = "t" })[character]
            return "\\" .. (short or character:find('["\\]') and character or ("u%04x"):format(character:byte()))
        end):gsub("\u{202E}", "\\u202e") .. '"'
    elseif math.type(value) == "float" then
        local short = ("%.15g"):format(value)
        return tonumber(short) == value and short or ("%.17g"):format(value)
    elseif type(value) ~= "table" then
        return value == cjson.null and "null" or tostring(value)
    end
    local parts, names = {}, {}
    for i, item in ipairs(value) do parts[i] = plainly(item, inner) end
    if #parts > 0 or getmetatable(value) then return around("[", parts, "]") end
    for name in pairs(value) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do
        parts[i] = plainly(name) .. (margin and ": " or ":") .. plainly(value[name], inner)
    end
    return around("{", parts, "}")
end

local function any_text()
    local pieces = {}
    for i = 1, math.random(0, 8) do
        local rare = { string.char(math.random(0, 255)), utf8.char(math.random(0x400, 0x4FF)), "\u{202E}", "\u{1F600}" }
        pieces[i] = rare[math.random(12)] or string.char(math.random(32, 126))
    end
    return table.concat(pieces)
end

local function any_value(depth)
    local kind = math.random(depth > 4 and 5 or 7)
    if kind <= 2 then
        return any_text()
    elseif kind == 3 then
        return ({ math.random(-1000, 1000), math.random(0), math.random() * 10.0 ^ math.random(-300, 300) })
            [math.random(3)]
    elseif kind <= 5 then
        return kind == 4 and cjson.null or math.random(2) == 1
    end
    local made = kind == 6 and math.random(2) == 1 and json.array {} or {}
    for i = 1, math.random(0, 8) do made[kind == 6 and i or any_text()] = any_value(depth + 1) end
    return made
end

describe("JSON of any value", function()
    it("is what its rules say, byte for byte", function()
        for seed = 1, 300 do
            math.randomseed(seed)
            local value = any_value(0)
            assert.are.equal(plainly(value), json.encode(value), "seed " .. seed)
            assert.are.equal(plainly(value, "\n"), json.encode(value, true), "seed " .. seed)
        end
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
