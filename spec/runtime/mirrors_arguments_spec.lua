local support = require("spec.support")
local mirrors = require("mirrors")

local MIRROR = support.mirror

describe("arguments are checked before anything is sent:", function()
    local server, api

    setup(function()
        server = support.server { { status = 500, body = "this server must not be asked" } }
        api = support.connect(server)
    end)

    teardown(function() server:stop() end)

    after_each(function() assert.are.equal(0, server:connections()) end)

    -- The call is refused as invalid, without a status, and the message names what is wrong.
    local function refused(naming, call, ...)
        local problem = support.raises("invalid", call, ...)
        assert.is_nil(problem.status)
        assert.truthy(problem.message:find(naming, 1, true),
            ("the message does not name '%s': %s"):format(naming, problem.message))
        return problem
    end

    local function create_with(changes)
        local spec = {
            sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
            sourceAlias = "west", topicsRegex = ".*", useRenaming = true, usePrivateIps = false, maxTasks = 3,
        }
        for name, value in pairs(changes) do
            if value == "absent" then spec[name] = nil else spec[name] = value end
        end
        return function() return api:create(spec) end
    end

    describe("ids:", function()
        it("get, delete and update_target_latency want a string that is not empty", function()
            for _, id in ipairs { "", 17, {}, true } do
                refused("id", api.get, api, id)
                refused("id", api.delete, api, id)
                refused("id", api.update_target_latency, api, id, 30000)
            end
            refused("id", api.get, api)
            refused("id", api.delete, api)
            refused("id", api.update_target_latency, api)
        end)

        it("delete and update_target_latency want a UUID, as the contract does", function()
            for _, id in ipairs {
                "x", MIRROR .. "0", MIRROR:sub(2), MIRROR:gsub("%-", "_"), MIRROR:gsub("f", "g"),
                " " .. MIRROR, MIRROR .. "\n", MIRROR .. "?a=b", MIRROR .. "/x", "{" .. MIRROR .. "}",
            } do
                refused("UUID", api.delete, api, id)
                refused("UUID", api.update_target_latency, api, id, 30000)
            end
        end)

        it("an id of dots is refused, because a server would take it for another path", function()
            refused("id", api.get, api, ".")
            refused("id", api.get, api, "..")
        end)

        it("an id with control characters is refused, and its message is one line", function()
            for _, id in ipairs { "abc\0def", "abc\n", "a\r\nX-Evil: 1", "\1\127", "\t" } do
                assert.is_nil(refused("id", api.get, api, id).message:find("%c"))
            end
        end)

        it("on and connect want a cluster's UUID", function()
            for _, cluster in ipairs { "us-east", "", MIRROR .. "/..", "0c7067d6" } do
                refused("UUID", api.on, api, cluster)
                refused("UUID", support.connect, server, { cluster = cluster })
            end
            refused("UUID", api.on, api)
        end)
    end)

    it("an id with characters that nobody sees is refused, and its message shows them", function()
        for _, character in ipairs { "\u{FEFF}", "\u{200B}", "\u{2060}", "\u{202E}", "\u{E0041}" } do
            local message = refused("id", api.get, api, character .. MIRROR).message
            assert.is_nil(message:find(character, 1, true))
            assert.matches("\\u{", message, 1, true)
        end
    end)

    describe("target latency:", function()
        it("an integer of milliseconds from 1000 to 2147483647", function()
            for _, latency in ipairs { 999, 0, -1, 1000.5, 1 << 31, 2 ^ 53, 0 / 0, 1 / 0, "30000", {} } do
                refused("1000", api.update_target_latency, api, MIRROR, latency)
            end
            refused("1000", api.update_target_latency, api, MIRROR)
        end)
    end)

    describe("create:", function()
        it("wants a table", function()
            refused("table", api.create, api)
            refused("table", api.create, api, "{}")
            refused("table", api.create, api, 3)
        end)

        it("refuses an unknown field by its name, and one that is no name at all", function()
            refused("topicRegex", create_with { topicRegex = ".*" })
            refused("targetLatency", create_with { targetLatency = 30000 })
            refused("1", function() return api:create { "instaclustr" } end)
        end)

        it("wants sourceType to be instaclustr or custom", function()
            refused("sourceType", create_with { sourceType = "absent" })
            refused("sourceType", create_with { sourceType = "kafka" })
            refused("sourceType", create_with { sourceType = 1 })
        end)

        it("wants the fields that go with the source type, and not those of the other", function()
            refused("kafkaSource", create_with { kafkaSource = "absent" })
            refused("sourceConnectionProperties", create_with { sourceConnectionProperties = "a=b" })
            refused("sourceConnectionProperties",
                create_with { sourceType = "custom", kafkaSource = "absent" })
        end)

        it("wants kafkaSource to be a UUID", function()
            refused("kafkaSource", create_with { kafkaSource = "us-west" })
            refused("kafkaSource", create_with { kafkaSource = 12 })
        end)

        it("wants texts to be strings, and what must be there not to be empty", function()
            for _, field in ipairs { "sourceAlias", "topicsRegex" } do
                refused(field, create_with { [field] = "" })
                refused(field, create_with { [field] = 5 })
                refused(field, create_with { [field] = {} })
                refused(field, create_with { [field] = "absent" })
            end
        end)

        it("wants maxTasks to be an integer from 1 to 2147483647", function()
            for _, tasks in ipairs { 0, -1, 1.5, 1 << 31, "3", true, 0 / 0, 1 / 0 } do
                refused("maxTasks", create_with { maxTasks = tasks })
            end
        end)

        it("wants useRenaming and usePrivateIps to be booleans", function()
            for _, field in ipairs { "useRenaming", "usePrivateIps" } do
                refused(field, create_with { [field] = "true" })
                refused(field, create_with { [field] = 1 })
            end
            refused("useRenaming", create_with { useRenaming = "absent" })
        end)

        it("does not repeat connection properties in its message", function()
            local problem = refused("sourceConnectionProperties",
                create_with { sourceConnectionProperties = "sasl.password=hunter2" })
            assert.is_nil(tostring(problem):find("hunter2", 1, true))
            problem = refused("maxTasks", create_with {
                sourceType = "custom", kafkaSource = "absent", usePrivateIps = "absent",
                sourceConnectionProperties = "sasl.password=hunter2", maxTasks = 0,
            })
            assert.is_nil(tostring(problem):find("hunter2", 1, true))
        end)
    end)

    describe("connect:", function()
        it("refuses an unknown option by its name", function()
            refused("apikey", support.connect, server, { apikey = "x" })
            refused("tiemout", support.connect, server, { tiemout = 3 })
        end)

        it("refuses an option of the wrong type or out of range by its name", function()
            local bad = {
                endpoint = 5, username = {}, api_key = 7, ca_file = false, rate = "many", concurrency = 0,
                timeout = 0, retries = -1,
            }
            for option, value in pairs(bad) do
                refused(option, support.connect, server, { [option] = value })
            end
            refused("rate", support.connect, server, { rate = -1 })
            refused("timeout", support.connect, server, { timeout = -1 })
            refused("timeout", support.connect, server, { timeout = 0 / 0 })
            refused("concurrency", support.connect, server, { concurrency = 1.5 })
        end)

        it("speaks plain http to a loopback address only", function()
            for _, endpoint in ipairs {
                "http://api.instaclustr.com", "http://10.0.0.1", "http://127.0.0.1.nip.io", "http://[::2]:80",
                "http://localhost.example.org", "http://127.0.0.1@example.org/", "ftp://127.0.0.1",
                "file:///etc/passwd", "127.0.0.1:8642", "https://", "https:///h", "nonsense", "",
            } do
                refused("endpoint", support.connect, { url = endpoint })
            end
            for _, endpoint in ipairs {
                "http://localhost:1", "http://127.0.0.1:1", "http://127.1.2.3:1", "http://[::1]:1",
                "https://api.instaclustr.com",
            } do
                support.connect { url = endpoint }
            end
        end)

        it("refuses credentials in the endpoint, without repeating them", function()
            local problem = refused("endpoint", support.connect, { url = "https://user:hunter2@example.org" })
            assert.is_nil(tostring(problem):find("hunter2", 1, true))
        end)

        it("refuses credentials with a line break, in one line and without repeating the key", function()
            local problem = refused("username", support.connect, server, { username = "a\r\nX-Evil: 1" })
            assert.is_nil(tostring(problem):find("[\r\n]"))
            problem = refused("api_key", support.connect, server, { api_key = "hunter2\n\0" })
            assert.is_nil(tostring(problem):find("hunter2", 1, true))
        end)

        it("wants a table", function()
            refused("table", mirrors.connect, "https://api.instaclustr.com")
        end)
    end)

    it("methods called with a dot instead of a colon are told so", function()
        refused(":", api.list)
        refused(":", api.get, MIRROR)
    end)
end)

describe("path parts", function()
    it("of a get are encoded, so that no id reaches another path, a query or a header", function()
        local server = support.server { { body = '{"id":"x"}' } }
        local api = support.connect(server)
        local ids = {
            "a/b", "../..", "a?b=c", "a#b", "a b", "a%2Fb", "ä", "a;b", "a&b=c", "...", ".%2e", "a\\b",
        }
        for _, id in ipairs(ids) do api:get(id) end
        server:stop()
        local requests = server:requests()
        assert.are.equal(#ids, #requests)
        for i, id in ipairs(ids) do
            local encoded = id:gsub("[^%w%-._~]", function(char) return ("%%%02X"):format(char:byte()) end)
            assert.are.equal(support.path .. "/" .. encoded, requests[i].target)
            assert.is_nil(requests[i].headers["x-evil"])
        end
    end)
end)
