-- What text files may be: every place that reads one.
local cjson = require("cjson")
local support = require("spec.support")

local MARK = "\xEF\xBB\xBF"
local SPEC = { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=a:9092\npassword=m\u{fc}ller22",
    sourceAlias = "a", topicsRegex = "x|caf\u{e9}", useRenaming = true, maxTasks = 1 }

local function latin1(text)
    return (text:gsub("[\xC2\xC3][\x80-\xBF]", function(character)
        return string.char(utf8.codepoint(character))
    end))
end

local function utf16(text, mark)
    return mark .. text:gsub(".", "%0\0")
end

local fleet = ([[to,sourceAlias,kafkaSource,topicsRegex,useRenaming,maxTasks
%s,us-west,5a9b1c52-0000-4000-8000-000000000001,caf\u{e9},false,3
]]):format(support.us_east):gsub("caf\\u{e9}", "x|caf\u{e9}")

-- Each place that reads a text: what is read, and how it is run.
local places = {
    create = { "create.json", cjson.encode(SPEC), "create" },
    ["a Lua file of create"] = { "create.lua", ("return { sourceType = %q, sourceConnectionProperties = %q, "
        .. "sourceAlias = %q, topicsRegex = %q, useRenaming = true, maxTasks = 1 }"):format(SPEC.sourceType,
        SPEC.sourceConnectionProperties, SPEC.sourceAlias, SPEC.topicsRegex), "create" },
    ["a fleet in CSV"] = { "fleet.csv", fleet, "plan" },
    ["a fleet in JSON"] = { "fleet.json", ('{"mirrors":[{"to":"%s","sourceAlias":"a","topicsRegex":"caf\u{e9}"}]}')
        :format(support.us_east):gsub('"topics', '"kafkaSource":"5a9b1c52-0000-4000-8000-000000000001",'
        .. '"useRenaming":true,"maxTasks":1,"topics'), "plan" },
}

local function run(place, content)
    local path = support.temporary(place[1], content)
    local result = support.run { "--sandbox", place[3], path }
    return result, path
end

describe("a text file", function()
    it("that does not end is refused when it is too large, whatever reads it", function()
        for _, words in ipairs {
            { "create", "-" }, { "plan", "-" }, { "run", "-" }, { "apply", "/dev/zero" }, { "show", "/dev/zero" },
        } do
            local result = support.run { "-c", [["$0" "$@" < /dev/zero]], support.executable, "--sandbox",
                command = "bash", table.unpack(words) }
            if words[1] == "show" then result = support.run { "show", "/dev/zero" } end
            assert.are.equal(2, result.status, result.stderr)
            assert.is_truthy(result.stderr:find("it is larger than 64 MiB; expected", 1, true), result.stderr)
        end
    end)

    for name, place in pairs(places) do
        describe("for " .. name, function()
            it("may begin with a byte order mark", function()
                local result = run(place, MARK .. place[2])
                assert.are.equal(0, result.status, result.stderr)
            end)

            it("that is not UTF-8 is refused, with its place and without its bytes; nothing is sent", function()
                for _, words in ipairs { {}, { "--dry-run" } } do
                    local path = support.temporary(place[1], latin1(place[2]))
                    local command = { "--sandbox", place[3], path }
                    if place[3] == "create" then table.move(words, 1, #words, 4, command) end
                    local result = support.run(command)
                    assert.are.equal(2, result.status, result.stderr)
                    assert.is_truthy(result.stderr:find("is not UTF%-8 at line %d+, column %d+"), result.stderr)
                    assert.is_nil(result.stderr:find("ller22", 1, true))
                    assert.are.equal("", result.stdout)
                end
            end)

            it("in UTF-16 is named as such", function()
                for _, mark in ipairs { "\xFF\xFE", "" } do
                    local result = run(place, utf16(latin1(place[2]), mark))
                    assert.are.equal(2, result.status)
                    assert.is_truthy(result.stderr:find("is UTF-16", 1, true), result.stderr)
                end
            end)
        end)
    end

    it("that is a runbook may begin with a byte order mark, also before #!; in UTF-16 it is named as such", function()
        local path = support.temporary("r.lua", MARK .. "#!/usr/bin/env kmirror\nprint 'ran'")
        assert.are.equal("ran\n", support.run { "run", "--sandbox", path }.stdout)
        assert.are.equal("ran\n", support.run { "--sandbox", "run", "-", stdin = MARK .. "print 'ran'" }.stdout)
        local result = support.run { "run", "--sandbox", support.temporary("u.lua", utf16("print(1)", "\xFF\xFE")) }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("is UTF-16", 1, true))
    end)

    it("that is a configuration may begin with a byte order mark", function()
        local config = support.temporary_directory("config")
        assert(os.execute("mkdir " .. config .. "/kmirror"))
        support.write(config .. "/kmirror/config.lua", MARK .. 'return { profiles = { p = { username = "u" } } }')
        local result = support.run { "jobs", env = { XDG_CONFIG_HOME = config } }
        assert.are.equal(0, result.status, result.stderr)
    end)

    it("that is a fault plan may begin with a byte order mark", function()
        local plan = support.temporary("plan.lua", MARK .. "return { { fault = 'stall', seconds = 0 } }")
        local result = support.run { "--sandbox", "--faults", plan, "list" }
        assert.are.equal(0, result.status, result.stderr)
    end)

    it("that holds connection properties in Latin-1 is refused by plan, with its place", function()
        local properties = support.temporary("west.properties", latin1(SPEC.sourceConnectionProperties))
        assert(os.execute("chmod 600 " .. properties))
        local path = support.temporary("fleet.lua", ([[return { mirrors = { { to = %q, sourceAlias = "a",
            topicsRegex = "x", useRenaming = true, maxTasks = 1, sourceConnectionPropertiesFile = %q } } }]])
            :format(support.us_east, properties))
        local result = support.run { "plan", "--sandbox", path }
        assert.are.equal(2, result.status, result.stdout)
        assert.is_truthy(result.stderr:find("west.properties is not UTF-8 at line 2, column 11", 1, true),
            result.stderr)
        assert.is_nil(result.stderr:find("ller22", 1, true))
    end)
end)

describe("a specification with a text that is not UTF-8", function()
    it("is refused by field and place before anything is sent, in a dry run, too", function()
        local script = support.temporary("r.lua", ([[
            local api = require("mirrors").connect {}
            for _, field in ipairs { "sourceConnectionProperties", "sourceAlias", "topicsRegex" } do
                local spec = { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=a:1",
                    sourceAlias = "a", topicsRegex = "x", useRenaming = true, maxTasks = 1 }
                spec[field] = "ab\n" .. "c\xFCd"
                local ok, problem = pcall(api.create, api, spec)
                print(ok, problem.kind, problem.message)
            end]]))
        for _, words in ipairs { { "run", "--sandbox", script }, { "--dry-run", "run", "--sandbox", script } } do
            local said = support.run(words).stdout
            for _, field in ipairs { "sourceConnectionProperties", "sourceAlias", "topicsRegex" } do
                local refusal = ("false\tinvalid\t%s is not UTF-8 at line 2, column 2"):format(field)
                assert.is_truthy(said:find(refusal, 1, true), said)
            end
        end
    end)
end)
