local profile = require("kmirror.profile")

local CONNECT <const> = "5a9b1c52-0000-4000-8000-0000000000c2"
local KAFKA <const> = "5a9b1c52-0000-4000-8000-000000000002"

local function complaint(call, ...)
    local ok, problem = pcall(call, ...)
    assert.is_false(ok)
    assert.are.equal("usage", problem.kind)
    return problem.message
end

describe("the profile", function()
    local before = profile.current()
    after_each(function() profile.use(before) end)

    it("knows no cluster by itself, but takes a UUID for one", function()
        assert.are.same({}, profile.current().clusters)
        assert.are.equal(CONNECT, profile.connect_cluster(CONNECT))
        assert.are.equal("unknown cluster 'us-east': expected the UUID of a Kafka Connect cluster, or a name; "
            .. "none has a name here: the configuration file names them, by profile",
            complaint(profile.connect_cluster, "us-east"))
    end)

    it("has clusters by name, and lists the names when one is unknown", function()
        local east = { alias = "us-east", connect = CONNECT, kafka = KAFKA }
        profile.use { sandbox = false, clusters = { east = east, west = {} }, runbooks = {} }
        assert.are.equal(CONNECT, profile.connect_cluster("east"))
        assert.are.equal(east, profile.cluster("east"))
        local problem = complaint(profile.connect_cluster, "esat")
        assert.is_truthy(problem:find("; known names: east, west", 1, true))
    end)

    it("takes a region written out", function()
        assert.are.same({ alias = "eu.north", connect = CONNECT, kafka = KAFKA },
            profile.cluster(("eu.north=%s,%s"):format(CONNECT, KAFKA)))
    end)

    it("refuses a region that is written out wrongly", function()
        local expected = "expected a name, or ALIAS=CONNECT-UUID,KAFKA-UUID"
        for _, wrong in ipairs { "eu", CONNECT, "eu=" .. CONNECT, ("eu=%s,x"):format(CONNECT),
            ("=%s,%s"):format(CONNECT, KAFKA), ("eu=%s,%s,"):format(CONNECT, KAFKA) } do
            assert.is_truthy(complaint(profile.cluster, wrong):find(expected, 1, true))
        end
    end)

    it("knows a UUID from something like it", function()
        assert.is_true(profile.is_uuid(CONNECT:upper()))
        local underlined = CONNECT:gsub("-", "_")
        for _, wrong in ipairs { "", CONNECT:sub(2), CONNECT .. "0", "g" .. CONNECT:sub(2), underlined } do
            assert.is_false(profile.is_uuid(wrong))
        end
    end)
end)
