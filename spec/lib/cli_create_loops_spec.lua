-- kmirror create and mirrors that feed themselves.
local cjson = require("cjson")
local support = require("spec.support")

local KAFKA = { ["us-west"] = "5a9b1c52-0000-4000-8000-000000000001",
    ["us-east"] = "5a9b1c52-0000-4000-8000-000000000002" }

local function create(from, regex, ...)
    local spec = { sourceType = "instaclustr", kafkaSource = KAFKA[from], sourceAlias = from, topicsRegex = regex,
        useRenaming = false, maxTasks = 1 }
    return support.run { "--sandbox", "--rate", "0", "create", "-", stdin = cjson.encode(spec), ... }
end

describe("kmirror create", function()
    it("refuses a mirror from a cluster onto itself, in a dry run, too", function()
        for _, words in ipairs { {}, { "--dry-run" }, { "--api", "v2" } } do
            local result = create("us-east", "x", "--cluster", "us-east", table.unpack(words))
            assert.are.equal(2, result.status, result.stderr)
            assert.is_truthy(result.stderr:find("'x' is mirrored from 'us-east' to itself", 1, true), result.stderr)
            assert.is_truthy(result.stderr:find("nothing was created", 1, true))
            assert.are.equal("", result.stdout)
        end
    end)

    it("refuses the way back of a mirror whose renaming is known, and warns where it is not", function()
        local result = create("us-east", "orders\\..*", "--cluster", "us-west", "--api", "v2")
        assert.are.equal(2, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("would go round in a loop", 1, true))
        result = create("us-east", "orders\\..*", "--cluster", "us-west", "--api", "v1")
        assert.are.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("may go round in a loop", 1, true))
    end)

    it("says nothing of mirrors that feed nobody", function()
        local result = create("us-east", "returns", "--cluster", "us-west")
        assert.are.equal(0, result.status, result.stderr)
        assert.is_nil(result.stderr:find("warning", 1, true), result.stderr)
    end)
end)
