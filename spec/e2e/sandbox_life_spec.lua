local socket = require "socket"
local support = require "spec.support"

-- A run that starts a sandbox and then waits; returns it with the sandbox's port.
local function start()
    local run = support.start { "run", "--sandbox", "-", stdin = "require('task').sleep(60)" }
    local port = support.eventually("the sandbox", function()
        return run:stderr():match("sandbox at http://127%.0%.0%.1:(%d+)")
    end)
    return run, tonumber(port)
end

local function answers(port)
    local connection = socket.connect("127.0.0.1", port)
    if connection then connection:close() end
    return connection ~= nil
end

local function gone(port)
    support.eventually("the sandbox to end", function() return not answers(port) end, 5)
end

describe("the sandbox of a run", function()
    it("is there as long as the run", function()
        local run, port = start()
        assert.is_true(answers(port))
        assert.are.equal(130, (run:signal("INT") or run:wait()).status)
        gone(port)
    end)

    it("does not outlive a run that is killed", function()
        local run, port = start()
        run:signal("KILL")
        gone(port)
    end)

    it("does not outlive a run that is asked to stop", function()
        local run, port = start()
        run:signal("TERM")
        gone(port)
    end)
end)

describe("kmirror sandbox", function()
    it("stops when it is asked to, and leaves with 0", function()
        for _, signal in ipairs { "INT", "TERM" } do
            local sandbox = support.sandbox()
            sandbox:signal(signal)
            assert.are.equal(0, sandbox:wait(5).status)
        end
    end)
end)
