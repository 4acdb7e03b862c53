-- What runbooks make of mirrors that carry MirrorMaker's heartbeats topic, whatever their topics regex says, to which
-- something is written for ever.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local WEST_KAFKA = regions.west:match(",(.+)")

describe("with heartbeats topics", function()
    local it_ = regions.fresh()
    local start, has = it_.start, regions.has

    after_each(it_.stop)

    -- Heartbeats come later than what is taken for drained, at any time.
    local beating = { heartbeats = 1, lag_ms = 4000, world = 4 }

    it("a planned failover and its failback go on when producers stand still, and say what they do not wait for",
        function()
            start(beating)
            local result = it_:failover({ "--yes" }, { "--fence-wait", "10" })
            assert.are.equal(0, result.status, result.stderr)
            has(result.stderr, "not waited for: heartbeats, which MirrorMaker itself writes to, for ever\n")
            has(result.stdout, "4 of 4 new mirrors us-east -> us-west work")
            assert.are.equal(2, #it_:get(WEST, it_:mirrors_on(WEST)[1].id).topicStatuses - 1)
            result = it_:failback({ "--yes" }, { "--fence-wait", "10", "--throughput-wait", "10" })
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(4, #it_:mirrors_on(EAST))
        end)

    it("a failover still waits for what producers write, and for a heartbeats topic that gets more than MirrorMaker's",
        function()
            start(beating)
            local result = it_:failover({ "--yes" }, { false, "--fence-wait", "0.5" })
            assert.are.equal(1, result.status)
            has(result.stderr, "something is still written: orders.")
            start { heartbeats = 50, world = 4 }
            result = it_:failover({ "--yes" }, { "--fence-wait", "0.5" })
            assert.are.equal(1, result.status)
            has(result.stderr, "something is still written: heartbeats 50.0/s")
            assert.are.same({}, it_:changes())
        end)

    it("a hook that empties topics is not told of it, nor is it said to be copied again", function()
        start(beating)
        local file = support.temporary("topics")
        local result = it_:failover({ "--yes" }, { "--hook", ('empty=echo "$KMIRROR_TOPICS" > %s'):format(file) })
        assert.are.equal(0, result.status, result.stderr)
        has(support.read(file), "orders.created")
        assert.is_nil(support.read(file):find("heartbeats", 1, true))
    end)

    it("says where a user's topic of such a name is found, to which MirrorMaker gives the alias", function()
        start { world = 0 }
        local path = support.temporary("state")
        it_:create(EAST, "us-west", WEST_KAFKA, "orders\\..*")
        local result = it_:failover({ "--dry-run" }, { "--state", path })
        assert.is_nil(result.stderr:find("heartbeats", 1, true), result.stderr)
        result = support.run { "run", "-", stdin = [[
            local function mirror(name, renames)
                return { topicStatuses = { { name = name }, { name = "orders" } }, useRenaming = renames }
            end
            require("kmirror.failover.reversal").warn { from = { alias = "us-west" }, to = { alias = "us-east" },
                given = {}, state = { mirrors = { mirror("team.heartbeats"), mirror("heartbeats"), mirror("x", true),
                    mirror("pulse.heartbeats", true), mirror("myheartbeats", false) } } }]] }
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "warning: what ends in 'heartbeats' gets the alias of its source from MirrorMaker, also "
            .. "where names are kept: in us-east look for 'us-west.team.heartbeats' and 1 more\n")
    end)

    it("a disaster's estimate counts no heartbeat", function()
        start { heartbeats = 1, lag_ms = 4000, world = 4 }
        it_:producers("us-west", "stop")
        local result = it_:failover({ "--yes" }, { "--disaster" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "May be missing in us-east: about 0 records, of the last 0.0 s")
    end)

    it("a failback knows that records do not flow again where only heartbeats do", function()
        start(beating)
        assert.are.equal(0, it_:failover({ "--yes" }).status)
        local fence = regions.fence:gsub("^fence=", "")
        local result = it_:failback({ "--yes" }, { false, "--throughput-wait", "0.2", "--hook", "fence=" .. fence,
            "--hook", "clients=true" })
        assert.are.equal(3, result.status, result.stderr)
        has(result.stderr, "is IN_SYNC, but carries no records")
    end)

    it("a mirror whose regex takes nothing is not healthy for carrying them", function()
        start(beating)
        it_:create(EAST, "us-west", WEST_KAFKA, "none")
        local result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'none' lists no topic but MirrorMaker's heartbeats\n")
        result = it_:kmirror("run", "audit", "--json")
        assert.are.equal(3, result.status)
        local found = json.decode(result.stdout).findings
        assert.are.equal(1, #found)
        assert.are.equal("silent", found[1].kind)
        assert.are.equal("lists no topics but MirrorMaker's heartbeats: does its regex match any?", found[1].message)
        result = it_:kmirror("run", "watch", "--interval", "0.1", "--until", "in-sync", "--for", "0.3")
        assert.are.equal(1, result.status)
    end)

    it("an audit finds nothing wrong with mirrors that all carry it", function()
        start(beating)
        local result = it_:kmirror("run", "audit")
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
    end)

    it("watch sees idle mirrors, and drain deletes them", function()
        start(beating)
        it_:producers("us-west", "stop")
        local result = it_:kmirror("run", "watch", "--interval", "0.1", "--until", "idle", "--for", "5")
        assert.are.equal(0, result.status, result.stdout .. result.stderr)
        has(result.stdout, "; 0.0 records/s")
        result = it_:kmirror("--yes", "run", "drain", "--all", "--save", support.temporary("saved.json"))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.same({}, it_:mirrors_on(EAST))
    end)

    it("a rollout neither counts it among the topics that it takes, nor among those that two regexes share", function()
        start(beating)
        local arguments = { "--dry-run", "run", "rollout", "--source", regions.west, "--target", regions.east,
            "--strategy", "add", "--to", ".*", "--only", "orders\\..*", "--allow-overlap" }
        local result = it_:kmirror(table.unpack(arguments))
        assert.are.equal(0, result.status, result.stderr)
        assert.is_nil(result.stdout:find("heartbeats", 1, true), result.stdout)
    end)
end)
