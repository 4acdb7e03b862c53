local profile = require("kmirror.profile")
local support = require("spec.support")
local wanted = require("kmirror.fleet.wanted")

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"
local WEST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000001"

local milliseconds = "expected milliseconds, a whole number from 1000 to 2147483647"

local function file(extension, content)
    return support.temporary("fleet." .. extension, content)
end

local function read(extension, content)
    return wanted.read(file(extension, content)).mirrors
end

-- What is said of a file that is wrong, without its folder and the number that makes its name unique.
local function complaint(extension, content)
    local path = file(extension, content)
    local ok, problem = pcall(wanted.read, path)
    assert.is_false(ok, "nothing was wrong with: " .. content)
    assert.are.equal("usage", problem.kind, tostring(problem))
    return (problem.message:gsub(path:gsub("%W", "%%%0"), "F"))
end

-- A file with one mirror more than all that it needs, in Lua.
local function with_mirror(fields)
    return ([[
return {
    clusters = {
        east = { connect = "%s", kafka = "%s", alias = "us-east" },
        west = { kafka = "%s", alias = "us-west" },
        dc = { sourceConnectionPropertiesEnv = "DC_PROPERTIES" },
    },
    mirrors = {
        { %s },
    },
}]]):format(EAST, EAST_KAFKA, WEST_KAFKA, fields)
end

describe("a fleet file", function()
    local before = profile.current()
    before_each(function()
        profile.use { sandbox = false, runbooks = {}, clusters = {
            ["us-east"] = { connect = EAST, kafka = EAST_KAFKA, alias = "us-east" },
            ["us-west"] = { connect = WEST, kafka = WEST_KAFKA, alias = "us-west" },
        } }
    end)
    after_each(function() profile.use(before) end)

    it("says the same in Lua, JSON and CSV", function()
        local lua = read("lua", [[
            return {
                defaults = { from = "us-west", to = "us-east", useRenaming = false },
                mirrors = {
                    { topicsRegex = "orders\\..*", maxTasks = 3, targetLatency = 45000 },
                    { topicsRegex = "a,b", maxTasks = 1 },
                },
            }]])
        local json = read("json", [[{
            "defaults": { "from": "us-west", "to": "us-east", "useRenaming": false },
            "mirrors": [
                { "topicsRegex": "orders\\..*", "maxTasks": 3, "targetLatency": 45000 },
                { "topicsRegex": "a,b", "maxTasks": 1 }
            ] }]])
        local csv = read("csv", "from,to,useRenaming,topicsRegex,maxTasks,targetLatency\n"
            .. "us-west,us-east,false,orders\\..*,3,45000\n" .. 'us-west,us-east,FALSE,"a,b",1,\n')
        for i, mirror in ipairs(lua) do
            for _, other in ipairs { json[i], csv[i] } do
                mirror.line, mirror.label, other.line, other.label = nil, nil, nil, nil
                assert.are.same(mirror, other)
            end
        end
        assert.are.same({
            index = 1, to = "us-east", cluster = EAST, sourceAlias = "us-west", sourceType = "instaclustr",
            kafkaSource = WEST_KAFKA, useRenaming = false, maxTasks = 3, topicsRegex = "orders\\..*",
            targetLatency = 45000,
        }, lua[1])
        assert.are.equal("a,b", lua[2].topicsRegex)
    end)

    it("knows the clusters of the profile, and its own before those", function()
        local path = file("lua", [[return {
            clusters = { ["us-west"] = { kafka = "]] .. EAST_KAFKA .. [[", alias = "other" } },
            mirrors = { { from = "us-west", to = "us-east", topicsRegex = "x" } },
        }]])
        local mirror = wanted.read(path).mirrors[1]
        assert.are.same({ "other", EAST_KAFKA, EAST }, { mirror.sourceAlias, mirror.kafkaSource, mirror.cluster })
    end)

    it("can name a source and a target without a cluster", function()
        local mirror = read("lua", ([[return { mirrors = {
            { to = "%s", sourceAlias = "a.b", kafkaSource = "%s", topicsRegex = "x" },
        } }]]):format(EAST:upper(), WEST_KAFKA))[1]
        assert.are.same({ EAST, "a.b", WEST_KAFKA, "instaclustr" },
            { mirror.cluster, mirror.sourceAlias, mirror.kafkaSource, mirror.sourceType })
    end)

    it("says where connection properties come from, not what they are", function()
        local mirror = read("lua", with_mirror [[from = "dc", to = "east", topicsRegex = "x"]])[1]
        assert.are.same({ "variable", "DC_PROPERTIES" }, { mirror.secret.from, mirror.secret.value })
        assert.are.same({ "dc", "custom" }, { mirror.sourceAlias, mirror.sourceType })
    end)

    it("keeps the defaults to what a mirror does not say", function()
        local mirrors = read("lua", ([[return {
            defaults = { from = "us-west", to = "us-east", maxTasks = 3, targetLatency = 5000, useRenaming = true },
            mirrors = {
                { topicsRegex = "a", maxTasks = 1, useRenaming = false },
                { topicsRegex = "b", sourceAlias = "dc", kafkaSource = "%s" },
            },
        }]]):format(EAST_KAFKA))
        assert.are.same({ 1, false, 5000 }, { mirrors[1].maxTasks, mirrors[1].useRenaming, mirrors[1].targetLatency })
        assert.are.same({ "dc", EAST_KAFKA, true }, { mirrors[2].sourceAlias, mirrors[2].kafkaSource,
            mirrors[2].useRenaming })
    end)

    it("may ask for nothing", function()
        assert.are.same({}, read("lua", "return { mirrors = {} }"))
        assert.are.same({}, read("json", '{ "mirrors": [] }'))
        assert.are.same({}, read("csv", "to,topicsRegex\n"))
    end)
end)

