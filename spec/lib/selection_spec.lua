local support = require("spec.support")

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

describe("which mirrors a runbook is about", function()
    local regions = require("spec.support.regions")
    local it_ = regions.fresh()
    local has = regions.has
    local fleet

    lazy_setup(function()
        it_.start { world = 6 }
        local lines = { "from,to,topicsRegex,useRenaming,usePrivateIps,maxTasks" }
        for i, topics in ipairs { "pay", "pay2", "new" } do
            lines[i + 1] = ("west,east,%s\\..*,false,false,3"):format(topics)
        end
        fleet = support.temporary("fleet.csv", table.concat(lines, "\n") .. "\n")
        it_:name(([[{ west = { alias = "us-west", connect = "%s", kafka = "%s" },
            east = { alias = "us-east", connect = "%s", kafka = "%s" } }]]):format(support.us_west,
            regions.west:match(",(.+)"), support.us_east, regions.east:match(",(.+)")))
    end)
    lazy_teardown(it_.stop)

    local runbooks = {
        audit = {}, retune = { "--latency", "50000" }, drain = { "--busy" }, watch = { "--for", "0" },
        rollout = { "--source", regions.west, "--target", regions.east, "--strategy", "create-first", "--to",
            "(?!.*x){old}" },
        failover = { "--from", regions.west, "--to", regions.east },
        failback = { "--from", regions.west, "--to", regions.east },
    }

    local function dry_run(name, ...)
        local words = { "--dry-run", "--rate", "0", "--cluster", support.us_east, "run", name,
            table.unpack(runbooks[name]) }
        for _, word in ipairs { ... } do words[#words + 1] = word end
        words.env = it_:env()
        return support.run(words)
    end

    it("is said by the same options in all of them", function()
        for name in pairs(runbooks) do
            local help = dry_run(name, "--help").stdout
            for _, option in ipairs { "--only", "--except", "--regex", "--topic", "--id", "--status" } do
                assert.is_truthy(help:find("\n   " .. option .. " ", 1, true), name .. option)
            end
        end
    end)

    it("is what --only names, by regex, beginning, id, beginning of an id or connector's name", function()
        local mirror = it_:mirrors_on(support.us_east)[1]
        for _, which in ipairs { mirror.topicsRegex, "topics:" .. mirror.topicsRegex, mirror.id, mirror.id:sub(1, 8),
            mirror.connectorName, "begins:" .. mirror.topicsRegex:match("^%w+") } do
            for name in pairs(runbooks) do
                local result = dry_run(name, "--only", which)
                local said = result.stdout .. result.stderr
                has(said, name == "audit" and "1 mirror on 2 clusters" or mirror.topicsRegex:match("^%w+"))
                for _, other in ipairs(it_:mirrors_on(support.us_east)) do
                    assert.is_true(other.id == mirror.id or not said:find(other.topicsRegex .. "\t", 1, true),
                        name .. which .. said)
                end
            end
        end
    end)

    it("is all but what --except names", function()
        local mirror = it_:mirrors_on(support.us_east)[1]
        has(dry_run("drain", "--all", "--except", mirror.id).stdout, "5 of 5 mirrors would be gone")
        has(dry_run("retune", "--except", "begins:" .. mirror.topicsRegex:match("^%w+")).stdout, "5 of 5 target")
        has(dry_run("failover", "--except", mirror.topicsRegex).stdout, "5 mirrors would be deleted, 5 created")
        has(dry_run("rollout", "--except", mirror.topicsRegex).stdout, "5 of 5 would be deleted")
    end)

    it("refuses an --except that no mirror is meant by, as what it was to spare would go", function()
        local mirror = it_:mirrors_on(support.us_east)[1]
        local wrong = mirror.topicsRegex:sub(2)
        for name in pairs(runbooks) do
            if name ~= "watch" then
                local result = name == "drain" and dry_run(name, "--all", "--except", wrong)
                    or dry_run(name, "--except", wrong)
                assert.are.equal(2, result.status, name .. result.stderr)
                has(result.stderr, ("no mirror has --except '%s'. Did you mean '%s'?"):format(wrong,
                    mirror.topicsRegex))
            end
        end
    end)

    it("is a part of the list that migrate creates", function()
        local result = it_:kmirror("--dry-run", "run", "migrate", fleet, "--only", "begins:pay")
        has(result.stdout, "2 of 2 mirrors would exist")
        result = it_:kmirror("--dry-run", "run", "migrate", fleet, "--except", "new\\..*", "--topic", "pay.a")
        has(result.stdout, "1 of 1 mirror would exist")
        result = it_:kmirror("--dry-run", "run", "migrate", fleet, "--only", "npw\\..*")
        assert.are.equal(2, result.status)
        has(result.stderr, [[no mirror has --only 'npw\..*'. Did you mean 'new\..*'?]])
    end)

    it("refuses a rollout of what is not there, also when others have been replaced", function()
        local result = dry_run("rollout", "--only", "no such")
        assert.are.equal(2, result.status)
        has(result.stderr, "no mirror has --only 'no such'; nothing was changed")
    end)
end)
