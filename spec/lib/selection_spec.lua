local support = require "spec.support"

local WEST, EAST = support.us_west, support.us_east

describe("which clusters a runbook is about", function()
    local sandbox

    lazy_setup(function() sandbox = support.sandbox { rate = 0 } end)
    lazy_teardown(function() sandbox:stop() end)

    local configuration = [[return { profile = "p", profiles = { p = { clusters = {
        east = { connect = "%s" }, west = { connect = "%s" },
    } } } }]]

    -- The clusters that selection.apis() makes of --in, or the error. `given`: cluster, and whether some are named.
    local function clusters(given, everywhere, ...)
        local home = support.temporary_directory "config"
        local env = sandbox:env()
        env.KMIRROR_CLUSTER, env.XDG_CONFIG_HOME = given.cluster, home
        if given.named then
            os.execute("mkdir " .. home .. "/kmirror")
            local file <close> = assert(io.open(home .. "/kmirror/config.lua", "w"))
            file:write(configuration:format(EAST, WEST))
        end
        local runbook = support.temporary("clusters.lua", [[
            local apis = require "kmirror.selection".apis({ clusters = { select(2, ...) } }, (...) == "everywhere")
            for _, api in ipairs(apis) do print(api.cluster) end
        ]])
        local result = support.run { env = env, "run", runbook, everywhere and "everywhere" or "here", ... }
        return result.status == 0 and result.stdout:gsub("\n", " ") or result.stderr, result.status
    end

    it("is the connection's own, without --in", function()
        assert.are.equal(WEST .. " ", (clusters({ cluster = WEST })))
        assert.are.equal(WEST .. " ", (clusters({ cluster = WEST, named = true })))
        assert.are.equal(WEST .. " ", (clusters({ cluster = WEST }, true)))
    end)

    it("is each that --in names, by name or UUID, instead", function()
        assert.are.equal(EAST .. " ", (clusters({ cluster = WEST }, false, EAST)))
        assert.are.equal(EAST .. " " .. WEST .. " ", (clusters({ named = true }, true, "east", WEST)))
    end)

    it("is each that the profile names with --in all, and without --in where that is meant", function()
        assert.are.equal(EAST .. " " .. WEST .. " ", (clusters({ cluster = WEST, named = true }, false, "all")))
        assert.are.equal(EAST .. " " .. WEST .. " ", (clusters({ cluster = WEST, named = true }, true)))
    end)

    it("is asked for when none is known, instead of being none", function()
        for _, names in ipairs { {}, { "all" } } do
            local said, status = clusters({}, true, table.unpack(names))
            assert.are.equal(2, status)
            assert.is_truthy(said:find("which cluster? give --in UUID", 1, true), said)
        end
        assert.are.equal(2, select(2, clusters({ named = true }, false)))
    end)
end)