describe("a fleet file that is wrong", function()
    it("is told line, field and what was expected", function()
        local start = 'from = "west", to = "east", topicsRegex = "x", '
        for fields, said in pairs {
            [start .. "targetLatency = 500"] = "targetLatency: " .. milliseconds .. ", got 500",
            [start .. 'targetLatency = "30s"'] = "targetLatency: " .. milliseconds .. ", got '30s'",
            [start .. "maxTasks = 0"] = "maxTasks: expected a whole number from 1 to 2147483647, got 0",
            [start .. "maxTasks = 1.5"] = "maxTasks: expected a whole number from 1 to 2147483647, got 1.5",
            [start .. 'useRenaming = "yes"'] = "useRenaming: expected true or false, got 'yes'",
            [start .. "usePrivateIps = {}"] = "usePrivateIps: expected true or false, got a table",
            [start .. 'sourceAlias = "a b"'] = "sourceAlias: expected letters, digits, '.', '_' and '-', got 'a b'",
            [start .. 'sourceType = "kafka"'] = "sourceType: expected instaclustr or custom, got 'kafka'",
            ['from = "west", to = "east", topicsRegex = " "'] =
                "topicsRegex: expected a regular expression, or a list of topics, got ' '",
            ['from = "west", to = "east"'] = "topicsRegex: missing; expected a regular expression, or a list of topics",
            ['to = "east", topicsRegex = "x"'] =
                "from: missing; expected the name of a cluster; or sourceAlias instead",
            ['from = "west", topicsRegex = "x"'] =
                "to: missing; expected the name of a cluster, or the UUID of a Kafka Connect cluster",
            ['from = "wets", to = "east", topicsRegex = "x"'] = "from: unknown cluster 'wets'; did you mean 'west'?",
            ['from = "west", to = "nowhere", topicsRegex = "x"'] =
                "to: unknown cluster 'nowhere'; expected one of dc, east, west",
            ['from = "east", to = "west", topicsRegex = "x"'] =
                "to: the cluster 'west' has no connect; expected the UUID of its Kafka Connect cluster",
            ['sourceAlias = "a", kafkaSource = "x", to = "east", topicsRegex = "x"'] =
                "kafkaSource: expected the UUID of a Kafka cluster, got 'x'",
            [start .. 'kafkaSource = "' .. EAST_KAFKA .. '"'] =
                "kafkaSource: there is from, too, which names the source; expected one of them",
            ['sourceAlias = "a", to = "east", topicsRegex = "x", sourceConnectionPropertiesFile = "f", '
                .. 'sourceConnectionPropertiesEnv = "E"'] = "sourceConnectionPropertiesFile: there is "
                .. "sourceConnectionPropertiesEnv, too; expected one of them",
        } do
            assert.are.equal("F:8: mirrors[1]." .. said, complaint("lua", with_mirror(fields)))
        end
    end)

    it("is told of a field that is not known, and what may have been meant", function()
        local start = 'from = "west", to = "east", topicsRegex = "x", '
        for field, meant in pairs { usePrivateIPs = "usePrivateIps", maxtasks = "maxTasks", regex = false,
            targetLatencyMs = "targetLatency", sourceConectionProperties = "sourceConnectionProperties" } do
            local said = complaint("lua", with_mirror(start .. field .. " = 1"))
            local expected = meant and ("; did you mean '%s'?"):format(meant) or "; expected one of from, kafkaSource, "
            local whole = ("F:8: mirrors[1]: unknown field '%s'%s"):format(field, expected)
            assert.are.equal(1, (said:find(whole, 1, true)), said)
        end
        assert.are.equal("F:1: unknown field 'mirors'; did you mean 'mirrors'?",
            complaint("lua", "return { mirrors = {}, mirors = {} }"))
        assert.are.equal("F:1: defaults: unknown field 'topicsRegex'; expected one of from, maxTasks, targetLatency, "
            .. "to, usePrivateIps, useRenaming",
            complaint("json", '{ "defaults": { "topicsRegex": "x" }, "mirrors": [] }'))
        assert.are.equal("F:1: unknown field 'topicRegex'; did you mean 'topicsRegex'?",
            complaint("csv", "to,sourceAlias,topicRegex\n"))
    end)

    it("is told of all mistakes at once, in the order of the file", function()
        assert.are.equal([[
F has 4 problems:
  F:3: clusters.east.connect: expected the UUID of a Kafka Connect cluster, got 'x'
  F:4: clusters.west: unknown field 'alais'; did you mean 'alias'?
  F:6: defaults.maxTasks: expected a whole number from 1 to 2147483647, got '3'
  F:9: mirrors[1].targetLatency: ]] .. milliseconds .. ", got 1", complaint("json", [[{
            "clusters": {
                "east": { "connect": "x" },
                "west": { "alais": "w" }
            },
            "defaults": { "maxTasks": "3" },
            "mirrors": [
                { "to": "]] .. EAST .. [[", "sourceAlias": "a", "topicsRegex": "x",
                  "targetLatency": 1 }
            ] }]]))
    end)

    it("is shown no more than the first mistakes of very many", function()
        local lines = { "to,topicsRegex,sourceAlias,maxTasks" }
        for i = 1, 100 do lines[#lines + 1] = ("%s,x%d,a,none"):format(EAST, i) end
        local said = complaint("csv", table.concat(lines, "\n"))
        assert.is_truthy(said:find("^F has 100 problems:\n  F:2: maxTasks: expected"))
        assert.is_truthy(said:find("\n  %.%.%. and 80 more$"))
    end)

    it("is told when it has a mirror twice, however its cluster is called", function()
        assert.are.equal("F:8: the same mirror as in line 7: of 'x' from us-west into " .. EAST, complaint("lua", ([[
return {
    clusters = {
        east = { connect = "%s", alias = "us-east" },
        west = { kafka = "%s", alias = "us-west" },
    },
    mirrors = {
        { from = "west", to = "east", topicsRegex = "x" },
        { sourceAlias = "us-west", to = "%s", topicsRegex = "x", maxTasks = 5 },
        { sourceAlias = "us-west", to = "east", topicsRegex = "y" },
    },
}]]):format(EAST, WEST_KAFKA, EAST)))
    end)

    it("is told when something is no table, or no list", function()
        for content, said in pairs {
            ["return 7"] = "F:1: expected a table with clusters, defaults and mirrors, got a number",
            ["return"] = "F:1: expected a table with clusters, defaults and mirrors, got a nil",
            ["return {\n clusters = {} }"] = "F:1: mirrors: missing; expected a list of mirrors",
            ["return {\n mirrors = 'x' }"] = "F:2: mirrors: expected a list of mirrors, got a string",
            ["return { mirrors = {\n a = {} } }"] = "F:2: mirrors: expected a list, got one with a field 'a'",
            ["return { mirrors = { {},\n [5] = {} } }"] = "F:2: mirrors: expected a list, got one with a field '5'",
            ["return {\n clusters = 1, mirrors = {} }"] =
                "F:2: clusters: expected a table of clusters by name, got a number",
            ["return { mirrors = {}, clusters = {\n 'x' } }"] =
                "F:2: clusters: expected a name for each, as in { east = { ... } }",
            ["return { mirrors = {}, clusters = {\n x = 'y' } }"] =
                "F:2: clusters.x: expected a table with connect, kafka and alias, got a string",
            ["return { defaults = false, mirrors = {} }"] = "F:1: defaults: expected a table of fields, got a boolean",
            ["return { mirrors = {\n\n 'orders' } }"] =
                "F:3: mirrors[1]: expected a table of a mirror's fields, got a string",
        } do
            local all = complaint("lua", content)
            assert.is_truthy(all:find(said, 1, true), all)
        end
    end)

    it("never shows connection properties", function()
        for _, field in ipairs { "sourceConnectionProperties = { 'hunter2' }", "sourceConnectionProperties = ' ',"
            .. " maxTasks = 'x'", "sourceConnectionProperties = 'password=hunter2', kafkaSource = 'x'",
            "sourceConnectionProperties = 'password=hunter2', sourceConnectionPropertiesEnv = 'X'" } do
            local said = complaint("lua", with_mirror('to = "east", topicsRegex = "x", sourceAlias = "a", ' .. field))
            assert.is_nil(said:find("hunter2", 1, true), said)
        end
    end)

    it("is told when it cannot be read, or what it is cannot be told from its name", function()
        for path, said in pairs {
            ["/nowhere/fleet.lua"] = "cannot read /nowhere/fleet.lua: No such file or directory; expected a fleet file",
            ["/nowhere/fleet.yaml"] =
                "/nowhere/fleet.yaml: expected a fleet file, whose name ends in .lua, .json or .csv",
            ["/tmp"] = "/tmp: expected a fleet file, whose name ends in .lua, .json or .csv",
        } do
            local ok, problem = pcall(wanted.read, path)
            assert.is_false(ok)
            assert.are.equal(said, problem.message)
        end
    end)
end)

describe("a fleet file in Lua", function()
    it("is told the line of what is written out, wherever it is put in", function()
        assert.are.equal([[
F has 6 problems:
  F:4: clusters.east.kafka: expected the UUID of a Kafka cluster, got 'x'
  F:16: clusters.we}st.alias: expected letters, digits, '.', '_' and '-', got ''
  F:18: defaults.maxTasks: expected a whole number from 1 to 2147483647, got 0
  F:20: mirrors[1].targetLatency: ]] .. milliseconds .. [[, got 1
  F:21: mirrors[2].targetLatency: ]] .. milliseconds .. [[, got 2
  F:23: mirrors[3].targetLatency: ]] .. milliseconds .. ", got 3", complaint("lua", ([===[
#!/usr/bin/env lua
-- clusters = { -- in a comment
local east = { --[[ of
    some lines ]] kafka = "x",
    connect = "%s" }
local function mirror(latency)
    local made = { to = "east", topicsRegex = "x" .. latency, sourceAlias = "a" }
    made.targetLatency = latency
    return made
end
local text = [==[
} return { "]==] .. "}\"" .. '\z
    {'
return {
    clusters = { east = east, ["we}st"] = {
        alias = "",
    } },
    defaults = { maxTasks = #text > 0 and 0 },
    mirrors = {
        { to = "east", topicsRegex = "y", sourceAlias = "a", targetLatency = 1 };
        mirror(2),
        -- and a comment
        (function()
        end)() or mirror(3),
    },
}]===]):format(EAST)))
    end)

    it("is told the line of the list when its mirrors are computed, and which one it is", function()
        local said = "F:7: mirrors[2].maxTasks: expected a whole number from 1 to 2147483647, got 0"
        assert.are.equal(said, complaint("lua", ([[
local mirrors = {}
for i = 1, 3 do
    mirrors[#mirrors + 1] = { to = "%s", sourceAlias = "a", topicsRegex = "x" .. i, maxTasks = (i - 2)^2 // 1 | 0 }
end
return {
    defaults = {},
    mirrors = mirrors,
}]]):format(EAST)))
    end)

    it("is a program that reaches nothing outside of it", function()
        for _, reach in ipairs { "os.exit(1)", "io.open('x')", "require 'os'", "load('x')", "dofile('x')", "print(1)",
            "getmetatable('').__index.rep", "debug.getregistry()", "_G.x()", "setmetatable({}, {})" } do
            local said = complaint("lua", "local x = " .. reach .. "\nreturn { mirrors = {} }")
            assert.is_truthy(said:find("^F:1: attempt to "), said)
        end
        read("lua", "string.rep = nil table.concat = nil return { mirrors = {} }")
        assert.are.equal("xx", string.rep("x", 2))
        assert.are.equal("ab", table.concat { "a", "b" })
    end)

    it("can use what makes tables and texts", function()
        local mirrors = read("lua", ([[
            local list = {}
            for _, name in ipairs { "a", "b" } do
                table.insert(list, { to = "%s", sourceAlias = "x", topicsRegex = ("%%s\\..*"):format(name:upper()) })
            end
            assert(#list == 2 and math.max(1, 2) == 2 and select("#", 1, 2) == 2)
            return { mirrors = list }]]):format(EAST))
        assert.are.same({ "A\\..*", "B\\..*" }, { mirrors[1].topicsRegex, mirrors[2].topicsRegex })
    end)

    it("is told where it is not Lua, or fails", function()
        assert.are.equal("F:2: '}' expected (to close '{' at line 1) near <eof>",
            complaint("lua", "return {\n mirrors = {}"))
        assert.are.equal("F:1: no mirrors", complaint("lua", "error('no mirrors')"))
    end)
end)

describe("a fleet file in JSON", function()
    it("is told where it is not JSON", function()
        local said = complaint("json", '{ "mirrors": [\n  { "to": }\n] }')
        assert.is_truthy(said:find("^F:2: not JSON: column %d+: Expected value"), said)
        assert.is_truthy(complaint("json", ""):find("^F:1: not JSON: "))
    end)

    it("is told of a key that stands there twice", function()
        assert.are.equal("F:3: 'maxTasks' stands there twice", complaint("json", ([[{ "mirrors": [ {
            "to": "%s", "sourceAlias": "\"a}", "maxTasks": 1, "topicsRegex": "{\\\"",
            "maxTasks": 2 } ] }]]):format(EAST):gsub('\\"a}', "a")))
    end)

    it("is told of a null in its list, and takes a null field for none", function()
        assert.are.equal("F:2: mirrors[2]: expected a table of a mirror's fields, got null", complaint("json",
            ('{ "mirrors": [ { "to": "%s", "sourceAlias": "a", "topicsRegex": "x", "maxTasks": null },\n null ] }')
            :format(EAST)))
    end)

    it("may begin with a byte order mark", function()
        assert.are.same({}, read("json", '\xEF\xBB\xBF{ "mirrors": [] }'))
    end)
end)

describe("a fleet file in CSV", function()
    local head = "to,sourceAlias,topicsRegex,maxTasks"

    local function rows(...)
        return table.concat({ head, ... }, "\n")
    end

    it("is read as spreadsheets leave it: rows of commas, empty columns, a line that names the separator", function()
        local row = EAST .. ",a,x,3"
        for _, content in ipairs {
            rows(row, ",,,", ",,,", ""), rows(row):gsub("\n", ",,\n") .. ",,\n", "sep=,\r\n" .. rows(row),
            "sep=;\n" .. rows(row):gsub(",", ";"), "\xEF\xBB\xBFsep=\t,,,\n" .. rows(row):gsub(",", "\t"),
            '"sep=;"\n' .. rows(EAST .. ";a;x;3"):gsub(",", ";"), rows(",,,", row),
            "SEP=;\r" .. rows(row):gsub(",", ";"):gsub("\n", "\r"), "sep=|\n" .. rows(row):gsub(",", "|"),
            ",,,\n\n" .. rows(row), rows(row .. ",,", ",,,,,"), rows(EAST .. ",a,x,3.0"),
            (rows("\u{a0},,,", EAST .. "\u{a0}, a ,\u{a0} x \u{a0},3"):gsub("Alias,", "Alias\u{a0},")),
        } do
            local mirrors = read("csv", content)
            assert.are.same({ 1, "x", 3 }, { #mirrors, mirrors[1].topicsRegex, mirrors[1].maxTasks })
        end
    end)

    it("has commas, semicolons, tabs or bars between the cells, as its first line has", function()
        for _, mark in ipairs { ",", ";", "\t", "|" } do
            local mirror = read("csv", rows(EAST .. ',a,"x,y;z|\t",3'):gsub(",", mark):gsub("x.y", "x,y"))[1]
            assert.are.same({ "a", "x,y;z|\t", 3 }, { mirror.sourceAlias, mirror.topicsRegex, mirror.maxTasks })
            assert.are.equal("F:1: unknown field 'topicRegex'; did you mean 'topicsRegex'?",
                complaint("csv", rows(EAST .. ",a,x,3"):gsub(",", mark):gsub("topicsRegex", "topicRegex")))
        end
    end)

    it("is told of columns that are not known in the line where they stand, and of nothing that follows", function()
        for content, said in pairs {
            [rows(EAST .. ",a,x,1,2", EAST):gsub("max", "Max")] =
                "F:1: unknown field 'MaxTasks'; did you mean 'maxTasks'?",
            ["\n# of June\n" .. rows(EAST .. ",a,x,1")] = "F:2: unknown field '# of June'; expected one of from, ",
            ["Mirrors,,,\n" .. rows(EAST .. ",a,x,1")] = "F:1: unknown field 'Mirrors'; expected one of from, ",
        } do
            local told = complaint("csv", content)
            assert.are.equal(said, told:sub(1, #said))
            assert.is_nil(told:find("\n", 1, true))
        end
    end)

    it("is refused where a number may be another one in another country, or a word is not English", function()
        for cells, field in pairs { ["1,3.000"] = "targetLatency", ['1,"30,000"'] = "targetLatency",
            ['"1,5",3000'] = "maxTasks", ["1.5,3000"] = "maxTasks", ["1,3E+04"] = "targetLatency" } do
            local told = complaint("csv", "to,sourceAlias,topicsRegex,maxTasks,targetLatency\n" .. EAST .. ",a,x,"
                .. cells)
            assert.is_truthy(told:find("^F:2: " .. field .. ": expected "), told)
        end
        assert.are.equal("F:2: useRenaming: expected true or false, got 'WAHR'",
            complaint("csv", "to;sourceAlias;topicsRegex;useRenaming\n" .. EAST .. ";a;x;WAHR"))
    end)

    it("has quotes around cells that need them", function()
        local mirrors = read("csv", rows(EAST .. ',a,"x,""y""",3', EAST .. ', a , "z" ,', ""))
        assert.are.same({ 'x,"y"', 3, "z", "a" },
            { mirrors[1].topicsRegex, mirrors[1].maxTasks, mirrors[2].topicsRegex, mirrors[2].sourceAlias })
        assert.is_nil(mirrors[2].maxTasks)
    end)

    it("may come from a spreadsheet: byte order mark, CRLF, empty lines", function()
        local content = rows(EAST .. ",a,x,1", "", EAST .. ",a,y,2", ""):gsub("\n", "\r\n")
        local mirrors = read("csv", "\xEF\xBB\xBF" .. content)
        assert.are.same({ 2, "x", "y", 4 },
            { #mirrors, mirrors[1].topicsRegex, mirrors[2].topicsRegex, mirrors[2].line })
    end)

    it("is told the line, whatever stands in the cells before", function()
        assert.are.equal("F:5: maxTasks: expected a whole number from 1 to 2147483647, got '-1'",
            complaint("csv", rows(EAST .. ',a,"x\ny",1', "", EAST .. ",a,z,-1")))
    end)

    it("is told when its rows are not right", function()
        local in_quotes = "a cell that holds a comma stands in quotes"
        for content, said in pairs {
            [rows(EAST .. ",a,x")] = "F:2: expected 4 cells, as in the first line, got 3; an empty cell has its comma "
                .. "too",
            [rows(EAST .. ",a,x,1,,y,")] = "F:2: expected 4 cells, as in the first line, got 6; " .. in_quotes,
            [rows(EAST .. ",a,x,y,1")] = "F:2: expected 4 cells, as in the first line, got 5; " .. in_quotes,
            [rows(EAST .. ',a,"x,1')] = 'F:2: a cell begins with ", but does not end with one',
            [rows(EAST .. ',a,"x"y,1')] = 'F:2: expected a comma after the closing "',
            [head .. ",maxTasks"] = "F:1: the column 'maxTasks' stands there twice",
            [rows(EAST .. ",a,x,1"):gsub(head, head .. ","):gsub("x,1", "x,1,y")] =
                "F:2: cell 5 holds something, but its column has no name in the first line",
            [""] = "F:1: the file is empty; expected a first line with the names of a mirror's fields, such as "
                .. "topicsRegex",
            [",,,\n"] = "F:1: the file is empty; expected a first line with the names of a mirror's fields, such as "
                .. "topicsRegex",
        } do
            assert.are.equal(said, complaint("csv", content))
        end
    end)
end)
