local regions = require("spec.support.regions")
local support = require("spec.support")

describe("a failover during which the API goes away", function()
    it("waits until it is back, says so, and does nothing twice", function()
        local state = support.temporary("world.json")
        local it_ = regions.start { world = 24, state = state }
        local before = regions.regexes(it_:mirrors_on(support.us_east))
        local run = support.start(it_:arguments("failover", regions.west, regions.east,
            { "--yes", "--rate", "50", "--concurrency", "2" }, { "--hook", regions.fence }))
        support.eventually("the first mirrors of the other way", function() return #it_:changes() > 27 end, 20)
        it_.sandbox:stop()
        support.eventually("word of it", function() return run:stderr():find("has not answered", 1, true) end)
        local made = #it_:changes()
        it_.sandbox = support.sandbox { world = 24, state = state, rate = 0, creating_seconds = 0, sync_seconds = 0,
            port = it_.sandbox.url:match("%d+$") }
        local result = run:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        regions.has(result.stderr, "the API answers again")
        assert.are.same(before, regions.regexes(it_:mirrors_on(support.us_west)))
        assert.are.same({}, it_:mirrors_on(support.us_east))
        assert.are.equal(48, made + #it_:changes())
        it_:stop()
    end)
end)
