-- helper.lua: busted loads it before any spec. It counts for the tally, looks for leaks after each spec, and
-- cleans up after each file and at the end.
local busted = require("busted")
local support = require("spec.support")

-- Loaded here, outside busted's insulation, so that all spec files see the same modules and the same loop.
local mirrors = require("mirrors") -- not found: run make first
local task = require("mirrors.task")

local passed, failed = 0, 0

busted.subscribe({ "test", "end" }, function(_, _, status)
    if status == "success" then passed = passed + 1 end
    if status == "failure" then failed = failed + 1 end
end)
busted.subscribe({ "error" }, function()
    failed = failed + 1
    return nil, true
end)
busted.subscribe({ "file", "end" }, support.stop_all)
busted.subscribe({ "exit" }, function()
    support.clean_up()
    local tally = os.getenv("KMIRROR_TALLY")
    if not tally then return end
    local file <close> = assert(io.open(tally, "a"))
    file:write(("%d passed, %d failed\n"):format(passed, failed))
end)

local at_rest = task.live() -- in the host, the main task is always there
busted.after_each(function()
    collectgarbage()
    assert(task.live() == at_rest, "a task of this spec is still waiting")
    assert(mirrors.under_way() == 0, "a request of this spec is still under way")
end)
