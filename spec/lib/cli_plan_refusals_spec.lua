-- What kmirror plan refuses, warns of, and needs of connection properties.
local cjson = require("cjson")
local planning = require("spec.support.planning")
local support = require("spec.support")

local EAST = support.us_east
local fleet = planning.fleet
local start = planning.start
local run = planning.run
local plan = planning.plan
local shape = planning.shape
local refusal = planning.refusal
local create = planning.create

local function says(text, part)
    assert.is_truthy(text:find(part, 1, true), text)
end

describe("kmirror plan", function()
    after_each(planning.stop)

    describe("refuses", function()
        it("to create what the file says too little of, though it is enough for a mirror that is there", function()
            start()
            local head = ("return {\nclusters = { east = { connect = '%s' } },\nmirrors = {\n"):format(EAST)
            local function bare(regex)
                local mirror = ("{ to = 'east', sourceAlias = 'us-west', topicsRegex = '%s' } } }"):format(regex)
                return support.temporary("fleet.lua", head .. mirror)
            end
            assert.are.equal(1, shape(bare "orders\\\\..*").unchanged)
            assert.are.equal([[
F has 3 problems:
  F:4: mirrors[1].kafkaSource: missing; a new mirror needs it: the UUID of its source's Kafka cluster, ]]
                .. [[here or as kafka of the cluster
  F:4: mirrors[1].maxTasks: missing; a new mirror needs it: a whole number, 1 or more
  F:4: mirrors[1].useRenaming: missing; a new mirror needs it: true or false]], refusal(bare "new"))
        end)

        it("a regex that is broken, with the place", function()
            start()
            assert.are.equal("F:8: mirrors[1].topicsRegex: 'orders(x' is broken: the '(' is never closed, at "
                .. "character 7", refusal(fleet [[{ topicsRegex = "orders(x" },]]))
        end)

        it("fields that do not go together", function()
            start()
            assert.are.equal("F:8: kafkaSource is missing: with sourceType 'instaclustr' it is the UUID of the source "
                .. "Kafka cluster", refusal(fleet [[{ topicsRegex = "x", sourceAlias = "a", sourceType = "instaclustr",
                sourceConnectionProperties = "bootstrap.servers=a:9092" },]]))
        end)

        it("mirrors there and back that would carry a topic in a loop", function()
            start()
            local said = refusal(fleet [[
                { topicsRegex = "loop\\..*" },
                { from = "east", to = "west", topicsRegex = "loop\\.created" },]])
            assert.are.equal("F:9: with the mirror in line 8, 'loop.created' would go round in a loop; set "
                .. "useRenaming, or keep one of them", said)
            plan(fleet [[
                { topicsRegex = "loop\\..*", useRenaming = true },
                { from = "east", to = "west", topicsRegex = "loop\\.created" },]])
            plan(fleet [[
                { topicsRegex = "there\\..*" },
                { from = "east", to = "west", topicsRegex = "back\\..*" },]])
        end)

        it("a mirror from a cluster to itself", function()
            start()
            assert.is_truthy(refusal(fleet [[{ from = "east", topicsRegex = "x" },]])
                :find("'x' is mirrored from 'east' to itself", 1, true))
        end)

        it("rings of mirrors, of any length", function()
            start({ clusters = 5, world = "empty" })
            local function ring(count, regexes)
                local parts = {}
                for i = 1, count do
                    parts[i] = ('{ from = "50%%d-%d", to = "50%%d-%d", topicsRegex = %q, useRenaming = false, '
                        .. 'maxTasks = 1 }'):format(i, i % count + 1, regexes[i] or "orders.*")
                end
                local names = {}
                for i = 1, count do
                    names[i] = ('["50%%d-%d"] = { kafka = "5a9b1c52-0000-4000-8000-%012x", alias = "c%d", '
                        .. 'connect = "5a9b1c52-0000-4000-8000-0000000000%02x" }'):format(i, i, i, 0xc0 + i)
                end
                return support.temporary("ring.lua", ("return { clusters = { %s }, mirrors = { %s } }"):format(
                    table.concat(names, ", "), table.concat(parts, ",\n")))
            end
            for count = 3, 5 do
                local said = refusal(ring(count, { ".*\\.created", "orders\\.c.*" }))
                assert.is_truthy(said:find("would go round in a loop", 1, true), said)
                assert.is_truthy(said:find(" -> .* -> .* -> "), said)
            end
            assert.is_truthy(plan(ring(3, { "payments" })):find("3 to create", 1, true))
        end)

        it("an alias that the connectors of the cluster do not go by", function()
            start()
            local path = support.temporary("fleet.lua", ([[return {
                clusters = { east = { connect = "%s",
                    alias = "use1" } },
                mirrors = { { to = "east", sourceAlias = "us-west", topicsRegex = "orders\\..*" } },
            }]]):format(EAST))
            assert.is_truthy(refusal(path):find("^F:2: the alias of 'east' is 'use1', but connectors there are called "
                .. "us%-west%.us%-east%.%w+; expected SOURCE%.use1%.RANDOM$"))
        end)
    end)

    describe("warns", function()
        local function warnings(mirrors)
            local path = fleet(mirrors)
            local _, said = plan(path)
            return (said:gsub(path:gsub("%W", "%%%0"), "F"))
        end

        it("of what may not be meant by a new mirror's topics", function()
            start()
            local said = warnings [[
                { topicsRegex = ".*" },
                { topicsRegex = "a.b" },]]
            says(said, "warning: F:8: '.*': matches every topic, including future ones\n")
            says(said, "warning: F:9: 'a.b': the '.' stands for any character")
        end)

        it("of topics that would be copied twice, from known ones or by the text", function()
            start()
            local said = warnings [[
                { topicsRegex = "orders\\..*", targetLatency = 30000 },
                { topicsRegex = ".*\\.shipped" },
                { topicsRegex = "late\\..*" },
                { topicsRegex = "late\\.x" },]]
            says(said, "F:9: '.*\\.shipped' matches the same topics as 'orders\\..*' (line 8) and 5 more "
                .. "mirrors, such as orders.shipped: they would be copied twice\n")
            says(said, "F:11: 'late\\.x' matches the same topics as 'late\\..*' (line 10), such as late.x")
            says(said, "F:10: 'late\\..*' matches the same topics as '.*\\.shipped' (line 9), such as late.")
        end)

        it("of a new mirror that leads back the way of one that is there, whose renaming v1 does not tell", function()
            start()
            local said = warnings [[{ from = "east", to = "west", topicsRegex = ".*\\.shipped" },]]
            says(said, "F:8: with mirror ")
            says(said, "'orders.shipped' may go round in a loop: version 1 of the API does not tell whether ")
        end)

        it("of nothing when the way back is of other topics, or when the names are not kept", function()
            start()
            assert.are.equal("", warnings [[
                { from = "east", to = "west", topicsRegex = "returns" },
                { from = "east", to = "west", topicsRegex = "orders\\..*", useRenaming = true },]])
        end)

        it("of two sources that become one topic", function()
            start({ clusters = 3 })
            local said = warnings [[
                { topicsRegex = "bills\\..*" },
                { sourceAlias = "other", kafkaSource = "5a9b1c52-0000-4000-8000-000000000003",
                topicsRegex = "bills\\.a" },
                { sourceAlias = "third", kafkaSource = "5a9b1c52-0000-4000-8000-000000000003",
                topicsRegex = "bills\\.b", useRenaming = true },]]
            says(said, "'bills.a' of ")
            says(said, " become one topic of 'east', as names are kept")
            assert.is_nil(said:find("bills.b", 1, true))
        end)

        it("in short lines, however long a regex is, and of what PCRE2 cannot hold", function()
            start({ world = "empty" })
            local names, groups = {}, {}
            for i = 1, 300 do names[i] = ("orders%d\\\\.created"):format(i) end
            for i = 1, 400 do groups[i] = "(" end
            local said = warnings(('{ topicsRegex = "%s" },\n{ topicsRegex = "orders.*" },\n{ topicsRegex = "%sx%s" },')
                :format(table.concat(names, "|"), table.concat(groups), table.concat(groups):gsub("%(", ")")))
            says(said, "matches the same topics as")
            says(said, "it cannot be tried out here")
            for line in said:gmatch("[^\n]+") do assert.is_true(#line < 500, line) end
        end)

        it("that not all was tried, when that would be too much", function()
            start({ world = "empty" })
            local lines = {}
            for i = 1, 800 do lines[i] = ('{ topicsRegex = "[a-z]+[.]%d[.].*" },'):format(i) end
            says(warnings(table.concat(lines, "\n")), "not all pairs of regexes were tried out")
        end)

        it("of nothing, when nothing is new", function()
            start()
            create { topicsRegex = ".*" }
            assert.are.equal("", warnings [[{ topicsRegex = "orders\\..*" }, { topicsRegex = ".*" },]])
        end)

        it("of a mirror that is there, but does not work", function()
            start { fail_every = 1 }
            local id = create { topicsRegex = "x" }
            local said = warnings [[{ topicsRegex = "x", targetLatency = 30000 },]]
            says(said, ("warning: mirror %s of 'x' from us-west is FAILED; delete it, so that it is "
                .. "created again\n"):format(id))
        end)
    end)

    describe("gets connection properties", function()
        local SECRET <const> = "hunter2-and-more"
        local properties = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config=... password=\"" .. SECRET .. '";\n'

        local function external(field)
            return support.temporary("fleet.lua", ([[return {
    clusters = { dc = { %s } },
    mirrors = { { from = "dc", to = "%s", topicsRegex = "x", useRenaming = true, maxTasks = 1 } },
}]]):format(field, EAST))
        end

        local function secret_file(name, mode)
            local path = support.temporary(name, properties)
            os.execute(("chmod %s %s"):format(mode, path))
            return path
        end

        it("from a file beside the fleet file, the environment, a command or the file itself, and shows them never",
            function()
            start()
            local path = secret_file("dc.properties", "600")
            for field, env in pairs {
                [("sourceConnectionPropertiesFile = %q"):format(path:match("[^/]+$"))] = {},
                [("sourceConnectionPropertiesFile = %q"):format(path)] = {},
                ['sourceConnectionPropertiesEnv = "DC_PROPERTIES"'] = { DC_PROPERTIES = properties },
                [("sourceConnectionPropertiesCommand = 'cat %s'"):format(path:match("[^/]+$"))] = {},
                [("sourceConnectionProperties = %q"):format(properties)] = {},
            } do
                local result = run("plan", "--json", "--log-level", "debug", external(field), { env = env })
                assert.are.equal(0, result.status, result.stderr)
                local spec = cjson.decode(result.stdout).create[1]
                assert.are.same({ "custom", "(hidden)", "dc" },
                    { spec.sourceType, spec.sourceConnectionProperties, spec.sourceAlias })
                assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
                local own = field:find("^sourceConnectionProperties ") ~= nil
                assert.are.equal(own, result.stderr:find("warning: .*a password stands in the fleet file") ~= nil)
            end
        end)

        it("from a command that is run once, for however many mirrors, in all formats, and only when it is needed",
            function()
                start()
                local count = support.temporary("count", "")
                local command = ("echo run >> %s; echo asked for >&2; cat %s"):format(count,
                    secret_file("dc.properties", "600"))
                local mirror = '{ "from": "dc", "topicsRegex": "%s" }'
                local whole = cjson.encode { clusters = { dc = { sourceConnectionPropertiesCommand = command } },
                    defaults = { from = "dc", to = EAST, useRenaming = true, maxTasks = 1 }, mirrors = { 1 } }
                local csv = ('to,sourceAlias,topicsRegex,useRenaming,maxTasks,sourceConnectionPropertiesCommand\n'
                    .. '%s,dc,x,true,1,"%s"\n%s,dc,y,true,1,"%s"\n'):format(EAST, command, EAST, command)
                for name, content in pairs {
                    ["fleet.json"] = whole:gsub("%[1%]", function()
                        return ("[%s,%s]"):format(mirror:format("x"), mirror:format("y"))
                    end), ["fleet.csv"] = csv,
                } do
                    support.write(count, "")
                    local result = run("plan", "--json", support.temporary(name, content))
                    assert.are.equal(0, result.status, result.stderr)
                    assert.are.equal(2, #cjson.decode(result.stdout).create)
                    assert.are.equal("run\n", support.read(count))
                    assert.is_truthy(result.stderr:find("PropertiesCommand: asked for", 1, true), result.stderr)
                    assert.is_nil((result.stdout .. result.stderr):find(SECRET, 1, true))
                end
                create { sourceAlias = "dc", topicsRegex = "x" }
                support.write(count, "")
                local field = ("sourceConnectionPropertiesCommand = 'echo run >> %s'"):format(count)
                assert.are.equal(1, shape(external(field)).unchanged)
                assert.are.equal("", support.read(count))
            end)

        it("only when they are needed", function()
            start()
            create { sourceAlias = "dc", topicsRegex = "x" }
            assert.are.equal(1, shape(external 'sourceConnectionPropertiesEnv = "NOT_SET"').unchanged)
        end)

        it("and says once what is wrong with them, for however many mirrors", function()
            start()
            local path = support.temporary("fleet.lua", ([[return {
                clusters = { dc = { sourceConnectionPropertiesEnv = "NOT_SET" } },
                defaults = { from = "dc", to = "%s", useRenaming = true, maxTasks = 1 },
                mirrors = { { topicsRegex = "x" }, { topicsRegex = "y" } },
            }]]):format(EAST))
            assert.are.equal("F:2: clusters.dc.sourceConnectionPropertiesEnv: the environment variable NOT_SET is not "
                .. "set; expected Kafka client properties", refusal(path))
        end)

        it("or says what is in the way", function()
            start()
            local open = secret_file("open.properties", "644")
            local empty = support.temporary("empty.properties", " \n")
            os.execute("chmod 600 " .. empty)
            for field, said in pairs {
                ['sourceConnectionPropertiesEnv = "NOT_SET"'] = "Env: the environment variable NOT_SET is not set",
                ['sourceConnectionPropertiesFile = "/nowhere/x"'] =
                    "File: cannot read /nowhere/x: No such file or directory",
                ['sourceConnectionPropertiesFile = "password=' .. SECRET .. '"'] = "File: cannot read (not shown: it "
                    .. "looks like the properties themselves): No such file or directory",
                [("sourceConnectionPropertiesFile = %q"):format(open)] =
                    ("File: %s can be read by others than its owner: chmod 600 %s"):format(open, open),
                [("sourceConnectionPropertiesFile = %q"):format(empty)] = "File: there is nothing in it",
                ["sourceConnectionPropertiesCommand = 'exit 3'"] =
                    "Command: its command failed: run it by hand to see why: exit 3",
                ["sourceConnectionPropertiesCommand = 'yes'"] =
                    "Command: its command printed too much: run it by hand to see why: yes",
                ["sourceConnectionPropertiesCommand = 'false password=" .. SECRET .. "'"] =
                    "Command: its command failed: run it by hand to see why: (hidden)",
                ["sourceConnectionPropertiesCommand = 'true'"] = "Command: there is nothing in it",
                [ [[sourceConnectionPropertiesCommand = 'printf "a\\377"']] ] = "Command: what its command printed is "
                    .. "not UTF-8 at line 1, column 2; save it as UTF-8 (it may be Latin-1)",
            } do
                local whole = "F:2: clusters.dc.sourceConnectionProperties%s; expected Kafka client properties"
                assert.are.equal(whole:format(said), (refusal(external(field)):gsub(": +No such", ": No such")))
            end
        end)
    end)
end)
