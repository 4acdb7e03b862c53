local support = require "spec.support"

local script = [[
local log = require "kmirror.log"
log.debug("a detail")
log.info("24 mirrors %s -> %s", "us-west", "us-east")
log.info("100% literal")
log.warn("a warning")
log.error("a failure\27[2J\nof two lines")
]]

local function run(...)
    local options = { ... }
    options[#options + 1] = "run"
    options[#options + 1] = "-"
    options.stdin = script
    local result = support.run(options)
    assert.are.equal(0, result.status)
    assert.are.equal("", result.stdout)
    return result.stderr
end

-- The messages without their times, which are checked.
local function messages(stderr)
    local found = {}
    for line in stderr:gmatch("[^\n]+") do
        found[#found + 1] = assert(line:match("^%d%d:%d%d:%d%d (.+)$"), line)
    end
    return found
end

local at_info = { "24 mirrors us-west -> us-east", "100% literal", "warning: a warning",
    "error: a failure\\u{1B}[2J\\nof two lines" }

describe("the log", function()
    it("goes to stderr, a line each, whatever is in it", function()
        assert.are.same(at_info, messages(run()))
    end)

    it("leaves out what is less important than asked for", function()
        assert.are.same({ at_info[3], at_info[4] }, messages(run("--log-level", "warn")))
        assert.are.same({ at_info[4] }, messages(run("--log-level", "error")))
        assert.are.same({ "debug: a detail", table.unpack(at_info) }, messages(run("--log-level", "debug")))
    end)

    it("goes to a file as well, after what is there already", function()
        local path = support.temporary("kmirror.log", "before\n")
        assert.are.same(at_info, messages(run("--log-file", path)))
        local content = support.read(path)
        assert.are.equal("before\n", content:sub(1, 7))
        local stamp = "\n%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ "
        assert.is_truthy(content:find(stamp .. "info  24 mirrors us%-west %-> us%-east\n"))
        assert.is_truthy(content:find(stamp .. "error a failure\\u{1B}%[2J\\nof two lines\n"))
    end)

    it("refuses a file that cannot be written, before anything is done", function()
        local result = support.run { "--log-file", "/nowhere/log", "run", "-", stdin = "print 'ran'" }
        assert.are.equal(2, result.status)
        assert.are.equal("", result.stdout)
        assert.are.equal("kmirror: cannot write the log file: /nowhere/log: No such file or directory; "
            .. "give --log-file a path that can be written\n", result.stderr)
    end)

    it("has colour when it is asked for, not otherwise", function()
        assert.is_nil(run():find("\27", 1, true))
        assert.is_truthy(run("--color", "always"):find("\27[33mwarning: a warning\27[0m", 1, true))
    end)
end)
