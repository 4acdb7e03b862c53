local cjson = require("cjson")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"

describe("an exported fleet", function()
    local sandbox

    after_each(function()
        if sandbox then sandbox:stop() end
        sandbox = nil
    end)

    local function start(options)
        local given = { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 4 }
        for name, value in pairs(options or {}) do given[name] = value end
        sandbox = support.sandbox(given)
    end

    -- The text and the notes of an export, made by a runbook. With a profile, the sandbox's clusters have names.
    local function export(format, clusters, profile)
        local options = table.move(clusters, 1, #clusters, 6, { "--rate", "0", "run", "-", format })
        options.env = sandbox:env()
        options.stdin = (profile and [[require("kmirror.profile").use {
                sandbox = false, runbooks = {}, clusters = require("kmirror.sandbox").clusters }]] or "") .. [[
                local format = ...
                local text, notes = require("kmirror.fleet").export(require("mirrors").connect {}, { select(2, ...) },
                    format)
                io.write(text)
                for _, note in ipairs(notes) do io.stderr:write(note, "\n") end]]
        local result = support.run(options)
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout, result.stderr
    end

    local function create(spec, cluster)
        local fields = { sourceType = "instaclustr", kafkaSource = EAST_KAFKA, maxTasks = 1, useRenaming = true }
        for name, value in pairs(spec) do fields[name] = value end
        local result = support.run { "create", "-", "--cluster", cluster or EAST, stdin = cjson.encode(fields),
            env = sandbox:env() }
        assert.are.equal(0, result.status, result.stderr)
        return result.stdout:match("%S+")
    end

    local function plan(format, text)
        local path = support.temporary("fleet." .. format, text)
        local result = support.run { "plan", "--exit-code", "--prune", path, env = sandbox:env() }
        return result.status, result.stdout .. result.stderr
    end

    it("is a fleet file, of which the plan is empty", function()
        start()
        local id = support.run { "list", env = sandbox:env() }.stdout:match("%S+")
        support.run { "latency", id, "77000", env = sandbox:env() }
        create { sourceAlias = "dc", topicsRegex = [[a"b,\d\\x]] }
        create({ sourceAlias = "us-east", topicsRegex = "back" }, WEST)
        for _, profile in ipairs { true, false } do
            for _, format in ipairs { "lua", "json", "csv" } do
                local text = export(format, profile and { "us-east", WEST } or { EAST, WEST }, profile)
                assert.is_truthy(text:find("77000", 1, true), text)
                local status, said = plan(format, text)
                assert.are.equal(0, status, format .. said .. text)
                assert.is_truthy(said:find("Nothing to change; 6 as wanted.", 1, true), said)
            end
        end
    end)

    it("names clusters as the profile does, and says what is not known", function()
        start()
        create { sourceAlias = "dc", topicsRegex = "x" }
        local text = export("lua", { "us-east" }, true)
        for _, line in ipairs {
            ('        ["us-east"] = { connect = "%s", kafka = "%s", alias = "us-east" },\n'):format(EAST, EAST_KAFKA),
            '        ["dc"] = { alias = "dc" }, -- kafka: not known\n',
            "        -- useRenaming, maxTasks, usePrivateIps: not known\n",
            [[{ from = "us-west", to = "us-east", topicsRegex = "orders\\..*", targetLatency = 30000 },]] .. "\n",
        } do
            assert.is_truthy(text:find(line, 1, true), line .. text)
        end
        assert.is_truthy(text:find("^%-%- The mirrors that were there when this was written%."))
    end)

    it("says of several of one kind, and of names that do not tell, that they are not in it", function()
        start { world = "empty" }
        create { sourceAlias = "dc", topicsRegex = "x" }
        local second = create { sourceAlias = "dc", topicsRegex = "x" }
        local _, notes = export("csv", { EAST })
        assert.are.equal(("there is one more of 'x' from dc into us-east: %s\n"):format(second), notes)
        start { world = "empty" }
        local id = create { sourceAlias = "dc.one", topicsRegex = "x" }
        _, notes = export("json", { EAST })
        local note = ("left out, as its name does not tell its source: %s dc.one.us-east."):format(id)
        assert.is_truthy(notes:find(note, 1, true), notes)
    end)

    it("asks for each cluster and each mirror once", function()
        start()
        export("lua", { EAST, WEST })
        local counts = {}
        for _, request in ipairs(sandbox:requests()) do
            counts[request.operation] = (counts[request.operation] or 0) + 1
        end
        assert.are.same({ list = 2, get = 4 }, counts)
    end)
end)

describe("the example of `kmirror help fleet`", function()
    local function example()
        local text = require("kmirror.fleet.format")
        return (text:match("\n  (return {\n.-\n  }\n)"):gsub('"UUID"', '"' .. EAST_KAFKA .. '"'))
    end

    it("is a fleet file", function()
        local fleet = require("kmirror.fleet.wanted").read(support.temporary("fleet.lua", example()))
        assert.are.same({ 2, "orders\\..*", 30000, "us-west", "legacy-.*", true, "file" }, {
            #fleet.mirrors, fleet.mirrors[1].topicsRegex, fleet.mirrors[1].targetLatency, fleet.mirrors[1].sourceAlias,
            fleet.mirrors[2].topicsRegex, fleet.mirrors[2].useRenaming, fleet.mirrors[2].secret.from,
        })
    end)
end)
