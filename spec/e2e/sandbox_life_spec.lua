local socket = require("socket")
local support = require("spec.support")

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

    it("--env prints exports by which a shell finds the one that serves at that port, and serves nothing", function()
        local sandbox = support.sandbox { world = "small" }
        local port = sandbox.url:match("%d+$")
        for _, listen in ipairs { "", "--listen 127.0.0.1", "--listen 0.0.0.0" } do
            local script = ("eval \"$(%s sandbox --env --port %s %s)\" && %s list"):format(support.executable, port,
                listen, support.executable)
            local result = support.run { "-c", script, command = "sh" }
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(3, select(2, result.stdout:gsub("\n", "")))
        end
        local default = support.run { "sandbox", "--env" }
        assert.are.equal("export KMIRROR_ENDPOINT=http://127.0.0.1:8642", default.stdout:match("[^\n]+"))
        assert.matches("export KMIRROR_ENDPOINT='http://[::1]:9'", support.run { "sandbox", "--env", "--listen", "::",
            "--port", "9" }.stdout, 1, true)
    end)

    it("--env quotes for the shell, and wants to know the port", function()
        local odd = support.run { "sandbox", "--env", "--listen", "$(touch x)'`" }.stdout
        local result = support.run { "-c", ("%s\nprintf %%s \"$KMIRROR_ENDPOINT\""):format(odd), command = "sh" }
        assert.are.equal("http://$(touch x)'`:8642", result.stdout)
        local refused = support.run { "sandbox", "--env", "--port", "0" }
        assert.are.equal(2, refused.status)
        assert.are.equal("", refused.stdout)
        assert.matches("--env has to know the port", refused.stderr, 1, true)
    end)
end)
