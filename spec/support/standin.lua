--- standin: a Kafka Connect cluster with no Kafka behind it, as far as kmirror asks it: connectors that are made,
--- changed and deleted, and that run as soon as they are told to. A handler of support.server, which answers what
--- Jolokia would, too: a mirror of settings.topics copies settings.rate records a second, settings.latency ms late.
--- What settings.refuses says, such as "PUT /stop", it never does. How real ones behave is for the specs in spec/kafka.

local cjson = require("cjson")

local standin = {}

local MIRROR <const> = "org.apache.kafka.connect.mirror."

-- Tables that are empty are objects to cjson, and lists there.
local function json(status, value)
    local body = cjson.encode(value):gsub('"tasks":{}', '"tasks":[]'):gsub('"offsets":{}', '"offsets":[]')
    return { status = status, body = body }
end

local function problem(status, message)
    return json(status, { error_code = status, message = message })
end

local function is_source(each)
    return each.config["connector.class"] == MIRROR .. "MirrorSourceConnector"
end

-- Which topics of the world a connector copies, while it runs: its regex is names with | or a comma between, or .*
local function topics_of(world, each)
    local taken, its = {}, "," .. (each.config.topics or ".*"):gsub("|", ",") .. ","
    if not is_source(each) or each.state ~= "RUNNING" then return taken end
    for _, topic in ipairs(world.topics) do
        if its == ",.*," or its:find("," .. topic .. ",", 1, true) then
            taken[#taken + 1] = topic
        end
    end
    return taken
end

local function status_of(world, each)
    local tasks = {}
    if #topics_of(world, each) > 0 then
        tasks[1] = { id = 0, state = each.failed or each.state, trace = each.trace }
    end
    return { connector = { state = each.state, worker_id = "w" }, tasks = tasks }
end

local function offsets_of(world, each)
    local offsets = {}
    for i, topic in ipairs(topics_of(world, each)) do
        offsets[i] = { partition = { cluster = each.config["source.cluster.alias"], topic = topic, partition = 0 },
            offset = { offset = 99 } }
    end
    return { offsets = offsets }
end

local function metrics_of(world)
    local beans = {}
    for _, each in pairs(world.connectors) do
        for _, topic in ipairs(topics_of(world, each)) do
            local same = each.config["replication.policy.class"] == MIRROR .. "IdentityReplicationPolicy"
            local remote = same and topic or each.config["source.cluster.alias"] .. "." .. topic
            beans[("kafka.connect.mirror:partition=0,target=%s,topic=%s,type=MirrorSourceConnector"):format(
                each.config["target.cluster.alias"], remote)] = {
                ["replication-latency-ms-avg"] = world.latency, ["record-rate"] = world.rate }
        end
    end
    return { value = beans, status = 200 }
end

-- What is asked of one connector, by method and the rest of the path.
local of_one = {
    ["GET "] = function(_, each) return json(200, { config = each.config, name = each.name }) end,
    ["GET /status"] = function(world, each) return json(200, status_of(world, each)) end,
    ["GET /tasks"] = function(world, each)
        local assigned = {}
        for i, topic in ipairs(topics_of(world, each)) do assigned[i] = topic .. "-0" end
        if not assigned[1] then return { status = 200, body = "[]" } end
        return json(200, { { config = { ["task.assigned.partitions"] = table.concat(assigned, ",") } } })
    end,
    ["GET /offsets"] = function(world, each) return json(200, offsets_of(world, each)) end,
    ["PATCH /offsets"] = function() return json(200, { message = "done" }) end,
    ["PATCH /config"] = function(_, each, body)
        for name, value in pairs(body) do each.config[name] = value end
        return json(200, { config = each.config })
    end,
    ["PUT /resume"] = function(_, each) each.state = "RUNNING" return { status = 202 } end,
    ["PUT /pause"] = function(_, each) each.state = "PAUSED" return { status = 202 } end,
    ["PUT /stop"] = function(_, each) each.state = "STOPPED" return { status = 204 } end,
    ["POST /restart"] = function(world, each) return json(202, status_of(world, each)) end,
    ["DELETE "] = function(world, each) world.connectors[each.name] = nil return { status = 204 } end,
}

local function create(world, body)
    if world.connectors[body.name] then
        return problem(409, "Connector " .. body.name .. " already exists")
    end
    world.connectors[body.name] = { name = body.name, config = body.config, state = body.initial_state or "RUNNING" }
    return json(201, { name = body.name, config = body.config })
end

local function list(world)
    local all = {}
    for name, each in pairs(world.connectors) do all[name] = { info = { config = each.config } } end
    return json(200, all)
end

---@param settings { topics: string[], latency: number, rate: number, connectors?: table[], refuses?: string }
---@return fun(raw: string): support.answer
function standin.new(settings)
    local world = { topics = settings.topics, latency = settings.latency, rate = settings.rate, connectors = {} }
    for _, each in ipairs(settings.connectors or {}) do world.connectors[each.name] = each end
    return function(raw)
        local method, target, body = raw:match("^(%S+) (%S+) .-\r\n\r\n(.*)$")
        local path = target:match("^[^?]*")
        if path:find("^/jolokia/") then return json(200, metrics_of(world)) end
        if path == "/connectors" and method == "GET" then return list(world) end
        if path == "/connectors" then return create(world, cjson.decode(body)) end
        local name, rest = path:match("^/connectors/([^/]+)(.*)$")
        name = (name or ""):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
        local each, answer = world.connectors[name], of_one[method .. " " .. (rest or "")]
        if settings.refuses == method .. " " .. (rest or "") then
            return problem(400, "not today")
        end
        if not each then return problem(404, ("Connector %s not found"):format(name)) end
        return answer and answer(world, each, #body > 0 and cjson.decode(body)) or problem(405, "no such request")
    end
end

return standin
