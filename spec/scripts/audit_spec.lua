local json = require("kmirror.json")
local runbook = require("spec.support.runbook")
local support = require("spec.support")

describe("the audit runbook", function()
    local audit = runbook.new "audit"

    after_each(function() audit:stop() end)

    -- The kinds of what it finds, sorted, and its exit status.
    local function kinds(...)
        local result = audit:run({}, { "--json", ... })
        local found = {}
        for i, each in ipairs(json.decode(result.stdout).findings) do
            found[i] = each.level .. " " .. each.kind
        end
        table.sort(found)
        return table.concat(found, ", "), result.status
    end

    it("finds nothing wrong with a healthy fleet", function()
        audit:start()
        assert.are.same({ "", 0 }, { kinds() })
        local result = audit:run({}, {})
        assert.are.equal("", result.stdout)
        assert.is_truthy(result.stderr:find("6 mirrors on 1 cluster: 0 errors, 0 warnings.\n", 1, true))
    end)

    it("refuses a status that there is none of, and a source that nobody knows, with what may be meant", function()
        audit:start()
        for _, each in ipairs {
            { "--status", "INSYNC", "--status 'INSYNC': expected one of CREATING, IN_SYNC, OUT_OF_SYNC, STALE_TOPIC, "
                .. "FAILED. Did you mean 'IN_SYNC'?" },
            { "--source", "us-wst", "no mirror has --source 'us-wst'. Did you mean 'us-west'?" },
            { "--id", "a\nb\u{9B}", "--id must be the id of a mirror, such as "
                .. "0c7067d6-c70a-11ea-87d0-0242ac130003, got 'a\\nb\\u{9B}'" },
        } do
            local result = audit:run({}, { each[1], each[2] })
            assert.are.equal(2, result.status)
            assert.are.equal("", result.stdout)
            assert.is_truthy(result.stderr:find(each[3], 1, true), result.stderr)
        end
        assert.are.same({ "", 0 }, { kinds("--status", "in-sync", "--source", "us-west") })
    end)

    it("is never content with having looked at nothing", function()
        audit:start()
        local id = audit:mirrors()[1].id
        for _, arguments in ipairs { { "--status", "FAILED" }, { "--regex", "orders" }, { "--topic", "no.such" },
            { "--id", "none" }, { "--id", id, "--id", "none" },
            { "--source", "dc9" }, { "--source", "us-west", "--status", "CREATING" } } do
            assert.are.same({ "error empty", 3 }, { kinds(table.unpack(arguments)) })
            assert.are.same({ "error empty", 3 }, { kinds("--errors-only", table.unpack(arguments)) })
        end
        audit:start { world = "empty" }
        assert.are.same({ "error empty", 3 }, { kinds() })
    end)

    it("finds those that are FAILED, stale, duplicate or take the same topics", function()
        audit:start { fail_every = 3, stale_every = 2, creating_seconds = 0, sync_seconds = 0 }
        audit:create "orders\\..*"
        audit:create "returns\\..*"
        audit:create "carts\\.x"
        audit:create "zero"
        audit:create "carts\\.(items|x)"
        support.sleep(0.1)
        local errors, overlaps = "error failed, error stale, error stale", (", warning overlap"):rep(3)
        if support.api == "v2" then -- which is certain of duplicates
            errors = "error duplicate, " .. errors
            assert.are.same({ errors .. overlaps, 3 }, { kinds() })
        else
            assert.are.same({ errors .. ", warning duplicate" .. overlaps, 3 }, { kinds() })
        end
        assert.are.same({ errors, 3 }, { kinds("--errors-only") })
    end)

    it("finds a mirror whose regex takes no topic", function()
        audit:start { world = 0, creating_seconds = 0 }
        audit:create "none"
        assert.are.same({ "error silent", 3 }, { kinds() })
    end)

    it("finds topics that are later than allowed", function()
        audit:start { world = 3 }
        assert.are.same({ "warning late, warning late, warning late", 3 }, { kinds("--lag", "1") })
        assert.are.same({ "warning late", 3 }, { kinds("--lag", "1", "--topic", "orders.created") })
        assert.are.same({ "", 0 }, { kinds("--lag", "1", "--errors-only") })
    end)

    it("finds what is not as in a fleet file", function()
        audit:start { world = 3 }
        local id = audit:mirrors()[1].id
        audit:ask("latency", id, "45000")
        local spec = [[{ sourceAlias = "us-west", kafkaSource = "%s", to = "%s", useRenaming = false, maxTasks = 3,
            topicsRegex = %q, targetLatency = 30000 },]]
        local text = "return { mirrors = {"
        for _, regex in ipairs { "orders\\..*", "payments\\..*", "missing\\..*" } do
            text = text .. spec:format(runbook.west:match(",(.+)"), support.us_east, regex)
        end
        local file = support.temporary("fleet.lua", text .. "} }")
        assert.are.same({ "error missing, warning drift, warning unexpected", 3 }, { kinds("--fleet", file) })
        assert.are.same({}, { next(audit:changes(), "update_target_latency") })
    end)

    it("tells a cluster that cannot be read from one that is well", function()
        audit:start { world = 3 }
        assert.are.same({ "error unreadable", 3 }, { kinds("--in", support.us_east, "--in", support.cluster) })
    end)

    it("shows a line for each finding, with tabs in a pipe", function()
        audit:start { world = 3 }
        local result = audit:run({}, { "--lag", "1", "--topic", "orders.created" })
        assert.is_truthy(result.stdout:find("^warning\tlate\t" .. support.us_east:gsub("%-", "%%-")
            .. "\t[%x-]+\torders\\%.%.%*\thas 3 of 3 topics later than 1 ms; [^\n]+\n$"), result.stdout)
    end)
end)
