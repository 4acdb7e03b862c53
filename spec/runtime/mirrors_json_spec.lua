-- What an answer's JSON becomes, beside what lua-cjson makes of the same text.
local cjson = require("cjson")
local support = require("spec.support")

-- What api:get() says of each text, put where a field of a later version of the API would be; an error where it raises.
local function read_all(texts)
    local answers, said = {}, {}
    for i, text in ipairs(texts) do answers[i] = { body = '{"id":"x","future":' .. text .. "}" } end
    local server = support.server(answers)
    local api = support.connect(server, { retries = 0 })
    for i in ipairs(texts) do
        local ok, result = pcall(api.get, api, support.mirror)
        said[i] = ok and { value = result.future } or result
    end
    server:stop()
    return said
end

-- Integers and nils where lua-cjson has floats and nulls.
local function normal(value)
    if type(value) ~= "table" then return value end
    local list = #value > 0
    for key, each in pairs(value) do
        if type(each) == "number" and key ~= "averageRate" and math.abs(each) <= 2 ^ 53 then
            value[key] = math.tointeger(each) or each
        elseif each == cjson.null and not list then
            value[key] = nil
        else
            normal(each)
        end
    end
    return value
end

-- Equal, and integers where there are to be integers.
local function same(expected, got, text)
    assert.are.equal(type(expected), type(got), text)
    if type(expected) ~= "table" then
        assert.are.equal(expected, got, text)
        assert.are.equal(math.type(expected), math.type(got), text)
        return
    end
    for key, value in pairs(expected) do same(value, got[key], text) end
    for key in pairs(got) do assert.is_not_nil(expected[key], text) end
end

local pick
local leaves = {
    function() return tostring(math.random(-10, 100000)) end,
    function() return ("%.17g"):format((math.random() - 0.5) * 10 ^ math.random(-20, 15)) end,
    function() return ("%d.%dE%+d"):format(math.random(0, 9), math.random(0, 999), math.random(-9, 9)) end,
    function() return ("%d.0"):format(math.random(0, 2 ^ 40)) end,
    function() return ("9"):rep(math.random(20, 30)) end,
    function() return "-0" end,
    function() return "true" end,
    function() return "false" end,
    function() return "null" end,
    function() return '""' end,
    function() return '"a \\"b\\" \\\\ \\/ \\b\\f\\n\\r\\t"' end,
    function() return '"\\u0041\\u00e4\\u20AC\\ud83d\\ude00 ä€😀"' end,
    function() return ('"%s"'):format(("x"):rep(math.random(0, 300))) end,
    function() return ('"%s\\u000a"'):format(("y"):rep(math.random(0, 3000))) end,
}

local names = { "a", "b", "averageRate", "averageRat", "a\\u0062c", "", "name with blanks" }

local function blank() return pick { "", "", "", " ", "\n\t", "\r\n  " } end

local function document(depth)
    local kind, parts = math.random(1, 4), {}
    if depth == 0 or kind > 2 then return leaves[math.random(#leaves)]() end
    for i = 1, math.random(0, 12) do
        parts[i] = blank() .. document(depth - 1) .. blank()
        if kind == 1 then
            parts[i] = ('%s"%s%d"%s:%s'):format(blank(), pick(names), i, blank(), parts[i])
        end
    end
    return (kind == 1 and "{%s%s}" or "[%s%s]"):format(blank(), table.concat(parts, ","))
end

function pick(list) return list[math.random(#list)] end

describe("the JSON of an answer", function()
    it("becomes what lua-cjson makes of it, with integers and nils", function()
        local texts = {}
        math.randomseed(7)
        for i = 1, 400 do texts[i] = document(i % 7) end
        for i, said in ipairs(read_all(texts)) do
            assert.is_nil(said.kind, texts[i])
            local expected = normal { value = cjson.decode("[" .. texts[i] .. "]")[1] }
            same(expected.value, said.value, texts[i])
        end
    end)

    it("keeps integers exact beyond what a float holds, as far as Lua's integers go", function()
        local said = read_all { "[9007199254740993,-9007199254740993,9223372036854775807]" }[1].value
        assert.are.same({ 9007199254740993, -9007199254740993, math.maxinteger }, said)
    end)

    it("has numbers of any length, as near as a float comes to them", function()
        local zeros, digits = ("0"):rep(500), ("123456789"):rep(60)
        local texts = {
            ["1" .. zeros:sub(1, 99)] = 1e99, ["-1" .. zeros:sub(1, 300)] = -1e300, ["0." .. zeros .. "5e501"] = 5,
            ["1." .. zeros] = 1, ["3." .. digits] = tonumber("3." .. digits:sub(1, 30)), ["0." .. zeros] = 0,
            ["1" .. zeros .. "e-500"] = 1, [("9"):rep(64)] = 1e64, ["1e" .. zeros .. "2"] = 100,
        }
        for text, expected in pairs(texts) do
            local said = read_all { text, ('{"averageRate":%s}'):format(text) }
            assert.are.equal(expected, said[1].value, text)
            assert.are.equal(expected, said[2].value.averageRate, text)
        end
    end)

    it("has the float that is nearest to each decimal, as strtod() finds it", function()
        local texts, expected = {}, {}
        math.randomseed(11)
        for i = 1, 2000 do
            local digits = ("%d.%s"):format(math.random(0, 10 ^ math.random(0, 9)),
                ("%019d"):format(math.random(0)):sub(-math.random(1, 19)):gsub("%-", "1"))
            texts[i] = pick { digits, ("%se%d"):format(digits, math.random(-30, 30)),
                ("-%sE+%d"):format(digits, math.random(0, 25)) }
            expected[i] = tonumber(texts[i])
        end
        local said = read_all { ('[{"averageRate":%s}]'):format(table.concat(texts, '},{"averageRate":')) }[1].value
        for i, each in ipairs(said) do assert.are.equal(expected[i], each.averageRate, texts[i]) end
    end)

    it("has averageRate as a float, whatever it looks like", function()
        for _, said in ipairs(read_all { '{"averageRate":1}', '{"averageRate":1.0}', '{"averageRate" : 1e0 }' }) do
            assert.are.equal("float", math.type(said.value.averageRate))
        end
    end)

    it("is refused when it is not JSON, with the place", function()
        local texts = {
            "", ",", "tru", "nul", "True", "nan", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10",
            '"', '"\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\ud800"', '"\\ud800\\u0041"', '"\\udc00"', '"\\ud800x"',
            "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}',
            "{a:1}", "{1:1}", '{"a" 1}', "'a'", "1 2", "/* */ 1", "\0", '"a\0b"', "1e999", "-1e999", ("9"):rep(400),
            ("["):rep(64) .. ("]"):rep(64),
        }
        for i, said in ipairs(read_all(texts)) do
            assert.are.equal("protocol", said.kind, texts[i])
            assert.truthy(said.message:find("expected .- at character %d+"), texts[i])
        end
    end)

    it("is refused wherever it is cut off", function()
        local whole = '{"id":"x","status":"IN_SYNC","topicStatuses":[{"name":"a\\u00e4","averageRate":1.5e0}],"x":true}'
        local answers = {}
        for i = 1, #whole - 1 do answers[i] = { body = whole:sub(1, i) } end
        answers[#whole] = { body = whole }
        local server = support.server(answers)
        local api = support.connect(server, { retries = 0 })
        for _ = 1, #whole - 1 do support.raises("protocol", api.get, api, support.mirror) end
        assert.are.equal("aä", api:get(support.mirror).topicStatuses[1].name)
        server:stop()
    end)
end)
