-- Kafka client properties that cannot work: told by what is wrong, never by their values.
local cjson = require("cjson")
local mirrors = require("mirrors")
local support = require("spec.support")

local GOOD = "bootstrap.servers=10.0.0.1:9092"

local cases = {
    ['{"bootstrap.servers":"s3cret:1"}'] = "look like JSON", ["<a>s3cret</a>"] = "look like XML",
    ["# bootstrap.servers=s3cret:9092\n! more\n\n"] = "only comments",
    ["security.protocol=s3cret"] = "no bootstrap.servers",
    ["bootstrap.servers="] = "is empty", ["bootstrap.servers=s3cret"] = "without a port",
    ["bootstrap.servers=a:1,s3cret"] = "without a port", ["bootstrap.servers=${KAFKA}"] = "a variable",
    [GOOD .. "\nsasl.password=${s3cret}"] = "sasl.password holds a variable",
    [GOOD .. "\nsasl.password={{ s3cret }}"] = "sasl.password holds a variable",
    ["bootstrap.servers=s3cret:1\\nsecurity.protocol=SSL"] = "as two characters",
    [GOOD .. "\nsasl.jaas.config=x required password=s3cret"] = "does not end with ';'",
    ["${s3cret}"] = "a variable", ["{{ s3cret }}"] = "a variable", ["[s3cret]\n" .. GOOD] = "an INI file",
    ["---\nbootstrap.servers: s3cret:1\n"] = "look like YAML", ["bootstrap.servers:\n - s3cret:1"] = "is empty",
    ["bootstrap.servers=,"] = "is empty", ["bootstrap.servers=:9092"] = "host is not valid",
    ["bootstrap.servers=http://s3cret:9092"] = "a web address", ["bootstrap.servers=s3cret:0"] = "port is not valid",
    ["bootstrap.servers=s3cret:70000"] = "port is not valid", ["bootstrap.servers=s3cret:1;b:2"] = "not have commas",
    ["bootstrap.servers=s3cret:1 security.protocol=SSL"] = "not have commas",
    ["bootstrap.servers=$s3cret:9092"] = "host is not valid", ['bootstrap.servers="s3cret:1"'] = "without a port",
    ["bootstrap.servers=<s3cret>:9092"] = "a variable", ["bootstrap.servers=%S3CRET%:9092"] = "a variable",
    ["bootstrap.servers=a:1,${s3cret:-b}:9092"] = "a variable", [GOOD .. "\nx.y=@s3cret@"] = "x.y holds a variable",
    [GOOD .. "\nsasl.password=<s3cret>"] = "sasl.password holds a variable",
    [GOOD .. '\nsasl.jaas.config=x required password="<s3cret>";'] = "sasl.jaas.config holds a variable",
    [GOOD .. "\ns3cret ${x}"] = "one of them holds a variable", [GOOD .. "\ns3cret=1\ns3cret=2"] = "one of them stands",
    [GOOD .. "\nbootstrap.servers=s3cret:1"] = "bootstrap.servers stands there twice",
    [GOOD .. "\nsecurity.protocol=SASL-SSL"] = "none of PLAINTEXT", [GOOD .. '\nsecurity.protocol="SSL"'] = "none of",
    [GOOD .. "\nsecurity.protocol="] = "none of", [GOOD .. "\nsecurity.protocol=SASL_SSL"] = "no sasl.jaas.config",
    [GOOD .. "\nsecurity.protocol=sasl_plaintext\nsasl.jaas.config="] = "no sasl.jaas.config",
    [GOOD .. "\nsasl.mechanism=SCRAM-SHA256"] = "not written as SCRAM-SHA-256",
}

local fine = {
    GOOD, GOOD .. ",b:2", "bootstrap.servers: a:1\r\nx=y", "bootstrap.servers a:1", "# comment\n" .. GOOD,
    "bootstrap.servers=a:1,\\\n  b:2", GOOD .. "\nsasl.jaas.config=x required password=\"a$b\";",
    GOOD .. "\nsasl.password=${file:/secrets:password}", GOOD .. "\nssl.key=a\\nb", "  bootstrap.servers = a:1 \n",
    "bootstrap.servers=a\\:1,b\\:2", "bootstrap\\.servers=a:1", "bootstrap.servers=[fe80::1]:9092,PLAINTEXT://a_b:1,",
    "bootstrap.servers=${env:SERVERS}", "bootstrap.servers=${env:HOST}:9092", GOOD .. "\rclient.id=x\r",
    GOOD .. "\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=x required \\\n"
        .. '  username="u" \\\n  password="p<w>%x%@y@$z#{";\n',
    GOOD .. "\nsecurity.protocol=ssl \nclient.id=a\nclient.id=a", GOOD .. "\nsasl.password=<x%y%>z\nx=$PATH",
    GOOD .. "\nsecurity.protocol=SASL_SSL\nsasl.jaas.config=${file:/run/secrets/kafka:jaas}",
    GOOD .. "\nsasl.mechanism=MY-OWN",
}

describe("connection properties", function()
    it("that cannot work are known by what is wrong with them", function()
        for text, wrong in pairs(cases) do
            local problem = mirrors.properties.problem(text)
            assert.is_truthy(problem and problem:find(wrong, 1, true), ("%s: %s"):format(text, problem))
            assert.is_nil(problem:find("s3cret", 1, true))
        end
    end)

    it("that may work are let pass", function()
        for _, text in ipairs(fine) do assert.is_nil(mirrors.properties.problem(text), text) end
    end)

    it("of a create that cannot work are warned of, and sent", function()
        local sandbox = support.sandbox { world = "empty" }
        for text, wrong in pairs(cases) do
            local result = support.run { "create", "-", env = sandbox:env(), stdin = cjson.encode {
                sourceType = "custom", sourceConnectionProperties = text, sourceAlias = "a", topicsRegex = "x",
                useRenaming = true, maxTasks = 1,
            } }
            assert.are.equal(0, result.status, result.stderr)
            assert.is_truthy(result.stderr:find("warning: create: sourceConnectionProperties cannot work: ", 1, true))
            assert.is_truthy(result.stderr:find(wrong, 1, true), result.stderr)
            assert.is_nil(result.stderr:find("s3cret", 1, true), result.stderr)
        end
        sandbox:stop()
    end)

    it("of a fleet that cannot work are warned of by plan, with the line", function()
        local path = support.temporary("fleet.lua", ([[return { mirrors = {
            { to = %q, sourceAlias = "a", topicsRegex = "x", useRenaming = true, maxTasks = 1,
              sourceConnectionProperties = "security.protocol=s3cret" },
        } }]]):format(support.us_east))
        local result = support.run { "plan", "--sandbox", path }
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("fleet.lua:2: the connection properties of 'a' cannot work", 1, true),
            result.stderr)
        assert.is_nil(result.stderr:find("s3cret", 1, true))
    end)
end)
