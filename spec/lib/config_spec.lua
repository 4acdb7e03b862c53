local support = require("spec.support")

-- Runs kmirror with this configuration file; `mode` are its permissions.
local function with(content, words, env, mode)
    local home = support.temporary_directory("home")
    os.execute("mkdir -p " .. home .. "/kmirror")
    local path = support.write(home .. "/kmirror/config.lua", content)
    os.execute(("chmod %s %s"):format(mode or "600", path))
    words.env = { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home, HOME = home }
    for name, value in pairs(env or {}) do words.env[name] = value end
    return support.run(words), path, home
end

local function config_for(sandbox, more)
    return ([[return { profile = "test", profiles = { test = {
        endpoint = "%s", username = "sandbox", cluster = "east", %s
        clusters = { east = { connect = "%s" }, west = { connect = "%s" } },
    }, other = {} } }]]):format(sandbox.url, more, support.us_east, support.us_west)
end

describe("the configuration file", function()
    local sandbox

    setup(function() sandbox = support.sandbox { rate = 0, world = "small" } end)
    teardown(function() sandbox:stop() end)

    it("holds endpoint, user, key, and clusters by name", function()
        local config = config_for(sandbox, [[api_key = "sandbox-full-key",]])
        assert.are.equal(0, with(config, { "list" }).status)
        assert.are.equal("[]\n", with(config, { "list", "--cluster", "west", "--json" }).stdout)
        local wrong = with(config, { "list", "--cluster", "north" })
        assert.are.equal(2, wrong.status)
        assert.matches("known names: east, west", wrong.stderr, 1, true)
    end)

    it("names clusters further up, whose heartbeats topics are then known as MirrorMaker's", function()
        local script = support.temporary("topics.lua", [[
            local mirror = { topicsRegex = ".*", connectorName = "us-west.us-east.abc",
                topicStatuses = { { name = "north.heartbeats" }, { name = "team.heartbeats" } } }
            for _, topic in ipairs(require("kmirror.health").topics(mirror)) do print(topic.name) end]])
        local function topics(more)
            return with(config_for(sandbox, [[api_key = "sandbox-full-key",]] .. more), { "run", script })
        end
        assert.are.equal("north.heartbeats\nteam.heartbeats\n", topics("").stdout)
        assert.are.equal("team.heartbeats\n", topics("aliases = { 'paris', 'north' },").stdout)
        for _, wrong in ipairs { "'north'", "{ 5 }", "{ '' }", "{ north = 'north' }" } do
            local result = topics("aliases = " .. wrong .. ",")
            assert.are.equal(2, result.status)
            assert.matches("profiles.test.aliases must be a list of non-empty strings", result.stderr, 1, true)
        end
    end)

    it("takes the key from a file or a command, too", function()
        local key = support.temporary("key", "sandbox-full-key\n")
        os.execute("chmod 600 " .. key)
        assert.are.equal(0, with(config_for(sandbox, ("api_key_file = %q,"):format(key)), { "list" }).status)
        local config = config_for(sandbox, [[api_key_command = "echo sandbox-full-key",]])
        assert.are.equal(0, with(config, { "list" }).status)
        local failing = with(config_for(sandbox, [[api_key_command = "false",]]), { "list" })
        assert.are.equal(2, failing.status)
        assert.matches("profile test: api_key_command gave no key", failing.stderr, 1, true)
    end)

    it("tells what the key's command says on stderr, as far as it is not too much, and printable",
        function()
            local says = ([[api_key_command = "printf 'a\\033]0;b\\n' >&2; seq 100000 >&2; %s",]])
            local good = with(config_for(sandbox, says:format("echo sandbox-full-key")), { "list" })
            assert.are.equal(0, good.status)
            assert.matches("profile test: api_key_command: a\\u{1B}]0;b\n", good.stderr, 1, true)
            assert.is_true(#good.stderr < 30000)
            assert.is_nil(good.stderr:find("sandbox-full-key", 1, true))
            local failing = with(config_for(sandbox, says:format("exit 3")), { "list" })
            assert.are.equal(2, failing.status)
            assert.matches("api_key_command gave no key", failing.stderr, 1, true)
            assert.is_nil(failing.stderr:find("\27", 1, true))
        end)

    it("gives way to the environment, and that to options", function()
        local config = config_for(sandbox, [[api_key = "wrong",]])
        local env = { KMIRROR_API_KEY = "sandbox-full-key", KMIRROR_CLUSTER = "west" }
        assert.are.equal("[]\n", with(config, { "list", "--json" }, env).stdout)
        assert.are_not.equal("[]\n", with(config, { "list", "--json", "--cluster", "east" }, env).stdout)
    end)

    it("is refused when others can read a key in it", function()
        local result, path = with(config_for(sandbox, [[api_key = "sandbox-full-key",]]), { "list" }, nil, "644")
        assert.are.equal(2, result.status)
        assert.matches(path .. " holds an API key and can be read by others than its owner: chmod 600", result.stderr,
            1, true)
        assert.is_nil(result.stderr:find("sandbox-full-key", 1, true))
    end)

    it("is refused when the file with the key can be read by others", function()
        local key = support.temporary("key", "sandbox-full-key\n")
        os.execute("chmod 640 " .. key)
        local result = with(config_for(sandbox, ("api_key_file = %q,"):format(key)), { "list" })
        assert.are.equal(2, result.status)
        assert.matches("chmod 600 " .. key, result.stderr, 1, true)
    end)

    describe("with a cluster that runs Kafka Connect of one's own", function()
        local connect
        local secret = "hunter-22"

        setup(function() connect = support.server { { status = 200, body = "{}" } } end)
        teardown(function() connect:stop() end)

        local function own(kafka, more)
            return ([[return { profile = "lab", profiles = { lab = { cluster = "east", %s clusters = {
                east = { connect_url = { "http://127.0.0.1:1", "%s" }, kafka = %s } } } } }]]):format(more or "",
                connect.url, kafka or [[{ ["bootstrap.servers"] = "127.0.0.1:9092" }]])
        end

        it("needs no user name and no key, and goes on with the next worker where one is out of reach", function()
            local result = with(own(), { "list", "--json" })
            assert.are.same({ 0, "[]\n" }, { result.status, result.stdout })
        end)

        it("takes its Kafka's secrets from a file, the environment or a command", function()
            local file = support.temporary("secret", secret .. "\n")
            os.execute("chmod 600 " .. file)
            local places = { ("file = %q"):format(file), 'env = "SECRET"', 'command = "echo ' .. secret .. '"' }
            for _, place in ipairs(places) do
                local kafka = ('{ ["bootstrap.servers"] = "h:1", ["sasl.password"] = { %s } }'):format(place)
                assert.are.equal(0, with(own(kafka), { "list" }, { SECRET = secret }).status)
            end
            local kafka = '{ ["bootstrap.servers"] = "h:1", ["sasl.password"] = { env = "NONE" } }'
            local missing = with(own(kafka), { "list" })
            assert.are.equal(2, missing.status)
            assert.matches("profile lab: clusters.east.kafka.sasl.password: the environment has no NONE",
                missing.stderr, 1, true)
        end)

        it("tells what a secret's command says on stderr, printable, and which one failed", function()
            local kafka = [[{ ["bootstrap.servers"] = "h:1",
                ["sasl.password"] = { command = "printf 'a\\033b' >&2; %s" } }]]
            local place = "profile lab: clusters.east.kafka.sasl.password: "
            local good = with(own(kafka:format("echo " .. secret)), { "list" })
            assert.are.equal(0, good.status, good.stderr)
            assert.matches(place .. "a\\u{1B}b\n", good.stderr, 1, true)
            local failing = with(own(kafka:format("exit 3")), { "list" })
            assert.are.equal(2, failing.status)
            assert.matches(place .. "its command failed: run it by hand to see why: printf", failing.stderr, 1, true)
            assert.is_nil(failing.stderr:find("\27", 1, true))
        end)

        it("is named as it is in a fleet file", function()
            local fleet = support.temporary("fleet.lua", [[return { clusters = { east = { connect = "east" } },
                mirrors = { { from = "west", to = "east", topicsRegex = "a", useRenaming = true, maxTasks = 1 } } }]])
            local both = own():gsub("clusters = {", ('%%0 west = { connect_url = "%s", kafka = { '
                .. '["bootstrap.servers"] = "127.0.0.1:9093" } },'):format(connect.url))
            local result = with(both, { "plan", fleet })
            assert.are.equal(0, result.status, result.stderr)
            assert.matches("1 to create", result.stdout .. result.stderr, 1, true)
        end)

        it("is refused when others can read a secret in it", function()
            local kafka = ('{ ["bootstrap.servers"] = "h:1", ["sasl.password"] = "%s" }'):format(secret)
            assert.are.equal(0, with(own(kafka), { "list" }).status)
            local open = with(own(kafka), { "list" }, nil, "644")
            assert.are.equal(2, open.status)
            assert.matches("holds a secret and can be read by others", open.stderr, 1, true)
            assert.is_nil(open.stderr:find(secret, 1, true))
        end)

        it("is refused where its Kafka is no table of properties, or http goes to another machine", function()
            local result = with(own('"127.0.0.1:9092"'), { "list" })
            assert.are.equal(2, result.status)
            assert.matches("clusters.east.kafka must be a table of Kafka client properties", result.stderr, 1, true)
            local far = own():gsub("http://127.0.0.1:1\"", "http://connect:8083\"")
            result = with(far, { "list" })
            assert.are.equal(2, result.status)
            assert.matches("insecure = true", result.stderr, 1, true)
        end)
    end)

    it("can make a profile read-only", function()
        local config = config_for(sandbox, [[api_key = "sandbox-full-key", read_only = true,]])
        local result = with(config, { "delete", "--yes", support.mirror })
        assert.are_not.equal(0, result.status)
        assert.matches("read-only", result.stderr, 1, true)
    end)

    it("has several profiles, one of which is chosen", function()
        local config = config_for(sandbox, [[api_key = "sandbox-full-key",]])
        assert.matches("no user name", with(config, { "list", "--profile", "other" }).stderr, 1, true)
        assert.matches("no user name", with(config, { "list" }, { KMIRROR_PROFILE = "other" }).stderr, 1, true)
        local unknown = with(config, { "list", "--profile", "prod" })
        assert.are.equal(2, unknown.status)
        assert.matches("unknown profile 'prod': known are other, test", unknown.stderr, 1, true)
    end)

    it("names file and field of what is wrong in it", function()
        for content, expected in pairs {
            ["return {"] = "config.lua:1: ",
            ["return 5"] = "what it returns must be a table, got a number",
            ["error('oh', 0)"] = "config.lua:1: attempt to call a nil value",
            ["os.exit()"] = "config.lua:1: ",
            ["return { profiles = { a = { rate = 'x' } } }"] =
                "profiles.a.rate must be a number of requests per second",
            ["return { profiles = { a = { api_keys = 'x' } } }"] =
                "unknown field profiles.a.api_keys; known are aliases, api, api_key,",
            ["return { profiles = { a = { clusters = { b = { connect = 'x' } } } } }"] =
                "profiles.a.clusters.b.connect must be a UUID",
            ["return { profiles = { a = { clusters = { b = {} } } } }"] = "profiles.a.clusters.b.connect is missing",
        } do
            local result = with(content, { "list" })
            assert.are.equal(2, result.status, content)
            assert.matches(expected, result.stderr, 1, true)
        end
    end)

    it("may be absent", function()
        local result = support.run { "list", env = { XDG_CONFIG_HOME = "/nowhere", HOME = "/nowhere" } }
        assert.are.equal(2, result.status)
        assert.matches("no user name: set KMIRROR_USERNAME", result.stderr, 1, true)
    end)
end)
