local support = require("spec.support")

local PATH, MIRROR = support.path, support.mirror

local SPEC = {
    sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west",
    topicsRegex = "orders\\..*", useRenaming = true, usePrivateIps = false, maxTasks = 3,
}

-- Answers the one request of a call, and returns what the call returned and what was asked.
local function exchange(answer, call)
    local server = support.server { answer }
    local result = call(support.connect(server))
    server:stop()
    local requests = server:requests()
    assert.are.equal(1, #requests)
    return result, requests[1]
end

-- Before its first create an api looks at the list, so that it could tell what a lost create came to.
local function exchange_create(spec, answer)
    local server = support.server { { body = '{"mirrors":[]}' }, answer }
    local id = support.connect(server):create(spec)
    server:stop()
    local requests = server:requests()
    assert.are.equal(2, #requests)
    assert.are.equal("GET " .. PATH, requests[1].method .. " " .. requests[1].target)
    return id, requests[2]
end

local function list(api) return api:list() end
local function get(api) return api:get(MIRROR) end
local function delete(api) return api:delete(MIRROR) end
local function retune(api) return api:update_target_latency(MIRROR, 45000) end

local LIST = { body = [[{"mirrors":[{"id":"ff4fccf3-2ac0-494b-9f40-e95288dd752d",
    "connectorName":"us-west.us-east.stFR45Jhdg5r","topicsRegex":"orders\\..*"}]}]] }
local GET = { body = [[{"id":"ff4fccf3-2ac0-494b-9f40-e95288dd752d","status":"IN_SYNC",
    "connectorName":"us-west.us-east.stFR45Jhdg5r","targetLatency":30000,"topicsRegex":".*",
    "mirrorStatus":"RUNNING","checkpointStatus":"RUNNING",
    "topicStatuses":[{"name":"orders","averageLatency":153,"averageRate":1.5}]}]] }
local CREATE = { body = '{"mirrorId":"ff4fccf3-2ac0-494b-9f40-e95288dd752d"}' }
local NO_CONTENT = { status = 204 }

describe("what goes over the wire for", function()
    local cjson = require("cjson")

    -- The whole head of a request, so that a header more or less is noticed.
    local function head(request, method, target, ...)
        local version = support.run { "version" }.stdout:match("%d+%.%d+%.%d+")
        local lines = {
            method .. " " .. target .. " HTTP/1.1",
            "Host: " .. request.headers.host,
            "Authorization: Basic dXNlcjpzM2NyZXQta2V5", -- user:s3cret-key
            "User-Agent: kmirror/" .. version,
            "Accept-Encoding: gzip",
            "Accept: application/json",
            ...,
        }
        return table.concat(lines, "\r\n") .. "\r\n\r\n"
    end

    it("list: GET on the collection", function()
        local _, request = exchange(LIST, list)
        assert.are.equal(head(request, "GET", PATH), request.raw)
    end)

    it("get: GET on the mirror", function()
        local _, request = exchange(GET, get)
        assert.are.equal(head(request, "GET", PATH .. "/" .. MIRROR), request.raw)
    end)

    it("delete: DELETE on the mirror, without a body", function()
        local _, request = exchange(NO_CONTENT, delete)
        assert.are.equal(head(request, "DELETE", PATH .. "/" .. MIRROR), request.raw)
    end)

    it("update_target_latency: PUT of the milliseconds, as JSON", function()
        local _, request = exchange(NO_CONTENT, retune)
        local body = '{"newTargetLatency":45000}'
        assert.are.equal(head(request, "PUT", PATH .. "/" .. MIRROR .. "/targetLatency",
            "Content-Type: application/json", "Content-Length: " .. #body) .. body, request.raw)
    end)

    it("create: POST of exactly the given fields, as JSON", function()
        local _, request = exchange_create(SPEC, CREATE)
        assert.are.same(SPEC, cjson.decode(request.body))
        assert.are.equal("integer", math.type(math.tointeger(request.body:match('"maxTasks":(%d+)[,}]'))))
        assert.are.equal(head(request, "POST", PATH, "Content-Type: application/json",
            "Content-Length: " .. #request.body) .. request.body, request.raw)
    end)

    it("create: the vendor's published sample as it stands", function()
        local sample = {
            sourceType = "custom", useRenaming = true, kafkaSource = "ff4fccf3-2ac0-494b-9f40-e95288dd752d",
            usePrivateIps = false, sourceAlias = "production-west", topicsRegex = "west-.*", maxTasks = 3,
        }
        local id, request = exchange_create(sample, CREATE)
        assert.are.same(sample, cjson.decode(request.body))
        assert.are.equal(MIRROR, id)
    end)

    it("create: the text of a custom source, whatever characters it holds", function()
        local custom = {
            sourceType = "custom", sourceAlias = "on-prem", topicsRegex = "ä\\d+|\"quoted\"", maxTasks = 1,
            useRenaming = false,
            sourceConnectionProperties = "servers=h:9092\nsasl.password=\"pa/ss\\word\"\tüñ\u{1F511}",
        }
        local _, request = exchange_create(custom, CREATE)
        assert.are.same(custom, cjson.decode(request.body))
    end)

    it("another cluster: the path of that cluster, the same credentials and the same connection", function()
        local other = "11111111-2222-3333-4444-555555555555"
        local server = support.server { LIST }
        local api = support.connect(server)
        api:list()
        api:on(other):list()
        server:stop()
        local requests = server:requests()
        assert.are.equal("/provisioning/v1/" .. other .. "/kafka-connect/mirrors", requests[2].target)
        assert.are.equal(requests[1].headers.authorization, requests[2].headers.authorization)
        assert.are.equal(1, server:connections())
    end)

    it("an endpoint with a path and a slash at its end: both are kept apart from what is appended", function()
        local server = support.server { LIST }
        support.connect({ url = server.url .. "/proxy/" }):list()
        assert.are.equal("/proxy" .. PATH, server:requests()[1].target)
    end)
end)

describe("what comes back from", function()
    it("list: the mirrors, with the API's own field names", function()
        local mirrors = exchange(LIST, list)
        assert.are.same({
            { id = MIRROR, connectorName = "us-west.us-east.stFR45Jhdg5r", topicsRegex = "orders\\..*" },
        }, mirrors)
    end)

    it("list: an empty table when there are none", function()
        assert.are.same({}, (exchange({ body = '{"mirrors":[]}' }, list)))
    end)

    it("get: the mirror, integers as integers and rates as floats", function()
        local mirror = exchange(GET, get)
        assert.are.equal("IN_SYNC", mirror.status)
        assert.are.equal("integer", math.type(mirror.targetLatency))
        assert.are.equal(30000, mirror.targetLatency)
        assert.are.equal("integer", math.type(mirror.topicStatuses[1].averageLatency))
        assert.are.equal(153, mirror.topicStatuses[1].averageLatency)
        assert.are.equal(1.5, mirror.topicStatuses[1].averageRate)
    end)

    it("get: large latencies whole, and a rate of 0 as a number", function()
        local mirror = exchange({ body = [[{"id":"x","topicStatuses":[
            {"name":"a","averageLatency":9007199254740991,"averageRate":0}]}]] }, get)
        assert.are.equal("9007199254740991", tostring(mirror.topicStatuses[1].averageLatency))
        assert.are.equal(0, mirror.topicStatuses[1].averageRate)
    end)

    it("get: null as nil, at any depth", function()
        local mirror = exchange({ body = [[{"id":"x","status":null,"targetLatency":null,
            "topicStatuses":[{"name":"a","averageLatency":null}]}]] }, get)
        assert.is_nil(mirror.status)
        assert.is_nil(mirror.targetLatency)
        assert.are.same({ name = "a" }, mirror.topicStatuses[1])
    end)

    it("get: fields that kmirror does not know, kept as they are", function()
        local body = [[{"id":"x","topicStatuses":[],"future":{"deep":[1,2.5,"three",true]}}]]
        local mirror = exchange({ body = body }, get)
        assert.are.same({ deep = { 1, 2.5, "three", true } }, mirror.future)
        assert.are.equal("integer", math.type(mirror.future.deep[1]))
    end)

    it("get: text in UTF-8 and with escapes, as UTF-8", function()
        local mirror = exchange({ body = [[{"id":"x","topicsRegex":"\u00e4ö\ud83d\udd11\\d"}]] }, get)
        assert.are.equal("äö\u{1F511}\\d", mirror.topicsRegex)
    end)

    it("create: the id of the new mirror", function()
        assert.are.equal(MIRROR, (exchange_create(SPEC, CREATE)))
    end)

    it("delete and update_target_latency: nothing", function()
        assert.is_nil((exchange(NO_CONTENT, delete)))
        assert.is_nil((exchange(NO_CONTENT, retune)))
    end)

    it("an answer that is chunked, compressed, dripping or with a charset: the same", function()
        for _, how in ipairs {
            { chunked = 7 }, { gzip = true }, { gzip = true, chunked = 5 }, { drip = 5000 },
            { type = "application/json; charset=utf-8" }, { type = "application/vnd.vendor+json" },
        } do
            how.body = LIST.body
            assert.are.equal(1, #(exchange(how, list)))
        end
    end)
end)

describe("mirrors.observe", function()
    local mirrors = require("mirrors")
    local seen

    local function watch(call, proceed)
        seen = call
        call.result = proceed()
        return call.result
    end

    before_each(function() mirrors.observe(watch) end)
    after_each(function() mirrors.observe(nil) end)

    it("stands around a call, with what it was asked", function()
        local result = exchange(GET, get)
        assert.are.equal("get", seen.operation)
        assert.are.equal(MIRROR, seen.id)
        assert.are.equal(result, seen.result)
        assert.is_nil(seen.options.api_key)
    end)

    it("tells a change's argument", function()
        exchange(NO_CONTENT, retune)
        assert.are.equal("update_target_latency", seen.operation)
        assert.are.equal(45000, seen.argument)
        exchange_create(SPEC, CREATE)
        assert.are.equal(SPEC, seen.argument)
    end)

    it("is not told of what did not pass the checks", function()
        seen = nil
        local server = support.server {}
        assert.is_false(pcall(support.connect(server).get, support.connect(server), ""))
        server:stop()
        assert.is_nil(seen)
    end)
end)
