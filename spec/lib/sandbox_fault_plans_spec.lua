-- Fault plans: files and names, and what is wrong with one.
local plans = require("kmirror.sandbox.fault_plans")

describe("a fault plan", function()
    it("is known by its name", function()
        for _, name in ipairs { "flaky", "lossy", "throttled", "slow", "outage" } do
            assert.is_true(#plans.check(plans.load(name), name) > 0)
        end
    end)

    it("can be a Lua file", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write 'return { { fault = "drop", when = "after", operation = "create", nth = 3 } }'
        file:close()
        local plan = plans.load(path)
        os.remove(path)
        assert.same({ { fault = "drop", when = "after", operation = "create", nth = 3 } }, plan)
    end)

    local function refused(plan)
        local _, why = pcall(plans.check, plan, "p")
        assert.equal("usage", why.kind)
        return why.message
    end

    it("that is wrong is a usage error that names the rule, the field and what was expected", function()
        for expected, rule in pairs {
            ["fault is 'brop', expected one of: drip, drop, eats_quota, "] = { fault = "brop" },
            ["fault is 'nil'"] = {},
            ["expected a table, got string"] = "drop",
            ["drop needs when = 'before' or 'after'"] = { fault = "drop" },
            ["when is 'during', expected one of: before, after"] = { fault = "drop", when = "during" },
            ["throttle can only come before the change"] = { fault = "throttle", when = "after" },
            ["throttle takes no 'retry'"] = { fault = "throttle", retry = 1 },
            ["throttle takes no '1'"] = { fault = "throttle", 1 },
            ["operation is 'put', expected one of: list, "] = { fault = "throttle", operation = "put" },
            ["nth is '0', expected an integer from 1, or an array"] = { fault = "throttle", nth = 0 },
            ["nth is 'table: "] = { fault = "throttle", nth = { 1, "x" } },
            ["every is '1.5', expected an integer from 1"] = { fault = "throttle", every = 1.5 },
            ["probability is '2', expected a number from 0 to 1"] = { fault = "throttle", probability = 2 },
            ["probability is 'x', expected a number"] = { fault = "throttle", probability = "x" },
            ["from is '-1', expected a number from 0"] = { fault = "throttle", from = -1 },
            ["seconds is 'table: "] = { fault = "stall", seconds = { 3, 2 } },
            ["status is '404', expected an integer from 500"] = { fault = "server_error", status = 404 },
            ["body is 'xml', expected one of: json, html, "] = { fault = "server_error", body = "xml" },
            ["same is '1', expected true or false"] = { fault = "other_creates", same = 1 },
        } do
            local message = refused { { fault = "throttle" }, rule }
            assert.is_truthy(message:find("fault plan p: rule 2: " .. expected, 1, true), message)
        end
        assert.matches("expected an array of rules, got string", refused "x")
        assert.matches("expected an array of rules, got the key 'fault'", refused { fault = "drop" })
    end)

    it("that cannot be loaded is a usage error that says which names there are", function()
        local _, why = pcall(plans.load, "no/such/plan")
        assert.equal("usage", why.kind)
        assert.matches("not one of flaky, lossy, outage, slow, throttled, and there is no such file", why.message)
    end)

    it("in a file cannot touch anything, and its own error is told", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write 'os.exit(7)'
        file:close()
        local _, why = pcall(plans.load, path)
        os.remove(path)
        assert.equal("usage", why.kind)
        assert.matches("global 'os'", why.message)
    end)
end)
