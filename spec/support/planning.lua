--- support.planning: what the specs of kmirror plan share: fleet files, and how to call it on the world of failover.
local assert = require("luassert")
local cjson = require("cjson")
local regions = require("spec.support.regions")
local support = require("spec.support")

local planning = { sandbox = nil } -- when started

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"
local WEST_KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000001"

local clusters = ([[
    clusters = {
        east = { connect = "%s", kafka = "%s", alias = "us-east" },
        west = { connect = "%s", kafka = "%s", alias = "us-west" },
    },
    defaults = { from = "west", to = "east", useRenaming = false, maxTasks = 3 },]])
    :format(EAST, EAST_KAFKA, WEST, WEST_KAFKA)

-- A fleet file with these mirrors, each on a line of its own from line 7 on.
function planning.fleet(mirrors)
    return support.temporary("fleet.lua", ("return {\n%s\n    mirrors = {\n%s\n} }"):format(clusters, mirrors))
end

planning.orders = [[{ topicsRegex = "orders\\..*", targetLatency = 30000 },]]

-- The world's six mirrors are of orders, payments, customers, inventory, shipments, carts.
function planning.start(options)
    planning.sandbox = regions.start(options).sandbox
end

function planning.stop()
    if planning.sandbox then planning.sandbox:stop() end
    planning.sandbox = nil
end

function planning.run(...)
    local options = { ... }
    if type(options[#options]) == "table" then
        for name, value in pairs(table.remove(options)) do options[name] = value end
    end
    local env = planning.sandbox:env()
    for name, value in pairs(options.env or {}) do env[name] = value end
    options.env = env
    return support.run(options)
end

function planning.plan(...)
    local result = planning.run("plan", ...)
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

function planning.shape(...)
    return cjson.decode((planning.plan("--json", ...)))
end

-- What a plan that is refused says; nothing is printed.
function planning.refusal(path, options)
    local result = planning.run("plan", path, options or {})
    assert.are.equal(2, result.status, result.stdout)
    assert.are.equal("", result.stdout)
    return (result.stderr:gsub("kmirror: ", "", 1):gsub(path:gsub("%W", "%%%0"), "F"):gsub("\n$", ""))
end

function planning.create(spec)
    local fields = { sourceType = "instaclustr", kafkaSource = WEST_KAFKA, sourceAlias = "us-west", maxTasks = 1,
        useRenaming = false, topicsRegex = "orders\\..*" }
    for name, value in pairs(spec) do fields[name] = value end
    local result = planning.run("create", "-", { stdin = cjson.encode(fields) })
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout:match("%S+")
end

-- How often each operation was asked for.
function planning.requests()
    local counts = {}
    for _, request in ipairs(planning.sandbox:requests()) do
        counts[request.operation] = (counts[request.operation] or 0) + 1
    end
    return counts
end

return planning
