local json = require("kmirror.json")
local support = require("spec.support")

-- What a terminal would obey: an escape, C1 in UTF-8, marks of direction, a line feed; and a byte that is no UTF-8.
local odd = "e\27[2J\u{9B}31m\u{202E}\u{2066}\u{200F}\nx"
local raw = { "\27[2J", "\u{9B}", "\u{202E}", "\u{2066}", "\u{200F}", "\255" }

-- One answer that is a list as well as a mirror.
local function answer()
    local mirror = {
        id = "0c7067d6-c70a-11ea-87d0-0242ac130003", connectorName = "us-west.us-east." .. odd,
        topicsRegex = "orders" .. odd, status = "IN_SYNC" .. odd, targetLatency = 30000, mirrorStatus = "R" .. odd,
        checkpointStatus = "R" .. odd, topicStatuses = { { name = "t" .. odd, averageLatency = 1, averageRate = 2 } },
    }
    mirror.mirrors = { { id = mirror.id, connectorName = mirror.connectorName, topicsRegex = mirror.topicsRegex } }
    return { body = (json.encode(mirror):gsub("\\u(%x%x%x%x)", function(code)
        local number = tonumber(code, 16)
        return number >= 0x80 and utf8.char(number) or nil
    end)) }
end

describe("text from outside", function()
    local servers = {}

    local function environment(plan)
        local server = support.server(plan)
        servers[#servers + 1] = server
        return { KMIRROR_ENDPOINT = server.url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "u",
            KMIRROR_API_KEY = "s3cret-key" }
    end

    after_each(function()
        for _, server in ipairs(servers) do server:stop() end
        servers = {}
    end)

    local function is_printable(text, what)
        for _, each in ipairs(raw) do
            assert.is_nil(text:find(each, 1, true), what .. ": " .. text)
        end
    end

    it("is shown as escapes by every command and runbook that shows it", function()
        local env = environment { answer() }
        local spec = support.temporary("spec.json", json.encode { sourceType = "instaclustr", maxTasks = 1,
            kafkaSource = support.us_east, sourceAlias = "a", topicsRegex = "x" .. odd, useRenaming = false,
            usePrivateIps = false })
        local id = "0c7067d6-c70a-11ea-87d0-0242ac130003"
        for _, words in ipairs { { "list" }, { "get", id }, { "run", "audit" }, { "run", "watch", "--for", "0" },
            { "--dry-run", "run", "drain", "--all", "--busy" }, { "--dry-run", "run", "retune", "--latency", "9000" },
            { "--dry-run", "create", spec }, { "list", "--json" }, { "--log-level", "debug", "list" },
            { "run", "watch", "--for", "0", "--until", "gone" } } do
            local result = support.run { env = env, table.unpack(words) }
            local what = table.concat(words, " ")
            assert.is_truthy((result.stdout .. result.stderr):find("9[bB]"), what .. result.stderr)
            is_printable(result.stdout .. result.stderr, what)
        end
    end)

    it("is shown as escapes in what the API says of a failure", function()
        local env = environment { { status = 400, body = '{"message":"' .. odd:gsub("\27", "\\u001b"):gsub("\n", "\\n")
            .. '","errorDetails":[{"a":"\u{9B}"}],"link":"\u{202E}"}' } }
        for _, words in ipairs { { "list" }, { "list", "--json" }, { "--log-format", "json", "list" },
            { "run", "audit" }, { "doctor" } } do
            local result = support.run { env = env, table.unpack(words) }
            assert.is_true(result.status ~= 0)
            is_printable(result.stdout .. result.stderr, table.concat(words, " "))
        end
    end)

    it("is shown as escapes when it was an argument, on one line", function()
        for _, words in ipairs { { "delete", odd }, { odd }, { "list", "--" .. odd }, { "run", odd },
            { "--sandbox", "list", "--cluster", odd }, { "list", "--profile", odd },
            { "help", odd }, { "plan", odd .. ".lua" } } do
            local result = support.run(words)
            local message = result.stderr:gsub("^%S+ sandbox at [^\n]*\n", "")
            assert.are.equal(2, result.status, table.concat(words, " "))
            is_printable(message, words[1])
            assert.are.equal(1, select(2, message:gsub("\n", "")), message)
        end
    end)

    it("is data in CSV, but not where that is shown on a terminal", function()
        local env = environment { answer() }
        assert.is_truthy(support.run { "list", "--output", "csv", env = env }.stdout:find("\27[2J\u{9B}", 1, true))
        local words = { "env" }
        for name, value in pairs(env) do words[#words + 1] = support.quote(name .. "=" .. value) end
        words[#words + 1] = support.executable .. " list --output csv"
        local pipe <close> = assert(io.popen(("script -qec %s /dev/null < /dev/null"):format(
            support.quote(table.concat(words, " ")))))
        local shown = pipe:read("a")
        assert.is_truthy(shown:find("\\u{9B}", 1, true), shown)
        is_printable(shown, "list --output csv")
    end)
end)
