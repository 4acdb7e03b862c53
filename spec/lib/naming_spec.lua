-- Which mirror is meant: where an id is taken; and what list shows of which.
local cjson = require("cjson")
local support = require("spec.support")

local ORDERS <const> = "910a2dec-8902-4cc1-beeb-8da1658eec67" -- in the sandbox's world

local function sandbox(...)
    return support.run { "--sandbox", "--log-level", "warn", ... }
end

local function id_of(...)
    return sandbox("get", ...).stdout:match("^id\t(%S+)")
end

describe("where an id is taken,", function()
    it("a unique beginning, a connector's name and topics: with a regex will do", function()
        for _, name in ipairs { ORDERS, "910a2dec", "910A", "us-west.us-east.8bbv2gRxZlcg", "topics:orders\\..*" } do
            assert.are.equal(ORDERS, id_of(name), name)
        end
        assert.are.equal(ORDERS .. ": target latency 5000 ms\n", sandbox("latency", "910a2dec", "5000").stdout)
        assert.are.equal("deleted " .. ORDERS .. "\n", sandbox("delete", "topics:orders\\..*").stdout)
    end)

    it("an id in full is asked for as it is, without a list", function()
        local log = support.temporary("requests.jsonl")
        sandbox("--request-log", log, "get", ORDERS)
        assert.are.equal(1, select(2, support.read(log):gsub("\n", "")))
    end)

    it("nothing is changed when a name means no mirror, or several", function()
        local log = support.temporary("requests.jsonl")
        for name, expected in pairs {
            ["topics:ordrs\\..*"] = "Did you mean 'topics:orders",
            beef = "no mirror of this cluster is meant by 'beef'",
            ["us-west.us-east.8bbv2gRxZlcX"] = "Did you mean 'us-west.us-east.8bbv2gRxZlcg'?",
        } do
            local result = sandbox("--request-log", log, "delete", ORDERS, name)
            assert.are.equal(2, result.status, name)
            assert.is_truthy(result.stderr:find(expected, 1, true), result.stderr)
        end
        local state = support.temporary("state.json")
        local twins = [[local sandbox = require "kmirror.sandbox"
            local state = sandbox.state_of { { topicsRegex = "same" }, { topicsRegex = "same" } }
            print(require("kmirror.json").encode(state))]]
        support.write(state, support.run { "run", "-", stdin = twins }.stdout)
        for _, name in ipairs { "topics:same", "00000000" } do
            local result = sandbox("--state", state, "--request-log", log, "delete", name)
            assert.are.equal(2, result.status)
            local expected = "means 2 mirrors: 00000000-0000-4000-8000-000000000001 (same), "
            assert.is_truthy(result.stderr:find(expected, 1, true), result.stderr)
        end
        assert.is_nil(support.read(log):find("DELETE", 1, true))
    end)

    it("the same mirror named in two ways is given twice", function()
        assert.is_truthy(sandbox("delete", ORDERS, "910a2dec").stderr:find("is given twice", 1, true))
    end)

    it("a runbook's --id takes them, too, and refuses a beginning of several", function()
        local result = sandbox("run", "drain", "--id", "910a2dec", "--busy")
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy((result.stdout .. result.stderr):find("us-west.us-east.8bbv2gRxZlcg", 1, true))
        local state = support.temporary("state.json", support.run { "run", "-", stdin = [[
            print(require("kmirror.json").encode(require("kmirror.sandbox").state_of {
                { topicsRegex = "a" }, { topicsRegex = "b" } }))]] }.stdout)
        result = sandbox("--state", state, "run", "drain", "--id", "00000000")
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("'00000000' means 2 mirrors", 1, true), result.stderr)
    end)
end)

describe("kmirror list", function()
    it("shows status, lag and target latency with --wide", function()
        local id, status, lag, target = sandbox("list", "--wide").stdout
            :match("^(%S+)\t%S+\t%S+\t(%S+)\t(%d+)\t(%d+)\n")
        assert.are.equal(36, #id)
        assert.are.equal("IN_SYNC", status)
        assert.are.equal("30000", target)
        assert.is_true(tonumber(lag) < 30000)
        local one = cjson.decode(sandbox("list", "--wide", "--json", "--id", ORDERS).stdout)[1]
        assert.are.equal("IN_SYNC", one.status)
        assert.are.equal(30000, one.targetLatency)
        assert.is_truthy(sandbox("list", "--wide", "--output", "csv").stdout
            :find("^id,connectorName,topicsRegex,status,lag,targetLatency"))
    end)

    it("shows those of a source, a topic or a status", function()
        assert.are.equal(ORDERS .. "\tus-west.us-east.8bbv2gRxZlcg\torders\\..*\n",
            sandbox("list", "--topic", "orders.created").stdout)
        assert.are.equal(24, select(2, sandbox("list", "--source", "us-west").stdout:gsub("\n", "")))
        assert.are.equal(24, select(2, sandbox("list", "--status", "in-sync").stdout:gsub("\n", "")))
        local none = sandbox("list", "--status", "FAILED")
        assert.are.equal("", none.stdout)
        assert.are.equal(0, none.status)
    end)

    it("ends with 1 when no mirror has what it is asked for, and with 2 for what is nearly a source", function()
        local result = sandbox("list", "--topic", "nobody.takes.this")
        assert.are.equal(1, result.status)
        assert.is_truthy(result.stderr:find("no mirror has --topic 'nobody.takes.this'", 1, true), result.stderr)
        result = sandbox("list", "--source", "us-wets")
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("Did you mean 'us-west'?", 1, true))
    end)

    it("tells as JSON what the API tells, and nothing beside", function()
        local one = cjson.decode(sandbox("list", "--json", "--topic", "orders.created").stdout)
        local expected = { id = ORDERS, connectorName = "us-west.us-east.8bbv2gRxZlcg", topicsRegex = "orders\\..*" }
        assert.are.same({ expected }, one)
    end)
end)
